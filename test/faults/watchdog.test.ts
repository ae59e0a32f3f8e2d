// The built router killed outright: it can end nothing itself any more, and still nothing of it is left.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configFile, startCli } from '../cli/program.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { isRunning } from '../support/processes.ts';

const LEFT_MS = 9000;

describe('The router killed with SIGKILL', () => {
  test('leaves no child and no grandchild, not even those that ignore SIGTERM and the end of their input', async t => {
    const config = await configFile(t, {
      backends: [
        { name: 'well', ...fixtureCommand('servers/echo.mjs') },
        { name: 'stubborn', ...fixtureCommand('servers/faulty.mjs', '--stubborn', '--orphan') },
        { name: 'hanging', ...fixtureCommand('servers/hanging.mjs', '--stubborn') },
      ],
    });
    const router = await startCli(t, ['serve', '--config', config, '--port', '0']);
    await router.reports(/at (http\S+)/);
    // Three backends, a child of each of two, and the watchdog.
    const descendants = await router.reachDescendants(6);
    router.child.kill('SIGKILL');
    await router.finished;
    const killed = performance.now();
    while (descendants.some(isRunning) && performance.now() - killed < LEFT_MS) await sleep(20);
    const left = descendants
      .filter(isRunning)
      .map(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    assert.deepEqual(left, [], `after ${Math.round(performance.now() - killed)} ms`);
  });
});
