// What a client of 2025-11-25 says of all that is more than a question and its answer.
import {
  A,
  asking,
  CONTENT,
  call,
  list,
  log,
  notification,
  OF_TASK,
  progress,
  request,
  type Step,
  TASK,
  TEMPLATE,
  unknown,
  WEIRD_TEXT,
} from './steps.ts';

const sideChannels: readonly Step[] = [
  ...[7, '7', 0, '', 'ünï/🚂', -1].map(progressToken =>
    call(
      `progress for the token ${JSON.stringify(progressToken)}`,
      {
        before: [
          progress({ progress: 0.1 + 0.2, total: 1, message: WEIRD_TEXT, ...unknown }),
          progress({ progress: 1e308, total: -1e308 }),
          progress({ progress: 'no number', message: { no: 'text' }, _meta: { 'vendor.example/x': 1 } }),
          progress({}),
        ],
      },
      { _meta: { progressToken, 'vendor.example/x': 1 } },
    ),
  ),
  call(
    '100 steps of progress',
    { before: Array.from({ length: 100 }, (_, n) => progress({ progress: n })) },
    { _meta: { progressToken: 'many' } },
  ),
  request(
    'progress of a prompt',
    'prompts/get',
    { name: 'bare', _meta: { progressToken: 'p' } },
    { before: [progress({ progress: 1 })] },
  ),
  call('logs of every kind', {
    before: [
      log('debug', { deep: [WEIRD_TEXT, null], uri: A }, { logger: 'recorded/🚂', _meta: { m: 1 }, ...unknown }),
      log('emergency', null),
      log('info', 7, { logger: '' }),
      log('notice', [false]),
    ],
  }),
  request('a log level', 'logging/setLevel', { level: 'warning', ...unknown }),
  call('logs below and above the level', {
    before: [log('notice', 'below'), log('warning', 'at it'), log('critical', 'above')],
  }),
  request('another log level', 'logging/setLevel', { level: 'debug' }),
  call('a log after the answer', { after: [log('info', 'after')] }, {}, { awaits: ['notifications/message'] }),
  call('notifications that nobody knows', {
    before: [
      { method: 'notifications/vendor.example/thing', params: { uri: A, ...unknown } },
      { method: 'vendor.example/without-params' },
      { method: 'notifications/progress', params: { progressToken: 'nobody’s', progress: 1 } },
    ],
  }),
  call(
    'an elicitation that is complete',
    { before: [{ method: 'notifications/elicitation/complete', params: { elicitationId: 'e', ...unknown } }] },
    {},
    { awaits: ['notifications/elicitation/complete'] },
  ),
  call(
    'progress, logs and a request in one order',
    {
      before: [
        progress({ progress: 1 }),
        log('info', 'one'),
        { method: 'roots/list', ask: 'and wait' },
        progress({ progress: 2 }),
        log('info', 'two'),
      ],
    },
    { _meta: { progressToken: 'mixed' } },
  ),
  call('a cancelled call', { before: [log('info', 'begun')], hang: true }, {}, { cancelOn: 'notifications/message' }),
  request(
    'a cancelled prompt',
    'prompts/get',
    { name: 'bare', _meta: { progressToken: 'c' } },
    { before: [progress({ progress: 1 })], hang: true },
    { cancelOn: 'notifications/progress', id: 'a cancelled id' },
  ),
  notification('a cancellation of nothing', 'notifications/cancelled', { requestId: 'nothing', reason: '' }),
  notification('a cancellation without an id', 'notifications/cancelled', {}),
  notification('progress of nothing', 'notifications/progress', { progressToken: 'nothing', progress: 1 }),
  notification('a notification that nobody knows', 'notifications/vendor.example/thing', { ...unknown }),
  notification('a notification without params', 'vendor.example/nothing'),
  notification('other roots', 'notifications/roots/list_changed'),
];

