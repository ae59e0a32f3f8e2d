// What a client of 2026-07-28 says, one thing after the other, and what the backend says to it.
import { modernSideSteps } from './modernSideSteps.ts';
import {
  A,
  CONTENT,
  call,
  list,
  log,
  progress,
  request,
  type Said,
  type Step,
  TASK,
  TEMPLATE,
  unknown,
  WEIRD_TEXT,
} from './steps.ts';

export const CAPABILITIES = {
  sampling: { tools: {} },
  elicitation: { form: {}, url: {} },
  roots: {},
  extensions: { 'vendor.example/odd': { kept: [null] } },
  ...unknown,
};

const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

const lists: readonly Step[] = [
  request('an introduction', 'server/discover', {}),
  list('tools with odd and malformed definitions', 'tools/list'),
  list('prompts', 'prompts/list'),
  list('resources', 'resources/list'),
  request('how long a list holds', 'resources/templates/list', {}),
];

const calls: readonly Step[] = [
  call('a call without arguments'),
  call('arguments of every kind', undefined, {
    arguments: { '': 0, 'odd key': [null, { deep: WEIRD_TEXT }], $ref: '#/x', uri: A, taskId: TASK.taskId, ...unknown },
    ...unknown,
  }),
  call('arguments of a megabyte', undefined, { arguments: { text: 'ü'.repeat(500_000) } }),
  call('`_meta` of vendors and of tracing', undefined, {
    _meta: {
      'vendor.example/nested': { uri: A, taskId: TASK.taskId, ...unknown },
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=b',
      baggage: WEIRD_TEXT,
      'io.modelcontextprotocol/future': 1,
      ...unknown,
    },
  }),
  call('a client that can do nothing', undefined, { _meta: { 'io.modelcontextprotocol/clientCapabilities': {} } }),
  call('a client that does not say who it is of another name', undefined, {
    _meta: { 'io.modelcontextprotocol/clientInfo': { name: '', version: '\u2028', icons: [] } },
  }),
  call('content of every kind', {
    result: { content: CONTENT, isError: false, _meta: { 'vendor.example/x': { uri: A }, ...unknown }, ...unknown },
  }),
  ...[[1, [A], null], [], 'text', 7.5, false, null, { uri: A, taskId: TASK.taskId, text: WEIRD_TEXT }].map(
    structuredContent =>
      call(`the structured content ${JSON.stringify(structuredContent).slice(0, 20)}`, {
        result: { content: [], structuredContent },
      }),
  ),
  call('a tool error with a structure', { result: { content: [], isError: true, structuredContent: [WEIRD_TEXT] } }),
  call('a result that holds for a while', { result: { content: [], ttlMs: 5, cacheScope: 'public' } }),
  call('a result of no known type', { result: { resultType: 'vendor.example/odd', odd: [WEIRD_TEXT], ...unknown } }),
  call('a result whose type is no text', { result: { resultType: 7, content: [] } }),
  call('a result that is a task', { result: { resultType: 'task', ...TASK } }),
  call('5 MB of text', { fill: 'text' }),
  call('5 MB of structured content', { fill: 'structured' }),
  call('a string for an id', {}, {}, { id: 'ünï/🚂 1' }),
  call('an empty string for an id', {}, {}, { id: '' }),
  call('zero for an id', {}, {}, { id: 0 }),
  call('the greatest of all ids', {}, {}, { id: Number.MAX_SAFE_INTEGER }),
];

const errors: readonly Step[] = [
  ...[
    { code: -32000, message: 'Of a transport', data: null },
    { code: -32001, message: 'Request timed out', data: 'text' },
    { code: -32020, message: '', data: false },
    { code: -32021, message: 'Missing', data: { requiredCapabilities: { sampling: { tools: {} } }, ...unknown } },
    { code: -32601, message: 'Method not found: of the tool' },
    { code: -32602, message: 'Wrong', data: { uri: A } },
    { code: -32603, message: WEIRD_TEXT, data: [1, ['two', WEIRD_TEXT]] },
    { code: -32700, message: 'Parse error', data: 0 },
    { code: 0, message: 'Zero', data: { data: { data: null } } },
    { code: 404, message: 'MCP error 404: prefixed already', data: '' },
  ].map(error => call(`the error ${error.code}`, { error })),
  call(
    'an error after progress',
    { before: [progress({ progress: 1 })], error: { code: 7, message: 'late' } },
    { _meta: { progressToken: 'e' } },
  ),
  call('an unknown tool', undefined, { name: 'nobody has it' }, { isUnknown: true }),
  request('an unknown prompt', 'prompts/get', { name: 'nobody has it' }, undefined, { isUnknown: true }),
  request('an unknown resource', 'resources/read', { uri: 'nobody://has it' }, undefined, { isUnknown: true }),
  request(
    'an unknown reference',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'nobody://{has}' }, argument: { name: 'id', value: '' } },
    undefined,
    { isUnknown: true },
  ),
  request('a cursor that was never given out', 'tools/list', { cursor: 'made up' }, undefined, { isUnknown: true }),
  request('an unknown method', 'vendor.example/do', { a: 1 }),
  request('an unknown method of a known group', 'tools/destroy', {}),
  ...[
    [
      'initialize',
      { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    ] as const,
    ['ping', {}] as const,
    ['logging/setLevel', { level: 'debug' }] as const,
    ['resources/subscribe', { uri: A }] as const,
    ['resources/unsubscribe', { uri: A }] as const,
    ['tasks/list', {}] as const,
    ['tasks/result', { taskId: TASK.taskId }] as const,
    ['roots/list', {}] as const,
    ['sampling/createMessage', { messages: [], maxTokens: 1 }] as const,
  ].map(([method, params]) => request(`the removed method ${method}`, method, params)),
];

