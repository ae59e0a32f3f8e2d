import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { build } from 'esbuild';
import { eventually } from '../../support/eventually.ts';
import { descendantsOf, isRunning } from '../../support/processes.ts';

/** How a program given as text imports a file beside this one. */
function moduleName(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url));
}

/**
 * Like a router: starts children that lead their groups, and tells a watchdog of them. A child says a word on stdout when
 * it is up, with the process ids that the test has to know.
 */
const PRELUDE = `
  import { spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { Watchdog } from ${moduleName('../../../src/core/upstream/watchdog.ts')};
  const tell = what => process.stdout.write(JSON.stringify(what) + '\\n');
  const watchdog = new Watchdog({ debug() {}, info() {}, warning: text => tell({ warning: text }), error() {} });
  const start = async code => {
    const child = spawn(process.execPath, ['-e', code], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    watchdog.add(child.pid);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    return child;
  };
  const wait = () => setInterval(() => {}, 1000);
  const CHILD = "console.log('up'); setInterval(() => {}, 1000);";
  const STUBBORN = "process.on('SIGTERM', () => {});" + CHILD;
  // Its child is as stubborn, and in the same group.
  const PARENT = "process.on('SIGTERM', () => {});" +
    "const { stdout } = require('node:child_process').spawn(process.execPath, ['-e', " + JSON.stringify(STUBBORN) + "]);" +
    "stdout.on('data', () => console.log('up')); setInterval(() => {}, 1000);";
`;

interface Told {
  readonly pids: readonly number[];
  readonly warning?: string;
}

interface Router {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The next thing that it says of itself. */
  next(): Promise<Told>;
}

/** Starts a router-like process, which runs this code after the prelude; at the end of the test all of it is gone. */
function startRouter(t: TestContext, code: string): Router {
  return startProgram(t, ['--input-type=module', '-e', PRELUDE + code]);
}

