// A read-only picture of everything running. Every face renders this and nothing else.
import type { Era } from './base/envelope.ts';
import type { EntryProblem, Problem } from './config/load.ts';
import type { BackendConfig, Config } from './config/schema.ts';
import type { CircuitState } from './health/circuitBreaker.ts';
import type { Catalog, Entry } from './router/catalog.ts';
import { exposedNamespace } from './router/toolNames.ts';
import { targetOf } from './target.ts';
import type { Backend } from './upstream/backend.ts';
import type { BackendState } from './upstream/backendState.ts';

export type { Failure } from './upstream/outcome.ts';

export interface Snapshot {
  readonly configFile: string;
  /** In the order of the file, then the rejected entries. */
  readonly backends: readonly BackendSnapshot[];
  /** Exposed tools, but for those that VS Code cannot be shown where it is a client. */
  readonly toolCount: number;
  /** How many of them are the router's own. */
  readonly ownToolCount: number;
  /** What the last read of the file found, errors and warnings. */
  readonly problems: readonly Problem[];
  /** Set when the last read failed as a whole: the configuration before it still runs. */
  readonly configError: string | undefined;
}

export interface BackendSnapshot {
  readonly name: string;
  /** As exposed: sanitised, lower case. */
  readonly namespace: string;
  readonly priority: number;
  readonly enabled: boolean;
  readonly kind: 'stdio' | 'remote';
  /** The command line, or the URL; never a secret. */
  readonly target: string;
  readonly state:
    | BackendState
    | { readonly kind: 'disabled' }
    | { readonly kind: 'rejected'; readonly problem: EntryProblem };
  /** Of the protocol it speaks, or spoke when it was last there; undefined: it never was. */
  readonly era: Era | undefined;
  readonly circuit: CircuitState;
  /** Connected, its lists read, its circuit closed. */
  readonly healthy: boolean;
  /** How often it was started again. */
  readonly restarts: number;
  readonly tools: readonly ToolSnapshot[];
  /** How many tools it has of its own, also those that its `tools:` leaves out. */
  readonly listedToolCount: number;
  readonly prompts: readonly ItemSnapshot[];
  /** Resources and resource templates. */
  readonly resources: readonly ItemSnapshot[];
  readonly inFlight: number;
  /** Median of the last calls, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Failures since the last success. */
  readonly errorCount: number;
  readonly lastError: { readonly message: string; readonly at: number } | undefined;
}

export interface ItemSnapshot {
  /** As clients see it: exposed name, or URI. */
  readonly exposedName: string;
  /** As the backend calls it. */
  readonly originalName: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
}

export interface ToolSnapshot extends ItemSnapshot {
  readonly readOnly: boolean;
  /** Why VS Code cannot be shown it, where VS Code is a client and cannot. */
  readonly editorProblem: string | undefined;
}

export interface SnapshotSource extends Pick<Snapshot, 'configFile' | 'problems' | 'configError'> {
  readonly config: Config;
  readonly backends: readonly Backend[];
  readonly catalog: Catalog;
  /** Why VS Code cannot be shown a tool; undefined: it can, or is no client. */
  editorProblemOf(tool: Entry): string | undefined;
}

export function takeSnapshot({ config, backends, catalog, editorProblemOf, ...rest }: SnapshotSource): Snapshot {
  const running = new Map(backends.map(backend => [backend.name, backend]));
  const rejected = config.rejected.map(({ name, namespace, priority, launch, problem }): BackendSnapshot => {
    const state = { kind: 'rejected', problem } as const;
    return {
      ...NOT_RUNNING,
      name,
      namespace: exposedNamespace(namespace),
      priority,
      enabled: false,
      kind: launch?.kind ?? 'stdio',
      target: launch ? targetOf(launch) : '',
      state,
    };
  });
  const tools = [...catalog.tools.values()].filter(tool => editorProblemOf(tool) === undefined);
  return {
    ...rest,
    toolCount: tools.length,
    ownToolCount: tools.filter(({ candidates }) => candidates.length === 0).length,
    backends: [
      ...config.backends.map(entry => snapshotOf(entry, running.get(entry.name), catalog, editorProblemOf)),
      ...rejected,
    ],
  };
}

const NOT_RUNNING = {
  era: undefined,
  circuit: { kind: 'closed', failures: 0 },
  healthy: false,
  restarts: 0,
  tools: [],
  listedToolCount: 0,
  prompts: [],
  resources: [],
  inFlight: 0,
  latencyMs: undefined,
  errorCount: 0,
  lastError: undefined,
} as const;

function snapshotOf(
  config: BackendConfig,
  backend: Backend | undefined,
  catalog: Catalog,
  editorProblemOf: SnapshotSource['editorProblemOf'],
): BackendSnapshot {
  const { name, priority, enabled, launch } = config;
  const fixed = {
    name,
    namespace: exposedNamespace(config.namespace),
    priority,
    enabled,
    kind: launch.kind,
    target: targetOf(launch),
  };
  if (!backend) return { ...NOT_RUNNING, ...fixed, state: { kind: 'disabled' } };
  const { inFlight, latencyMs, errorCount, lastError } = backend.stats;
  return {
    ...fixed,
    state: backend.state,
    era: backend.about?.era,
    circuit: backend.breaker.state,
    healthy: backend.isHealthy,
    restarts: backend.restarts,
    tools: itemsOf(catalog.tools, backend).map(([item, entry]) => ({
      ...item,
      readOnly: annotation(entry, 'readOnlyHint') === true,
      editorProblem: editorProblemOf(entry),
    })),
    listedToolCount: backend.lists.tools.length,
    prompts: itemsOf(catalog.prompts, backend).map(([item]) => item),
    resources: [...itemsOf(catalog.resources, backend), ...itemsOf(catalog.templates, backend)].map(([item]) => item),
    inFlight,
    latencyMs,
    errorCount,
    lastError,
  };
}

function itemsOf(entries: ReadonlyMap<string, Entry>, backend: Backend): [ItemSnapshot, Entry][] {
  return [...entries.values()].flatMap((entry): [ItemSnapshot, Entry][] => {
    const candidate = entry.candidates.find(each => each.backend === backend);
    if (!candidate) return [];
    const { title, description } = entry.definition;
    const { exposedName } = entry;
    return [
      [
        { exposedName, originalName: candidate.originalName, title: textOf(title), description: textOf(description) },
        entry,
      ],
    ];
  });
}

function annotation({ definition }: Entry, hint: string): unknown {
  return (definition.annotations as Record<string, unknown> | undefined)?.[hint];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
