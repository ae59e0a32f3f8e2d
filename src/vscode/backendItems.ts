// The snapshot as rows: everything that the tree, the quick picks and the status bar say about a backend. Pure.
import * as path from 'node:path';
import { groupBy } from '../core/base/groupBy.ts';
import type { Problem } from '../core/config/load.ts';
import type { BackendSnapshot, Failure, ItemSnapshot, Snapshot, ToolSnapshot } from '../core/snapshot.ts';
import type { RowKind } from './contributions.ts';
import { inOrder } from './priorities.ts';
import { count, duration, escapeMarkdown, firstLine, type Row, timeOfDay } from './row.ts';

/** What an agent chat request takes at most, of all its servers together. */
export const TOOL_LIMIT = 128;

/** The rows of the tree: what is wrong as a whole, then one row for each namespace, in the order of priority. */
export function rowsOf(snapshot: Snapshot): Row[] {
  const uniqueId = uniqueIds();
  const usable = snapshot.backends.filter(({ state }) => state.kind !== 'rejected');
  const showPriority = new Set(usable.map(({ priority }) => priority)).size > 1;
  const backendRow = (backend: BackendSnapshot) => rowOfBackend(backend, showPriority, uniqueId);

  const namespaces = groupBy(inOrder(snapshot.backends), ({ namespace }) => namespace);
  const rows = [...namespaces].map(([namespace, backends]) => {
    const [only, ...replicas] = backends;
    return only && replicas.length === 0
      ? backendRow(only)
      : rowOfNamespace(namespace, backends, backends.map(backendRow));
  });
  return rows.length === 0 ? [] : [...problemRows(snapshot), ...rows];
}

/** "13 / 128 tools", and how many of them are the router's own. */
export function describeTools({ toolCount, ownToolCount }: Snapshot): string {
  const own = ownToolCount === 0 ? '' : `, ${ownToolCount} built in`;
  return `${toolCount} / ${TOOL_LIMIT} tools${own}`;
}

export interface Counts {
  /** Enabled backends that can take a call, also those that start with their first. */
  readonly available: number;
  readonly enabled: number;
  /** Names of the backends that need the person. */
  readonly failed: readonly string[];
}

export function countsOf({ backends }: Snapshot): Counts {
  const enabled = backends.filter(({ state }) => state.kind !== 'disabled');
  return {
    available: enabled.filter(canTakeCalls).length,
    enabled: enabled.length,
    failed: enabled.filter(needsThePerson).map(({ name }) => name),
  };
}

/** Everything in plain lines: the whole, then the backends that need the person, then the others. */
export function statusLines(snapshot: Snapshot): string[] {
  const { backends, configError } = snapshot;
  const { available, enabled } = countsOf(snapshot);
  const needing = backends.filter(needsThePerson);
  const others = backends.filter(backend => !needing.includes(backend));
  return [
    `Switchyard: ${available} of ${count(enabled, 'backend')} available, ${describeTools(snapshot)}`,
    ...(configError === undefined ? [] : [configError]),
    ...[...needing, ...others].map(backend => `${backend.name}: ${describeBackend(backend)}`),
  ];
}

function canTakeCalls({ state, circuit }: BackendSnapshot): boolean {
  const isThere = state.kind === 'ready' || state.kind === 'idle';
  return isThere && (circuit.kind === 'closed' || circuit.kind === 'half-open');
}

function needsThePerson({ state, circuit }: BackendSnapshot): boolean {
  return state.kind === 'rejected' || (failureOf(state) !== undefined && circuit.kind !== 'held-open');
}

/** What it fails with, also while it is being tried again: it has failed until it works. */
function failureOf(state: BackendSnapshot['state']): Failure | undefined {
  if (state.kind === 'failed') return state.failure;
  return state.kind === 'connecting' ? state.after : undefined;
}

/** How one backend is doing, in a line. */
export function describeBackend(backend: BackendSnapshot): string {
  return lookOf(backend).text;
}

