// A whole MCP server without dependencies, so that a fixture starts in some 40 ms and does exactly what its own few lines say.
// Stdio, or with `--port N` Streamable HTTP on 127.0.0.1/mcp. On HTTP the first line on stdout is the address, so `--port 0` takes any free port.
// Every fixture also takes `--era`: `legacy` (to 2025-11-25, the default), `modern` (2026-07-28), or `both` at once; and with a port `--sse`,
// to be an HTTP+SSE server.
//
// A definition is `{ name, version?, instructions?, capabilities?, cache?, answersCancelled?, tools?, methods?, intercept? }`. A tool is its definition as listed
// plus `run(args, call)`, a method is `(params, call) => result`. Both may throw an `RpcError`. `call` is what a handler can do meanwhile:
// - `progress()`, `log()` and `notify()` speak on this call's own stream; `session.notify()` outside of any call;
// - `ask(method, params)` asks the client, `askAll({ key: { method, params } })` several things at once. In the modern era that ends the call
//   and the handler runs again, from its start, with the answers: it must ask the same in the same order, and do no harm before;
// - `clientCapabilities`; `headers` (of HTTP); `signal` (cancelled).
// `cache` is `{ ttlMs, cacheScope }`, for the modern era. `answersCancelled`: what was cancelled is answered all the same, in the legacy era.
// `intercept(message, { response, forget })` sees each HTTP request first; where it gives true, it has dealt with it. `forget()` ends the
// session. `unknownSession` is the HTTP status for one that is not known, 404 by default.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Session } from './serveLegacy.mjs';
import { MODERN_VERSION, ModernServer, VERSION_KEY } from './serveModern.mjs';

export { page, RpcError, text } from './definition.mjs';
export { Session } from './serveLegacy.mjs';

const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;
const COMMON = { era: { type: 'string', default: 'legacy' }, sse: { type: 'boolean' } };

/** The command line: `options` as in `util.parseArgs`, and `--port`. */
export function readFlags(options = {}) {
  return parseArgs({ options: { ...options, ...COMMON, port: { type: 'string' } } }).values;
}

/** Serves on stdio, or on Streamable HTTP where there is a port. */
export function serve(definition, port) {
  // The fixture reads the other flags, those of its own.
  const { era, sse } = parseArgs({ options: COMMON, strict: false }).values;
  const isModern = { legacy: () => false, modern: () => true, both: looksModern }[era];
  if (!isModern) throw new Error(`There is no era ${era}`);
  if (port === undefined) serveStdio(definition, isModern);
  else if (sse) serveSse(definition, Number(port));
  else serveHttp(definition, isModern, Number(port));
}

function looksModern({ method, params }, headers = {}) {
  return (
    method === 'server/discover' ||
    VERSION_KEY in (params?._meta ?? {}) ||
    headers['mcp-protocol-version'] === MODERN_VERSION
  );
}

function serveStdio(definition, isModern) {
  // All that is sent in one turn of the event loop leaves in one write, so progress can arrive together with its result.
  let isCorked = false;
  const send = message => {
    if (!isCorked) {
      isCorked = true;
      process.stdout.cork();
      setImmediate(() => {
        isCorked = false;
        process.stdout.uncork();
      });
    }
    process.stdout.write(`${JSON.stringify(message)}\n`);
  };
  const session = new Session(definition, send);
  const modern = new ModernServer(definition);
  const running = new Map();

  async function receive(message) {
    if (message.method === 'notifications/cancelled') running.get(message.params?.requestId)?.abort();
    if (!isModern(message)) return session.receive(message);
    const abort = new AbortController();
    running.set(message.id, abort);
    await modern.receive(message, send, { signal: abort.signal });
    running.delete(message.id);
  }
  // Not with `readline`, which takes U+2028 for the end of a line too.
  let rest = '';
  process.stdin.setEncoding('utf8').on('data', text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') receive(JSON.parse(line));
  });
  process.stdin.on('end', () => process.exit(0));
}

function serveHttp(definition, isModern, port) {
  const sessions = new Map();
  const modern = new ModernServer(definition);

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
    if (isModern(message, request.headers)) {
      const abort = new AbortController();
      response.on('close', () => abort.abort());
      await modern.receive(message, replyOn(response), { headers: request.headers, signal: abort.signal });
    } else {
      if (id !== undefined && !sessions.has(id)) return refuse(response, definition.unknownSession ?? 404);
      if (id === undefined && message.method !== 'initialize') return refuse(response, 400);
      const client = sessions.get(id) ?? connect();
      response.setHeader('mcp-session-id', client.id);
      await client.session.receive(message, replyOn(response), request.headers);
    }
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

/**
 * As a server of the 2024 revision: GET /sse opens the stream and names the address to post to; what is posted to /messages
 * is answered 202, and its answer comes on the stream. A Streamable HTTP client's POST to /sse gets 405.
 */
export function serveSse(definition, port) {
  const sessions = new Map();
  listen(port, '/sse', async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    if (pathname === '/sse') {
      if (request.method !== 'GET') return refuse(response, 405);
      const id = randomUUID();
      startEventStream(response);
      response.write(`event: endpoint\ndata: /messages?sessionId=${id}\n\n`);
      sessions.set(id, new Session(definition, message => writeEvent(response, message)));
      response.on('close', () => sessions.delete(id));
      return;
    }
    const session = sessions.get(searchParams.get('sessionId'));
    if (pathname !== '/messages' || request.method !== 'POST' || !session) return refuse(response, 404);
    const message = await readJson(request);
    response.writeHead(202).end('Accepted');
    await session.receive(message);
  });
}

/** Answers a POST: in plain JSON, unless something has to be said before. */
function replyOn(response) {
  return (message, status = 200) => {
    if (message.method !== undefined) startEventStream(response);
    if (response.headersSent) return writeEvent(response, message);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(message));
  };
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
