import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { eventually } from './eventually.ts';
import { isRunning } from './processes.ts';
import { ProcessGroup, runQuietly } from './processGroup.ts';

/** Starts a child that outlives a polite request to end, and prints the child's id. */
const stubborn = ['-c', 'trap "" TERM; sleep 1000 & echo $!; wait'];

describe('ProcessGroup', { skip: process.platform === 'win32' && 'process groups are not for Windows' }, () => {
  test('ends what the program started, and not only the program', async () => {
    const group = await ProcessGroup.start('sh', stubborn, {});
    const [child] = await group.printed(/\d+/);
    await group.stop(100);
    await eventually('the child is gone', () => !isRunning(Number(child)));
  });

  test('does not outlive a process that is killed', async () => {
    const source = `
      import { ProcessGroup } from '${import.meta.resolve('./processGroup.ts')}';
      const group = await ProcessGroup.start('sh', ${JSON.stringify(stubborn)}, {});
      console.log((await group.printed(/\\d+/))[0]);`;
    const starter = spawn(process.execPath, ['--input-type=module', '--eval', source]);
    const [child] = await once(createInterface(starter.stdout), 'line');
    assert(isRunning(Number(child)));
    starter.kill('SIGKILL');
    await eventually('the child is gone', () => !isRunning(Number(child)));
  });

  test('tells that a program cannot be started', async () => {
    await assert.rejects(ProcessGroup.start('no-such-program', [], {}), { code: 'ENOENT' });
  });
});

test('runQuietly shows what a command printed when it fails', { skip: process.platform === 'win32' }, async () => {
  await assert.rejects(runQuietly('sh', ['-c', 'echo out; echo err >&2; exit 3'], {}), /failed:\n(out\nerr|err\nout)/);
});
