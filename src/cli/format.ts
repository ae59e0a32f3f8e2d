// What the commands print, as pure functions.
import { formatProblem, type Problem } from '../core/config/load.ts';
import type { BackendSnapshot } from '../core/snapshot.ts';
import { type Page, table, wrap } from './terminal.ts';

/** The answer of `switchyard check --json`. */
export interface CheckReport {
  readonly config: string;
  readonly backends: readonly BackendReport[];
  readonly problems: readonly Problem[];
}

export interface BackendReport {
  readonly name: string;
  readonly namespace: string;
  readonly state: 'ready' | 'failed' | 'disabled' | 'rejected';
  readonly tools: number;
  readonly prompts: number;
  readonly resources: number;
  /** From the start to the answer or the failure, in milliseconds; null where nothing was started. */
  readonly ms: number | null;
  /** Which server answered, or why none did. */
  readonly detail: string;
}

/** What a check found. */
export interface Checked {
  readonly configFile: string;
  /** Each as it was when it had first answered or failed. */
  readonly backends: readonly BackendSnapshot[];
  readonly problems: readonly Problem[];
  /** When they were started, in milliseconds since the epoch. */
  readonly startedAt: number;
}

export function checkReport({ configFile, backends, problems, startedAt }: Checked): CheckReport {
  return {
    config: configFile,
    backends: backends.map(backend => ({
      name: backend.name,
      namespace: backend.namespace,
      ...countsOf(backend),
      ...fateOf(backend.state, startedAt),
    })),
    problems,
  };
}

/** Of one that has failed what was kept from an earlier run is not what this check found. */
function countsOf({ state, tools, prompts, resources }: BackendSnapshot) {
  if (state.kind !== 'ready') return { tools: 0, prompts: 0, resources: 0 };
  return { tools: tools.length, prompts: prompts.length, resources: resources.length };
}

function fateOf(state: BackendSnapshot['state'], startedAt: number): Pick<BackendReport, 'state' | 'ms' | 'detail'> {
  switch (state.kind) {
    case 'ready':
      return {
        state: 'ready',
        ms: state.since - startedAt,
        detail: `${state.serverName} ${state.serverVersion} over ${state.transport}`,
      };
    case 'failed':
      return { state: 'failed', ms: state.at - startedAt, detail: state.failure.message };
    case 'disabled':
      return { state: 'disabled', ms: null, detail: '' };
    case 'rejected':
      return { state: 'rejected', ms: null, detail: formatProblem(state.problem) };
    default:
      return { state: 'failed', ms: null, detail: `it is ${state.kind}` };
  }
}

export function formatCheck(report: CheckReport, page: Page): string {
  const problems = report.problems.map(formatProblem);
  const rows = report.backends.map(({ name, state, tools, ms, detail }) => [
    name,
    { text: state, style: STYLES[state] },
    state === 'ready' ? String(tools) : '-',
    ms === null ? '-' : String(ms),
    problems.includes(detail) ? 'its entry is wrong, see below' : detail.replace(/\s+/g, ' '),
  ]);
  const wanted = report.backends.filter(({ state }) => state !== 'disabled');
  const ready = wanted.filter(({ state }) => state === 'ready');
  const isBroken = rows.length === 0 && report.problems.some(({ severity }) => severity === 'error');
  const sum = isBroken ? 'cannot be used.' : `${ready.length} of ${wanted.length} ready.`;
  return [
    ...(rows.length > 0 ? [table(['NAME', 'STATE', 'TOOLS', 'MS', 'DETAIL'], rows, page), ''] : []),
    ...(report.problems.length > 0 ? [...report.problems.map(problem => formatFinding(problem, page)), ''] : []),
    `${report.config}: ${page.paint(!isBroken && ready.length === wanted.length ? 'green' : 'red', sum)}\n`,
  ].join('\n');
}

const STYLES = { ready: 'green', failed: 'red', disabled: 'dim', rejected: 'red' } as const;

/** One problem of the configuration as a line. */
export function formatFinding(
  problem: Pick<Problem, 'severity' | 'message' | 'file' | 'line' | 'column'>,
  page: Page,
): string {
  const { severity } = problem;
  const [first, ...more] = wrap(formatProblem(problem), (page.width ?? Number.POSITIVE_INFINITY) - 10);
  const start = `${page.paint(severity === 'error' ? 'red' : 'yellow', `${severity}:`)} ${first}`;
  return [start, ...more].join('\n  ');
}

/** The text of a tool's result; of content that is no text, one line that says what it is. */
export function formatResult(result: Readonly<Record<string, unknown>>): string {
  const content = Array.isArray(result.content) ? result.content : [];
  if (content.length === 0 && result.structuredContent !== undefined)
    return JSON.stringify(result.structuredContent, undefined, 2);
  return content.map(formatContent).join('\n');
}

function formatContent(block: Readonly<Record<string, unknown>>): string {
  switch (block.type) {
    case 'text':
      return String(block.text);
    case 'resource_link':
      return `[resource ${block.uri}]`;
    case 'resource': {
      const { text, uri } = block.resource as { readonly text?: string; readonly uri: string };
      return text ?? `[resource ${uri}]`;
    }
    default:
      return `[${block.type}${block.mimeType === undefined ? '' : ` ${block.mimeType}`}]`;
  }
}
