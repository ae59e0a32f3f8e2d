import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../../src/core/base/clock.ts';
import { parseConfig } from '../../../src/core/config/load.ts';
import type { BackendConfig } from '../../../src/core/config/schema.ts';
import { type Connected, connect } from '../../../src/core/upstream/connect.ts';
import type { Connection } from '../../../src/core/upstream/connection.ts';
import type { Lists } from '../../../src/core/upstream/lists.ts';
import { Offer } from '../../../src/core/upstream/offer.ts';
import type { Failure } from '../../../src/core/upstream/outcome.ts';
import type { StdioTransport } from '../../../src/core/upstream/stdioTransport.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';

const NEVER = new AbortController().signal;
const TIMEOUTS = { quietMs: 20_000, maxMs: 60_000, signal: NEVER };
const TOOL = { name: 'tool', inputSchema: { type: 'object' } };

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly [name: string]: unknown; readonly _meta?: { readonly [name: string]: unknown } };
}

function config(entry: Record<string, unknown>): BackendConfig {
  const source = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const parsed = parseConfig(JSON.stringify({ backends: [{ name: 'b', ...entry }] }), 'backends.json', source);
  const [backend] = parsed.ok ? parsed.config.backends : [];
  assert.ok(backend, parsed.problems.map(({ message }) => message).join());
  return backend;
}

/** An attempt to connect, with all it reports. */
async function attempt(t: TestContext, entry: Record<string, unknown>, signal = NEVER, environment = process.env) {
  const troubles: string[] = [];
  const ends: Failure[] = [];
  const notifications: string[] = [];
  const children = new Set<StdioTransport>();
  const options = { defaultCwd: process.cwd(), environment, clock: systemClock, onLine: () => {} };
  const ports = {
    onNotification: (method: string) => notifications.push(method),
    onRequest: () => Promise.reject(new Error('nobody is asked')),
    onEnd: (failure: Failure) => ends.push(failure),
    onTrouble: (line: string) => troubles.push(line),
  };
  const attempted = await connect(
    config(entry),
    { ...options, clientInfo: { name: 'switchyard', version: '0' }, knownEra: undefined, children },
    ports,
    signal,
  );
  if (attempted.ok) t.after(() => attempted.value.connection.close());
  return { attempted, troubles, ends, notifications, children };
}

async function connected(t: TestContext, entry: Record<string, unknown>) {
  const { attempted, ...reported } = await attempt(t, entry);
  assert.ok(attempted.ok, attempted.ok ? '' : attempted.failure.message);
  return { ...attempted.value, ...reported };
}

/**
 * A stdio server in a process of its own.
 * @param methods the source of what it does instead, by method: `'tools/list': ({ id }) => send(…)`
 */
function stdio(methods: string): { command: string; args: string[] } {
  const code = `
    const send = message => process.stdout.write(JSON.stringify(message) + '\\n');
    const methods = {
      initialize: ({ id, params: { protocolVersion } }) => send({ jsonrpc: '2.0', id, result: {
        protocolVersion, capabilities: { tools: {}, prompts: {}, resources: {} }, serverInfo: { name: 's', version: '1' } } }),
      'tools/list': ({ id }) => send({ jsonrpc: '2.0', id, result: { tools: [${JSON.stringify(TOOL)}] } }),
      'prompts/list': ({ id }) => send({ jsonrpc: '2.0', id, result: { prompts: [{ name: 'prompt' }] } }),
      ${methods}
    };
    require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
      const message = JSON.parse(line);
      if (methods[message.method]) methods[message.method](message);
      else if (message.id !== undefined) send({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no such method' } });
    });`;
  return { command: process.execPath, args: ['-e', code] };
}

/** An HTTP server for the time of one test; gives its address. */
async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** A Streamable HTTP server that can be initialized and has one tool; `call` deals with all other requests. */
function http(t: TestContext, call: (message: Message, response: ServerResponse) => void): Promise<string> {
  return listen(t, async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const message = (await json(request)) as Message;
    if (message.id === undefined) return response.writeHead(202).end();
    const result = resultOf(message);
    if (!result) return call(message, response);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  });
}

/** A stream of events that ends with them. */
function events(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
}

