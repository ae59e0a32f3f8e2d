// stdio to one child process (MCP 2025-11-25, "Transports", stdio), behind the SDK's `Transport`.
// Of our own because the SDK's stops only the direct child, hides the exit code, and does not tell whether a
// message was handed over.
import type { ChildProcess } from 'node:child_process';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import spawn from 'cross-spawn';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { LineReader, MAX_MESSAGE_BYTES } from '../base/lineReader.ts';

export interface StdioLaunch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the child. */
  readonly env: NodeJS.ProcessEnv;
}

/** How the child ended: an exit code, a signal, or never having started. */
export type ChildEnd =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'spawn-error'; readonly code: string | undefined; readonly message: string };

/** The message was not handed to the child: it certainly did not see it. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

/** A child that leaves more than this unread is sent nothing more until it reads; one message of any size may wait for it. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
const STDIN_GRACE_MS = 1000;
const SIGTERM_GRACE_MS = 1500;
const PIPE_GRACE_MS = 500;
const MAX_LOG_LINE = 4096;
/** What a child says beside its messages: this much of a second goes to the log. */
const MAX_LINES_A_SECOND = 500;
/** More than this in a second, and the child is not read for a while: the others come first. */
const FLOOD_LINES_A_SECOND = 20_000;
const FLOOD_PAUSE_MS = 500;
const SPACE = 32;
const OPEN_BRACKET = 91;
const OPEN_BRACE = 123;

