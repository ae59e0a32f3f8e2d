import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { isObject } from '../../../src/core/base/json.ts';
import type { Message } from '../../support/bareClient.ts';
import { fixtureCommand, fixturePath, httpFixture, startHttpFixture } from '../../support/fixtures.ts';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { Ledger } from '../../support/ledger.ts';

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

/** The echo fixture, with a ledger of its starts and of what it is sent. */
function counted(t: TestContext, ...args: string[]) {
  const ledger = new Ledger(t);
  const { command, args: all } = fixtureCommand('servers/counted.mjs', ledger.file, './echo.mjs', ...args);
  const labels = () => ledger.entries.map(({ label }) => label);
  return { entry: { name: 'b', command, args: all }, labels };
}

async function start(t: TestContext, entry: object, options = {}): Promise<TestGateway> {
  const gateway = await startGateway(t, { backends: [{ name: 'b', ...entry }] }, options);
  await gateway.gateway.whenSettled();
  return gateway;
}

const eraOf = (gateway: TestGateway) => gateway.backend('b').era;

async function works(gateway: TestGateway): Promise<void> {
  const { result } = await (await gateway.client()).callTool('b__echo', { text: 'hello' });
  assert.equal(result.content[0].text, 'hello');
}

async function failureOf(gateway: TestGateway): Promise<string> {
  const { state } = await gateway.reaches('b', 'failed');
  return state.kind === 'failed' ? state.failure.message : '';
}

/** A stdio server that answers as the source of `answer` says: `message => result or error, or undefined for never`. */
function scripted(answer: string) {
  const code = `
    const answer = ${answer};
    require('node:readline').createInterface({ input: process.stdin }).on('line', line => {
      const message = JSON.parse(line);
      const answered = message.id !== undefined && answer(message);
      if (answered) console.log(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answered }));
    });`;
  return { command: process.execPath, args: ['-e', code] };
}

