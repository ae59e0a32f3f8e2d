// SIGTERM in the middle of load: what was accepted is answered, what comes later is sent away, and nothing is left.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configFile, type Program, startCli } from '../cli/program.ts';
import { BareHttpClient } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';

const CALLERS = 36;
const MEGABYTE = 1024 * 1024;
/** From the signal to the end of the process, however busy it is: what is promised. */
const GONE_MS = 9000;
/** The longest that can be configured. */
const LONG_DRAIN_SECONDS = 8;

const SLOW = { label: 'a', steps: 4, stepMs: 200 };
const CALLS = [
  ['local__echo', { text: 'hello' }],
  ['local__slow', SLOW],
  ['remote__slow', SLOW],
  ['remote__echo', { text: 'hello' }],
  ['local__slow', SLOW, { progressToken: 1 }],
  ['remote__slow', SLOW, { progressToken: 2 }],
  ['local__big', { bytes: 3 * MEGABYTE }],
] as const;

interface Outcome {
  readonly tool: string;
  readonly began: number;
  /** What the tool or the router answered; undefined: the connection or its HTTP status said no. */
  readonly answer: string | undefined;
  readonly refusal: string | undefined;
}

/** `serve` with a backend of each kind, and callers of both eras that call without pause until it is gone. */
async function underLoad(t: TestContext, { drainSeconds, more = [] }: { drainSeconds: number; more?: object[] }) {
  const remote = await httpFixture(t, 'servers/echo.mjs');
  const backends = [
    { name: 'local', ...fixtureCommand('servers/echo.mjs') },
    { name: 'remote', url: remote, type: 'http' },
    ...more,
  ];
  const file = await configFile(t, { backends, server: { drain_seconds: drainSeconds } });
  const router = await startCli(t, ['serve', '--config', file, '--port', '0']);
  const url = await router.reports(/(http:\S+)/);
  await eventually('readiness', async () => (await fetch(new URL('/readyz', url))).ok);

  const clients = Array.from({ length: CALLERS }, (_, n) => new (n % 2 === 0 ? BareHttpClient : BareModernClient)(url));
  t.after(() => Promise.all(clients.map(client => client.close())));
  await Promise.all(clients.map((client, n) => n % 2 === 0 && client.initialize()));
  const outcomes: Outcome[] = [];
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const callers = clients.map(async (client, caller) => {
    for (let n = caller; !isOver; n++) {
      const [tool, args, meta] = CALLS[n % CALLS.length] ?? CALLS[0];
      const outcome = await call(client, tool, args, meta);
      outcomes.push(outcome);
      if (outcome.refusal?.includes('ECONNREFUSED')) return;
      if (outcome.refusal !== undefined) await sleep(20);
    }
  });
  await eventually('load', () => outcomes.length > 2 * CALLERS);
  return { router, url, outcomes, callers };
}

async function call(
  client: BareHttpClient,
  tool: string,
  args: object,
  meta?: Record<string, unknown>,
): Promise<Outcome> {
  const began = performance.now();
  const told = { tool, began };
  try {
    const { result, error } = await client.callTool(tool, { ...args }, meta);
    return { ...told, answer: error?.message ?? String(result.content[0].text).slice(0, 200), refusal: undefined };
  } catch (error) {
    return { ...told, answer: undefined, refusal: String(error) };
  }
}

/** Sends SIGTERM; resolves when the process is gone, with its exit code and how long that took. */
async function terminate(router: Program) {
  const at = performance.now();
  router.child.kill('SIGTERM');
  const { exitCode } = await router.finished;
  return { at, exitCode, ms: performance.now() - at };
}

