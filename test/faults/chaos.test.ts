// Everything at once, at random, under load; then the router must be what it was before. The seed is printed: SWITCHYARD_TEST_SEED
// takes it again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixturePids, startHttpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';
import { type Load, type LoadedCall, startLoad } from '../support/load.ts';
import { memoryHeld } from '../support/memory.ts';
import { descendantsOf } from '../support/processes.ts';
import { Random } from '../support/random.ts';

const CHAOS_MS = process.env.SWITCHYARD_TEST_LONG === '1' ? 300_000 : 35_000;
const WARM_UP_MS = 4000;
/** A call is tried three times at most, each for at most 2 s, with a backend to wait for before it. */
const LONGEST_CALL_MS = 15_000;
/** What V8 keeps of code that has become hot, and the lists that have a limit and were not full yet. */
const MEMORY_TOLERANCE = 12 * 1024 ** 2;
/** A call that was given up is remembered for a minute, for what its backend may still ask. */
const FORGOTTEN_MS = 70_000;
/** Sockets that are kept alive, in the middle of being closed. */
const HANDLE_TOLERANCE = 4;
const TOOLS = ['db__look', 'db__act', 'remote__look', 'remote__act'];
const CALLERS_EACH = 3;

test('After a storm of kills, hangs, restarts and reloads every call has ended, and nothing is left of it', async t => {
  const seed = Number(process.env.SWITCHYARD_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`chaos seed ${seed}`);
  const random = new Random(seed);
  const ledger = new Ledger(t);
  const args = ['--ledger', ledger.file, '--wait', '3'];
  let remote = await startHttpFixture('servers/faulty.mjs', { args });
  t.after(() => remote.close());
  const port = Number(new URL(remote.url).port);

  const calm = { priorities: [1, 2], hasExtra: false, threshold: 5, header: 'calm' };
  const configOf = ({ priorities, hasExtra, threshold, header }: typeof calm) => ({
    backends: [
      ...priorities.map((priority, n) => ({
        name: `replica-${n}`,
        namespace: 'db',
        priority,
        ...fixtureCommand('servers/faulty.mjs', ...args),
      })),
      { name: 'remote', url: remote.url, type: 'http', headers: { 'x-weather': header } },
      ...(hasExtra ? [{ name: 'extra', ...fixtureCommand('servers/faulty.mjs') }] : []),
    ].map(backend => ({
      ...backend,
      request_timeout_seconds: 2,
      start_timeout_seconds: 5,
      circuit_breaker: { failure_threshold: threshold, timeout_seconds: 1, half_open_attempts: 2 },
    })),
    routing: { retry: { initial_backoff_seconds: 0.1 } },
    server: { drain_seconds: 1 },
  });
  const gateway = await startGateway(t, configOf(calm));

  const load = async <T>(during: () => Promise<T>): Promise<LoadedCall[]> => {
    const clients = await Promise.all(Array.from({ length: TOOLS.length * CALLERS_EACH }, () => gateway.client()));
    const loads = TOOLS.map((tool, n) => startLoad(t, clients.slice(n * CALLERS_EACH, (n + 1) * CALLERS_EACH), tool));
    await during();
    const calls = await endsSoon(loads);
    for (const client of clients) await client.close();
    return calls;
  };
  await allReady(gateway);
  await load(() => sleep(WARM_UP_MS));
  const before = await takeStock();

  const hanging = new Set<Promise<void>>();
  const pidAtRandom = (...more: number[]) => {
    const { backends } = gateway.gateway.snapshot();
    const pids = backends.flatMap(({ state }) => (state.kind === 'ready' && state.pid) || []);
    const [first, ...others] = [...pids, ...more];
    return first === undefined ? undefined : random.pick([first, ...others]);
  };
  const acts = {
    kill: () => signal(pidAtRandom(), 'SIGKILL'),
    hang() {
      const pid = pidAtRandom(...httpFixturePids);
      if (!signal(pid, 'SIGSTOP')) return;
      const over = sleep(random.between(100, 3000)).then(() => {
        signal(pid, 'SIGCONT');
        hanging.delete(over);
      });
      hanging.add(over);
    },
    restart: () => gateway.gateway.restart(random.pick(['replica-0', 'replica-1', 'remote'])),
    async reload() {
      await gateway.write(
        configOf({
          priorities: [random.between(1, 3), random.between(1, 3)],
          hasExtra: random.next() < 0.5,
          threshold: random.between(1, 5),
          header: random.pick(['calm', 'calm', 'stormy']),
        }),
      );
      await gateway.gateway.reload();
    },
    async restartRemote() {
      await remote.close();
      await sleep(random.between(0, 500));
      // For a moment the port may be that of somebody else's connection.
      remote = await eventually('the remote backend to listen again', () =>
        startHttpFixture('servers/faulty.mjs', { args, port }).catch(() => undefined),
      );
    },
    pause() {
      const name = random.pick(['replica-0', 'replica-1']);
      gateway.gateway.pause(name);
      setTimeout(() => gateway.gateway.resume(name), random.between(10, 500)).unref();
    },
  };
  const counts: Record<string, number> = {};
  const storm = async () => {
    for (const end = Date.now() + CHAOS_MS; Date.now() < end; ) {
      const act = random.pick(['kill', 'kill', 'hang', 'restart', 'reload', 'restartRemote', 'pause']);
      counts[act] = (counts[act] ?? 0) + 1;
      await acts[act as keyof typeof acts]();
      await sleep(random.between(50, 800));
    }
    await Promise.all(hanging);
  };
  judge(await load(storm), ledger);
  t.diagnostic(JSON.stringify(counts));

  await gateway.write(configOf(calm));
  await gateway.gateway.reload();
  for (const name of ['replica-0', 'replica-1', 'remote']) gateway.gateway.resetCircuit(name);
  await allReady(gateway);
  const isBack = (now: Stock) => now.children === before.children && now.handles <= before.handles + HANDLE_TOLERANCE;
  const after = await eventually(
    'as few processes and handles as before',
    async () => {
      const now = await takeStock();
      return isBack(now) && now;
    },
    FORGOTTEN_MS,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify({ before, after: await takeStock() })}`);
  });
  const grown = after.memory - before.memory;
  t.diagnostic(`memory ${Math.round(before.memory / 1024)} kB, then ${Math.round(after.memory / 1024)} kB`);
  assert.ok(grown < MEMORY_TOLERANCE, `memory grew by ${Math.round(grown / 1024)} kB`);
  await load(() => sleep(500));
});

/** Calls may fail, if they say why; what may do harm has run once. */
function judge(calls: readonly LoadedCall[], ledger: Ledger): void {
  const failures = calls.flatMap(({ failure }) => failure ?? []);
  const strange = failures.filter(failure => !failure.startsWith('No backend could run "'));
  assert.deepEqual([...new Set(strange)], []);
  assert.ok(failures.length < calls.length / 2, `${failures.length} of ${calls.length} calls failed`);
  const acted = ledger.entries.map(({ label }) => label).filter(label => label.includes('__act'));
  const ran = new Set<string>();
  const twice = acted.filter(label => ran.size === ran.add(label).size);
  assert.deepEqual(twice, []);
}

/** Ends the load; each call that was under way must end by itself. */
async function endsSoon(loads: readonly Load[]): Promise<LoadedCall[]> {
  const done = new AbortController();
  const late = sleep(LONGEST_CALL_MS, undefined, { signal: done.signal }).then(
    () => assert.fail('some calls never ended'),
    () => [],
  );
  const calls = await Promise.race([Promise.all(loads.map(load => load.stop())), late]);
  done.abort();
  return calls.flat();
}

async function allReady(gateway: TestGateway): Promise<void> {
  for (const { name } of gateway.gateway.snapshot().backends) await gateway.reaches(name, 'ready');
}

interface Stock {
  readonly memory: number;
  /** Of the router: its backends and the watchdog. */
  readonly children: number;
  /** Sockets, pipes, timers and requests that the event loop knows. */
  readonly handles: number;
  readonly kinds: Readonly<Record<string, number>>;
}

async function takeStock(): Promise<Stock> {
  // Timers of answered calls and closed sockets take a turn of the event loop to be gone.
  await sleep(100);
  const resources = process.getActiveResourcesInfo();
  const kinds: Record<string, number> = {};
  for (const kind of resources) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return {
    memory: memoryHeld(),
    children: descendantsOf(process.pid).length,
    handles: resources.length,
    kinds,
  };
}

/** @returns false if there is no such process any more */
function signal(pid: number | undefined, name: NodeJS.Signals): boolean {
  try {
    return pid !== undefined && process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}
