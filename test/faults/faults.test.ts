// One fault at a time, beside a backend that is well: what the caller sees, what becomes of the faulty one, and that the other
// notices nothing.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BareHttpClient, Message } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture, startHttpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';
import { memoryHeld } from '../support/memory.ts';
import { isRunning } from '../support/processes.ts';

const isLong = process.env.SWITCHYARD_TEST_LONG === '1';
/** What a call of a backend that is well takes at most, whatever the others do. */
const PROMPT_MS = 1000;

interface Scene {
  readonly gateway: TestGateway;
  readonly client: BareHttpClient;
}

/** A faulty backend `faulty` beside `well`; at the end of the test `well` must not have noticed anything. */
async function beside(t: TestContext, faulty: object, routing = {}): Promise<Scene> {
  const gateway = await startGateway(t, {
    backends: [
      { name: 'faulty', ...faulty },
      { name: 'well', ...fixtureCommand('servers/echo.mjs') },
    ],
    routing: { retry: { initial_backoff_seconds: 0.05 }, ...routing },
  });
  await gateway.reaches('well', 'ready');
  return { gateway, client: await gateway.client() };
}

/** The other backend answers at once, from the process that it always had. */
async function assertWell({ gateway, client }: Scene): Promise<void> {
  const begun = performance.now();
  assert.ok((await client.toolNames()).includes('well__echo'));
  assert.equal(textOf(await client.callTool('well__echo', { text: 'hello' })), 'hello');
  assert.ok(performance.now() - begun < PROMPT_MS, `took ${Math.round(performance.now() - begun)} ms`);
  const { healthy, restarts } = gateway.backend('well');
  assert.deepEqual({ healthy, restarts }, { healthy: true, restarts: 0 });
}

const faulty = (...args: string[]) => fixtureCommand('servers/faulty.mjs', ...args);
const faultyHttp = async (t: TestContext, ...args: string[]) => ({
  url: await httpFixture(t, 'servers/faulty.mjs', ...args),
  type: 'http',
});

function textOf({ result, error }: Message): string {
  assert.equal(error, undefined);
  return result.content[0].text;
}

/** The text of a call that no backend could answer. */
function failureOf(answer: Message): string {
  const text = textOf(answer);
  assert.equal(answer.result.isError, true, `answered: ${text}`);
  return text;
}