suite('SIGTERM under load', () => {
  test('answers every call that was accepted, sends later ones away, and leaves nothing behind', async t => {
    const { router, url, outcomes, callers } = await underLoad(t, { drainSeconds: LONG_DRAIN_SECONDS });
    const pids = await router.reachDescendants(1);
    // It keeps the router draining until the late one was there.
    const lasting = new BareModernClient(url);
    t.after(() => lasting.close());
    const last = call(lasting, 'local__slow', { ...SLOW, steps: 15 }, { progressToken: 'last' });
    await lasting.notifications('notifications/progress');
    const ended = terminate(router);
    await router.reports(/(Stopping)/);
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
    const late = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    assert.deepEqual(
      [late.status, late.headers.get('retry-after'), late.headers.get('connection')],
      [503, '1', 'close'],
    );

    const { at, exitCode, ms } = await ended;
    assert.equal(exitCode, 0, router.stderr);
    assert.ok(ms < 1000 * LONG_DRAIN_SECONDS, `nothing hung, so it ended early: ${ms} ms`);
    await router.assertGone(pids);
    assert.equal((await last).answer, 'a done');
    await Promise.all(callers);
    const accepted = outcomes.filter(({ began, refusal }) => began < at && !refusal?.includes('HTTP 503'));
    assert.deepEqual(
      accepted.filter(({ refusal }) => refusal !== undefined),
      [],
    );
    const strange = accepted.filter(({ answer }) => !/^(a done|hello|x+)$/.test(String(answer)));
    assert.deepEqual(strange, []);
    const later = outcomes.filter(({ began }) => began >= at);
    const reasons = new Set(later.map(({ refusal, answer }) => refusal ?? `answered: ${answer}`));
    const understood = /HTTP 503|ECONNREFUSED|ECONNRESET|socket hang up|^answered: (a done|hello|x+)$/;
    assert.deepEqual(
      [...reasons].filter(reason => !understood.test(reason)),
      [],
    );
    t.diagnostic(
      `ended after: ${Math.round(ms)} ms; ${outcomes.length} calls, ${later.length} of them after the signal`,
    );
  });

  test('does not wait for a disk that takes nothing', async t => {
    const file = await configFile(t, { backends: [{ name: 'local', ...fixtureCommand('servers/echo.mjs') }] });
    // A folder that can neither be made nor be refused: on Linux making it never ends.
    const router = await startCli(t, ['serve', '--config', file, '--port', '0'], {
      env: { XDG_STATE_HOME: '/proc/nope' },
    });
    const url = await router.reports(/(http:\S+)/);
    await eventually('readiness', async () => (await fetch(new URL('/readyz', url))).ok);
    const { exitCode, ms } = await terminate(router);
    assert.equal(exitCode, 0);
    assert.ok(ms < GONE_MS, `${ms} ms`);
    if (process.platform === 'linux') assert.doesNotMatch(router.stderr, /cannot be kept/, 'it was refused at once');
  });

  test('tells the callers of backends that hang why they get no answer, within the time that it has', async t => {
    const stubborn = fixtureCommand('servers/faulty.mjs', '--stubborn', '--orphan');
    const more = [
      { name: 'stuck', ...stubborn },
      { name: 'far', url: await httpFixture(t, 'servers/faulty.mjs'), type: 'http' },
      {
        name: 'silent',
        start_timeout_seconds: 60,
        auto_start: false,
        ...fixtureCommand('servers/hanging.mjs', '--stubborn'),
      },
    ];
    const { router, url, outcomes, callers } = await underLoad(t, { drainSeconds: 2, more });
    const [legacy, modern] = [new BareHttpClient(url), new BareModernClient(url)];
    t.after(() => Promise.all([legacy.close(), modern.close()]));
    await legacy.initialize();
    const tools = ['stuck__hang', 'far__hang', 'far__stall'];
    const hanging = tools.flatMap(tool => [call(legacy, tool, {}), call(modern, tool, {})]);
    const pids = await router.reachDescendants(3);
    await eventually('all of them at their backends', async () => {
      const { backends } = (await (await fetch(new URL('/mcp_servers', url))).json()) as {
        backends: { name: string; in_flight: number }[];
      };
      const inFlight = Object.fromEntries(backends.map(({ name, in_flight }) => [name, in_flight]));
      return inFlight.stuck === 2 && inFlight.far === 4;
    });

    const { at, exitCode, ms } = await terminate(router);
    assert.equal(exitCode, 0, router.stderr);
    assert.ok(ms >= 2000 && ms < GONE_MS, `${ms} ms`);
    await router.assertGone(pids);
    for (const { tool, answer, refusal } of await Promise.all(hanging)) {
      assert.equal(refusal, undefined, tool);
      assert.match(String(answer), /^No backend could run "/, tool);
    }
    await Promise.all(callers);
    const cut = outcomes.filter(({ began, refusal }) => began < at && refusal && !refusal.includes('HTTP 503'));
    assert.deepEqual(cut, []);
    t.diagnostic(`ended after: ${Math.round(ms)} ms`);
  });

  test('ends at once at the second signal, with all that it started', async t => {
    const more = [{ name: 'stuck', ...fixtureCommand('servers/faulty.mjs', '--stubborn', '--orphan') }];
    const { router, callers } = await underLoad(t, { drainSeconds: LONG_DRAIN_SECONDS, more });
    const pids = await router.reachDescendants(3);
    const ended = terminate(router);
    await router.reports(/(Stopping)/);
    const again = performance.now();
    router.child.kill('SIGTERM');
    assert.equal((await ended).exitCode, 143);
    assert.ok(performance.now() - again < 500 * LONG_DRAIN_SECONDS);
    await router.assertGone(pids);
    await Promise.all(callers);
  });
});