/**
 * One child process speaking JSON-RPC, a message a line.
 *
 * Closing follows a ladder: stdin ends, after 1 s SIGTERM, after another 1.5 s SIGKILL, the signals to the child's
 * whole process group (Windows: its process tree). A child that no longer reads is ended in the same way.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Each line the child writes to stderr, and each line on stdout that is no message. */
  online?: (line: string) => void;

  readonly launch: StdioLaunch;
  private readonly clock: Clock;
  private readonly living: Set<StdioTransport>;
  private child: ChildProcess | undefined;
  private end: ChildEnd | undefined;
  private readonly lines = new LineReader(line => this.readLine(line));
  /** When the present second began, and the lines said in it. */
  private second = 0;
  private said = 0;
  private readonly closed = deferred();

  /** @param living where it is while its child lives */
  constructor(launch: StdioLaunch, clock: Clock, living: Set<StdioTransport>) {
    this.launch = launch;
    this.clock = clock;
    this.living = living;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** How the child ended; undefined while it lives. */
  get childEnd(): ChildEnd | undefined {
    return this.end;
  }

  /** Resolves when the process runs; rejects with the system's error when it cannot be started. */
  async start(): Promise<void> {
    let child: ChildProcess;
    try {
      child = this.spawn();
    } catch (error) {
      this.failToStart(error as NodeJS.ErrnoException);
      throw error;
    }
    this.child = child;
    if (child.pid !== undefined) this.living.add(this);
    child.stdout?.on('data', (chunk: Buffer) => this.read(chunk));
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = (lines.pop() ?? '').slice(-MAX_LOG_LINE);
      for (const line of lines) this.say(line);
    });
    // The child dies while we write, or has closed its stdin and is of no use any more.
    child.stdin?.on('error', error => {
      this.onerror?.(error);
      void this.close();
    });
    // What the child started and left behind goes with it. 'close' waits for the pipes, which a grandchild that left
    // the group may hold open for ever.
    child.once('exit', () => {
      this.signal('SIGKILL');
      const timer = this.clock.schedule(PIPE_GRACE_MS, () => this.closePipes());
      void this.closed.promise.then(() => timer.dispose());
    });
    child.once('close', (code, signal) => {
      if (rest) this.say(rest);
      this.finish(code === null ? { kind: 'signal', signal: signal ?? 'unknown' } : { kind: 'exit', code });
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) this.failToStart(error);
        reject(error);
      });
    });
  }

  private spawn(): ChildProcess {
    const { command, args, cwd, env } = this.launch;
    return spawn(command, [...args], {
      cwd,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      // A process group of its own, so that stopping it reaches its children too.
      detached: process.platform !== 'win32',
    });
  }

  private failToStart({ code, message }: NodeJS.ErrnoException): void {
    this.finish({ kind: 'spawn-error', code, message });
  }

  /** Resolves when the pipe took the message; rejects with {@link NotSentError} when no byte can have been read. */
  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.child?.stdin;
    if (!stdin?.writable || this.end) return Promise.reject(new NotSentError('the process is not running'));
    if (stdin.writableLength > MAX_UNREAD_BYTES) return Promise.reject(new NotSentError('the process does not read'));
    return new Promise((resolve, reject) => {
      // A broken pipe means that the child is ending: wait, so that whoever asks why finds its exit code.
      stdin.write(`${JSON.stringify(message)}\n`, error =>
        error ? void this.closed.promise.then(() => reject(error)) : resolve(),
      );
    });
  }

  /** Ends the child by the ladder above; resolves when it is gone. */
  async close(): Promise<void> {
    const child = this.child;
    if (!child || this.end) return;
    child.stdin?.end();
    const term = this.clock.schedule(STDIN_GRACE_MS, () => this.signal('SIGTERM'));
    const kill = this.clock.schedule(STDIN_GRACE_MS + SIGTERM_GRACE_MS, () => this.signal('SIGKILL'));
    await this.closed.promise;
    term.dispose();
    kill.dispose();
  }

  /** Ends the child and its children now. */
  kill(): void {
    this.signal('SIGKILL');
  }

  private signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.child ?? {};
    if (pid === undefined) return;
    if (process.platform === 'win32') {
      // A tree is found by its root, whose number may be another's once it has ended.
      if (exitCode !== null || signalCode !== null) return;
      const force = signal === 'SIGKILL' ? ['/F'] : [];
      const taskkill = spawn('taskkill', ['/pid', String(pid), '/T', ...force], { windowsHide: true });
      taskkill.on('error', error => this.onerror?.(error));
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // ESRCH: the whole group is gone already, which is what was wanted.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.onerror?.(error as Error);
    }
  }

  private closePipes(): void {
    for (const stream of [this.child?.stdout, this.child?.stderr]) stream?.destroy();
  }

  private finish(end: ChildEnd): void {
    if (this.end) return;
    this.end = end;
    this.living.delete(this);
    this.closed.resolve();
    this.onclose?.();
  }

  private read(chunk: Buffer): void {
    if (this.lines.read(chunk)) return;
    this.online?.(`a line on stdout exceeded ${MAX_MESSAGE_BYTES} bytes; the process is stopped`);
    this.kill();
  }

  private readLine(line: Buffer): void {
    const messages = mayBeMessage(line) ? messagesIn(line.toString('utf8')) : [];
    if (messages.length === 0) this.say(line);
    for (const message of messages) this.onmessage?.(message);
  }

  /** A line for the log. A child that floods us is read more slowly, and most of what it says is left out. */
  private say(line: string | Buffer): void {
    const now = this.clock.now();
    if (now - this.second >= 1000) {
      if (this.said > MAX_LINES_A_SECOND) this.online?.(`${this.said - MAX_LINES_A_SECOND} lines were left out`);
      this.second = now;
      this.said = 0;
    }
    this.said += 1;
    if (this.said === FLOOD_LINES_A_SECOND) this.slowDown();
    if (this.said > MAX_LINES_A_SECOND) return;
    const text = (typeof line === 'string' ? line : line.toString('utf8', 0, MAX_LOG_LINE)).slice(0, MAX_LOG_LINE);
    if (text.trim() !== '') this.online?.(text);
  }

  private slowDown(): void {
    const streams = [this.child?.stdout, this.child?.stderr];
    for (const stream of streams) stream?.pause();
    this.clock.schedule(FLOOD_PAUSE_MS, () => {
      for (const stream of streams) stream?.resume();
    });
  }
}

/** An object or a list, by its first byte: parsing costs a hundred times more. */
function mayBeMessage(line: Buffer): boolean {
  const first = line.find(byte => byte > SPACE);
  return first === OPEN_BRACE || first === OPEN_BRACKET;
}

/**
 * The JSON-RPC messages of a line: one, or those of a batch (MCP 2025-03-26). None if it is anything else: a server that
 * logs to stdout harms only itself.
 */
function messagesIn(line: string): JSONRPCMessage[] {
  try {
    const value: unknown = JSON.parse(line);
    const batch = Array.isArray(value) ? value : [value];
    return batch.every(isMessage) ? batch : [];
  } catch {
    return [];
  }
}

function isMessage(value: unknown): value is JSONRPCMessage {
  return typeof value === 'object' && value !== null && (value as { jsonrpc?: unknown }).jsonrpc === '2.0';
}