function resultOf({ method, params }: Message): unknown {
  if (method === 'tools/list') return { tools: [TOOL] };
  if (method !== 'initialize') return undefined;
  const serverInfo = { name: 's', version: '1' };
  return { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo };
}

/** An HTTP+SSE server whose tool answers what it is told to, and the streams that it has opened. */
async function sse(
  t: TestContext,
  take: (response: ServerResponse, message: Message) => unknown = response => response.writeHead(202).end(),
) {
  const streams: ServerResponse[] = [];
  const url = await listen(t, async (request: IncomingMessage, response) => {
    if (request.method === 'GET') {
      streams.push(response.writeHead(200, { 'content-type': 'text/event-stream' }));
      response.write('event: endpoint\ndata: /messages\n\n');
      return;
    }
    const message = (await json(request)) as Message;
    await take(response, message);
    const result = resultOf(message);
    const answer = result ? { result } : message.params?.answer;
    if (answer)
      streams.at(-1)?.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: message.id, ...(answer as object) })}\n\n`);
  });
  return { url, streams };
}

/** What a backend offers from this connection on, with the lines and the changes that it tells. */
function offerOf(t: TestContext, connection: Connection, lists: Lists) {
  const lines: string[] = [];
  let changes = 0;
  const ports = {
    clock: systemClock,
    listTtlMs: () => 1e9,
    timeouts: () => TIMEOUTS,
    onChange: () => {
      changes += 1;
    },
    onLine: (line: string) => lines.push(line),
  };
  const offer = new Offer(ports, undefined);
  t.after(() => offer.detach());
  offer.attach(connection, lists, undefined);
  return { offer, lines, changes: () => changes };
}

const call = (connection: Connection, params = {}) => connection.request('tools/call', params, TIMEOUTS);

describe('Connecting', () => {
  test('ends in time with a server whose event stream says nothing, and at once when it is given up', async t => {
    const url = await listen(t, (_, response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
    );
    const late = await attempt(t, { url, type: 'sse', start_timeout_seconds: 0.5 });
    assert.equal(!late.attempted.ok && late.attempted.failure.code, 'start-timeout');
    const stopped = await attempt(t, { url, type: 'sse', start_timeout_seconds: 60 }, AbortSignal.timeout(100));
    assert.equal(!stopped.attempted.ok && stopped.attempted.failure.code, 'closed');
  });

  test('fails with a process that ends while its prompts are read', async t => {
    const { attempted } = await attempt(t, stdio(`'prompts/list': () => process.exit(3)`));
    assert.deepEqual(attempted, { ok: false, failure: { code: 'exited', message: 'exited with code 3' } });
  });

  test('does not wait for a list that hangs, if it is not that of the tools', async t => {
    const entry = { ...stdio(`'resources/list': () => {}`), start_timeout_seconds: 6 };
    const { lists, troubles } = await connected(t, entry);
    assert.deepEqual(lists, { tools: [TOOL], prompts: [{ name: 'prompt' }], resources: [], templates: [] });
    assert.match(troubles.join(), /^resources could not be read: resources\/list took longer than [\d.]+ s$/);
  });

  for (const [what, entry] of [
    ['a directory that is a file', { command: 'x', cwd: process.execPath }],
    ['arguments that are too long', { command: process.execPath, args: ['x'.repeat(4_000_000)] }],
  ] as const) {
    test(`fails with ${what} as with a command that is not there, and keeps no child`, async t => {
      const { attempted, children } = await attempt(t, entry);
      assert.equal(!attempted.ok && attempted.failure.code, 'not-found');
      assert.equal(children.size, 0);
    });
  }

  test('tells where a command was searched, as Windows has it too', async t => {
    const message = async (command: string) => {
      const { attempted } = await attempt(t, { command }, NEVER, { Path: 'C:\\bin' });
      return !attempted.ok && attempted.failure.message;
    };
    assert.equal(await message('no-such'), 'command "no-such" was not found; searched the PATH C:\\bin');
    assert.match(
      String(await message('npx -y x')),
      /^command "npx -y x" was not found; .* goes under "args"; searched/,
    );
    assert.equal(
      await message('~/bin/no-such'),
      `command "~/bin/no-such" was not found; "~" is not resolved here: write \${userHome}/bin/no-such`,
    );
    assert.equal(await message('.\\no-such'), 'command ".\\no-such" was not found');
  });

  for (const [what, answer, message] of [
    ['refuses', (response: ServerResponse) => response.writeHead(503).end(), 'the server answered HTTP 503'],
    [
      'is no HTTP+SSE server',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      'the server answered with text/html instead of a stream of events',
    ],
    [
      'names no endpoint',
      (response: ServerResponse) => events(response, ''),
      'the stream ended before it named an endpoint',
    ],
    [
      'wants the messages elsewhere',
      (response: ServerResponse) => events(response, 'event: endpoint\ndata: http://elsewhere.example/\n\n'),
      'the endpoint is elsewhere, at http://elsewhere.example',
    ],
  ] as const)
    test(`fails with a server that ${what}, when it is to be of the 2024 revision`, async t => {
      const url = await listen(t, (_, response) => void answer(response));
      const { attempted } = await attempt(t, { url, type: 'sse' });
      assert.deepEqual(attempted.ok ? 'it is connected' : attempted.failure.message, message);
    });

  test('asks a server of the 2024 revision for nothing before that has taken that it is initialized', async t => {
    const taken: unknown[] = [];
    const { url } = await sse(t, async (response, { method }) => {
      if (method === 'notifications/initialized') await sleep(100);
      taken.push(method);
      response.writeHead(202).end();
    });
    await connected(t, { url, type: 'sse' });
    assert.deepEqual(taken, ['initialize', 'notifications/initialized', 'tools/list']);
  });

  test('takes the word of a server of the 2024 revision that a message is taken, though the rest of it breaks off', async t => {
    const { url } = await sse(t, async response => {
      response.writeHead(202, { 'content-length': 8 }).write('Acc', () => response.destroy());
      // So that the end of the post is there before the answer.
      await sleep(100);
    });
    const { connection } = await connected(t, { url, type: 'sse' });
    assert.deepEqual(await call(connection, { answer: { result: {} } }), { kind: 'answered', result: {} });
  });

  test('tells a modern server with all that is asked for no client what some client may be able to do', async t => {
    const told = new Map<unknown, unknown>();
    const url = await listen(t, async (request, response) => {
      const { id, method, params } = (await json(request)) as Message;
      const capabilities = params?._meta?.['io.modelcontextprotocol/clientCapabilities'];
      told.set(method, capabilities);
      const results: Record<string, unknown> = {
        'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: { listChanged: true } } },
        'tools/list': { tools: [TOOL] },
      };
      response.writeHead(method && results[method] ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: method && results[method] }));
    });
    await connected(t, { url, protocol: 'modern' });
    await eventually('the wish to hear of changes', () => told.has('subscriptions/listen'));
    const [first, ...others] = told.values();
    assert.partialDeepStrictEqual(first, {
      elicitation: { form: {} },
      extensions: { 'io.modelcontextprotocol/ui': {} },
    });
    assert.deepEqual([others.length, others.every(other => isDeepStrictEqual(other, first))], [2, true]);
  });

  test('knows a child while it lives', async t => {
    const { connection, children } = await connected(t, stdio(''));
    assert.equal(children.size, 1);
    await connection.close();
    assert.equal(children.size, 0);
  });
});

describe('A backend that nests deeper than JSON can be written', () => {
  const deep = (levels: number) => `JSON.parse('['.repeat(${levels}) + ']'.repeat(${levels}))`;
  /** Answers by hand: what is this deep cannot be written by JSON.stringify. */
  const sendDeep = (result: string) => `process.stdout.write(\`{"jsonrpc":"2.0","id":\${id},"result":${result}}\\n\`)`;
  const DEEP = '['.repeat(9000) + ']'.repeat(9000);

  test('loses the items that do, and its log says so', async t => {
    const list = `{"tools":[{"name":"bad","x":${DEEP}},${JSON.stringify(TOOL)},{"name":"worse","x":${DEEP}}]}`;
    const { lists, troubles } = await connected(t, stdio(`'tools/list': ({ id }) => ${sendDeep(list)},`));
    assert.deepEqual(lists.tools, [TOOL]);
    assert.deepEqual(troubles, ['tools/list: "bad" and 1 more left out, nested more than 200 levels deep']);
  });

  test('keeps what is nested as schemas are', async t => {
    const list = `'tools/list': ({ id }) => send({ jsonrpc: '2.0', id, result: { tools: [{ name: 'a', x: ${deep(190)} }] } }),`;
    const { lists, troubles } = await connected(t, stdio(list));
    assert.equal(lists.tools.length, 1);
    assert.deepEqual(troubles, []);
  });

  test('loses them when its lists are read again', async t => {
    const list = `{"tools":[{"name":"bad","x":${DEEP}},${JSON.stringify(TOOL)}]}`;
    const worse = `'tools/call': ({ id }) => {
      methods['tools/list'] = ({ id }) => ${sendDeep(list)};
      send({ jsonrpc: '2.0', id, result: {} });
    },`;
    const { connection, lists } = await connected(t, stdio(worse));
    const { offer, lines } = offerOf(t, connection, lists);
    await call(connection);
    offer.markStale(['tools']);
    await eventually('the line', () => lines.length === 1);
    assert.deepEqual(lines, ['tools/list: "bad" left out, nested more than 200 levels deep']);
    assert.deepEqual(offer.lists.tools, [TOOL]);
  });

  for (const [what, answer] of [
    ['introduction', `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"experimental":${DEEP}}}`],
    ['refusal', `"error":{"code":-32022,"message":"no","data":{"supported":${DEEP}}}`],
  ])
    test(`cannot be used when its ${what} does`, async t => {
      const initialize = `initialize: ({ id }) => process.stdout.write(\`{"jsonrpc":"2.0","id":\${id},${answer}}\\n\`),`;
      const { attempted } = await attempt(t, stdio(initialize));
      assert.deepEqual(attempted.ok || attempted.failure, {
        code: 'protocol',
        message: 'the answer to initialize is nested more than 200 levels deep',
      });
    });
});