function startProgram(t: TestContext, args: readonly string[]): Router {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const { pid } = child;
  assert.ok(pid !== undefined);
  const seen = new Set([pid]);
  t.after(() => {
    for (const each of [...seen, ...descendantsOf(pid)].filter(isRunning)) process.kill(each, 'SIGKILL');
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    child,
    pid,
    async next() {
      const line = await lines.next();
      assert.ok(!line.done, 'the router ended before it said anything');
      for (const each of descendantsOf(pid)) seen.add(each);
      return { pids: [], ...JSON.parse(line.value) };
    },
  };
}

/** The processes of a router that it did not start as its children, nor they as theirs. */
function watchdogsOf(router: Router, children: readonly number[]): number[] {
  const theirs = new Set(children.flatMap(pid => [pid, ...descendantsOf(pid)]));
  return descendantsOf(router.pid).filter(pid => !theirs.has(pid));
}

function commandLineOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

function gone(pids: readonly number[]): Promise<boolean> {
  return eventually(`the end of ${pids}`, () => !pids.some(isRunning));
}

const POLITE_AND_STUBBORN = `
  const children = [await start(CHILD), await start(PARENT)];
  tell({ pids: children.map(child => child.pid) });
  wait();`;

async function assertAllEnd(router: Router): Promise<void> {
  const { pids } = await router.next();
  assert.equal(descendantsOf(router.pid).length, 4, 'two children, a grandchild and a watchdog');
  const all = [router.pid, ...descendantsOf(router.pid)];
  assert.equal(watchdogsOf(router, pids).length, 1);
  process.kill(router.pid, 'SIGKILL');
  await gone(all);
}

const NAMESPACE = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'];

function noNamespaces(): string | false {
  return (
    spawnSync('unshare', [...NAMESPACE, 'true']).status !== 0 && 'this system gives us no namespace of process ids'
  );
}

describe('Watchdog', { concurrency: 3, timeout: 60_000 }, () => {
  test('ends all children when the router is killed, stubborn ones and grandchildren too, and then itself', async t => {
    await assertAllEnd(startRouter(t, POLITE_AND_STUBBORN));
  });

  test('does so from a minified bundle, which has nothing but its one file', async t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'switchyard-watchdog-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const outfile = path.join(folder, 'router.mjs');
    const contents = (PRELUDE + POLITE_AND_STUBBORN).replace('file://', '');
    await build({
      stdin: { contents, resolveDir: folder },
      outfile,
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      logLevel: 'error',
    });
    await assertAllEnd(startProgram(t, [outfile]));
  });

  test('is gone after its goodbye, and ends nobody, whether the router goes on or exits at once', async t => {
    for (const isExit of [false, true]) {
      const router = startRouter(
        t,
        `const child = await start(CHILD);
         tell({ pids: [child.pid] });
         process.once('SIGUSR2', () => { watchdog.dispose(); if (${isExit}) process.exit(); });
         wait();`,
      );
      const { pids } = await router.next();
      const watchdogs = watchdogsOf(router, pids);
      assert.equal(watchdogs.length, 1);
      process.kill(router.pid, 'SIGUSR2');
      await gone(isExit ? [router.pid, ...watchdogs] : watchdogs);
      assert.deepEqual(pids.filter(isRunning), pids);
      assert.equal(isRunning(router.pid), !isExit);
    }
  });

  test('spares a child that it was told is none any more', async t => {
    const router = startRouter(
      t,
      `const [spared, ended] = [await start(CHILD), await start(CHILD)];
       watchdog.delete(spared.pid);
       watchdog.delete(123456789);
       tell({ pids: [spared.pid, ended.pid] });
       wait();`,
    );
    const { pids } = await router.next();
    const watchdogs = watchdogsOf(router, pids);
    assert.equal(watchdogs.length, 1);
    process.kill(router.pid, 'SIGKILL');
    await gone([...pids.slice(1), ...watchdogs]);
    assert.deepEqual(pids.filter(isRunning), pids.slice(0, 1));
  });

  test('does not keep the router alive, and ends the children of one that just ran out of work', async t => {
    const router = startRouter(
      t,
      `const child = await start(CHILD);
       child.unref();
       const work = wait();
       process.once('SIGUSR2', () => clearInterval(work));
       tell({ pids: [child.pid] });`,
    );
    const { pids } = await router.next();
    const watchdogs = watchdogsOf(router, pids);
    assert.equal(watchdogs.length, 1);
    process.kill(router.pid, 'SIGUSR2');
    await eventually('the exit of the router', () => router.child.exitCode === 0);
    await gone([...pids, ...watchdogs]);
  });

  test('is not started before there is a child, and only once for all of them', async t => {
    const router = startRouter(
      t,
      `process.once('SIGUSR2', async () => {
         const children = [await start(CHILD), await start(CHILD), await start(CHILD)];
         tell({ pids: children.map(child => child.pid) });
       });
       watchdog.delete(123456789);
       tell({});
       wait();`,
    );
    await router.next();
    assert.deepEqual(descendantsOf(router.pid), []);
    process.kill(router.pid, 'SIGUSR2');
    const { pids } = await router.next();
    assert.equal(watchdogsOf(router, pids).length, 1);
  });

  test('ignores the signals that ask a program to end, as a terminal or a supervisor sends them to everybody', async t => {
    const router = startRouter(t, POLITE_AND_STUBBORN);
    const { pids } = await router.next();
    const all = descendantsOf(router.pid);
    const [watchdog] = watchdogsOf(router, pids);
    assert.ok(watchdog !== undefined);
    await eventually('the watchdog to be up', () => commandLineOf(watchdog).startsWith('switchyard watchdog'));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(watchdog, signal);
    process.kill(router.pid, 'SIGKILL');
    await gone(all);
  });

  test('if killed itself, says so, and is started again with the next child for all of them', async t => {
    const router = startRouter(
      t,
      `const first = await start(CHILD);
       tell({ pids: [first.pid] });
       process.once('SIGUSR2', async () => {
         const second = await start(CHILD);
         tell({ pids: [first.pid, second.pid] });
       });
       wait();`,
    );
    const first = await router.next();
    const [killed] = watchdogsOf(router, first.pids);
    assert.ok(killed !== undefined);
    process.kill(killed, 'SIGKILL');
    assert.match(String((await router.next()).warning), /watchdog was ended \(SIGKILL\)/);
    assert.deepEqual(first.pids.filter(isRunning), first.pids);
    process.kill(router.pid, 'SIGUSR2');
    const { pids } = await router.next();
    assert.equal(watchdogsOf(router, pids).length, 1);
    const all = descendantsOf(router.pid);
    process.kill(router.pid, 'SIGKILL');
    await gone(all);
  });

  test('spares a process that got the number of a child that was gone', { skip: noNamespaces() }, async () => {
    // In a namespace of process ids of its own, where the next number can be chosen.
    const router = `${PRELUDE}
      import { writeFileSync } from 'node:fs';
      let gone;
      let other;
      // Threads have numbers of the same row: one that begins just now may take it.
      for (let tries = 0; tries < 20 && (!other || other.pid !== gone.pid); tries++) {
        other?.kill('SIGKILL');
        gone = await start(CHILD);
        gone.kill('SIGKILL');
        await once(gone, 'exit');
        writeFileSync('/proc/sys/kernel/ns_last_pid', String(gone.pid - 1));
        other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
      }
      if (other.pid !== gone.pid) throw new Error('the number was not given again');
      const child = await start(CHILD);
      tell({ other: other.pid, child: child.pid });
      process.kill(process.pid, 'SIGKILL');`;
    const init = `
      import { spawn } from 'node:child_process';
      import { once } from 'node:events';
      import { eventually } from ${moduleName('../../support/eventually.ts')};
      import { descendantsOf, isRunning } from ${moduleName('../../support/processes.ts')};
      const router = spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(router)}], { stdio: ['ignore', 'pipe', 'inherit'] });
      const { other, child } = JSON.parse(String(await once(router.stdout, 'data')));
      await once(router, 'exit');
      await eventually('the end of the watchdog', () => descendantsOf(process.pid).every(pid => pid === other));
      console.log(isRunning(other), isRunning(child));
      process.exit();`;
    const { stdout } = spawn('unshare', [...NAMESPACE, process.execPath, '--input-type=module', '-e', init], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.equal(await text(stdout), 'true false\n');
  });
});
