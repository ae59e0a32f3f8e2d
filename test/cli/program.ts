// The built command line as a child process, in an environment without a configuration or variables of the person who tests.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.ts';
import { descendantsOf, isRunning } from '../support/processes.ts';

export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** The oldest that is supported. */
const OLDEST_MAJOR = 20;
const oldestNode = nodesOnPath().find(node => majorOf(node) === OLDEST_MAJOR);

/** The Node that runs this, and the oldest that is supported, where the machine has one: see {@link needsOldestNode}. */
export const NODES = [process.execPath, ...(oldestNode === undefined ? [] : [oldestNode])].map(node => ({
  node,
  title: `on Node ${majorOf(node)}`,
}));

/** A test for each file that uses {@link NODES}: without the oldest, it fails in CI, and says elsewhere what was not tried. */
export function needsOldestNode(t: TestContext): void {
  if (oldestNode !== undefined) return;
  const message = `there is no Node ${OLDEST_MAJOR} on the PATH, so nothing here was tried on it`;
  if (process.env.CI) assert.fail(message);
  t.diagnostic(`not tried: ${message}`);
  t.skip(message);
}

export interface Finished {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly node?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Program {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly finished: Promise<Finished>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.finished = once(child, 'close').then(([exitCode]) => ({ exitCode, stdout: this.stdout, stderr: this.stderr }));
  }

  /** The first group of the first match on stderr. */
  async reports(pattern: RegExp): Promise<string> {
    return eventually(`${pattern} on stderr`, () => {
      if (this.child.exitCode !== null) throw new Error(`it ended with ${this.child.exitCode}: ${this.stderr}`);
      return pattern.exec(this.stderr)?.[1];
    });
  }

  /** Its children and theirs, as soon as there are so many. */
  async reachDescendants(count: number): Promise<number[]> {
    const { pid } = this.child;
    assert.ok(pid);
    return eventually(`${count} descendants`, () => {
      const found = descendantsOf(pid);
      return found.length >= count && found;
    });
  }

  /** Fails unless all of these processes end soon. */
  async assertGone(pids: readonly number[]): Promise<void> {
    await eventually(`the end of ${pids.join(', ')}`, () => !pids.some(isRunning));
  }
}

/** Starts the command line; at the end of the test it is killed if it still runs. */
export async function startCli(t: TestContext, args: readonly string[], options: CliOptions = {}): Promise<Program> {
  const home = await temporaryFolder(t);
  const child = spawn(options.node ?? process.execPath, [CLI, ...args], {
    cwd: options.cwd ?? home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      USERPROFILE: home,
      SWITCHYARD_TEST_FILE: process.env.SWITCHYARD_TEST_FILE,
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  return new Program(child);
}

/** Runs the command line to its end, which it must reach without leaving a process behind. */
export async function runCli(t: TestContext, args: readonly string[], options: CliOptions = {}): Promise<Finished> {
  const program = await startCli(t, args, options);
  return program.finished;
}

/** A configuration file of one test; an object is written as JSON, which YAML includes. */
export async function configFile(t: TestContext, config: unknown, name = 'backends.yaml'): Promise<string> {
  const file = path.join(await temporaryFolder(t), name);
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  return file;
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'switchyard-cli-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

function nodesOnPath(): string[] {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map(folder => path.join(folder, 'node')).filter(node => existsSync(node));
}

function majorOf(node: string): number {
  return Number.parseInt(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }), 10);
}
