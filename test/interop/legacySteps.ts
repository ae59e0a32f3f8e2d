// What a client of 2025-11-25 says, one thing after the other, and what the backend says to it.
import { sideSteps } from './legacySideSteps.ts';
import { A, CONTENT, call, list, progress, request, type Step, TASK, TEMPLATE, unknown, WEIRD_TEXT } from './steps.ts';

/** How the client answers what it is asked; a `vendor.example/slow` it never answers. */
export const ANSWERS: Readonly<Record<string, (params: Record<string, unknown>) => unknown>> = {
  'sampling/createMessage'({ maxTokens }) {
    if (maxTokens === 0) throw { code: -1, message: 'The user said no', data: ['odd', { kept: null }] };
    return {
      role: 'assistant',
      content: { type: 'hologram', shape: 'ball' },
      model: 'm',
      stopReason: '§',
      future: [null],
    };
  },
  'elicitation/create': ({ mode }) =>
    mode === 'url'
      ? { action: 'accept', _meta: { 'vendor.example/seen': true } }
      : { action: 'accept', content: { name: 'Ünï \ud83d\ude82 \ud800', list: ['a', 'b'], n: 0.1 }, future: {} },
  'roots/list': () => ({ roots: [{ uri: 'file:///ü%20b', name: 'ü', _meta: { kept: 1 }, future: true }, 'malformed'] }),
  'tasks/get': ({ taskId }) => ({ taskId, status: 'working', future: 1 }),
  ping: () => ({}),
  'vendor.example/ask': ({ _meta, ...params }) => ({ told: params }),
};

export const CAPABILITIES = {
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
  tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
  experimental: { 'vendor.example/odd': { kept: true } },
};
const lists: readonly Step[] = [
  list('tools with odd and malformed definitions', 'tools/list'),
  list('prompts', 'prompts/list'),
  list('resources', 'resources/list'),
  list('resource templates', 'resources/templates/list'),
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
      'vscode.conversationId': 'c',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'io.modelcontextprotocol/future': 1,
      ...unknown,
    },
  }),
  call('arguments that are no object', undefined, { arguments: 'text' }),
  call('arguments that are null', undefined, { arguments: null }),
  call('content of every kind', {
    result: { content: CONTENT, isError: false, _meta: { 'vendor.example/x': { uri: A }, ...unknown }, ...unknown },
  }),
  call('a tool error with a structure', {
    result: { content: [], isError: true, structuredContent: { error: WEIRD_TEXT, uri: A, taskId: TASK.taskId } },
  }),
  call('structured content that is no object', { result: { content: [], structuredContent: [1, [A], null] } }),
  call('structured content that is null', { result: { content: [], structuredContent: null } }),
  call('content that is no list', { result: { content: 'text' } }),
  call('a result of an old revision', { result: { toolResult: { old: true } } }),
  call('an empty result with a malformed `_meta`', { result: { _meta: 'text' } }),
  call('5 MB of text', { fill: 'text' }),
  call('5 MB of structured content', { fill: 'structured' }),
  call('a string for an id', {}, {}, { id: 'ünï/🚂 1' }),
  call('an empty string for an id', {}, {}, { id: '' }),
  call('zero for an id', {}, {}, { id: 0 }),
  call('a negative id', {}, {}, { id: -1 }),
  call('the greatest of all ids', {}, {}, { id: Number.MAX_SAFE_INTEGER }),
];