describe('A process that', () => {
  test('exits at its start is tried again, and a call says why it cannot be had', async t => {
    const scene = await beside(t, fixtureCommand('servers/crashing.mjs'), { default_strategy: 'path' });
    await scene.gateway.reaches('faulty', 'failed');
    const text = failureOf(await scene.client.callTool('faulty__anything'));
    assert.match(text, /faulty: exited with code 3: Error: ACME_TOKEN is not set, try again in \d s/);
    await assertWell(scene);
    await eventually('another start', () => scene.gateway.backend('faulty').restarts > 0);
  });

  test('exits in the middle of a call fails that call, which is not repeated, and comes back', async t => {
    const scene = await beside(t, faulty());
    const pid = await scene.gateway.pidOf('faulty');
    const text = failureOf(await scene.client.callTool('faulty__exit'));
    assert.match(text, /faulty: .*exited with code 7.*it may have run/);
    await assertWell(scene);
    assert.equal(textOf(await scene.client.callTool('faulty__look', { label: 'back' })).split(' ')[0], 'back');
    assert.notEqual(await scene.gateway.pidOf('faulty'), pid);
    assert.equal(scene.gateway.backend('faulty').restarts, 1);
  });

  test('never answers initialize is given up after its start timeout, and ended', async t => {
    const scene = await beside(t, { ...fixtureCommand('servers/hanging.mjs'), start_timeout_seconds: 1 });
    await assertWell(scene);
    const { state } = await scene.gateway.reaches('faulty', 'failed');
    assert.equal(state.kind === 'failed' && state.failure.code, 'start-timeout');
    await assertWell(scene);
    const startsAfter = (code: string | undefined) =>
      eventually(`it is started after ${code ?? 'nothing'}`, () => {
        const { state } = scene.gateway.backend('faulty');
        return state.kind === 'connecting' && state.after?.code === code;
      });
    await startsAfter('start-timeout');
    scene.gateway.gateway.restart('faulty');
    await startsAfter(undefined);
  });

  test('answers initialize late is waited for by the calls that need it, and by no other', async t => {
    const seconds = isLong ? 20 : 2;
    const slow = fixtureCommand('servers/echo.mjs', '--delay', `${seconds * 1000}`);
    const scene = await beside(t, { ...slow, start_timeout_seconds: isLong ? 60 : 5 });
    const late = scene.client.callTool('faulty__echo', { text: 'late' });
    await assertWell(scene);
    assert.equal(scene.gateway.backend('faulty').state.kind, 'connecting');
    assert.equal(textOf(await late), 'late');
  });

  test('hangs on one call answers the others, and that one fails after its timeout, once for each attempt', async t => {
    const scene = await beside(
      t,
      { ...faulty(), request_timeout_seconds: 1 },
      { retry: { max_attempts: 2, initial_backoff_seconds: 0.05 } },
    );
    const pid = await scene.gateway.pidOf('faulty');
    const begun = performance.now();
    const hung = scene.client.callTool('faulty__hang');
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'meanwhile' })), /^meanwhile/);
    await assertWell(scene);
    assert.match(failureOf(await hung), /faulty: no answer for 1 s.*faulty: no answer for 1 s/);
    const took = performance.now() - begun;
    assert.ok(took > 1900 && took < 4000, `took ${Math.round(took)} ms`);
    assert.equal(await scene.gateway.pidOf('faulty'), pid, 'it was not started again');
    await assertWell(scene);
  });

  test('writes garbage and log lines to stdout is understood all the same', async t => {
    const scene = await beside(t, fixtureCommand('servers/noisyStdout.mjs'));
    await scene.gateway.reaches('faulty', 'ready');
    const texts = ['one', 'two', 'three'];
    const answers = await Promise.all(texts.map(text => scene.client.callTool('faulty__say', { text })));
    assert.deepEqual(answers.map(textOf), texts);
    assert.ok(scene.gateway.gateway.backendLog('faulty').some(line => line.includes('Noisy server')));
    await assertWell(scene);
  });

  test('writes 1 MB lines to stderr without end slows nobody down, and fills no memory', async t => {
    const scene = await beside(t, faulty('--flood'));
    await scene.gateway.reaches('faulty', 'ready');
    const before = memoryHeld();
    for (let second = 0; second < 3; second++) {
      await sleep(1000);
      assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'heard' })), /^heard/);
      await assertWell(scene);
    }
    const grown = (memoryHeld() - before) / 1024 ** 2;
    // Pieces that were read and not yet collected; what is kept of the flood would be hundreds.
    assert.ok(grown < 60, `grew by ${Math.round(grown)} MB`);
    const kept = scene.gateway.gateway.backendLog('faulty').join('').length;
    assert.ok(kept < 1024 ** 2, `keeps ${kept} characters of its log`);
  });

  test('exits within a message fails the call, and the half of it harms nobody', async t => {
    const scene = await beside(t, faulty());
    await scene.gateway.reaches('faulty', 'ready');
    assert.match(
      failureOf(await scene.client.callTool('faulty__half')),
      /faulty: .*exited with code 0.*it may have run/,
    );
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'back' })), /^back/);
    await assertWell(scene);
  });

  test('ignores SIGTERM, and the grandchild that does too, are gone when the backend is removed', async t => {
    const scene = await beside(t, faulty('--stubborn', '--orphan'));
    const pid = await scene.gateway.pidOf('faulty');
    const grandchild = await eventually('the grandchild', () => {
      const line = scene.gateway.gateway.backendLog('faulty').find(logged => logged.startsWith('child '));
      return line !== undefined && Number(line.split(' ')[1]);
    });
    assert.ok(isRunning(pid) && isRunning(grandchild));
    await scene.gateway.write({ backends: [{ name: 'well', ...fixtureCommand('servers/echo.mjs') }] });
    await scene.gateway.gateway.reload();
    await assertWell(scene);
    await eventually('the end of both', () => !isRunning(pid) && !isRunning(grandchild));
    await assertWell(scene);
  });

  test('is killed takes its grandchild with it', async t => {
    const scene = await beside(t, faulty('--orphan'));
    const pid = await scene.gateway.pidOf('faulty');
    const grandchild = await eventually('the grandchild', () => {
      const line = scene.gateway.gateway.backendLog('faulty').find(logged => logged.startsWith('child '));
      return line !== undefined && Number(line.split(' ')[1]);
    });
    process.kill(pid, 'SIGKILL');
    await eventually('the end of the grandchild', () => !isRunning(grandchild));
    await assertWell(scene);
  });
});

