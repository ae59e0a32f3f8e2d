// Packages the extension once, then runs every test file in a process of its own and says what came of it.
//   node test/run.ts [--long] [NAME…]    only the files whose path holds a NAME; --long: the long forms of the tests
// The last line is "N passed, N failed". A file that hangs, runs no test or leaves a process behind has failed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const args = process.argv.slice(2);
const isLong = args.includes('--long');
const names = args.filter(arg => !arg.startsWith('-'));

/** In the order in which they run. `limitMinutes` is when a file is taken to hang. */
const STAGES = [
  { stage: 'parts', concurrency: 2, limitMinutes: isLong ? 15 : 3 },
  { stage: 'whole router', concurrency: 1, limitMinutes: isLong ? 30 : 10 },
  { stage: 'VS Code', concurrency: 1, limitMinutes: isLong ? 30 : 10 },
] as const;
type Stage = (typeof STAGES)[number]['stage'];

function stageOf(file: string): Stage {
  if (file.endsWith('.e2e.test.ts')) return 'VS Code';
  const isWhole = /^test\/(?:bench|cli|conformance|deploy|examples|faults|interop|core\/gateway\.test)\b/.test(file);
  return isWhole ? 'whole router' : 'parts';
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
const NOTHING: Counts = { passed: 0, failed: 0, skipped: 0 };

interface Ended {
  /** Undefined when it did not end within its time. */
  readonly exit: number | NodeJS.Signals | undefined;
  readonly output: string;
}

const root = resolve(import.meta.dirname, '..');
/** In the environment of every process that a test starts, to find those that it leaves behind. */
const MARK = 'SWITCHYARD_TEST_FILE';
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

let total = NOTHING;
if (await buildPackage()) {
  const files = globSync('test/**/*.test.ts', { cwd: root })
    .map(file => file.replaceAll(sep, '/'))
    .filter(file => names.length === 0 || names.some(name => file.includes(name)))
    .sort();
  for (const { stage, concurrency, limitMinutes } of STAGES) {
    const mine = files.filter(file => stageOf(file) === stage);
    if (mine.length === 0 && names.length > 0) continue;
    total = add(total, await runStage(stage, mine, concurrency, limitMinutes));
  }
  if (files.length === 0) total = failure('No test file has such a name.');
} else {
  total = failure('The extension could not be packaged.');
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function buildPackage(): Promise<boolean> {
  const started = performance.now();
  const { exit, output } = await run('npm', ['run', 'package'], 'package', 5);
  console.log(`${exit === 0 ? '' : output}package: ${secondsSince(started)}`);
  return exit === 0;
}

async function runStage(stage: Stage, files: readonly string[], concurrency: number, limit: number): Promise<Counts> {
  console.log(`\n${stage}: ${files.length} files`);
  const started = performance.now();
  const queue = [...files];
  let counts = files.length === 0 ? failure('There is no test in this stage.') : NOTHING;
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file, limit);
      counts = add(counts, result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  console.log(`${stage}: ${secondsSince(started)}`);
  return counts;
}

async function runFile(file: string, limitMinutes: number): Promise<Counts> {
  const started = performance.now();
  const ended = await run(process.execPath, ['--test-reporter=spec', file], file, limitMinutes);
  const complaints = [
    ...(ended.exit === undefined ? [`did not end within ${limitMinutes} minutes`] : []),
    ...(await endLeftovers(file)).map(command => `left behind: ${command}`),
  ];
  const counts = judge(ended, complaints);
  const passed = counts.failed === 0;
  console.log(`${passed ? '✔' : '✖'} ${file}  ${counts.passed} passed  ${secondsSince(started)}`);
  if (!passed) console.log([ended.output.trimEnd(), ...complaints].join('\n').replace(/^/gm, '  │ '));
  // What a test measured; the lines of the summary have no colon.
  else for (const [measured] of ended.output.matchAll(/^ *ℹ .*: .*$/gm)) console.log(`  ${measured.trim()}`);
  return counts;
}

/** What counts: the summary of the reporter, and everything that it cannot know. */
function judge({ exit, output }: Ended, complaints: string[]): Counts {
  const summary = (word: string) =>
    Number(
      output
        .match(new RegExp(`^ℹ ${word} (\\d+)$`, 'gm'))
        ?.at(-1)
        ?.match(/\d+/) ?? 0,
    );
  const passed = summary('pass');
  let failed = summary('fail') + summary('cancelled');
  let skipped = summary('skipped') + summary('todo');
  if (exit !== 0 && failed === 0 && complaints.length === 0) complaints.push(`ended with ${exit}`);
  if (passed + failed + skipped + complaints.length === 0) complaints.push('ran no test');
  if (process.env.CI && skipped > 0) {
    complaints.push(`skipped ${skipped}, which counts as failed in CI`);
    failed += skipped - 1;
    skipped = 0;
  }
  return { passed, failed: failed + complaints.length, skipped };
}

/** Runs a program to its end, or at most so long, in a process group of its own. */
async function run(command: string, args: readonly string[], mark: string, limitMinutes: number): Promise<Ended> {
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
    env: { ...env, NO_COLOR: '1', [MARK]: markOf(mark), ...(isLong ? { SWITCHYARD_TEST_LONG: '1' } : {}) },
  });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  let isTooLong = false;
  const limit = setTimeout(() => {
    isTooLong = true;
    killGroup(child);
  }, limitMinutes * 60_000);
  const closed = once(child, 'close');
  const [exitCode, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  clearTimeout(limit);
  running.delete(child);
  // A process that was left behind may hold the pipes open for ever.
  await Promise.race([closed, sleep(500, undefined, { ref: false })]);
  return { exit: isTooLong ? undefined : (exitCode ?? signal ?? undefined), output };
}

/** Ends what still runs a while after its test file did, and gives the command lines. Linux only; elsewhere none. */
async function endLeftovers(file: string): Promise<string[]> {
  let left = processesMarked(file);
  for (const end = performance.now() + 5000; left.length > 0 && performance.now() < end; left = processesMarked(file))
    await sleep(100);
  return left.map(pid => {
    const command = readProcess(pid, 'cmdline').replaceAll('\0', ' ');
    signalProcess(pid);
    return `${pid} ${command}`;
  });
}

function processesMarked(file: string): number[] {
  if (process.platform !== 'linux') return [];
  const variable = `${MARK}=${markOf(file)}`;
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return pids.filter(pid => readProcess(pid, 'environ').split('\0').includes(variable)).map(Number);
}

function readProcess(pid: number | string, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // It ended between the listing and the reading, or is not ours.
  }
}

function markOf(file: string): string {
  return `${process.pid}:${file}`;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) signalProcess(process.platform === 'win32' ? pid : -pid);
}

function signalProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

function failure(reason: string): Counts {
  console.log(`✖ ${reason}`);
  return { ...NOTHING, failed: 1 };
}

function secondsSince(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}