const errors: readonly Step[] = [
  ...[
    { code: -32002, message: 'Resource not found', data: { uri: A } },
    {
      code: -32042,
      message: 'Sign in',
      data: {
        elicitations: [
          { mode: 'url', elicitationId: 'e', url: 'https://recorded.example/?a=1', message: 'm', ...unknown },
        ],
        ...unknown,
      },
    },
    { code: -32000, message: 'Of a transport', data: null },
    { code: -32001, message: 'Request timed out', data: 'text' },
    { code: -32020, message: '', data: false },
    { code: -32601, message: 'Method not found: of the tool' },
    { code: -32603, message: WEIRD_TEXT, data: [1, ['two', WEIRD_TEXT]] },
    { code: -32700, message: 'Parse error', data: 0 },
    { code: -32800, message: 'Request cancelled' },
    { code: 0, message: 'Zero', data: { data: { data: null } } },
    { code: 404, message: 'MCP error 404: prefixed already', data: '' },
  ].map(error => call(`the error ${error.code}`, { error })),
  call(
    'an error after progress',
    { before: [progress({ progress: 1 })], error: { code: 7, message: 'late' } },
    { _meta: { progressToken: 'e' } },
  ),
  call('an unknown tool', undefined, { name: 'nobody has it' }, { isUnknown: true }),
  call('a tool whose name is no text', undefined, { name: 7.5 }, { isUnknown: true }),
  call('a tool without a name', undefined, { name: undefined }, { isUnknown: true }),
  call('a tool named as what objects inherit', undefined, { name: '__proto__' }, { isUnknown: true }),
  request('an unknown prompt', 'prompts/get', { name: 'nobody has it' }, undefined, { isUnknown: true }),
  request('a prompt without a name', 'prompts/get', {}, undefined, { isUnknown: true }),
  request('an unknown resource', 'resources/read', { uri: 'nobody://has it' }, undefined, { isUnknown: true }),
  request('a subscription to an unknown resource', 'resources/subscribe', { uri: 'nobody://has it' }, undefined, {
    isUnknown: true,
  }),
  request(
    'an unknown reference',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: 'nobody://{has}' }, argument: { name: 'id', value: '' } },
    undefined,
    { isUnknown: true },
  ),
  request(
    'a reference of an unknown type',
    'completion/complete',
    { ref: { type: 'ref/tool', name: 'plain' }, argument: { name: 'id', value: '' } },
    undefined,
    { isUnknown: true },
  ),
  request('no reference', 'completion/complete', {}, undefined, { isUnknown: true }),
  request('an unknown task', 'tasks/get', { taskId: 'nobody has it' }, undefined, { isUnknown: true }),
  request('a task without an id', 'tasks/result', {}, undefined, { isUnknown: true }),
  request('an unknown log level', 'logging/setLevel', { level: 'loud' }, undefined, { isUnknown: true }),
  request('a cursor that was never given out', 'tools/list', { cursor: 'made up' }, undefined, { isUnknown: true }),
  request('an unknown method', 'vendor.example/do', { a: 1 }),
  request('an unknown method without params', 'tools/destroy', undefined),
  request('a method of the other era', 'server/discover', {}),
];

const plain: readonly Step[] = [
  request('a ping', 'ping', undefined),
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
    'a prompt with an error',
    'prompts/get',
    { name: 'bare' },
    { error: { code: -32602, message: 'Missing: subject', data: { subject: null } } },
  ),
  request(
    'a resource with odd contents',
    'resources/read',
    { uri: A, _meta: { progressToken: 'r', 'vendor.example/x': 1 } },
    {
      before: [progress({ progress: 1 })],
      result: {
        contents: [
          { uri: A, text: WEIRD_TEXT, ...unknown },
          { uri: `${A}/part`, blob: 'AAEC', mimeType: 'x/y' },
          { uri: 7 },
          null,
        ],
        ...unknown,
      },
    },
  ),
  request('a resource of a template', 'resources/read', { uri: 'recorded://items/7?q=a%20b' }),
  request('a resource that no list has', 'resources/read', { uri: 'recorded://linked/nowhere listed' }, undefined, {
    isUnlisted: true,
  }),
  request(
    'an app',
    'resources/read',
    { uri: 'ui://recorded/app' },
    {
      result: {
        contents: [
          {
            uri: 'ui://recorded/app',
            mimeType: 'text/html;profile=mcp-app',
            text: '<p>',
            _meta: { ui: { csp: { connectDomains: [] }, ...unknown } },
          },
        ],
      },
    },
  ),
  request(
    'a resource with an error',
    'resources/read',
    { uri: A },
    { error: { code: -32002, message: 'Gone', data: { uri: A } } },
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
  request(
    'a completion for a template',
    'completion/complete',
    { ref: { type: 'ref/resource', uri: TEMPLATE }, argument: { name: 'id', value: '' }, ...unknown },
    { result: { completion: { values: [] } } },
  ),
];

export const LEGACY_STEPS: readonly Step[] = [...lists, ...plain, ...calls, ...errors, ...sideSteps];