const requestsToTheClient: readonly Step[] = [
  asking('a form', 'elicitation/create', {
    message: WEIRD_TEXT,
    requestedSchema: {
      type: 'object',
      properties: { name: { type: 'string', format: 'none', ...unknown } },
      required: [],
    },
    ...unknown,
  }),
  asking('a form that says its mode', 'elicitation/create', { mode: 'form', message: '', requestedSchema: {} }),
  asking('an address', 'elicitation/create', {
    mode: 'url',
    message: 'm',
    url: 'https://recorded.example/?uri=ü',
    elicitationId: 'e 1',
  }),
  asking('an elicitation with `_meta`', 'elicitation/create', {
    message: 'm',
    requestedSchema: {},
    _meta: { ...OF_TASK, ...unknown },
  }),
  asking('a sampling', 'sampling/createMessage', {
    messages: [
      { role: 'user', content: CONTENT[0] },
      { role: 'assistant', content: [CONTENT[8], CONTENT[7]] },
      'malformed',
    ],
    maxTokens: 1e21,
    modelPreferences: { hints: [{ name: 'm', ...unknown }], costPriority: 2 },
    tools: [{ name: 'plain', inputSchema: 'malformed' }],
    toolChoice: { mode: 'odd' },
    systemPrompt: WEIRD_TEXT,
    metadata: { uri: A },
    ...unknown,
  }),
  asking('a sampling that is refused', 'sampling/createMessage', { messages: [], maxTokens: 0 }),
  asking('roots without params', 'roots/list', undefined),
  asking('roots with params', 'roots/list', { cursor: '1', ...unknown }),
  asking('a task of the client', 'tasks/get', { taskId: 'of the client' }),
  asking('a request that only vendors know', 'vendor.example/ask', { a: WEIRD_TEXT, ...unknown }),
  asking('a ping of the backend', 'ping', undefined),
  asking('a request with progress', 'vendor.example/ask', { _meta: { progressToken: 'of the backend' } }),
  asking('a request that the backend cancels', 'vendor.example/slow', { a: 1 }, 'and cancel'),
  request(
    'a form for a prompt',
    'prompts/get',
    { name: 'bare' },
    {
      before: [{ method: 'elicitation/create', params: { message: 'm', requestedSchema: {} }, ask: 'and wait' }],
    },
  ),
  request(
    'a form for a resource',
    'resources/read',
    { uri: A },
    {
      before: [{ method: 'elicitation/create', params: { message: 'm', requestedSchema: {} }, ask: 'and wait' }],
    },
  ),
  call('what the backend has heard', undefined, { name: 'heard' }),
];

const changes: readonly Step[] = [
  request('a subscription', 'resources/subscribe', { uri: A }),
  call(
    'an update during a call',
    { before: [{ method: 'notifications/resources/updated', params: { uri: A, title: 'A', ...unknown } }] },
    {},
    { awaits: ['notifications/resources/updated'] },
  ),
  call(
    'an update after the answer',
    { after: [{ method: 'notifications/resources/updated', params: { uri: A } }] },
    {},
    { awaits: ['notifications/resources/updated'] },
  ),
  request('the end of a subscription', 'resources/unsubscribe', { uri: A }),
  request('the end of a subscription that never was', 'resources/unsubscribe', { uri: TEMPLATE }),
  call(
    'more tools',
    { grow: 2, after: [{ method: 'notifications/tools/list_changed' }] },
    {},
    { awaits: ['notifications/tools/list_changed'] },
  ),
  list('the tools once there are more', 'tools/list'),
  call('one of the new tools', undefined, { name: 'grown_1' }, { isNew: true }),
];

const tasks: readonly Step[] = [
  call(
    'a call as a task',
    { result: { task: TASK, _meta: { 'io.modelcontextprotocol/model-immediate-response': 'Begun', ...unknown } } },
    { task: { ttl: 60_000, ...unknown } },
  ),
  call('another call as a task', { result: { task: { ...TASK, taskId: 'task 2' } } }, { task: {} }),
  request('a task', 'tasks/get', { taskId: TASK.taskId }, { result: TASK }),
  list('all tasks', 'tasks/list'),
  call(
    'the status of a task after the answer',
    { after: [{ method: 'notifications/tasks/status', params: TASK }] },
    {},
    { awaits: ['notifications/tasks/status'] },
  ),
  request(
    'the result of a task, which asks',
    'tasks/result',
    { taskId: TASK.taskId, _meta: { progressToken: 't' } },
    {
      before: [
        progress({ progress: 1, _meta: OF_TASK }),
        log('info', 'one', { _meta: OF_TASK }),
        {
          method: 'elicitation/create',
          params: { message: 'm', requestedSchema: {}, _meta: OF_TASK },
          ask: 'and wait',
        },
      ],
      result: { content: CONTENT, structuredContent: { taskId: TASK.taskId }, _meta: { ...OF_TASK, ...unknown } },
    },
  ),
  request(
    'the result of a task that failed',
    'tasks/result',
    { taskId: TASK.taskId },
    { error: { code: -32099, message: 'Failed', data: { taskId: TASK.taskId } } },
  ),
  request(
    'the end of a task',
    'tasks/cancel',
    { taskId: TASK.taskId, ...unknown },
    { result: { ...TASK, status: 'cancelled' } },
  ),
];

export const sideSteps: readonly Step[] = [...sideChannels, ...requestsToTheClient, ...changes, ...tasks];
