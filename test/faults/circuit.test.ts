// Circuits, strategies and limits on real backends, which note in a ledger what reached them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { deferred } from '../../src/core/base/async.ts';
import type { Message } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture, startHttpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';

const isError = ({ result }: Message) => result?.isError === true;
const textOf = ({ result, error }: Message): string => error?.message ?? result.content[0].text;

/** A server of a few answers: `answer` may take a message before, and then has answered it. */
async function serverOf(
  t: TestContext,
  answer: (message: { readonly id?: number; readonly method?: string }, response: ServerResponse) => boolean,
): Promise<string> {
  const results: Record<string, object> = {
    initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 's', version: '1' } },
    'tools/list': { tools: [{ name: 'look', inputSchema: { type: 'object' } }] },
  };
  const unknown = { code: -32601, message: 'Method not found' };
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const message = JSON.parse(await text(request));
    if (answer(message, response)) return;
    if (message.id === undefined) return void response.writeHead(202).end();
    const result = results[message.method];
    const body = { jsonrpc: '2.0', id: message.id, ...(result ? { result } : { error: unknown }) };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

/** Opens the circuit of `faulty`, which has a threshold of 1. */
async function openCircuit(gateway: TestGateway): Promise<number> {
  const client = await gateway.client();
  await client.callTool('faulty__http_500');
  const { circuit } = gateway.backend('faulty');
  assert.ok(circuit.kind === 'open', `it is ${circuit.kind}`);
  return circuit.until;
}

async function faultyGateway(t: TestContext, circuit_breaker: object, ...args: string[]): Promise<TestGateway> {
  const url = await httpFixture(t, 'servers/faulty.mjs', ...args);
  const gateway = await startGateway(t, {
    backends: [{ name: 'faulty', url, type: 'http', health_check: { enabled: false }, circuit_breaker }],
    routing: { retry: { max_attempts: 1 } },
  });
  await gateway.reaches('faulty', 'ready');
  return gateway;
}

