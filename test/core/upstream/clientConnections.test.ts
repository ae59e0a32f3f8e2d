import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Deferred, deferred } from '../../../src/core/base/async.ts';
import { ClientConnections } from '../../../src/core/upstream/clientConnections.ts';
import type { Caller, Connection } from '../../../src/core/upstream/connection.ts';
import type { Attempted } from '../../../src/core/upstream/outcome.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { isRunning } from '../../support/processes.ts';

interface Opened {
  readonly sessionId: string;
  readonly end: () => void;
  readonly signal: AbortSignal;
  readonly attempt: Deferred<Attempted<Connection>>;
  closed: number;
  succeed(): void;
}

function connections() {
  const opened: Opened[] = [];
  const own = new ClientConnections(({ sessionId }, end, signal) => {
    const attempt = deferred<Attempted<Connection>>();
    const entry: Opened = {
      sessionId,
      end,
      signal,
      attempt,
      closed: 0,
      succeed() {
        const close = async () => {
          entry.closed += 1;
        };
        attempt.resolve({ ok: true, value: { close } as unknown as Connection });
      },
    };
    opened.push(entry);
    return attempt.promise;
  });
  const of = (sessionId: string) => own.for({ sessionId } as Caller);
  const at = (n: number) => opened[n] ?? assert.fail(`only ${opened.length} were opened`);
  return { own, opened, of, at };
}

describe('The connections of clients', () => {
  it('are one for each, made once', async () => {
    const { own, opened, of, at } = connections();
    const [first, again, other] = [of('1'), of('1'), of('2')];
    assert.equal(opened.length, 2);
    at(0).succeed();
    at(1).succeed();
    assert.equal(await first, await again);
    assert.notEqual(await first, await other);
    const attempted = await first;
    assert.equal(await own.existing('1'), attempted.ok && attempted.value);
    assert.equal(await own.existing('3'), undefined);
  });

  it('are made anew after one has failed, or has ended by itself', async () => {
    const { own, opened, of, at } = connections();
    const failed = of('1');
    at(0).attempt.resolve({ ok: false, failure: { code: 'exited', message: 'x' } });
    assert.equal((await failed).ok, false);
    assert.equal(await own.existing('1'), undefined);
    const second = of('1');
    at(1).succeed();
    await second;
    at(1).end();
    void of('1');
    assert.equal(opened.length, 3);
    // What ended before says nothing of the one that has taken its place.
    at(1).end();
    void of('1');
    assert.equal(opened.length, 3);
  });

  it('end with their client, even while they are made', async () => {
    const { own, of, at } = connections();
    void of('1');
    void of('2');
    at(0).succeed();
    own.release('1');
    own.release('2');
    own.release('3');
    assert.deepEqual([at(1).signal.aborted, at(1).signal.reason], [true, 'its client has left']);
    at(1).succeed();
    await own.close();
    assert.deepEqual([at(0).closed, at(1).closed], [1, 1]);
  });

  it('are all gone when that is said', async () => {
    const { own, of, at } = connections();
    void of('1');
    void of('2');
    at(0).succeed();
    let isClosed = false;
    const closed = own.close().then(() => {
      isClosed = true;
    });
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(isClosed, false);
    at(1).attempt.resolve({ ok: false, failure: { code: 'closed', message: 'it was stopped' } });
    await closed;
    assert.equal(at(0).closed, 1);
  });
});

describe('A backend with a connection for each client', () => {
  const ASKING = { name: 'asking', session: 'per_client', ...fixtureCommand('servers/asking.mjs') };
  const pidFor = async (client: Awaited<ReturnType<TestGateway['client']>>) =>
    Number((await client.callTool('asking__offered')).result.structuredContent.pid);

  it('makes them anew when it is restarted', async t => {
    const gateway = await startGateway(t, { backends: [ASKING] });
    await gateway.gateway.whenSettled();
    const clients = [await gateway.client(), await gateway.client()] as const;
    const before = await Promise.all(clients.map(pidFor));
    assert.equal(new Set(before).size, 2);
    gateway.gateway.restart('asking');
    await eventually('the end of their processes', () => !before.some(isRunning));
    await gateway.reaches('asking', 'ready');
    const after = await Promise.all(clients.map(pidFor));
    assert.equal(new Set([...before, ...after]).size, 4);
  });

  it('lets their calls finish when it is drained, and ends them then', async t => {
    const gateway = await startGateway(t, { backends: [ASKING], server: { drain_seconds: 5 } });
    await gateway.gateway.whenSettled();
    const client = await gateway.client({ elicitation: {} });
    const asked = deferred<void>();
    const answer = deferred<void>();
    client.answers('elicitation/create', async () => {
      asked.resolve();
      await answer.promise;
      return { action: 'accept' };
    });
    const pid = await pidFor(client);
    const call = client.callTool('asking__ask', { what: 'form', label: 'x', waits: false });
    await asked.promise;
    await gateway.write({ backends: [] });
    await gateway.gateway.reload();
    assert.ok(isRunning(pid));
    answer.resolve();
    assert.deepEqual((await call).result.structuredContent.answer, { action: 'accept' });
    await eventually('the end of the process', () => !isRunning(pid));
  });

  it('ends that of a request of a modern client with the request', async t => {
    const gateway = await startGateway(t, { backends: [ASKING] });
    await gateway.gateway.whenSettled();
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { sampling: { odd: {} } },
    };
    const response = await fetch(gateway.url, {
      method: 'POST',
      headers: {
        ...gateway.headers,
        'content-type': 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'asking__offered',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'asking__offered', arguments: {}, _meta },
      }),
    });
    const { result } = (await response.json()) as { result: { structuredContent: Record<string, unknown> } };
    const { pid, clientCapabilities } = result.structuredContent;
    assert.deepEqual(clientCapabilities, { sampling: { odd: {} } });
    await eventually('the end of the process', () => !isRunning(Number(pid)));
  });
});
