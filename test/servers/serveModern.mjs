// The modern era (2026-07-28): no sessions. Each request says its version and what its client can do; a server that needs an answer of the
// client's ends the call with `input_required`, and the client calls again with it.
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { capabilitiesOf, methodsOf, RpcError, serverInfoOf, voiceOf } from './definition.mjs';

export const MODERN_VERSION = '2026-07-28';
const SUPPORTED = [MODERN_VERSION];
const meta = name => `io.modelcontextprotocol/${name}`;
export const VERSION_KEY = meta('protocolVersion');

/** What this era took away, even where a definition has it for the other. */
const REMOVED = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/list',
  'tasks/result',
]);
const CACHEABLE = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);
/** Errors about the request itself, whoever finds them. */
const MALFORMED = new Set([-32020, -32021, -32022]);
/** Which parameter a request repeats in its `Mcp-Name` header. */
const NAMED_BY = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };
const CAPABILITY_FOR = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
};
/** What a listener asks for to hear of a change, and the group whose capability it is. */
const LIST_CHANGES = {
  'notifications/tools/list_changed': ['toolsListChanged', 'tools'],
  'notifications/prompts/list_changed': ['promptsListChanged', 'prompts'],
  'notifications/resources/list_changed': ['resourcesListChanged', 'resources'],
};

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Ends a call with what it has to know from the client, beside what that has answered by now. */
class InputRequired extends Error {
  constructor(requests, answers) {
    super('input required');
    this.requests = requests;
    this.answers = answers;
  }
}

/** All clients' server: it keeps nothing of any of them but what they listen to. */
export class ModernServer {
  #definition;
  #methods;
  #listeners = new Set();

  constructor(definition) {
    this.#definition = definition;
    this.#methods = methodsOf(definition);
  }

  /** Sends a notification outside of any call, to those who listen for it. */
  notify(method, params) {
    for (const { accepted, send } of this.#listeners) {
      const isWanted =
        method === 'notifications/resources/updated'
          ? accepted.resourceSubscriptions?.includes(params.uri)
          : accepted[LIST_CHANGES[method]?.[0]];
      if (isWanted) send(method, params);
    }
  }