describe('An open circuit', () => {
  test('costs a caller less than 1 ms', async t => {
    const ledger = new Ledger(t);
    const gateway = await faultyGateway(t, { failure_threshold: 1 }, '--ledger', ledger.file);
    await openCircuit(gateway);
    const reached = ledger.entries.length;
    const { signal } = new AbortController();
    const times: number[] = [];
    for (let n = 0; n < 1000; n++) {
      const begun = performance.now();
      const report = await gateway.gateway.callTool('faulty__look', {}, signal);
      times.push(performance.now() - begun);
      assert.ok(report.kind === 'answered' && report.result.isError === true);
      if (n === 0) assert.match(JSON.stringify(report.result), /faulty: circuit open, try again in (59|60) s/);
    }
    const median = times.toSorted((a, b) => a - b)[500] ?? Number.NaN;
    assert.ok(median < 1, `${median} ms`);
    assert.equal(ledger.entries.length, reached, 'nothing reached the backend');
  });

  test('is not waited for by the call that opened it', async t => {
    const { url, close } = await startHttpFixture('servers/faulty.mjs');
    const gateway = await startGateway(t, {
      backends: [{ name: 'faulty', url, type: 'http', circuit_breaker: { failure_threshold: 1 } }],
      routing: { retry: { initial_backoff_seconds: 10 } },
    });
    await gateway.reaches('faulty', 'ready');
    const client = await gateway.client();
    await close();
    const begun = performance.now();
    const answer = await client.callTool('faulty__look');
    assert.match(textOf(answer), /faulty: no connection: .*; faulty: circuit open, try again in \d+ s/);
    assert.ok(performance.now() - begun < 5000);
  });

  test('lets at most half_open_attempts calls through when its time is up, and closes when they succeed', async t => {
    const ledger = new Ledger(t);
    const limits = { failure_threshold: 1, timeout_seconds: 1, half_open_attempts: 2 };
    const gateway = await faultyGateway(t, limits, '--ledger', ledger.file, '--wait', '2000');
    const client = await gateway.client();
    const until = await openCircuit(gateway);
    assert.equal(isError(await client.callTool('faulty__look', { label: 'early' })), true);
    await eventually('the end of its time', () => Date.now() > until);

    const labels = Array.from({ length: 20 }, (_, n) => `probe-${n}`);
    const answers = await Promise.all(labels.map(label => client.callTool('faulty__look', { label })));
    const reached = ledger.entries.map(({ label }) => label).filter(label => label !== 'http_500');
    assert.equal(reached.length, 2, `${reached} reached the backend`);
    const refused = answers.filter(isError);
    assert.equal(refused.length, 18);
    for (const answer of refused) assert.match(textOf(answer), /faulty: circuit half-open, .*try again in a moment/);
    assert.equal(gateway.backend('faulty').circuit.kind, 'closed');
    assert.equal(isError(await client.callTool('faulty__look')), false);
  });

  test('opens again at the first failure when its time is up', async t => {
    const gateway = await faultyGateway(t, { failure_threshold: 1, timeout_seconds: 1, half_open_attempts: 2 });
    const until = await openCircuit(gateway);
    await eventually('the end of its time', () => Date.now() > until);
    assert.ok((await openCircuit(gateway)) > until);
  });

  test('opens again when the process dies while it is tried, also of the only call that may try it', async t => {
    const circuit_breaker = { failure_threshold: 1, timeout_seconds: 1, half_open_attempts: 1 };
    const gateway = await startGateway(t, {
      backends: [
        { name: 'faulty', ...fixtureCommand('servers/faulty.mjs'), circuit_breaker, health_check: { enabled: false } },
      ],
    });
    const client = await gateway.client();
    const untils = [];
    for (let round = 0; round < 2; round++) {
      await gateway.reaches('faulty', 'ready');
      await eventually('the end of its time', () => {
        const { circuit } = gateway.backend('faulty');
        return circuit.kind !== 'open' || Date.now() > circuit.until;
      });
      await client.callTool('faulty__exit');
      const { circuit } = gateway.backend('faulty');
      assert.ok(circuit.kind === 'open', `it is ${circuit.kind}`);
      untils.push(circuit.until);
    }
    const [first = 0, second = 0] = untils;
    assert.ok(second > first);
  });

  test('is opened by processes that die under one client each', async t => {
    const gateway = await startGateway(t, {
      backends: [
        {
          name: 'faulty',
          session: 'per_client',
          ...fixtureCommand('servers/faulty.mjs'),
          circuit_breaker: { failure_threshold: 2 },
        },
      ],
    });
    await gateway.reaches('faulty', 'ready');
    const client = await gateway.client();
    await client.callTool('faulty__exit');
    assert.deepEqual(gateway.backend('faulty').circuit, { kind: 'closed', failures: 1 });
    await client.callTool('faulty__exit');
    assert.equal(gateway.backend('faulty').circuit.kind, 'open');
  });

  test('is not opened by requests that the server refuses with HTTP 4xx, which says nothing against it', async t => {
    const gateway = await faultyGateway(t, { failure_threshold: 1 });
    const client = await gateway.client();
    assert.match(textOf(await client.callTool('faulty__http_403')), /faulty: the server answered HTTP 403/);
    assert.deepEqual(gateway.backend('faulty').circuit, { kind: 'closed', failures: 0 });
  });

  test('is not opened by a client whose own connection the server refuses with HTTP 4xx', async t => {
    let visits = 0;
    const url = await serverOf(t, ({ method }, response) => {
      const isRefused = method === 'initialize' && ++visits > 1;
      if (isRefused) response.writeHead(429).end();
      return isRefused;
    });
    const own = { name: 'own', url, type: 'http', session: 'per_client', circuit_breaker: { failure_threshold: 1 } };
    const gateway = await startGateway(t, { backends: [own], routing: { retry: { max_attempts: 1 } } });
    await gateway.reaches('own', 'ready');
    const client = await gateway.client();
    assert.match(textOf(await client.callTool('own__look')), /own: the server answered HTTP 429/);
    assert.deepEqual(gateway.backend('own').circuit, { kind: 'closed', failures: 0 });
  });

  test('does not keep a person from finding out whether the backend works, and stays open', async t => {
    const gateway = await faultyGateway(t, { failure_threshold: 1 });
    await openCircuit(gateway);
    assert.equal(await gateway.gateway.checkNow('faulty'), undefined);
    assert.equal(gateway.backend('faulty').circuit.kind, 'open');
    const { url, close } = await startHttpFixture('servers/faulty.mjs');
    await gateway.write({ backends: [{ name: 'faulty', url, type: 'http' }] });
    await gateway.gateway.reload();
    await gateway.reaches('faulty', 'ready');
    gateway.gateway.pause('faulty');
    await close();
    assert.match((await gateway.gateway.checkNow('faulty')) ?? '', /^no connection: /);
  });

  test('that the person holds open stays so when the backend is started in another way', async t => {
    const { command, args } = fixtureCommand('servers/faulty.mjs');
    const gateway = await startGateway(t, { backends: [{ name: 'faulty', command, args }] });
    await gateway.reaches('faulty', 'ready');
    gateway.gateway.pause('faulty');
    await gateway.write({ backends: [{ name: 'faulty', command, args, env: { ANOTHER: '1' } }] });
    await gateway.gateway.reload();
    await gateway.reaches('faulty', 'ready');
    assert.equal(gateway.backend('faulty').circuit.kind, 'held-open');
  });

  test('is probed by a check when its time is up and no call comes', async t => {
    const url = await httpFixture(t, 'servers/faulty.mjs');
    const circuit_breaker = { failure_threshold: 1, timeout_seconds: 1, half_open_attempts: 1 };
    const gateway = await startGateway(t, {
      backends: [{ name: 'faulty', url, type: 'http', circuit_breaker }],
      routing: { retry: { max_attempts: 1 } },
    });
    await gateway.reaches('faulty', 'ready');
    await openCircuit(gateway);
    await eventually('the circuit to close', () => gateway.backend('faulty').circuit.kind === 'closed');
  });

  test('is probed as soon as the backend is there again when its time was up before that', async t => {
    const gateway = await startGateway(t, {
      backends: [
        {
          name: 'echo',
          ...fixtureCommand('servers/echo.mjs', '--delay', '1500'),
          health_check: { interval_seconds: 3600 },
          circuit_breaker: { failure_threshold: 1, timeout_seconds: 1, half_open_attempts: 1 },
        },
      ],
    });
    await gateway.reaches('echo', 'ready');
    const client = await gateway.client();
    await client.callTool('echo__crash', { code: 3 });
    await gateway.reaches('echo', 'connecting');
    await eventually('the circuit to close', () => gateway.backend('echo').circuit.kind === 'closed');
  });
});