interface Look {
  readonly text: string;
  readonly icon: string;
  readonly color?: string;
  /** The higher, the more it needs the person: a namespace looks like the highest of its backends. */
  readonly weight: number;
}

function lookOf(backend: BackendSnapshot): Look {
  const { state } = backend;
  const circuitLook = lookOfCircuit(backend);
  if (circuitLook) return circuitLook;
  switch (state.kind) {
    case 'ready': {
      const parts = ['Ready', toolsOf(backend)];
      if (backend.inFlight > 0) parts.push(`${count(backend.inFlight, 'call')} running`);
      if (backend.latencyMs !== undefined) parts.push(duration(backend.latencyMs));
      return { text: parts.join(' · '), icon: 'pass-filled', color: 'testing.iconPassed', weight: 1 };
    }
    case 'disabled':
      return { text: 'Disabled', icon: 'circle-slash', color: 'disabledForeground', weight: 0 };
    case 'idle':
      return { text: 'Starts with its first call', icon: 'circle-outline', weight: 2 };
    case 'stopped':
      return { text: 'Stopped', icon: 'circle-outline', weight: 2 };
    case 'draining':
      return { text: 'Finishing its calls…', icon: 'loading~spin', weight: 3 };
    case 'connecting':
      return state.after ? lookOfFailure(state.after, true) : { text: 'Connecting…', icon: 'loading~spin', weight: 3 };
    case 'failed':
      return lookOfFailure(state.failure, state.retryAt !== undefined);
    case 'rejected':
      return {
        text: firstLine(state.problem.message),
        icon: 'error',
        color: 'list.errorForeground',
        weight: 5,
      };
  }
}

/** Zero tools surprise where the server has some. */
function toolsOf({ tools, listedToolCount }: BackendSnapshot): string {
  if (tools.length === 0 && listedToolCount > 0) return `0 of ${count(listedToolCount, 'tool')}`;
  const leftOut = tools.filter(({ editorProblem }) => editorProblem !== undefined).length;
  return `${count(tools.length, 'tool')}${leftOut === 0 ? '' : `, ${leftOut} not in chat`}`;
}

function lookOfFailure({ code, message }: Failure, isTriedAgain: boolean): Look {
  if (code === 'needs-sign-in')
    return { text: `Failed · ${firstLine(message)}`, icon: 'key', color: 'list.warningForeground', weight: 4 };
  return {
    text: `Failed · ${firstLine(message)}${isTriedAgain ? ' · trying again…' : ''}`,
    icon: 'error',
    color: 'list.errorForeground',
    weight: 5,
  };
}

/** Undefined where the circuit is not what keeps calls away. */
function lookOfCircuit({ state, circuit }: BackendSnapshot): Look | undefined {
  if (circuit.kind === 'held-open') return { text: 'Paused by you', icon: 'debug-pause', weight: 2 };
  // Whatever its circuit, one that is not there is first of all not there.
  if (state.kind !== 'ready') return undefined;
  const color = 'list.warningForeground';
  switch (circuit.kind) {
    case 'closed':
      return undefined;
    case 'open': {
      const text = `Paused until ${timeOfDay(circuit.until)} after ${count(circuit.failures, 'failure')}`;
      return { text, icon: 'watch', color, weight: 4 };
    }
    case 'half-open': {
      const sofar = circuit.successes === 0 ? '' : ` · ${count(circuit.successes, 'call')} went well`;
      return { text: `Trying it out…${sofar}`, icon: 'pulse', color, weight: 3 };
    }
  }
}

/** What its menu goes by. */
function kindOf({ state, circuit }: BackendSnapshot): RowKind {
  if (state.kind === 'disabled') return 'backend.disabled';
  if (state.kind === 'rejected') return 'backend.rejected';
  if (circuit.kind === 'closed') return 'backend';
  return circuit.kind === 'held-open' ? 'backend.paused' : 'backend.circuitOpen';
}

