// A whole MCP server in one file and without dependencies, so that a fixture starts in some 40 ms and does exactly what
// its own few lines say. Legacy era (to 2025-11-25); stdio, or with `--port N` Streamable HTTP on 127.0.0.1/mcp.
// On HTTP the first line on stdout is the address, so `--port 0` takes any free port.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];
const TOOLS_PER_PAGE = 100;
const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/** A JSON-RPC error answer. */
export class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** A tool result of one text. */
export const text = value => ({ content: [{ type: 'text', text: String(value) }] });

/** The command line: `options` as in `util.parseArgs`, and `--port`. */
export function readFlags(options = {}) {
  return parseArgs({ options: { ...options, port: { type: 'string' } } }).values;
}

/**
 * One page of a list result. The cursor for page `n` is `cursors[n]`, so that a fixture can have odd ones.
 * A cursor that was never given out is an error, as it is with real servers.
 */
export function page(key, items, params, size, cursors = items.map((_, index) => `page-${index}`)) {
  const index = params.cursor === undefined ? 0 : cursors.indexOf(params.cursor);
  if (index < 0) throw new RpcError(-32602, `Invalid cursor: ${params.cursor}`);
  const hasMore = (index + 1) * size < items.length;
  const result = { [key]: items.slice(index * size, (index + 1) * size) };
  return hasMore ? { ...result, nextCursor: cursors[index + 1] } : result;
}

/**
 * One client's MCP session.
 *
 * A definition is `{ name, version?, instructions?, capabilities?, tools?, methods?, intercept? }`: a tool is its definition as listed
 * plus `run(args, call)`, a method is `(params, call) => result`. Both may throw an `RpcError`. `call` is what a handler can do meanwhile:
 * `signal` (cancelled), `progress()`, `notify()` and `ask()` (all on this call's own stream), `session`, `headers` (of HTTP).
 * `intercept(message, { response, forget })` sees each HTTP request first; where it gives true, it has dealt with it. `forget()` ends the session.
 */
export class Session {
  #definition;
  #send;
  #running = new Map();
  #asked = new Map();
  #nextId = 1;
  #methods;

  /** `send` carries what belongs to no call. */
  constructor(definition, send) {
    this.#definition = definition;
    this.#send = send;
    this.#methods = {
      initialize: params => this.#initialize(params),
      ping: () => ({}),
      'tools/list': params =>
        page(
          'tools',
          (definition.tools ?? []).map(({ run, ...tool }) => tool),
          params,
          TOOLS_PER_PAGE,
        ),
      'tools/call': (params, call) => {
        const tool = definition.tools?.find(({ name }) => name === params.name);
        if (!tool) throw new RpcError(-32602, `Unknown tool: ${params.name}`);
        return tool.run(params.arguments ?? {}, call);
      },
      ...definition.methods,
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

  #initialize({ protocolVersion }) {
    const { name, version = '1.0.0', instructions, capabilities } = this.#definition;
    return {
      protocolVersion: VERSIONS.includes(protocolVersion) ? protocolVersion : VERSIONS[0],
      capabilities: { tools: { listChanged: true }, ...capabilities },
      serverInfo: { name, version },
      instructions,
    };
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
    const notify = (method, params) => reply({ jsonrpc: '2.0', method, params });
    const progressToken = params._meta?.progressToken;
    const call = {
      session: this,
      headers,
      signal: abort.signal,
      notify,
      progress: (progress, total, message) => {
        if (progressToken !== undefined) {
          notify('notifications/progress', { progressToken, progress, total, message });
        }
      },
      ask: (method, params) =>
        new Promise((resolve, reject) => {
          const id = `ask-${this.#nextId++}`;
          this.#asked.set(id, { resolve, reject });
          reply({ jsonrpc: '2.0', id, method, params });
        }),
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
    if (!abort.signal.aborted) reply({ jsonrpc: '2.0', id, ...answer });
  }
}

/** Serves on stdio, or on Streamable HTTP where there is a port. */
export function serve(definition, port) {
  if (port === undefined) serveStdio(definition);
  else serveHttp(definition, Number(port));
}

function serveStdio(definition) {
  // All that is sent in one turn of the event loop leaves in one write, so progress can arrive together with its result.
  let isCorked = false;
  const session = new Session(definition, message => {
    if (!isCorked) {
      isCorked = true;
      process.stdout.cork();
      setImmediate(() => {
        isCorked = false;
        process.stdout.uncork();
      });
    }
    process.stdout.write(`${JSON.stringify(message)}\n`);
  });
  createInterface({ input: process.stdin })
    .on('line', line => session.receive(JSON.parse(line)))
    .on('close', () => process.exit(0));
}

function serveHttp(definition, port) {
  const sessions = new Map();

  listen(port, '/mcp', async (request, response) => {
    if (request.method === 'POST') return post(request, response);
    const client = sessions.get(request.headers['mcp-session-id']);
    if (!client) return refuse(response, request.headers['mcp-session-id'] ? 404 : 405);
    if (request.method === 'GET') return client.open(response);
    if (request.method === 'DELETE') {
      sessions.delete(client.id);
      client.close();
      return response.end();
    }
    refuse(response, 405);
  });

  async function post(request, response) {
    const message = await readJson(request);
    const id = request.headers['mcp-session-id'];
    if (definition.intercept?.(message, { response, forget: () => sessions.delete(id) })) return;
    if (id !== undefined && !sessions.has(id)) return refuse(response, 404);
    if (id === undefined && message.method !== 'initialize') return refuse(response, 400);
    const client = sessions.get(id) ?? connect();
    response.setHeader('mcp-session-id', client.id);

    // A plain JSON answer, unless something has to be said before it.
    const reply = sent => {
      if (sent.method !== undefined) {
        startEventStream(response);
        writeEvent(response, sent);
      } else if (response.headersSent) {
        writeEvent(response, sent);
      } else {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(sent));
      }
    };
    await client.session.receive(message, reply, request.headers);
    if (!response.headersSent) response.statusCode = 202;
    response.end();
  }

  /** A new client; what belongs to no call waits until it opens its GET stream. */
  function connect() {
    let stream;
    const waiting = [];
    const session = new Session(definition, message => (stream ? writeEvent(stream, message) : waiting.push(message)));
    const client = {
      id: randomUUID(),
      session,
      open(response) {
        stream = response;
        startEventStream(response);
        for (const message of waiting.splice(0)) writeEvent(response, message);
      },
      close: () => stream?.end(),
    };
    sessions.set(client.id, client);
    return client;
  }
}

/** An HTTP server on 127.0.0.1 that says its address on stdout and ends with the process that forked it. */
export function listen(port, path, handler) {
  const server = createServer((request, response) => {
    const { host, origin } = request.headers;
    const isLocal =
      LOCAL_HOST.test(host ?? '') && (!origin || (URL.canParse(origin) && LOCAL_HOST.test(new URL(origin).host)));
    if (!isLocal) refuse(response, 403);
    else handler(request, response);
  });
  server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}${path}`));
  process.once('disconnect', () => process.exit());
}

export function refuse(response, status, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message: `HTTP ${status}` } }));
}

export function readJson(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    request.on('error', reject);
  });
}

export function startEventStream(response) {
  if (response.headersSent) return;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
}

export function writeEvent(response, message) {
  response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}