describe('Calls of backends that cannot answer', () => {
  const working = (name: string, more: object = {}, ...args: string[]) => ({
    name,
    ...more,
    ...fixtureCommand('servers/faulty.mjs', ...args),
  });
  const fallingBackTo = (fallback_to: string) => ({ routes: [{ pattern: '*', strategy: 'fallback', fallback_to }] });

  test('go along a chain of fallbacks, across namespaces', async t => {
    const gateway = await startGateway(t, {
      backends: [working('one', fallingBackTo('two')), working('two', fallingBackTo('three')), working('three')],
    });
    const [one, two, three] = [await gateway.pidOf('one'), await gateway.pidOf('two'), await gateway.pidOf('three')];
    const client = await gateway.client();
    const server = async (tool: string) => Number(textOf(await client.callTool(tool)).split(' ')[1]);
    assert.equal(await server('one__act'), one);
    gateway.gateway.pause('one');
    assert.equal(await server('one__act'), two);
    gateway.gateway.pause('two');
    assert.equal(await server('one__act'), three);
    assert.equal(await server('two__act'), three);
    const { candidates } = gateway.gateway.explainRoute('one__act');
    assert.deepEqual(
      candidates.map(({ backend, wouldBeTried }) => [backend, wouldBeTried]),
      [
        ['one', false],
        ['two', false],
        ['three', true],
      ],
    );
    gateway.gateway.resume('one');
    assert.equal(await server('one__act'), one);
    assert.deepEqual(
      gateway.gateway.recentCalls(1)[0]?.attempts.map(({ backend }) => backend),
      ['one'],
    );
  });

  test('go on to the fallback where the backend of the pattern has no such tool, and only there', async t => {
    const gateway = await startGateway(t, {
      backends: [
        working('one', fallingBackTo('two')),
        { name: 'two', ...fixtureCommand('servers/echo.mjs') },
        { name: 'three', ...fixtureCommand('servers/echo.mjs') },
      ],
    });
    for (const name of ['one', 'two', 'three']) await gateway.reaches(name, 'ready');
    const client = await gateway.client();
    assert.equal(Number(textOf(await client.callTool('one__pid'))), await gateway.pidOf('two'));
    const [decision] = gateway.gateway.recentCalls(1);
    assert.deepEqual(
      decision?.attempts.map(({ backend }) => backend),
      ['one', 'two'],
    );
    // Nobody after it: then it is what the backend says.
    const { error } = await client.callTool('one__nobody_has_it');
    assert.deepEqual([error?.code, error?.message], [-32602, 'Unknown tool: nobody_has_it']);
    gateway.gateway.pause('two');
    assert.match(textOf(await client.callTool('one__pid')), /\(one: Unknown tool: pid; two: paused by the user\)$/);
  });

  test('reach a backend by the path alone, listed or not, where its route says so', async t => {
    const routes = [{ pattern: 'hidden_*', strategy: 'path' }];
    const gateway = await startGateway(t, { backends: [working('one', { routes })] });
    await gateway.reaches('one', 'ready');
    const client = await gateway.client();
    // The backend itself refuses, by the tool's own name.
    assert.equal(textOf(await client.callTool('one__hidden_tool')), 'Unknown tool: hidden_tool');
    assert.match(textOf(await client.callTool('one__other_tool')), /^Unknown tool: one__other_tool/);
  });

  test('go to equals in turn, or to the one with the fewest in flight', async t => {
    const ledger = new Ledger(t);
    const replicas = ['one', 'two'].map(name => working(name, { namespace: 'db' }, '--ledger', ledger.file));
    const config = (load_balancing: string) => ({
      backends: [...replicas, working('other')],
      routing: { load_balancing },
    });
    const gateway = await startGateway(t, config('round_robin'));
    const pids = [await gateway.pidOf('one'), await gateway.pidOf('two')];
    const client = await gateway.client();
    for (let n = 0; n < 10; n++) {
      await client.callTool('db__look', { label: `${n}` });
      await client.callTool('other__look');
    }
    const served = pids.map(pid => ledger.entries.filter(entry => entry.pid === pid).length);
    assert.deepEqual(served, [5, 5]);

    await gateway.write(config('least_request'));
    await gateway.gateway.reload();
    const hung = client.start('tools/call', { name: 'db__hang' });
    const [busy] = await eventually('a call in flight', () => {
      const loaded = ['one', 'two'].filter(name => gateway.backend(name).inFlight === 1);
      return loaded.length === 1 && loaded;
    });
    for (let n = 0; n < 5; n++) await client.callTool('db__look', { label: `least-${n}` });
    const idle = busy === 'one' ? pids[1] : pids[0];
    const least = ledger.entries.filter(({ label }) => label.startsWith('least')).map(({ pid }) => pid);
    assert.deepEqual(least, Array(5).fill(idle));
    client.notify('notifications/cancelled', { requestId: hung.id });
    hung.answer.catch(() => {});
    await eventually('the cancelled call to end', () => gateway.backend(String(busy)).inFlight === 0);
  });

  test('are never more at a time than a backend may have; the next replica takes the others', async t => {
    const ledger = new Ledger(t);
    const args = ['--ledger', ledger.file, '--wait', '300'];
    const gateway = await startGateway(t, {
      backends: [
        working('small', { namespace: 'db', priority: 1, max_concurrency: 2 }, ...args),
        working('large', { namespace: 'db', priority: 2 }, ...args),
        working('alone', { max_concurrency: 2 }, ...args),
      ],
    });
    await gateway.gateway.whenSettled();
    const client = await gateway.client();
    const callFive = (tool: string) => Promise.all(Array.from({ length: 5 }, () => client.callTool(tool)));
    assert.deepEqual((await callFive('db__act')).map(isError), Array(5).fill(false));
    const bySmall = ledger.entries.filter(({ pid }) => pid === pidNow(gateway, 'small')).length;
    assert.equal(bySmall, 2);
    const alone = await callFive('alone__act');
    assert.equal(alone.filter(isError).length, 3);
    assert.match(
      alone.filter(isError).map(textOf).join(),
      /2 calls are in flight, as many as it may have, try again when one has ended/,
    );
    assert.equal(gateway.backend('alone').circuit.kind, 'closed');
  });

  test('are over at once when they are cancelled, while one that is starting is waited for after another has failed', async t => {
    const gone = await startHttpFixture('servers/faulty.mjs');
    const routes = [{ pattern: '*', strategy: 'path' }];
    const gateway = await startGateway(t, {
      backends: [
        { name: 'gone', namespace: 'db', priority: 1, url: gone.url, type: 'http' },
        { name: 'slow', namespace: 'db', priority: 2, routes, ...fixtureCommand('servers/hanging.mjs') },
      ],
      routing: { retry: { initial_backoff_seconds: 60, max_backoff_seconds: 60 } },
    });
    await gateway.reaches('gone', 'ready');
    await gone.close();
    const client = await gateway.client();
    const call = client.start('tools/call', { name: 'db__look' });
    call.answer.catch(() => {});
    await eventually('the first to be found gone', () => gateway.backend('gone').state.kind === 'failed');
    client.notify('notifications/cancelled', { requestId: call.id });
    const decision = await eventually('the end of the call', () => gateway.gateway.recentCalls(1)[0]);
    assert.equal(decision.outcome, 'cancelled');
  });

  test('start those that wait for a call one after another, and no more of them than they need', async t => {
    const idle = (name: string, fixture: string, ...args: string[]) => ({
      name,
      auto_start: false,
      ...fixtureCommand(`servers/${fixture}.mjs`, ...args),
    });
    const gateway = await startGateway(t, {
      backends: [
        { namespace: 'db', ...idle('first', 'echo', '--delay', '300'), ...fallingBackTo('other') },
        { namespace: 'db', ...idle('second', 'echo') },
        { namespace: 'broken', ...idle('crashing', 'crashing') },
        { namespace: 'broken', ...idle('third', 'echo') },
        idle('other', 'echo'),
      ],
    });
    const client = await gateway.client();
    const states = () => gateway.gateway.snapshot().backends.map(({ name, state }) => `${name} ${state.kind}`);
    assert.equal(textOf(await client.callTool('db__echo', { text: 'nobody has told yet' })), 'nobody has told yet');
    assert.deepEqual(states(), ['first ready', 'second idle', 'crashing idle', 'third idle', 'other idle']);
    gateway.gateway.restart('first');
    assert.match(gateway.gateway.explainRoute('db__echo').steps.join(), /The call would wait for first to be ready/);
    assert.equal(textOf(await client.callTool('db__echo', { text: 'while it starts' })), 'while it starts');
    assert.deepEqual(states(), ['first ready', 'second idle', 'crashing idle', 'third idle', 'other idle']);
    assert.equal(textOf(await client.callTool('broken__echo', { text: 'by the next' })), 'by the next');
    assert.deepEqual(states(), ['first ready', 'second idle', 'crashing failed', 'third ready', 'other idle']);
  });

  test('end at once when they are cancelled, also while it is found out why their answer broke off', async t => {
    const pinged = deferred();
    const url = await serverOf(t, ({ method }, response) => {
      if (method === 'ping') pinged.resolve();
      if (method === 'tools/call') {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"jsonrpc":', () => response.socket?.resetAndDestroy());
      }
      return method === 'ping' || method === 'tools/call';
    });
    const gateway = await startGateway(t, { backends: [{ name: 'one', url, type: 'http' }] });
    await gateway.reaches('one', 'ready');
    const abort = new AbortController();
    const calls = Array.from({ length: 5 }, () => gateway.gateway.callTool('one__look', {}, abort.signal));
    await pinged.promise;
    abort.abort();
    await Promise.all(calls);
    assert.deepEqual(
      gateway.gateway.recentCalls().map(({ outcome }) => outcome),
      Array(5).fill('cancelled'),
    );
    assert.equal(gateway.backend('one').inFlight, 0);
  });

  test('count one failure when they go down with the process, however many there are', async t => {
    const gateway = await startGateway(t, { backends: [working('one')] });
    const pid = await gateway.pidOf('one');
    const client = await gateway.client();
    const calls = Array.from({ length: 3 }, () => client.callTool('one__tick', { times: 1, ms: 9000 }));
    await eventually('the calls in flight', () => gateway.backend('one').inFlight === 3);
    process.kill(pid, 'SIGKILL');
    assert.deepEqual((await Promise.all(calls)).map(isError), [true, true, true]);
    assert.equal(gateway.backend('one').errorCount, 1);
  });

  for (const session of ['shared', 'per_client'])
    test(`count one failure when a check finds the backend gone, with the session ${session}`, async t => {
      const { url, close } = await startHttpFixture('servers/faulty.mjs');
      const gateway = await startGateway(t, { backends: [{ name: 'one', url, type: 'http', session }] });
      await gateway.reaches('one', 'ready');
      await close();
      await gateway.gateway.checkNow('one');
      const { state, errorCount } = gateway.backend('one');
      assert.deepEqual([state.kind, errorCount], ['failed', 1]);
    });

  test('have their timeout restarted by progress, but never last longer than max_request_seconds', async t => {
    const gateway = await startGateway(t, {
      backends: [
        working('patient', { request_timeout_seconds: 2 }),
        working('strict', { request_timeout_seconds: 2, max_request_seconds: 2.5 }),
      ],
    });
    await gateway.gateway.whenSettled();
    const client = await gateway.client();
    const tick = (name: string) => client.callTool(`${name}__tick`, { times: 6, ms: 500 }, { progressToken: name });
    const [patient, strict] = await Promise.all([tick('patient'), tick('strict')]);
    assert.equal(textOf(patient), 'ticked');
    assert.equal(isError(strict), true);
    assert.match(textOf(strict), /strict: /);
  });
});

function pidNow(gateway: TestGateway, name: string): number | undefined {
  const { state } = gateway.backend(name);
  return state.kind === 'ready' ? state.pid : undefined;
}