  /**
   * Takes one message; resolves when it is dealt with. `reply(message, status)` carries what belongs to it, with the HTTP status of an
   * answer; `headers` are those of HTTP; `signal` is aborted when the client does not want the answer any more.
   */
  async receive({ id, method, params = {} }, reply, { headers, signal }) {
    if (id === undefined) return;
    let answer;
    let status = 400;
    try {
      this.#check(method, params, headers);
      status = 200;
      answer = { result: await this.#run({ id, method, params }, reply, { headers, signal }) };
    } catch ({ code = -32603, message, data }) {
      if (code === -32601) status = 404;
      if (MALFORMED.has(code)) status = 400;
      // This era has no code of its own for a resource that is not there.
      answer = { error: { code: code === -32002 ? -32602 : code, message, data } };
    }
    if (!signal.aborted) reply({ jsonrpc: '2.0', id, ...answer }, status);
  }

  /** Throws what is wrong with a request before anybody looks at what it asks for. */
  #check(method, params, headers) {
    const version = params._meta?.[VERSION_KEY];
    const unsupported = requested =>
      new RpcError(-32022, 'Unsupported protocol version', { supported: SUPPORTED, requested });
    if (method === 'initialize' && version === undefined) throw unsupported(params.protocolVersion);
    if (typeof version !== 'string' || !isObject(params._meta[meta('clientCapabilities')])) {
      throw new RpcError(-32602, 'Missing protocolVersion or clientCapabilities in _meta');
    }
    checkHeaders(headers, { 'mcp-protocol-version': version });
    if (!SUPPORTED.includes(version)) throw unsupported(version);
    checkHeaders(headers, { 'mcp-method': method, ...this.#headersOf(method, params) });
  }

  /** The headers in which a request has to repeat its parameters. */
  #headersOf(method, params) {
    const named = NAMED_BY[method];
    const tool = this.#definition.tools?.find(({ name }) => method === 'tools/call' && name === params.name);
    const properties = Object.entries(tool?.inputSchema?.properties ?? {});
    return {
      ...(named && { 'mcp-name': params[named] }),
      ...Object.fromEntries(
        properties
          .filter(([, schema]) => schema['x-mcp-header'] !== undefined)
          .map(([name, schema]) => [`mcp-param-${schema['x-mcp-header'].toLowerCase()}`, params.arguments?.[name]]),
      ),
    };
  }

  async #run({ id, method, params }, reply, { headers = {}, signal }) {
    if (method === 'subscriptions/listen') return this.#listen(id, params.notifications ?? {}, reply, signal);
    const clientCapabilities = params._meta[meta('clientCapabilities')];
    let asked = 0;
    const askAll = async requests => {
      const answers = answersOf(params);
      for (const { method } of Object.values(requests)) {
        const needed = CAPABILITY_FOR[method];
        if (clientCapabilities[needed]) continue;
        throw new RpcError(-32021, `The client has no ${needed}`, { requiredCapabilities: { [needed]: {} } });
      }
      const open = Object.entries(requests).filter(([key]) => !(key in answers));
      if (open.length > 0) throw new InputRequired(Object.fromEntries(open), answers);
      return Object.fromEntries(Object.keys(requests).map(key => [key, answers[key]]));
    };
    const call = {
      session: this,
      headers,
      signal,
      clientCapabilities,
      ...voiceOf(this.#definition, params, () => params._meta[meta('logLevel')], reply),
      askAll,
      async ask(method, params) {
        const key = `ask-${++asked}`;
        return (await askAll({ [key]: { method, params } }))[key];
      },
    };
    try {
      const handler = method === 'server/discover' ? () => this.#discover() : this.#methods[method];
      if (!handler || REMOVED.has(method)) throw new RpcError(-32601, `Method not found: ${method}`);
      const { ttlMs = 0, cacheScope = 'private' } = this.#definition.cache ?? {};
      return this.#signed({
        resultType: 'complete',
        ...(CACHEABLE.has(method) && { ttlMs, cacheScope }),
        ...(await handler(params, call)),
      });
    } catch (error) {
      if (!(error instanceof InputRequired)) throw error;
      const { requests: inputRequests, answers } = error;
      return this.#signed({ resultType: 'input_required', inputRequests, requestState: seal(answers) });
    }
  }

  #discover() {
    return {
      supportedVersions: SUPPORTED,
      capabilities: capabilitiesOf(this.#definition),
      instructions: this.#definition.instructions,
    };
  }

  #signed(result) {
    return { ...result, _meta: { [meta('serverInfo')]: serverInfoOf(this.#definition), ...result._meta } };
  }

  /** Ends only when the client hangs up, so nobody sees the result. */
  async #listen(id, wanted, reply, signal) {
    const capabilities = capabilitiesOf(this.#definition);
    const accepted = {};
    for (const [kind, group] of Object.values(LIST_CHANGES)) {
      if (wanted[kind] && capabilities[group]?.listChanged) accepted[kind] = true;
    }
    if (wanted.resourceSubscriptions && capabilities.resources?.subscribe) {
      accepted.resourceSubscriptions = wanted.resourceSubscriptions;
    }
    const send = (method, params) => {
      const tag = { [meta('subscriptionId')]: id };
      reply({ jsonrpc: '2.0', method, params: { ...params, _meta: { ...params?._meta, ...tag } } });
    };
    const listener = { accepted, send };
    send('notifications/subscriptions/acknowledged', { notifications: accepted });
    this.#listeners.add(listener);
    // At once: the next message may have come together with the one that ends this.
    signal.addEventListener('abort', () => this.#listeners.delete(listener));
    await once(signal, 'abort');
  }
}

/** Throws unless each header says what the body says, and is absent where that says nothing. Without headers, on stdio, all is well. */
function checkHeaders(headers, expected) {
  for (const [header, value] of headers ? Object.entries(expected) : []) {
    const isAbsent = value === undefined || value === null;
    if (isAbsent ? headers[header] !== undefined : decodeHeader(headers[header]) !== String(value)) {
      throw new RpcError(-32020, `The header ${header} is ${headers[header]}, and the body has ${value}`);
    }
  }
}

/** What does not fit into a header is wrapped base64; undefined where that is broken, and where there is none. */
function decodeHeader(header) {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(header?.trim())?.[1];
  if (encoded === undefined) return header?.trim();
  const decoded = Buffer.from(encoded, 'base64');
  return decoded.toString('base64') === encoded ? decoded.toString() : undefined;
}

const SECRET = randomBytes(32);
const macOf = state => createHmac('sha256', SECRET).update(state).digest('hex');

/** The answers of earlier rounds travel with the client, in plain text, but nobody can change them. */
function seal(answers) {
  const state = JSON.stringify(answers);
  return `${macOf(state)} ${state}`;
}

function unseal(requestState) {
  const [mac, state] = String(requestState).split(/ (.*)/s);
  if (mac !== macOf(state ?? '')) throw new RpcError(-32602, 'The requestState is not one of ours');
  return JSON.parse(state);
}

/** All that the client has answered by now, in this round and in those before. */
function answersOf({ inputResponses = {}, requestState }) {
  if (!isObject(inputResponses) || !Object.values(inputResponses).every(isObject)) {
    throw new RpcError(-32602, 'inputResponses has to hold objects');
  }
  return { ...(requestState === undefined ? {} : unseal(requestState)), ...inputResponses };
}
