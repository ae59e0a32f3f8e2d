import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loginShellEnvironment, mergePaths } from '../../src/vscode/loginShell.ts';

const folder = mkdtempSync(join(tmpdir(), 'switchyard-shell-'));
after(() => rmSync(folder, { recursive: true }));

let shells = 0;

/** A login shell whose start-up files are `startup`; `run` is how it goes on to the command it was given. */
function shell(startup: string, run = 'exec /bin/sh -c "$2"'): string {
  const file = join(folder, `shell-${shells++}`);
  writeFileSync(file, `#!/bin/sh\n${startup}\n${run}\n`);
  chmodSync(file, 0o755);
  return file;
}

async function pathFrom(SHELL: string, timeoutMs = 5_000) {
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warning: (message: string) => void warnings.push(message) };
  const { PATH, OTHER } = await loginShellEnvironment(log, { SHELL, PATH: '/usr/bin:/bin', OTHER: 'kept' }, timeoutMs);
  assert.equal(OTHER, 'kept');
  return { PATH, warnings };
}

describe('loginShellEnvironment', { skip: process.platform === 'win32' && 'Windows has no login shell' }, () => {
  it('puts the PATH of the login shell in front of the editor’s', async () => {
    assert.deepEqual(await pathFrom(shell('export PATH=/opt/tools:/bin')), {
      PATH: '/opt/tools:/bin:/usr/bin',
      warnings: [],
    });
  });

  it('reads it out of whatever the start-up files print, while their background jobs run on', async () => {
    const noisy = shell('echo welcome; echo oops >&2; sleep 60 & export PATH=/opt/tools:$PATH', 'sh -c "$2"; echo bye');
    assert.equal((await pathFrom(noisy)).PATH, '/opt/tools:/usr/bin:/bin');
  });

  it('falls back on the editor’s PATH, and says so, when the shell ends, hangs or is not there', async () => {
    for (const [file, timeoutMs, reason] of [
      [shell('exit 3'), 5_000, /code 3/],
      [shell('sleep 60'), 200, /no answer within 0.2 s/],
      [join(folder, 'missing'), 5_000, /ENOENT/],
    ] as const) {
      const { PATH, warnings } = await pathFrom(file, timeoutMs);
      assert.equal(PATH, '/usr/bin:/bin');
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', reason);
    }
  });

  it('works with the real shell of this machine', async () => {
    const { PATH, warnings } = await pathFrom('/bin/bash');
    assert.deepEqual(warnings, []);
    assert.match(PATH ?? '', /\/usr\/bin/);
  });
});

describe('mergePaths', () => {
  it('keeps every entry once, and no empty one', () => {
    assert.equal(mergePaths('/a:/b:', '/b::/c'), '/a:/b:/c');
  });
});
