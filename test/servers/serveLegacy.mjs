// The legacy era (to 2025-11-25): `initialize`, sessions, and requests of the server's own.
import { capabilitiesOf, LEVELS, methodsOf, RpcError, serverInfoOf, voiceOf } from './definition.mjs';

const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

/** One client's MCP session. */
export class Session {
  #definition;
  #send;
  #running = new Map();
  #asked = new Map();
  #nextId = 1;
  #methods;
  #clientCapabilities = {};
  #logLevel = 'debug';

  /** `send` carries what belongs to no call. */
  constructor(definition, send) {
    this.#definition = definition;
    this.#send = send;
    this.#methods = {
      initialize: params => this.#initialize(params),
      ping: () => ({}),
      ...(definition.capabilities?.logging && { 'logging/setLevel': params => this.#setLogLevel(params) }),
      ...methodsOf(definition),
    };
  }

  /** Sends a notification outside of any call. */
  notify(method, params) {
    this.#send({ jsonrpc: '2.0', method, params });
  }

  /** Takes one message; resolves when it is dealt with. `reply` carries what belongs to it. */
  async receive(message, reply = this.#send, headers = {}) {
    if (message.method === undefined) this.#settle(message);
    else if (message.id !== undefined) await this.#answer(message, reply, headers);
    else if (message.method === 'notifications/cancelled') this.#running.get(message.params?.requestId)?.abort();
  }

  #initialize({ protocolVersion, capabilities = {} }) {
    this.#clientCapabilities = capabilities;
    return {
      protocolVersion: VERSIONS.includes(protocolVersion) ? protocolVersion : VERSIONS[0],
      capabilities: capabilitiesOf(this.#definition),
      serverInfo: serverInfoOf(this.#definition),
      instructions: this.#definition.instructions,
    };
  }

  #setLogLevel({ level }) {
    if (!LEVELS.includes(level)) throw new RpcError(-32602, `Invalid level: ${level}`);
    this.#logLevel = level;
    return {};
  }

  #settle({ id, result, error }) {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (error) asked?.reject(new RpcError(error.code, error.message, error.data));
    else asked?.resolve(result);
  }

  async #answer({ id, method, params = {} }, reply, headers) {
    const abort = new AbortController();
    this.#running.set(id, abort);
    const ask = (method, params) =>
      new Promise((resolve, reject) => {
        const id = `ask-${this.#nextId++}`;
        this.#asked.set(id, { resolve, reject });
        reply({ jsonrpc: '2.0', id, method, params });
      });
    const call = {
      session: this,
      headers,
      signal: abort.signal,
      clientCapabilities: this.#clientCapabilities,
      ...voiceOf(this.#definition, params, () => this.#logLevel, reply),
      ask,
      async askAll(requests) {
        const answer = async ([key, { method, params }]) => [key, await ask(method, params)];
        return Object.fromEntries(await Promise.all(Object.entries(requests).map(answer)));
      },
    };
    let answer;
    try {
      const handler = this.#methods[method];
      if (!handler) throw new RpcError(-32601, `Method not found: ${method}`);
      answer = { result: await handler(params, call) };
    } catch ({ code = -32603, message, data }) {
      answer = { error: { code, message, data } };
    }
    this.#running.delete(id);
    if (!abort.signal.aborted || this.#definition.answersCancelled) reply({ jsonrpc: '2.0', id, ...answer });
  }
}