function rowOfBackend(backend: BackendSnapshot, showPriority: boolean, uniqueId: (id: string) => string): Row {
  const look = lookOf(backend);
  const id = uniqueId(`backend:${backend.name}`);
  const { state } = backend;
  return {
    id,
    kind: kindOf(backend),
    label: backend.name,
    description: showPriority && state.kind !== 'rejected' ? `${look.text} · priority ${backend.priority}` : look.text,
    tooltip: tooltipOf(backend, look),
    icon: look.icon,
    ...(look.color && { color: look.color }),
    children: [
      ...groupRow(id, 'Tools', 'tools', backend.tools),
      ...groupRow(id, 'Prompts', 'comment', backend.prompts),
      ...groupRow(id, 'Resources', 'file', backend.resources),
    ],
    isExpanded: false,
    backend: backend.name,
    ...(state.kind === 'rejected' && 'line' in state.problem && { line: state.problem.line }),
  };
}

function tooltipOf(backend: BackendSnapshot, look: Look): string {
  const { state } = backend;
  const lines = [`**${escapeMarkdown(backend.name)}** ${escapeMarkdown(look.text)}`, escapeMarkdown(backend.target)];
  if (state.kind === 'ready') {
    const process = state.pid === undefined ? '' : `, process ${state.pid}`;
    lines.push(
      escapeMarkdown(`${state.serverName} ${state.serverVersion} over ${TRANSPORTS[state.transport]}${process}`),
    );
  }
  const failure = failureOf(state);
  if (failure) lines.push(escapeMarkdown(failure.message));
  if (state.kind === 'rejected') {
    const { problem } = state;
    lines.push(escapeMarkdown('file' in problem ? `${placeOf(problem)}: ${problem.message}` : problem.message));
  } else lines.push(escapeMarkdown(`Namespace ${backend.namespace}, priority ${backend.priority}`));
  // What went wrong before is of interest only while it does not work: a healthy backend is not blamed for its past.
  if (backend.lastError && backend.errorCount > 0 && !backend.healthy && !failure) {
    lines.push(escapeMarkdown(`Last error, at ${timeOfDay(backend.lastError.at)}: ${backend.lastError.message}`));
  }
  // One that fails counts on and on, and would take its tooltip away from under the eyes each time.
  if (!backend.healthy && !failure && backend.restarts > 0)
    lines.push(`Started again ${count(backend.restarts, 'time')}`);
  return lines.filter(Boolean).join('\n\n');
}

const TRANSPORTS = { stdio: 'stdio', http: 'Streamable HTTP', sse: 'HTTP+SSE' } as const;

function rowOfNamespace(namespace: string, backends: readonly BackendSnapshot[], children: readonly Row[]): Row {
  const looks = backends.map(lookOf);
  const worst = looks.reduce((a, b) => (b.weight > a.weight ? b : a));
  const tools = new Set(backends.flatMap(backend => backend.tools.map(tool => tool.exposedName))).size;
  const description = [...readinessOf(backends, worst), count(tools, 'tool')].join(' · ');
  return {
    id: `namespace:${namespace}`,
    kind: 'namespace',
    label: namespace,
    description,
    tooltip: `**${escapeMarkdown(namespace)}** ${escapeMarkdown(description)}\n\nReplicas of one service: the first that can take a call gets it.`,
    icon: worst.icon,
    ...(worst.color && { color: worst.color }),
    children,
    isExpanded: true,
  };
}

/** How many replicas can take calls, of those that are to. */
function readinessOf(backends: readonly BackendSnapshot[], worst: Look): string[] {
  const disabled = backends.filter(({ state }) => state.kind === 'disabled').length;
  const enabled = backends.length - disabled;
  const ready = backends.filter(({ healthy }) => healthy).length;
  const replicas = count(backends.length, 'replica');
  if (enabled === 0) return ['Disabled', replicas];
  if (ready < enabled) return [`${ready} of ${enabled} ready`, worst.text];
  return ['Ready', disabled === 0 ? replicas : `${replicas}, ${disabled} disabled`];
}