/** An HTTP server for the time of one test that answers POSTs with a status and a body. */
async function answering(
  t: TestContext,
  answer: (message: Message, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') answer((await json(request)) as Message, response);
    else response.writeHead(405).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe('The era of a backend is found', () => {
  test('for a modern-only server by being refused first, on one process and without a wait', async t => {
    const { entry, labels } = counted(t, '--era', 'modern');
    const gateway = await start(t, entry);
    assert.deepEqual(labels().slice(0, 3), ['start', 'initialize', 'server/discover']);
    assert.equal(labels().filter(label => label === 'start').length, 1);
    assert.equal(eraOf(gateway), 'modern');
    await works(gateway);
  });

  test('for a server of both eras in its handshake: the legacy one is spoken', async t => {
    const { entry, labels } = counted(t, '--era', 'both');
    const gateway = await start(t, entry);
    assert.deepEqual(labels().slice(0, 3), ['start', 'initialize', 'notifications/initialized']);
    assert.ok(!labels().includes('server/discover'));
    assert.equal(eraOf(gateway), 'legacy');
    await works(gateway);
  });

  test('for a legacy server that never answers what it does not know, without waiting for it', async t => {
    const gateway = await start(
      t,
      scripted(`({ method, params }) => method === 'initialize'
        ? { result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } } }
        : method === 'tools/list' && { result: { tools: [] } }`),
    );
    assert.equal(gateway.backend('b').state.kind, 'ready');
    assert.equal(eraOf(gateway), 'legacy');
  });

  for (const [protocol, first] of [
    ['modern', 'server/discover'],
    ['legacy', 'initialize'],
  ] as const) {
    test(`in the configuration: ${protocol} is spoken outright to a server of both`, async t => {
      const { entry, labels } = counted(t, '--era', 'both');
      const gateway = await start(t, { ...entry, protocol });
      assert.deepEqual(labels().slice(0, 2), ['start', first]);
      assert.equal(labels().filter(label => label === 'initialize' || label === 'server/discover').length, 1);
      assert.equal(eraOf(gateway), protocol);
      await works(gateway);
    });
  }

  for (const [protocol, era, tried] of [
    ['legacy', 'modern', 'initialize'],
    ['modern', 'legacy', 'server/discover'],
  ] as const) {
    test(`in the configuration: nothing but ${protocol} is tried on a server that does not speak it`, async t => {
      const { entry, labels } = counted(t, '--era', era);
      const gateway = await start(t, { ...entry, protocol });
      assert.match(await failureOf(gateway), new RegExp(`^${tried} was refused: `));
      assert.deepEqual(labels().slice(0, 2), ['start', tried]);
      const other = era === 'legacy' ? 'initialize' : 'server/discover';
      assert.ok(!labels().includes(other));
    });
  }

  test('on HTTP, where a modern-only server refuses with 400 and a JSON-RPC error', async t => {
    const gateway = await start(t, { url: await httpFixture(t, 'servers/echo.mjs', '--era', 'modern') });
    assert.equal(eraOf(gateway), 'modern');
    const { state } = gateway.backend('b');
    assert.equal(state.kind === 'ready' && state.transport, 'http');
    await works(gateway);
  });

  const refusal = (code: number, message: string, id?: null) => ({
    jsonrpc: '2.0',
    ...(id === null && { id }),
    error: { code, message },
  });
  for (const [what, status, body] of [
    ['400 and -32022 without its id', 400, refusal(-32022, 'Unsupported protocol version', null)],
    ['400 and -32020 that bears no id', 400, refusal(-32020, 'Header mismatch')],
    ['404 and -32601 without its id', 404, refusal(-32601, 'Method not found', null)],
    ['400 alone', 400, undefined],
  ] as const) {
    test(`on HTTP, where a modern-only server refuses with ${what}`, async t => {
      const { url, posts } = await modernOnly(t, status, body);
      const gateway = await start(t, { url });
      assert.equal(eraOf(gateway), 'modern');
      assert.deepEqual(posts.slice(0, 2), ['initialize', 'server/discover']);
    });
  }

  test('by no more than one question where a server wants a sign-in', async t => {
    const posts: unknown[] = [];
    const url = await answering(t, ({ method }, response) => {
      posts.push(method);
      response.writeHead(401).end();
    });
    assert.match(await failureOf(await start(t, { url })), /needs sign-in/);
    assert.deepEqual(posts, ['initialize']);
  });

  test('for no server that refuses everything: the first refusal is told', async t => {
    const url = await answering(t, (_, response) => response.writeHead(400).end());
    assert.equal(await failureOf(await start(t, { url })), 'the server answered HTTP 400');
  });

  for (const status of [404, 405])
    test(`on HTTP, and a server of the oldest kind that answers ${status} and a page is still reached`, async t => {
      const gateway = await start(t, { url: await oldest(t, status) });
      const { state } = gateway.backend('b');
      assert.equal(state.kind === 'ready' && state.transport, 'sse');
      assert.equal(eraOf(gateway), 'legacy');
    });
});

describe('The era of a backend is remembered', () => {
  test('across a restart of the backend', async t => {
    const { entry, labels } = counted(t, '--era', 'modern');
    const gateway = await start(t, entry);
    const before = labels().length;
    process.kill(await gateway.pidOf('b'), 'SIGKILL');
    await gateway.reaches('b', 'failed', 'connecting');
    await gateway.reaches('b', 'ready');
    assert.deepEqual(labels().slice(before, before + 2), ['start', 'server/discover']);
    await works(gateway);
    assert.equal(labels().filter(label => label === 'initialize').length, 1);
  });

  test('across runs of the router', async t => {
    const { entry, labels } = counted(t, '--era', 'modern');
    const options = { stateDirectory: temporaryFolder(t), folder: temporaryFolder(t) };
    const first = await start(t, entry, options);
    await first.gateway.stop();
    const before = labels().length;
    const second = await start(t, entry, options);
    assert.deepEqual(labels().slice(before, before + 2), ['start', 'server/discover']);
    await works(second);
    assert.ok(!labels().slice(before).includes('initialize'));
    await second.gateway.stop();
  });

  test('and is only where to begin: a legacy server in the place of a modern one is found', async t => {
    const module = path.join(temporaryFolder(t), 'server.mjs');
    const become = (era: string) =>
      writeFileSync(
        module,
        `process.argv.push('--era', '${era}'); await import(${JSON.stringify(`file://${fixturePath('servers/echo.mjs')}`)});`,
      );
    become('modern');
    const gateway = await start(t, { command: process.execPath, args: [module] });
    assert.equal(eraOf(gateway), 'modern');
    become('legacy');
    gateway.gateway.restart('b');
    await gateway.reaches('b', 'connecting');
    await gateway.reaches('b', 'ready');
    assert.equal(eraOf(gateway), 'legacy');
    await works(gateway);
  });

  test('on HTTP too, where a legacy server refuses what comes without a session', async t => {
    const before = await startHttpFixture('servers/echo.mjs', { args: ['--era', 'modern'] });
    t.after(() => before.close());
    const gateway = await start(t, { url: before.url });
    assert.equal(eraOf(gateway), 'modern');
    await before.close();
    const after = await startHttpFixture('servers/echo.mjs', { port: Number(new URL(before.url).port) });
    t.after(() => after.close());
    gateway.gateway.restart('b');
    await gateway.reaches('b', 'connecting');
    await gateway.reaches('b', 'ready');
    assert.equal(eraOf(gateway), 'legacy');
    await works(gateway);
  });

  test('no longer than until it costs a start', async t => {
    const flag = path.join(temporaryFolder(t), 'modern');
    writeFileSync(flag, '');
    const entry = scripted(`({ method, params }) => {
      const isModern = require('node:fs').existsSync(${JSON.stringify(flag)});
      const serverInfo = { name: 's', version: '1' };
      if (method === 'tools/list') return { result: { tools: [] } };
      if (method === 'initialize') return isModern
        ? { error: { code: -32601, message: 'Method not found' } }
        : { result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } };
      if (method === 'server/discover' && isModern) return { result: { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } };
    }`);
    const gateway = await start(t, { ...entry, start_timeout_seconds: 1 });
    assert.equal(eraOf(gateway), 'modern');
    rmSync(flag);
    gateway.gateway.restart('b');
    await gateway.reaches('b', 'failed');
    await gateway.reaches('b', 'ready');
    assert.equal(eraOf(gateway), 'legacy');
  });
});

describe('A backend that speaks only versions that are not known here', () => {
  const refused = (message: string, supported?: unknown) =>
    `{ error: { code: -32022, message: '${message}', data: { supported: ${JSON.stringify(supported)}, requested: 'x' } } }`;
  for (const [what, answer, pattern] of [
    [
      'in its handshake',
      `({ method }) => method === 'initialize' ? { result: { protocolVersion: '1999-01-01', capabilities: {} } } : { error: { code: -32601, message: 'no' } }`,
      /1999-01-01/,
    ],
    ['in its refusal of both eras', `() => (${refused('Unsupported protocol version', ['2031-01-01'])})`, /2031-01-01/],
    [
      'when it is discovered',
      `({ method }) => method === 'server/discover' ? { result: { supportedVersions: ['2032-02-02'], capabilities: {} } } : { error: { code: -32601, message: 'Method not found' } }`,
      /2032-02-02/,
    ],
  ] as const) {
    test(`fails with an error that names them: those that it tells ${what}`, async t => {
      const gateway = await start(t, scripted(answer));
      assert.match(await failureOf(gateway), pattern);
    });
  }

  test('on HTTP is named with them, too', async t => {
    const url = await answering(t, ({ id }, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      const error = { code: -32022, message: 'Unsupported protocol version', data: { supported: ['2031-01-01'] } };
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error }));
    });
    assert.match(await failureOf(await start(t, { url, type: 'http' })), /2031-01-01/);
  });
});

