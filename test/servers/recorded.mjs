// A backend that does what it is told to: a request carries in its `_meta` what is to be said before the answer, the answer
// itself and what is to be said after it, so that a test holds both sides of a conversation as data. In the `_meta` of
// each result it says what params it has got, and the tool `heard` tells what else has come. What it lists is odd on purpose.
//   node recorded.mjs [--port N] [--era E]
import { once } from 'node:events';
import { page, RpcError, readFlags, serve } from './serve.mjs';

const PLAY = 'recorded.example/play';
const HEARD = 'recorded.example/heard';
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
/** That of a request to the client for whose progress this server asks. */
const TOKEN = 'of the backend';
const BIG = 5_000_000;

const odd = {
  'x-vendor': { nested: [1, null, { deep: [[], {}] }], when: '\u202eRTL עברית\u202c' },
  futureField: null,
  ['__proto__']: { kept: true },
  constructor: 'a word like any other',
  '': 'no name',
};
const icons = [
  {
    src: 'data:image/svg+xml;base64,PHN2Zy8+',
    mimeType: 'image/svg+xml',
    sizes: ['any', '48x48'],
    theme: 'dark',
    ...odd,
  },
  { src: 'https://recorded.example/icon.png', sizes: 'any' },
];
const annotations = { audience: ['user', 'robot'], priority: 0.1 + 0.2, lastModified: 'yesterday', mood: 'calm' };

const tools = [
  {
    name: 'plain',
    title: 'Plain',
    description: 'Does what it is told \u0000 \ud83d\ude82 \ud800 \u202e',
    icons,
    inputSchema: { type: 'object', $defs: { a: { $anchor: 'b', prefixItems: [true, false] } }, 'x-order': [] },
    outputSchema: { type: 'object', properties: { n: { type: 'integer', maximum: 1e308 } } },
    annotations: { title: 'Annotated', readOnlyHint: true, openWorldHint: false, ...annotations },
    execution: { taskSupport: 'optional', queue: 'fast' },
    _meta: { 'recorded.example/rank': 3, ...odd },
    ...odd,
  },
  {
    name: 'app',
    inputSchema: { type: 'object' },
    _meta: { ui: { resourceUri: 'ui://recorded/app', visibility: ['model', 'app'], prefersBorder: true }, ...odd },
  },
  { name: 'heard', inputSchema: { type: 'object', properties: {} }, annotations: { readOnlyHint: true } },
  // Malformed, each in its own way.
  { name: 'noSchema' },
  { name: 'schemaOfText', inputSchema: 'anything', outputSchema: false, description: 7, title: null },
  { name: 'listsForObjects', inputSchema: [], annotations: [], execution: 'forbidden', icons: {}, _meta: 'none' },
  { title: 'Without a name' },
  { name: 42, inputSchema: { type: 'object' } },
  'not even an object',
];
const prompts = [
  {
    name: 'compose',
    title: 'Compose',
    icons,
    arguments: [{ name: 'subject', title: 'S', required: true, ...odd }, { name: 'tone' }, 'malformed'],
    _meta: { ...odd },
    ...odd,
  },
  { name: 'bare' },
];
const resources = [
  {
    uri: 'recorded://a?q=ä%20&x=#1',
    name: 'a',
    title: 'A',
    size: 2 ** 53,
    mimeType: 'x/y',
    icons,
    annotations,
    ...odd,
  },
  { uri: 'ui://recorded/app', name: 'app', mimeType: 'text/html;profile=mcp-app', _meta: { ui: { csp: {} } } },
  { uri: 'not a uri at all', name: 'b' },
];
const resourceTemplates = [
  {
    uriTemplate: 'recorded://items/{id}{?q*}',
    name: 'items',
    title: 'I',
    icons,
    annotations,
    _meta: { ...odd },
    ...odd,
  },
];

