// Two replicas of one service, and 32 clients that call it without pause while the process of the first is killed outright.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture, startHttpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';
import { startLoad } from '../support/load.ts';

const CALLERS = 32;
const KILLS = 3;

describe('Two replicas, the primary killed under load', () => {
  for (const tool of ['look', 'act'] as const) {
    const name = { look: 'not one call of a read-only tool fails', act: 'a call that may do harm is never run twice' };
    test(name[tool], async t => {
      const ledger = new Ledger(t);
      const replica = (name: string, priority: number) => ({
        name,
        namespace: 'db',
        priority,
        // Takes a moment, so that calls are in flight on it whenever it dies.
        ...fixtureCommand('servers/faulty.mjs', '--ledger', ledger.file, '--wait', '5'),
      });
      const gateway = await startGateway(t, { backends: [replica('primary', 1), replica('secondary', 2)] });
      await gateway.gateway.whenSettled();
      const clients = await Promise.all(Array.from({ length: CALLERS }, () => gateway.client()));
      const load = startLoad(t, clients, `db__${tool}`);

      /** From when the process was killed to when the router had to know. */
      const deaths: { from: number; to: number }[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        const pid = await gateway.pidOf('primary');
        await eventually('calls on the primary', () => ledger.entries.some(entry => entry.pid === pid));
        const from = performance.now();
        process.kill(pid, 'SIGKILL');
        await eventually('the loss of the primary', () => gateway.backend('primary').state.kind !== 'ready');
        deaths.push({ from, to: performance.now() });
      }
      await gateway.pidOf('primary');
      const calls = await load.stop();

      assert.ok(calls.length > CALLERS * KILLS, `${calls.length} calls are load enough`);
      const failed = calls.filter(({ failure }) => failure !== undefined);
      const executions = new Map<string, number[]>();
      for (const { label, pid } of ledger.entries) executions.set(label, [...(executions.get(label) ?? []), pid]);
      if (tool === 'look') {
        assert.deepEqual(failed, []);
        return;
      }
      const twice = [...executions].filter(([, pids]) => pids.length > 1);
      assert.deepEqual(twice, [], 'no call ran twice');
      const unanswered = calls.filter(({ label, failure }) => failure === undefined && !executions.has(label));
      assert.deepEqual(unanswered, [], 'every call that was answered ran');
      assert.ok(failed.length > 0, 'calls were in flight on the process that died');
      for (const { failure } of failed) assert.match(String(failure), /primary: .*SIGKILL.*it may have run/);
      for (const { from, to } of deaths) {
        const lost = failed.filter(({ began, ended }) => began <= to && ended >= from);
        const callers = new Set(lost.map(({ caller }) => caller));
        assert.equal(lost.length, callers.size, 'each caller lost at most the one call that was in flight');
      }
      const others = failed.filter(call => !deaths.some(({ from, to }) => call.began <= to && call.ended >= from));
      assert.deepEqual(others, [], 'no other call failed');
    });
  }
});

test('A call is not repeated where the replica that may have run it does not say that this is harmless', async t => {
  const ledger = new Ledger(t);
  const replica = (name: string, priority: number, tools: object) => ({
    name,
    namespace: 'db',
    priority,
    tools,
    ...fixtureCommand('servers/faulty.mjs', '--ledger', ledger.file, '--wait', '5000'),
  });
  const gateway = await startGateway(t, {
    backends: [
      replica('careful', 1, { include: ['look'], rename: { look: 'do' } }),
      replica('careless', 2, { include: ['act'], rename: { act: 'do' } }),
    ],
    routing: { retry: { initial_backoff_seconds: 0.1 } },
  });
  await gateway.gateway.whenSettled();
  gateway.gateway.pause('careful');
  const client = await gateway.client();
  const answer = client.callTool('db__do', { label: 'once' });
  await eventually('the call on the second', () => ledger.entries.length > 0);
  process.kill(await gateway.pidOf('careless'), 'SIGKILL');
  assert.match((await answer).result.content[0].text, /careless: .*it may have run/);
  assert.equal(ledger.entries.length, 1);
});

test('A call is not repeated where the replica that has asked something of the client is gone before the answer', async t => {
  const modern = ['--era', 'modern'];
  const leaving = await startHttpFixture('servers/faulty.mjs', { args: modern });
  t.after(() => leaving.close());
  const staying = await httpFixture(t, 'servers/faulty.mjs', ...modern);
  const replica = (name: string, priority: number, url: string) => ({ name, namespace: 'db', priority, url });
  const gateway = await startGateway(t, {
    backends: [replica('leaving', 1, leaving.url), replica('staying', 2, staying)],
  });
  await gateway.gateway.whenSettled();
  const client = await gateway.client({ elicitation: {} });
  client.answers('elicitation/create', async () => {
    await leaving.close();
    return { action: 'accept', content: {} };
  });
  const { result } = await client.callTool('db__confirm');
  assert.match(result.content[0].text, /leaving: .*it may have run/);
  assert.equal(client.received.filter(({ method }) => method === 'elicitation/create').length, 1);
});