/** A modern server that looks at the version first, and the methods that were posted. */
async function modernOnly(t: TestContext, status: number, refusal: unknown) {
  const posts: unknown[] = [];
  const url = await answering(t, ({ id, method, params }, response) => {
    posts.push(method);
    const isModern = isObject(params?._meta) && VERSION_KEY in params._meta;
    const results: Record<string, unknown> = {
      'server/discover': { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } },
      'tools/list': { tools: [] },
    };
    const answer = isModern ? { jsonrpc: '2.0', id, result: results[method ?? ''] } : refusal;
    response.writeHead(isModern ? 200 : status, { 'content-type': 'application/json' });
    response.end(answer && JSON.stringify(answer));
  });
  return { url, posts };
}

/** A server of the 2024 revision: HTTP+SSE only. What is posted to its stream's address is answered with a page. */
async function oldest(t: TestContext, status: number): Promise<string> {
  let stream: ServerResponse | undefined;
  const server = createServer(async (request, response) => {
    if (request.url === '/sse') {
      if (request.method === 'GET') {
        stream = response.writeHead(200, { 'content-type': 'text/event-stream' });
        stream.write('event: endpoint\ndata: /messages\n\n');
      } else response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>No</h1>');
      return;
    }
    const { id, method, params } = (await json(request)) as Message;
    response.writeHead(202).end();
    const results: Record<string, unknown> = {
      initialize: { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 's' } },
      'tools/list': { tools: [] },
    };
    if (method && results[method])
      stream?.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id, result: results[method] })}\n\n`);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sse`;
}