let level = 'debug';
let grown = 0;
/** Notifications, and the answers to what was asked, since the last call of `heard`. */
const heard = [];
/** Those that calls have become, by id. */
const tasks = new Map();
/** How much was asked in a session, which is what the ids of its requests are made of. */
const asked = new WeakMap();

const INSTRUCTIONS = 'Do as you are told.';
const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
  experimental: { 'recorded.example/odd': odd },
};

const methods = {
  initialize({ protocolVersion }, { session }) {
    listenTo(session);
    return {
      protocolVersion,
      capabilities,
      serverInfo: { name: 'recorded', version: '0.0.0', ...odd },
      instructions: INSTRUCTIONS,
    };
  },
  'tools/list': ({ cursor }) => page('tools', [...tools, ...grownTools()], { cursor }, 3),
  'prompts/list': ({ cursor }) => page('prompts', prompts, { cursor }, 1),
  'resources/list': ({ cursor }) => page('resources', resources, { cursor }, 2),
  'resources/templates/list': ({ cursor }) => page('resourceTemplates', resourceTemplates, { cursor }, 1),
  'tools/call'(params, call) {
    if (typeof params.name !== 'string' || ![...tools, ...grownTools()].some(({ name }) => name === params.name))
      throw new RpcError(-32602, `Unknown tool: ${params.name}`);
    if (params.name === 'heard') return { content: [], structuredContent: { heard: heard.splice(0) } };
    return perform(params, call, { content: [] });
  },
  'prompts/get'(params, call) {
    if (!prompts.some(({ name }) => name === params.name)) throw new RpcError(-32602, `Unknown prompt: ${params.name}`);
    return perform(params, call, { messages: [] });
  },
  'resources/read'(params, call) {
    requireResource(params.uri);
    return perform(params, call, { contents: [{ uri: params.uri, text: 'read' }] });
  },
  'resources/subscribe'(params, call) {
    requireResource(params.uri);
    return perform(params, call, {});
  },
  'resources/unsubscribe': (params, call) => perform(params, call, {}),
  'completion/complete'(params, call) {
    const { type, name, uri } = params.ref ?? {};
    const isKnown =
      type === 'ref/prompt'
        ? prompts.some(prompt => prompt.name === name)
        : resourceTemplates.some(({ uriTemplate }) => uriTemplate === uri);
    if (!isKnown) throw new RpcError(-32602, `Unknown reference: ${name ?? uri}`);
    return perform(params, call, { completion: { values: [] } });
  },
  'logging/setLevel'(params) {
    if (!LEVELS.includes(params.level)) throw new RpcError(-32602, `Unknown log level: ${params.level}`);
    level = params.level;
    return {};
  },
  'tasks/get': ({ taskId, _meta }) => _meta?.[PLAY]?.result ?? taskOf(taskId),
  'tasks/result': performTask,
  'tasks/cancel': performTask,
  'tasks/list': (params, call) => perform(params, call, { tasks: [...tasks.values()] }),
};

const cache = { ttlMs: 60_000, cacheScope: 'public' };
serve({ name: 'recorded', instructions: INSTRUCTIONS, capabilities, cache, methods }, readFlags().port);

function grownTools() {
  return Array.from({ length: grown }, (_, n) => ({ name: `grown_${n}`, inputSchema: { type: 'object' } }));
}

function requireResource(uri) {
  const isKnown = resources.some(resource => resource.uri === uri) || /^recorded:\/\/(items|linked)\//.test(uri);
  if (!isKnown) throw new RpcError(-32002, `Unknown resource: ${uri}`, { uri });
}

function taskOf(taskId) {
  if (!tasks.has(taskId)) throw new RpcError(-32602, `Unknown task: ${taskId}`);
  return tasks.get(taskId);
}

function performTask(params, call) {
  taskOf(params.taskId);
  return perform(params, call, {});
}

