import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

export interface ProcessGroupOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * A program with everything that it starts: ended together, out of reach of Ctrl-C, and gone when this process is,
 * whatever ends that. Not for Windows.
 */
export class ProcessGroup {
  /** The last 200 lines that it printed. */
  readonly output: string[] = [];
  /** The program's exit code, null if a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Of the program as a process, and of the group. */
  readonly id: number;
  private readonly closed: Promise<unknown>;
  private readonly leader: ChildProcess;
  private readonly watchdog: ChildProcess;
  private readonly lines: Interface[];

  static async start(command: string, args: readonly string[], options: ProcessGroupOptions): Promise<ProcessGroup> {
    const leader = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    await once(leader, 'spawn');
    return new ProcessGroup(leader, Number(leader.pid), [leader.stdout, leader.stderr]);
  }

  private constructor(leader: ChildProcess, id: number, printing: Readable[]) {
    this.id = id;
    this.leader = leader;
    this.closed = once(leader, 'close');
    this.ended = once(leader, 'exit').then(([code]) => code as number | null);
    // Its standard input ends when this process does.
    this.watchdog = spawn('sh', ['-c', `read _; kill -s KILL -- -${id}`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.lines = printing.map(input => createInterface({ input }));
    for (const lines of this.lines) {
      lines.on('line', line => {
        if (this.output.push(line) > 200) this.output.shift();
      });
    }
  }

  /** What the pattern finds, in the first line from now on that has it. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise(resolve => {
      for (const lines of this.lines) {
        lines.on('line', line => {
          const found = pattern.exec(line);
          if (found) resolve(found);
        });
      }
    });
  }

  /** Asks the program to end, and when the grace is over kills what is left of the group. */
  async stop(graceMs: number): Promise<void> {
    this.leader.kill('SIGTERM');
    const deadline = performance.now() + graceMs;
    while (this.isAlive() && performance.now() < deadline) await wait(50);
    if (this.isAlive()) process.kill(-this.id, 'SIGKILL');
    this.watchdog.kill();
    await this.ended;
    // What it printed last may be under way. What left the group may hold the pipe open for ever.
    await Promise.race([this.closed, wait(500)]);
  }

  private isAlive(): boolean {
    try {
      return process.kill(-this.id, 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }
}

/** Runs a command to its end. What it prints is shown only if it fails. */
export async function runQuietly(
  command: string,
  args: readonly string[],
  options: ProcessGroupOptions,
): Promise<void> {
  const group = await ProcessGroup.start(command, args, options);
  const code = await group.ended;
  await group.stop(0);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} failed:\n${group.output.join('\n')}`);
}
