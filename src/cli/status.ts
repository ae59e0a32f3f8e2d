import * as z from 'zod';
import { UserError } from '../core/base/errors.ts';
import { type Environment, readEnvironment } from '../core/config/environment.ts';
import type { StatusArgs } from './args.ts';
import { DEFAULT_URL } from './commandTable.ts';
import { formatFinding } from './format.ts';
import { DOOR, readJson, tokenToShow } from './runningRouter.ts';
import { type Cell, type Page, pageOf, type Style, table } from './terminal.ts';

/** Shows what a running router says of itself. The exit code: 0 it answered, 1 it cannot be reached or refused, 2 usage. */
export async function status(args: StatusArgs): Promise<number> {
  const environment = readEnvironment(process.env);
  const url = listAddress(args.url ?? usualAddress(environment));
  const token = tokenToShow(environment);
  let answer: unknown;
  try {
    answer = await readJson(url, token);
    const report = readReport(url, answer);
    process.stdout.write(
      args.json ? `${JSON.stringify(answer, undefined, 2)}\n` : formatStatus(report, pageOf(process.stdout)),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`switchyard: ${error.message}\n`);
    return 1;
  }
}

/** Where `serve` would listen in the same environment, for a client of this machine. */
function usualAddress({ host, port }: Environment): string {
  const url = new URL(DEFAULT_URL);
  if (port !== undefined) url.port = String(port);
  if (host !== undefined && host !== '0.0.0.0' && host !== '::') url.hostname = host.includes(':') ? `[${host}]` : host;
  return url.href;
}

/** Where a router lists its backends, from its base or any of its doors. */
export function listAddress(text: string): URL {
  const url = new URL(text);
  const base = url.pathname.replace(DOOR, '').replace(/\/+$/, '');
  url.pathname = `${base}/mcp_servers`;
  url.search = '';
  url.hash = '';
  return url;
}

const backendSchema = z.looseObject({
  name: z.string(),
  namespace: z.string(),
  state: z.string(),
  healthy: z.boolean(),
  circuit_state: z.string(),
  paused: z.boolean(),
  tool_count: z.number(),
  in_flight: z.number(),
  latency_ms: z.number().nullish(),
  restarts: z.number(),
  error_count: z.number(),
  last_error: z.string().nullish(),
});

const reportSchema = z.looseObject({
  backends: z.array(backendSchema),
  router: z.looseObject({
    name: z.string(),
    version: z.string(),
    uptime_seconds: z.number(),
    config_file: z.string(),
    draining: z.boolean(),
    sessions: z.number(),
  }),
  problems: z
    .array(
      z.looseObject({
        severity: z.enum(['error', 'warning']),
        message: z.string(),
        file: z.string(),
        line: z.number(),
        column: z.number(),
      }),
    )
    .default([]),
  config_error: z.string().nullish(),
});

export type StatusReport = z.infer<typeof reportSchema>;
type Backend = StatusReport['backends'][number];

function readReport(url: URL, answer: unknown): StatusReport {
  const { data } = reportSchema.safeParse(answer);
  if (data) return data;
  throw new UserError(
    `${url} does not answer as a Switchyard of this version does: another program is there, or another version.`,
  );
}

export function formatStatus({ router, backends, problems, config_error }: StatusReport, page: Page): string {
  const { name, version, uptime_seconds, config_file, draining, sessions } = router;
  const state = draining ? page.paint('yellow', 'stopping') : `up ${durationOf(uptime_seconds)}`;
  const clients = `${sessions} ${sessions === 1 ? 'session' : 'sessions'}`;
  const wanted = backends.filter(({ state }) => state !== 'disabled' && state !== 'idle');
  const healthy = wanted.filter(each => each.healthy).length;
  const sum = `${healthy} of ${wanted.length} healthy`;
  // On a terminal, where there is little room, a namespace is told where it is news.
  const isNamespaced = page.width === undefined || backends.some(each => each.namespace !== each.name);
  const shown = <T>(row: readonly T[]) => (isNamespaced ? row : row.toSpliced(1, 1));
  const rows = backends.map(backend => shown(rowOf(backend)));
  return [
    `${page.paint('bold', `${name} ${version}`)}, ${state}, ${clients}, ${page.paint(healthy === wanted.length ? 'green' : 'yellow', sum)}`,
    config_file,
    '',
    ...(backends.length > 0 ? [table(shown(TITLES), rows, page)] : ['It has no backends.']),
    ...(config_error ? ['', `${page.paint('red', 'error:')} ${config_error}; what was read before still runs.`] : []),
    ...(problems.length > 0 ? [''] : []),
    ...problems.map(problem => formatFinding(problem, page)),
    '',
  ].join('\n');
}

const TITLES = [
  'NAME',
  'NAMESPACE',
  'STATE',
  'HEALTH',
  'CIRCUIT',
  'TOOLS',
  'IN FLIGHT',
  'LATENCY',
  'RESTARTS',
  'LAST ERROR',
];

function rowOf(backend: Backend): (string | Cell)[] {
  const { name, namespace, state, circuit_state, paused, tool_count, in_flight, latency_ms, restarts } = backend;
  const isOff = state === 'disabled' || state === 'rejected';
  const circuit = paused ? 'paused' : circuit_state.toLowerCase().replace('_', '-');
  return [
    name,
    namespace,
    { text: state, style: STATE_STYLES[state] ?? 'yellow' },
    healthOf(backend),
    isOff ? '-' : circuit === 'closed' ? circuit : { text: circuit, style: 'yellow' },
    String(tool_count),
    String(in_flight),
    latency_ms == null ? '-' : `${Math.round(latency_ms)} ms`,
    String(restarts),
    lastErrorOf(backend),
  ];
}

function lastErrorOf({ state, healthy, last_error }: Backend): string {
  // What is over is no news, and what is wrong with an entry is told with its place.
  if (healthy) return '';
  return state === 'rejected' ? 'its entry is wrong, see below' : (last_error ?? '').replace(/\s+/g, ' ');
}

/** Nothing is said of one that is not meant to work now, or not yet. */
function healthOf({ state, healthy, paused, error_count }: Backend): string | Cell {
  if (healthy) return { text: 'healthy', style: 'green' };
  const isTryingAgain = state === 'connecting' && error_count > 0;
  return paused || !(isTryingAgain || /^(ready|failed|draining)$/.test(state))
    ? '-'
    : { text: 'unhealthy', style: 'red' };
}

const STATE_STYLES: Readonly<Record<string, Style>> = {
  ready: 'green',
  idle: 'dim',
  disabled: 'dim',
  failed: 'red',
  rejected: 'red',
};

/** `42 s`, `3 min`, `5 h 20 min`, `2 d 4 h`. */
function durationOf(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ] as const;
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0 s';
  let rest = Math.floor(seconds);
  const words = units.slice(first, first < 2 ? first + 2 : first + 1).flatMap(([size, unit]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count > 0 ? [`${count} ${unit}`] : [];
  });
  return words.join(' ');
}