describe('A server over HTTP that', () => {
  for (const status of [500, 503]) {
    test(`answers ${status} to a call is asked again as often as the call may be, and counts as failing`, async t => {
      const ledger = new Ledger(t);
      const scene = await beside(t, await faultyHttp(t, '--ledger', ledger.file));
      await scene.gateway.reaches('faulty', 'ready');
      const text = failureOf(await scene.client.callTool(`faulty__http_${status}`));
      assert.match(text, new RegExp(`faulty: the server answered HTTP ${status}`));
      assert.equal(ledger.entries.length, 3);
      assert.deepEqual(scene.gateway.backend('faulty').circuit, { kind: 'closed', failures: 3 });
      assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'well again' })), /^well/);
      assert.deepEqual(scene.gateway.backend('faulty').circuit, { kind: 'closed', failures: 0 });
      await assertWell(scene);
    });
  }

  test('answers 503 with Retry-After while it starts is tried again until it is there', async t => {
    const scene = await beside(t, await faultyHttp(t, '--refuse', '503,2'));
    const { state } = await scene.gateway.reaches('faulty', 'failed');
    assert.match(state.kind === 'failed' ? state.failure.message : '', /HTTP 503/);
    await assertWell(scene);
    await scene.gateway.reaches('faulty', 'ready');
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'there' })), /^there/);
  });

  test('has forgotten the session answers the same call in a new one', async t => {
    const ledger = new Ledger(t);
    const scene = await beside(t, await faultyHttp(t, '--ledger', ledger.file));
    await scene.gateway.reaches('faulty', 'ready');
    await scene.client.callTool('faulty__http_404');
    await scene.gateway.reaches('faulty', 'ready');
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'new session' })), /^new session/);
    await assertWell(scene);
  });

  test('was started anew, and answers 400 to a session that it does not know, is met in a new one', async t => {
    const args = ['--unknown-session', '400'];
    let server = await startHttpFixture('servers/faulty.mjs', { args });
    const port = Number(new URL(server.url).port);
    t.after(() => server.close());
    const startAnew = async () => {
      await server.close();
      server = await startHttpFixture('servers/faulty.mjs', { args, port });
    };
    const scene = await beside(t, { url: server.url, type: 'http', health_check: { enabled: false } });
    await scene.gateway.reaches('faulty', 'ready');
    await startAnew();
    assert.match(textOf(await scene.client.callTool('faulty__act', { label: 'found by a call' })), /^found by a call/);
    await startAnew();
    await scene.gateway.gateway.checkNow('faulty');
    assert.notEqual(scene.gateway.backend('faulty').state.kind, 'ready');
    await scene.gateway.reaches('faulty', 'ready');
    assert.match(
      textOf(await scene.client.callTool('faulty__act', { label: 'found by a check' })),
      /^found by a check/,
    );
    await assertWell(scene);
  });

  test('refuses a call with 400 and a JSON-RPC error of it has answered, and the error is passed on', async t => {
    const ledger = new Ledger(t);
    const scene = await beside(t, await faultyHttp(t, '--ledger', ledger.file));
    await scene.gateway.reaches('faulty', 'ready');
    const { error } = await scene.client.callTool('faulty__http_400');
    assert.deepEqual(error, { code: -32602, message: 'x is missing', data: { argument: 'x' } });
    const { circuit, errorCount, restarts } = scene.gateway.backend('faulty');
    assert.deepEqual([circuit, errorCount, restarts], [{ kind: 'closed', failures: 0 }, 0, 0]);
    assert.equal(ledger.entries.length, 1);
    await assertWell(scene);
  });

  for (const status of [401, 405, 503])
    test(`of the modern era answers ${status} to who wants to hear of changes does its work all the same`, async t => {
      const args = ['--era', 'modern', '--wait', '1000', '--refuse-listen', `${status}`];
      const scene = await beside(t, await faultyHttp(t, ...args));
      await scene.gateway.reaches('faulty', 'ready');
      // Takes longer than it takes to ask for the changes again.
      assert.match(textOf(await scene.client.callTool('faulty__act', { label: 'done' })), /^done/);
      const { state, restarts, errorCount } = scene.gateway.backend('faulty');
      assert.deepEqual([state.kind, restarts, errorCount], ['ready', 0, 0]);
      await assertWell(scene);
    });

  test('refuses connections fails its calls at once, and is there again when it listens again', async t => {
    const server = await startHttpFixture('servers/faulty.mjs');
    const scene = await beside(t, { url: server.url, type: 'http' });
    await scene.gateway.reaches('faulty', 'ready');
    await server.close();
    const call = scene.client.callTool('faulty__act', { label: 'never sent' });
    await assertWell(scene);
    assert.match(failureOf(await call), /faulty: .*ECONNREFUSED/);
    const again = await startHttpFixture('servers/faulty.mjs', { port: Number(new URL(server.url).port) });
    t.after(() => again.close());
    await scene.gateway.reaches('faulty', 'ready');
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'again' })), /^again/);
  });

  test('resets the connection within an answer is asked again, if that is harmless, and no other call ends', async t => {
    const ledger = new Ledger(t);
    const scene = await beside(t, await faultyHttp(t, '--ledger', ledger.file, '--wait', '1000'));
    await scene.gateway.reaches('faulty', 'ready');
    const other = scene.client.callTool('faulty__act', { label: 'other' });
    await eventually('the other call', () => ledger.entries.length === 1);
    assert.match(
      failureOf(await scene.client.callTool('faulty__reset')),
      /^No backend could run "faulty__reset" \(faulty: /,
    );
    assert.equal(ledger.entries.filter(({ label }) => label === 'reset').length, 3);
    const { circuit, restarts } = scene.gateway.backend('faulty');
    assert.deepEqual([circuit, restarts], [{ kind: 'closed', failures: 3 }, 0]);
    assert.match(textOf(await other), /^other/);
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'still there' })), /^still/);
    await assertWell(scene);
  });

  test('lets its stream stall fails the call after its timeout, and answers others meanwhile', async t => {
    const scene = await beside(
      t,
      { ...(await faultyHttp(t)), request_timeout_seconds: 1 },
      { retry: { max_attempts: 1 } },
    );
    await scene.gateway.reaches('faulty', 'ready');
    const stalled = scene.client.callTool('faulty__stall');
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'meanwhile' })), /^meanwhile/);
    await assertWell(scene);
    assert.match(failureOf(await stalled), /faulty: no answer for 1 s/);
  });
});