/** Plays what the request brings: `{ before, result | error, after, fill, hang, grow }`. */
async function perform(params, call, usual) {
  const { [PLAY]: play = {}, progressToken } = params._meta ?? {};
  const least = leastLogged(params);
  const say = ({ method, params }, notify = call.notify) => {
    if (method === 'notifications/message' && !(LEVELS.indexOf(params.level) >= least)) return;
    notify(method, params?.progressToken === '$token' ? { ...params, progressToken } : params);
  };
  const answers = [];
  for (const { ask, ...message } of play.before ?? []) {
    if (ask === undefined) {
      say(message);
      continue;
    }
    const id = (asked.get(call.session) ?? 0) + 1;
    asked.set(call.session, id);
    const answer = call.ask(message.method, message.params).then(asResult, asError);
    if (ask === 'and cancel') call.notify('notifications/cancelled', { requestId: `ask-${id}`, reason: 'not needed' });
    else answers.push(await answer);
  }
  grown += play.grow ?? 0;
  if (play.hang) await once(call.signal, 'abort');
  if (play.after) {
    const notify = (method, params) => call.session.notify(method, params);
    setImmediate(() => {
      for (const message of play.after) say(message, notify);
    });
  }
  if (play.error) throw new RpcError(play.error.code, play.error.message, play.error.data);
  if (play.result?.task) tasks.set(play.result.task.taskId, play.result.task);
  return withHeard({ ...(play.result ?? usual), ...FILLINGS[play.fill]?.() }, params, answers);
}

/** The level that the session has, or in the modern era the request; without one nothing is logged there. */
function leastLogged({ _meta }) {
  const isModern = _meta?.['io.modelcontextprotocol/protocolVersion'] !== undefined;
  const wanted = isModern ? _meta['io.modelcontextprotocol/logLevel'] : level;
  return wanted === undefined ? Number.POSITIVE_INFINITY : LEVELS.indexOf(wanted);
}

const FILLINGS = {
  text: () => ({ content: [{ type: 'text', text: '🚂 ünï\u2028"\\\n'.repeat(BIG / 10) }] }),
  structured: () => ({
    structuredContent: { rows: Array.from({ length: BIG / 50 }, (_, n) => ({ n, text: `row ${n} 🚂`.padEnd(30) })) },
  }),
};

/**
 * Adds the params as they came; of the progress token only its being there, for it need not be the client's. Where this server has
 * asked, what it was answered stands for the parameters that brought it in the modern era.
 */
function withHeard(result, { _meta, ...rest }, answers) {
  const { inputResponses, requestState, ...others } = rest;
  const params = answers.length > 0 ? others : rest;
  if (result._meta !== undefined && typeof result._meta !== 'object') return result;
  const { [PLAY]: _, ...meta } = typeof _meta === 'object' && _meta !== null ? _meta : {};
  if (meta.progressToken !== undefined) meta.progressToken = 'given';
  return {
    ...result,
    _meta: { ...result._meta, [HEARD]: { ...params, meta, ...(answers.length > 0 && { answers }) } },
  };
}

function asResult(result) {
  return { result };
}

/** What the client refused. Anything else is thrown on: in the modern era it ends the call with the question. */
function asError(error) {
  const { code, message, data } = error;
  if (code === undefined) throw error;
  return { error: { code, message, data } };
}

/** Notes what is no request, and concerns this server. */
function listenTo(session) {
  const receive = session.receive.bind(session);
  const requests = new Set();
  session.receive = (message, ...rest) => {
    const { id, method, params } = message;
    if (method !== undefined && id !== undefined) requests.add(id);
    else if (method === 'notifications/cancelled') {
      if (requests.has(params?.requestId)) heard.push({ method, reason: params.reason });
    } else if (method === 'notifications/progress') {
      if (params?.progressToken === TOKEN) heard.push({ method, params });
    } else if (method !== undefined && method !== 'notifications/initialized') heard.push({ method, params });
    return receive(message, ...rest);
  };
}
