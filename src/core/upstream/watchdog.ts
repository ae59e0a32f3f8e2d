// What ends our backends when we cannot: when this process is killed outright.
import { type ChildProcess, spawn, type spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Disposable } from '../base/disposable.ts';
import type { Logger } from '../base/log.ts';

/**
 * One small process beside us, started with the first child. It holds the other end of a pipe; when that ends without a
 * goodbye it ends every process group it was told of (SIGTERM, after 1 s SIGKILL; Windows: process trees), and itself.
 * It keeps nobody's event loop alive. If it is killed, the next child starts another one.
 */
export class Watchdog implements Disposable {
  private readonly log: Logger;
  /** By process id, the line that tells of it. */
  private readonly watched = new Map<number, string>();
  private child: ChildProcess | undefined;

  constructor(log: Logger) {
    this.log = log;
  }

  /** Watches over a child that runs and leads a process group of its own; to be called as soon as it was started. */
  add(pid: number): void {
    const line = `+${pid} ${startTime(pid, readFileSync) ?? ''}\n`;
    this.watched.set(pid, line);
    if (this.child) this.child.stdin?.write(line);
    else this.start();
  }

  /** The child and its group have ended. */
  delete(pid: number): void {
    if (this.watched.delete(pid)) this.child?.stdin?.write(`-${pid}\n`);
  }

  /** Takes leave: the watchdog ends and leaves everything running. */
  dispose(): void {
    const { child } = this;
    this.child = undefined;
    this.watched.clear();
    child?.stdin?.end('bye\n');
  }

  private start(): void {
    const program = `(${guard})(${startTime}, require('node:fs').readFileSync, require('node:child_process').spawnSync)`;
    const child = spawn(process.execPath, ['-e', program], {
      // In a session of its own: what a terminal or a supervisor sends to our group is not for it.
      detached: true,
      windowsHide: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      // The editor's executable is Electron. Options for Node, as debuggers set them, are meant for us alone.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '' },
    });
    this.child = child;
    const lose = (reason: string) => {
      if (this.child !== child) return;
      this.child = undefined;
      this.log.warning(`The watchdog ${reason}: if this process were killed now, its backends would go on running.`);
    };
    child.once('error', error => lose(`could not be started (${error.message})`));
    child.once('exit', (code, signal) => lose(`was ended (${signal ?? code})`));
    // A broken pipe is told by the exit.
    child.stdin?.on('error', () => {});
    child.unref();
    child.stdin?.write([...this.watched.values()].join(''));
  }
}

/** When a process started, by Linux's count; undefined if it is gone, and on systems that do not tell. */
function startTime(pid: number, readFile: (file: string, encoding: 'latin1') => string): string | undefined {
  try {
    // "pid (command) state …", and the command may hold blanks and brackets.
    return readFile(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[19];
  } catch {
    return undefined;
  }
}

/** The watchdog's whole program. It runs from its source text: it sees its parameters and Node's globals, no more. */
function guard(startTimeOf: typeof startTime, readFile: Parameters<typeof startTime>[1], run: typeof spawnSync): void {
  process.title = 'switchyard watchdog';
  const startTimes = new Map<number, string>();
  const signalAll = (signal: 'SIGTERM' | 'SIGKILL') => {
    for (const [pid, start] of startTimes) {
      if (process.platform === 'win32') {
        run('taskkill', ['/PID', String(pid), '/T', '/F'], { windowsHide: true });
        continue;
      }
      // Another process has this number by now. While some of its group are left, nobody gets it.
      if ((startTimeOf(pid, readFile) ?? start) !== start) continue;
      try {
        process.kill(-pid, signal);
      } catch {
        // The group is gone, or not ours to end: nothing is left to do, and nobody to tell.
      }
    }
  };
  const end = () => {
    if (startTimes.size === 0) return;
    signalAll('SIGTERM');
    setTimeout(signalAll, 1000, 'SIGKILL');
  };
  let rest = '';
  process.stdin.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === 'bye') process.exit();
      const [pid, start = ''] = line.slice(1).split(' ');
      if (line.startsWith('+')) startTimes.set(Number(pid), start);
      else startTimes.delete(Number(pid));
    }
  });
  process.stdin.once('end', end).once('error', end);
  // It ends when we do, not before.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
}