describe('A list of tools that', () => {
  const named = (names: readonly string[], own: string) => names.filter(name => name === `faulty__${own}`).length;

  test('names one twice shows it once', async t => {
    const scene = await beside(t, faulty('--tools', 'duplicate'));
    await scene.gateway.reaches('faulty', 'ready');
    assert.equal(named(await scene.client.toolNames(), 'look'), 1);
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'once' })), /^once/);
    await assertWell(scene);
  });

  test('has 5,000 over 50 pages shows every one', async t => {
    const scene = await beside(t, faulty('--tools', 'many'));
    await scene.gateway.reaches('faulty', 'ready');
    const names = new Set(await scene.client.toolNames());
    const missing = Array.from({ length: 5000 }, (_, n) => `faulty__tool_${n + 1}`).filter(name => !names.has(name));
    assert.deepEqual(missing, []);
    assert.equal(textOf(await scene.client.callTool('faulty__tool_5000')), '5000');
    await assertWell(scene);
  });

  test('gives the same cursor for ever is not read for ever', async t => {
    const scene = await beside(t, faulty('--tools', 'endless'));
    const { state } = await scene.gateway.reaches('faulty', 'failed');
    assert.match(state.kind === 'failed' ? state.failure.message : '', /cursor "again" comes again/);
    await assertWell(scene);
  });

  test('has no input schemas is shown and called', async t => {
    const scene = await beside(t, faulty('--tools', 'schemaless'));
    await scene.gateway.reaches('faulty', 'ready');
    assert.equal(named(await scene.client.toolNames(), 'look'), 1);
    assert.match(textOf(await scene.client.callTool('faulty__look', { label: 'called' })), /^called/);
    await assertWell(scene);
  });

  test('changes every 100 ms is followed, and drowns no client', async t => {
    const scene = await beside(t, faulty('--tools', 'restless'));
    await scene.gateway.reaches('faulty', 'ready');
    await scene.client.listen();
    const restless = async () => (await scene.client.toolNames()).filter(name => name.startsWith('faulty__restless_'));
    const seen = new Set<string>();
    await eventually('five of its lists', async () => {
      const names = await restless();
      assert.ok(names.length <= 1, `${names} at a time`);
      for (const name of names) seen.add(name);
      return seen.size >= 5;
    });
    const told = scene.client.received.filter(({ method }) => method === 'notifications/tools/list_changed').length;
    assert.ok(told >= 1 && told <= 40, `told ${told} times`);
    await assertWell(scene);
  });
});
