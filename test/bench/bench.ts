// What the router adds to a call. A bare client calls `echo` of bare backends directly and through the built router, a process of its
// own as users run it, in interleaved rounds, so that whatever else the machine does falls on all of them alike.
//   npm run bench -- [--node PATH] [--rounds N] [--calls N]
// `--node` runs the router and the backends on another Node. Exits 1 when the router costs more than it may.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BareHttpClient, BareStdioClient } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixturePath, startHttpFixture } from '../support/fixtures.ts';

/** HTTP front to stdio backend, in times of the two bare hops. */
export const RATIO_LIMIT = 2;

const PATHS = ['bare stdio', 'bare HTTP', 'router to stdio', 'router to HTTP'] as const;
type Path = (typeof PATHS)[number];
type Call = () => Promise<unknown>;

interface BenchOptions {
  /** The Node that runs the router and the backends. */
  readonly node: string;
  readonly rounds: number;
  /** Of each path in each round. */
  readonly calls: number;
}

export interface BenchReport {
  /** Latencies of each path in milliseconds, one list a round. */
  readonly latencies: Readonly<Record<Path, readonly (readonly number[])[]>>;
  /** Calls per second with 32 callers. */
  readonly throughput: Readonly<Record<Path, number>>;
  /** p50 through the router over the sum of the two bare hops, of all calls. */
  readonly ratioToStdio: number;
  readonly ratioToHttp: number;
  /** The former in each round. */
  readonly ratiosToStdio: readonly number[];
}

const CALLERS = 32;

export async function bench({ node, rounds, calls }: BenchOptions): Promise<BenchReport> {
  const cleanups: (() => Promise<unknown>)[] = [];
  try {
    const echo = fixturePath('servers/echo.mjs');
    const backend = await startHttpFixture('servers/echo.mjs', { execPath: node });
    cleanups.push(backend.close);
    const router = await startRouter(node, [
      { name: 'local', command: node, args: [echo] },
      { name: 'remote', url: backend.url, type: 'http' },
    ]);
    cleanups.push(router.close);

    const clients = {
      'bare stdio': new BareStdioClient(node, [echo]),
      'bare HTTP': new BareHttpClient(backend.url),
      'router to stdio': new BareHttpClient(router.url),
      'router to HTTP': new BareHttpClient(router.url),
    };
    for (const client of Object.values(clients)) {
      cleanups.push(() => client.close());
      await client.initialize();
    }
    await eventually('tools of both backends', async () => {
      const names = await clients['router to stdio'].toolNames();
      return names.includes('local__echo') && names.includes('remote__echo');
    });
    const callOf = (path: Path, name: string): Call => {
      return async () => {
        const { result } = await clients[path].callTool(name, { text: 'hello' });
        if (result?.content[0].text !== 'hello') throw new Error(`${path} answered wrongly`);
      };
    };
    return await measure(
      {
        'bare stdio': callOf('bare stdio', 'echo'),
        'bare HTTP': callOf('bare HTTP', 'echo'),
        'router to stdio': callOf('router to stdio', 'local__echo'),
        'router to HTTP': callOf('router to HTTP', 'remote__echo'),
      },
      rounds,
      calls,
    );
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function measure(callOf: Record<Path, Call>, rounds: number, calls: number): Promise<BenchReport> {
  const byPath = <T>(value: (path: Path) => T) =>
    Object.fromEntries(PATHS.map(path => [path, value(path)])) as Record<Path, T>;

  for (const path of PATHS) await timeEach(callOf[path], 2 * calls); // warm-up: both sides compile what is hot

  const latencies = byPath((): number[][] => []);
  for (let round = 0; round < rounds; round++) {
    for (const path of PATHS) latencies[path].push(await timeEach(callOf[path], calls));
  }
  const throughput = byPath(() => 0);
  for (const path of PATHS) throughput[path] = await callsPerSecond(callOf[path], calls);

  const p50 = byPath(path => percentile(latencies[path].flat(), 50));
  const roundP50 = (path: Path, round: number) => percentile(latencies[path][round] ?? [], 50);
  return {
    latencies,
    throughput,
    ratioToStdio: p50['router to stdio'] / (p50['bare HTTP'] + p50['bare stdio']),
    ratioToHttp: p50['router to HTTP'] / (2 * p50['bare HTTP']),
    ratiosToStdio: Array.from(
      { length: rounds },
      (_, round) => roundP50('router to stdio', round) / (roundP50('bare HTTP', round) + roundP50('bare stdio', round)),
    ),
  };
}

async function timeEach(call: Call, count: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await call();
    latencies.push(performance.now() - start);
  }
  return latencies;
}

async function callsPerSecond(call: Call, count: number): Promise<number> {
  const perCaller = Math.ceil(count / CALLERS);
  const start = performance.now();
  await Promise.all(Array.from({ length: CALLERS }, () => timeEach(call, perCaller)));
  return (perCaller * CALLERS * 1000) / (performance.now() - start);
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

async function startRouter(node: string, backends: unknown[]): Promise<{ url: string; close(): Promise<unknown> }> {
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
  if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run `npm run build` first');
  const directory = await mkdtemp(path.join(tmpdir(), 'switchyard-bench-'));
  const config = path.join(directory, 'backends.json');
  await writeFile(config, JSON.stringify({ backends }));
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MCP_')));
  const child = spawn(node, [cli, 'serve', '--config', config, '--port', '0'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  let log = '';
  child.stderr.on('data', chunk => {
    log += chunk;
  });
  const url = await eventually('the router to listen', () => {
    if (child.exitCode !== null) throw new Error(`The router ended:\n${log}`);
    return /(http:\/\/127\.0\.0\.1:\d+\/mcp)/.exec(log)?.[1];
  });
  return {
    url,
    async close() {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true });
    },
  };
}

function print({ latencies, throughput, ratioToStdio, ratioToHttp, ratiosToStdio }: BenchReport): void {
  console.log(`${''.padEnd(16)}  p50 ms  p95 ms  calls/s  calls/s at ${CALLERS} callers`);
  for (const path of PATHS) {
    const all = latencies[path].flat();
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    const cells = [
      percentile(all, 50).toFixed(3).padStart(8),
      percentile(all, 95).toFixed(3).padStart(8),
      (1000 / mean).toFixed(0).padStart(9),
      throughput[path].toFixed(0).padStart(9),
    ];
    console.log(path.padEnd(16) + cells.join(''));
  }
  const rounds = ratiosToStdio.map(ratio => ratio.toFixed(2)).join(' ');
  console.log(
    `p50 over the sum of the two bare hops: ${ratioToStdio.toFixed(2)} to stdio (rounds: ${rounds}), ${ratioToHttp.toFixed(2)} to HTTP`,
  );
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      node: { type: 'string', default: process.execPath },
      rounds: { type: 'string', default: '5' },
      calls: { type: 'string', default: '2000' },
    },
  });
  const report = await bench({ node: values.node, rounds: Number(values.rounds), calls: Number(values.calls) });
  print(report);
  if (report.ratioToStdio > RATIO_LIMIT) {
    console.error(
      `Too slow: ${report.ratioToStdio.toFixed(2)} times the two bare hops to a stdio backend (the limit is ${RATIO_LIMIT}).`,
    );
    process.exitCode = 1;
  }
}