const others: readonly Step[] = [
  request(
    'a prompt with odd messages',
    'prompts/get',
    { name: 'compose', arguments: { subject: WEIRD_TEXT, n: 1 }, ...unknown },
    {
      result: {
        description: WEIRD_TEXT,
        messages: [...CONTENT.map(content => ({ role: 'robot', content, ...unknown })), 'malformed'],
        ...unknown,
      },
    },
  ),
  request(
    'a resource with odd contents',
    'resources/read',
    { uri: A, _meta: { progressToken: 'r', 'vendor.example/x': 1 } },
    {
      before: [progress({ progress: 1 })],
      result: {
        contents: [{ uri: A, text: WEIRD_TEXT, ...unknown }, { uri: `${A}/part`, blob: 'AAEC' }, { uri: 7 }, null],
        ttlMs: 7,
        cacheScope: 'private',
        ...unknown,
      },
    },
  ),
  request('a resource that holds as long as the backend says', 'resources/read', { uri: A }),
  request('a resource of a template', 'resources/read', { uri: 'recorded://items/7?q=a%20b' }),
  request(
    'a resource with an error',
    'resources/read',
    { uri: A },
    { error: { code: -32602, message: 'Gone', data: { uri: A } } },
  ),
  request('a resource of 5 MB', 'resources/read', { uri: A }, { fill: 'structured' }),
  request(
    'a completion for a prompt',
    'completion/complete',
    {
      ref: { type: 'ref/prompt', name: 'compose', title: 'C' },
      argument: { name: 'subject', value: 'ü' },
      context: { arguments: { tone: 'calm' } },
    },
    { result: { completion: { values: ['üb', WEIRD_TEXT, 7], total: 1e308, hasMore: true, ...unknown }, ...unknown } },
  ),
  request('a completion for a template', 'completion/complete', {
    ref: { type: 'ref/resource', uri: TEMPLATE },
    argument: { name: 'id', value: '' },
    ...unknown,
  }),
];

const logs: readonly Said[] = [
  log('debug', { deep: [WEIRD_TEXT, null], uri: A }, { logger: 'recorded/🚂', _meta: { m: 1 }, ...unknown }),
  log('notice', [false]),
  log('warning', 'at it', { logger: '' }),
  log('emergency', null),
];
const sideChannels: readonly Step[] = [
  ...[7, '7', 0, '', 'ünï/🚂', -1].map(progressToken =>
    call(
      `progress for the token ${JSON.stringify(progressToken)}`,
      {
        before: [
          progress({ progress: 0.1 + 0.2, total: 1, message: WEIRD_TEXT, ...unknown }),
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
  call('logs that nobody wants', { before: logs }),
  call('logs of every level', { before: logs }, { _meta: { [LOG_LEVEL]: 'debug' } }),
  call('logs from a level on', { before: logs }, { _meta: { [LOG_LEVEL]: 'warning' } }),
  call('logs that nobody wants any more', { before: logs }),
  call(
    'progress and logs in one order',
    { before: [progress({ progress: 1 }), log('info', 'one'), progress({ progress: 2 }), log('info', 'two')] },
    { _meta: { progressToken: 'mixed', [LOG_LEVEL]: 'info' } },
  ),
  call('notifications that nobody knows', {
    before: [
      { method: 'notifications/vendor.example/thing', params: { uri: A, ...unknown } },
      { method: 'notifications/progress', params: { progressToken: 'nobody’s', progress: 1 } },
    ],
  }),
  call(
    'a cancelled call',
    { before: [progress({ progress: 1 })], hang: true },
    { _meta: { progressToken: 'c' } },
    { cancelOn: 'notifications/progress' },
  ),
];

export const MODERN_STEPS: readonly Step[] = [
  ...lists,
  ...others,
  ...calls,
  ...errors,
  ...sideChannels,
  ...modernSideSteps,
];