function groupRow(parent: string, label: string, icon: string, items: readonly (ItemSnapshot | ToolSnapshot)[]): Row[] {
  if (items.length === 0) return [];
  const id = `${parent}/${label.toLowerCase()}`;
  return [
    {
      id,
      kind: 'group',
      label,
      description: String(items.length),
      tooltip: '',
      icon,
      // By position: a careless server may list one name twice, and the tree takes an id only once.
      children: items.map((item, index) => itemRow(`${id}/${index}`, item, icon)),
      isExpanded: false,
    },
  ];
}

function itemRow(id: string, item: ItemSnapshot | ToolSnapshot, icon: string): Row {
  const isTool = 'readOnly' in item;
  const isReadOnly = isTool && item.readOnly;
  const problem = isTool ? item.editorProblem : undefined;
  const tooltip = [
    `**${escapeMarkdown(item.title ?? item.originalName)}**`,
    ...(problem === undefined
      ? [
          item.exposedName === item.originalName ? '' : `In chat: ${escapeMarkdown(item.exposedName)}`,
          isReadOnly ? 'Only reads, so chat runs it without asking.' : '',
        ]
      : [
          `Not in chat, because VS Code would drop it: ${escapeMarkdown(problem)}`,
          'Only its server can mend that. Clients other than VS Code get the tool as it is.',
        ]),
    escapeMarkdown(item.description ?? ''),
  ];
  return {
    id,
    kind: isTool ? 'tool' : 'item',
    label: item.originalName,
    description: problem === undefined ? firstLine(item.description ?? item.title ?? '') : `Not in chat: ${problem}`,
    tooltip: tooltip.filter(Boolean).join('\n\n'),
    icon: problem !== undefined ? 'warning' : isReadOnly ? 'eye' : isTool ? 'symbol-method' : icon,
    ...(problem !== undefined && { color: 'list.warningForeground' }),
    children: [],
    isExpanded: false,
    ...(isTool && { tool: item.exposedName }),
  };
}

function problemRows({ configFile, toolCount, configError, problems }: Snapshot): Row[] {
  const row = (id: string, label: string, description: string, tooltip: string, line?: number): Row => ({
    id: `problem:${id}`,
    kind: 'problem',
    label,
    description,
    tooltip: escapeMarkdown(tooltip),
    icon: 'warning',
    color: 'list.warningForeground',
    children: [],
    isExpanded: false,
    ...(line !== undefined && { line }),
  });
  const rows: Row[] = [];
  if (configError !== undefined) {
    // The errors of backends cost the file nothing.
    const error = problems.find(({ severity, backend }) => severity === 'error' && backend === undefined);
    const { line, message } = error ?? { line: 1, message: configError };
    const tooltip = `What ran before still runs, until this is corrected:\n\n${configError}`;
    rows.push(row('file', placeOf({ file: configFile, line }), firstLine(message), tooltip, line));
  }
  if (toolCount > TOOL_LIMIT) {
    rows.push(
      row(
        'tools',
        `${toolCount} tools, chat takes ${TOOL_LIMIT}`,
        'disable a backend, or leave tools out',
        `A chat request takes at most ${TOOL_LIMIT} tools, of all servers together: some of these are hidden from it or folded away. ` +
          'Disable backends that you do not need, or leave out tools with "tools: { exclude: […] }".',
      ),
    );
  }
  return rows;
}

/** "backends.yaml, line 12" */
function placeOf({ file, line }: Pick<Problem, 'file' | 'line'>): string {
  return `${path.basename(file)}, line ${line}`;
}

function uniqueIds(): (id: string) => string {
  const seen = new Map<string, number>();
  return id => {
    const times = (seen.get(id) ?? 0) + 1;
    seen.set(id, times);
    return times === 1 ? id : `${id}#${times}`;
  };
}