describe('A request', () => {
  const ERRORS = [
    { code: -32002, message: 'no such resource', data: { uri: 'x:y', hint: 'z' } },
    { code: -32602, message: 'bad', data: { uri: 'x:y' } },
    { code: -32042, message: 'sign in', data: { elicitations: [], more: 1 } },
    { code: -32022, message: 'version', data: { supported: ['1'], requested: '2', more: 1 } },
    { code: -32021, message: 'capability', data: { requiredCapabilities: {}, more: 1 } },
    { code: 42, message: '', data: null },
    { code: -1, message: 'no data' },
  ];
  const replay = `'tools/call': ({ id, params }) => send({ jsonrpc: '2.0', id, ...params.answer }),`;

  const replaying = async (t: TestContext, transport: 'stdio' | 'HTTP' | 'SSE') => {
    if (transport === 'stdio') return connected(t, stdio(replay));
    if (transport === 'SSE') return connected(t, { url: (await sse(t)).url, type: 'sse' });
    const url = await http(t, ({ id, params }, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(params?.answer as object) }));
    });
    return connected(t, { url });
  };

  for (const transport of ['stdio', 'HTTP', 'SSE'] as const) {
    test(`gets the errors of a backend on ${transport} as they are`, async t => {
      const { connection } = await replaying(t, transport);
      for (const error of ERRORS) {
        assert.deepEqual(await call(connection, { answer: { error } }), { kind: 'rejected', error });
      }
    });

    for (const answer of [{ result: null }, { result: 1 }, { error: { code: 1 } }, { error: 'no' }, {}]) {
      test(`fails at once with the answer ${JSON.stringify(answer)} on ${transport}`, async t => {
        const { connection } = await replaying(t, transport);
        const outcome = await call(connection, { answer });
        assert.equal(outcome.kind === 'failed' && outcome.sent && outcome.failure.code, 'protocol');
      });
    }
  }

  test('is answered by a batch', async t => {
    const batch = `'tools/call': ({ id }) => send([{ jsonrpc: '2.0', method: 'notifications/x' }, { jsonrpc: '2.0', id, result: { a: 1 } }]),`;
    const { connection } = await connected(t, stdio(batch));
    assert.deepEqual(await call(connection), { kind: 'answered', result: { a: 1 } });
  });

  for (const [how, end] of [
    ['ends', (response: ServerResponse) => response.end()],
    ['breaks', (response: ServerResponse) => response.destroy()],
  ] as const) {
    test(`fails at once when its stream ${how} without the answer, and no other request does`, async t => {
      let first: ServerResponse | undefined;
      const url = await http(t, ({ id }, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(': here\n\n');
        if (!first) first = response;
        else {
          end(first);
          response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: {} })}\n\n`);
        }
      });
      const { connection, ends } = await connected(t, { url });
      const interrupted = call(connection);
      await eventually('the first call', () => first);
      assert.equal((await call(connection)).kind, 'answered');
      const outcome = await interrupted;
      assert.equal(outcome.kind === 'failed' && outcome.sent && outcome.failure.code, 'closed');
      assert.deepEqual(ends, []);
    });
  }

  for (const [when, hangUp] of [
    ['before the answer', (response: ServerResponse) => response.destroy()],
    ['within it', (response: ServerResponse) => response.write('{', () => response.destroy())],
  ] as const)
    test(`fails as cut off when the server hangs up ${when}, and no other request does`, async t => {
      const responses: ServerResponse[] = [];
      const url = await http(t, (_, response) => {
        response.setHeader('content-type', 'application/json');
        if (responses.push(response) > 1) hangUp(response);
      });
      const { connection, ends } = await connected(t, { url });
      const other = call(connection);
      await eventually('the first call', () => responses.length > 0);
      const outcome = await call(connection);
      assert.equal(outcome.kind === 'failed' && outcome.sent && outcome.failure.code, 'closed');
      responses[0]?.end(JSON.stringify({ jsonrpc: '2.0', id: 3, result: {} }));
      assert.equal((await other).kind, 'answered');
      assert.deepEqual(ends, []);
    });

  test('tells the status of an HTTP error, and when to come again', async t => {
    const url = await http(t, (_, response) => response.writeHead(503, { 'retry-after': '30' }).end('busy'));
    const message = 'the server answered HTTP 503 (Retry-After: 30)';
    const outcome = await call((await connected(t, { url })).connection);
    assert.deepEqual(outcome, { kind: 'failed', sent: true, failure: { code: 'http', message } });
  });

  test('tells which of its limits it has reached', async t => {
    const ticking = `'tools/call': ({ params }) => setInterval(() => send({ jsonrpc: '2.0', method: 'notifications/progress',
      params: { progressToken: params._meta.progressToken, progress: 1 } }), 50),`;
    const { connection } = await connected(t, stdio(ticking));
    const caller = { sessionId: '', notify: () => {}, request: () => Promise.reject(new Error('not asked')) };
    const limits = { quietMs: 800, maxMs: 2000, signal: NEVER };
    const told = async (options: object) => {
      const params = { _meta: { progressToken: 1 } };
      const outcome = await connection.request('tools/call', params, { ...limits, ...options });
      return outcome.kind === 'failed' && outcome.failure.message;
    };
    assert.deepEqual(await Promise.all([told({ caller }), told({})]), ['took longer than 2 s', 'no answer for 0.8 s']);
  });
});

describe('A connection', () => {
  test('to an SSE server ends with its stream, and with it what is in flight', async t => {
    const { url, streams } = await sse(t);
    const { connection, ends } = await connected(t, { url, type: 'sse' });
    const waiting = call(connection);
    streams[0]?.end();
    const outcome = await waiting;
    assert.equal(outcome.kind === 'failed' && outcome.failure.code, 'closed');
    assert.deepEqual(ends, [connection.end]);
    assert.equal(streams.length, 1);
  });

  test('takes every list for changed when the stream that belongs to no request has broken and is open again', async t => {
    const streams: ServerResponse[] = [];
    const url = await listen(t, async (request, response) => {
      if (request.method === 'GET') {
        streams.push(response.writeHead(200, { 'content-type': 'text/event-stream' }));
        return response.write('retry: 10\n\n');
      }
      const message = (await json(request)) as Message;
      if (message.id === undefined) return response.writeHead(202).end();
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: resultOf(message) }));
    });
    const { notifications } = await connected(t, { url });
    await eventually('the stream', () => streams.length === 1);
    assert.equal(notifications.length, 0);
    streams[0]?.end();
    await eventually('the gap', () => notifications.includes('notifications/tools/list_changed'));
    assert.equal(streams.length, 2);
  });

  test('ends with a child that lives but has closed its stdin', async t => {
    const closing = `'tools/call': () => { require('node:fs').closeSync(0); setInterval(() => {}, 1000); },`;
    const { connection, ends } = await connected(t, stdio(closing));
    const waiting = call(connection);
    await eventually('its end', () => {
      connection.notify('notifications/x');
      return ends.length > 0;
    });
    assert.equal((await waiting).kind, 'failed');
    assert.equal(connection.end?.code, 'exited');
  });

  test('tells of what goes wrong beside the requests, but not each time', async t => {
    const odd = `'tools/call': ({ id }) => { for (let n = 0; n < 9; n++) send({ jsonrpc: '2.0', odd: n }); send({ jsonrpc: '2.0', id, result: {} }); },`;
    const { connection, troubles } = await connected(t, stdio(odd));
    await call(connection);
    assert.equal(troubles.length, 1);
    assert.match(troubles[0] ?? '', /"odd":0/);
  });

  test('says of a request that the child has no room for that it was not sent, and tells once of notifications', async t => {
    const deaf = `'tools/call': () => { while (true); },`;
    const { connection, troubles, children } = await connected(t, stdio(deaf));
    void call(connection);
    for (let n = 0; n < 9; n++) connection.notify('notifications/x', { text: 'x'.repeat(10_000_000) });
    const outcome = await call(connection);
    assert.deepEqual(outcome, {
      kind: 'failed',
      sent: false,
      failure: { code: 'protocol', message: 'the process does not read' },
    });
    assert.deepEqual(troubles, ['the process does not read']);
    for (const child of children) child.kill();
  });

  test('tells of a notification that could not be sent', async t => {
    const { connection, troubles } = await connected(t, stdio(''));
    await connection.close();
    connection.notify('notifications/x');
    await eventually('the line', () => troubles.length === 1);
  });
});

describe('What a backend offers', () => {
  test('may be any number of items on one page', async t => {
    const many = `Array.from({ length: 200_000 }, (_, n) => ({ name: 't' + n }))`;
    const list = `'tools/list': ({ id }) => send({ jsonrpc: '2.0', id, result: { tools: ${many} } }),`;
    const { lists } = await connected(t, stdio(list));
    assert.equal(lists.tools.length, 200_000);
  });

  test('holds for as long as a modern one says', async t => {
    const { ttlMs } = await connected(t, { ...fixtureCommand('servers/recorded.mjs', '--era', 'modern') });
    assert.equal(ttlMs, 60_000);
  });

  test('stays as it was where it cannot be read again, which is told, and the rest is taken over', async t => {
    const failing = `'resources/list': ({ id }) => send({ jsonrpc: '2.0', id, result: { resources: [{ uri: 'a:b', name: 'r' }] } }),
      'tools/call': ({ id }) => {
        methods['tools/list'] = methods['prompts/list'] = ({ id }) => send({ jsonrpc: '2.0', id, error: { code: -1, message: 'later' } });
        methods['resources/list'] = ({ id }) => send({ jsonrpc: '2.0', id, result: { resources: [] } });
        send({ jsonrpc: '2.0', id, result: {} });
      },`;
    const { connection, lists }: Connected = await connected(t, stdio(failing));
    const { offer, lines, changes } = offerOf(t, connection, lists);
    assert.deepEqual(offer.lists.resources, [{ uri: 'a:b', name: 'r' }]);
    await call(connection);
    offer.markStale(['tools', 'prompts', 'resources', 'templates']);
    await eventually('the change', () => changes() === 2);
    assert.deepEqual(offer.lists, { tools: [TOOL], prompts: [{ name: 'prompt' }], resources: [], templates: [] });
    assert.deepEqual(lines.toSorted(), [
      'prompts could not be read again: prompts/list: later',
      'tools could not be read again: tools/list: later',
    ]);
  });
});
