// Which backends a request may go to, and in which order. Pure: nothing is waited for, nothing is counted here.
import type { RoutingConfig, Strategy } from '../config/schema.ts';
import type { Backend } from '../upstream/backend.ts';
import { type Candidate, type Catalog, type Entry, isOffered, poolOf } from './catalog.ts';
import { PICKERS, type Pickable } from './pickers.ts';
import { matchRoute } from './routes.ts';
import { exposedNamespace } from './toolNames.ts';

/** What is chosen from. */
export interface Surroundings {
  readonly catalog: Catalog;
  /** All enabled backends, in the order of the file. */
  readonly backends: readonly Backend[];
  readonly routing: RoutingConfig;
}

/** When each backend was last given a request, which `round_robin` goes by; see {@link Pickable}. */
export type Turns = Pick<WeakMap<Backend, number>, 'get'>;

export interface ToolCandidate extends Candidate {
  readonly strategy: Strategy;
  /** The backend whose `fallback_to` brought it here; undefined for one of the pool. */
  readonly standsInFor: string | undefined;
}

/** A tool as a client named it, with the backends that may be asked for it. */
export interface Selection {
  /** In no table: it goes to who may know it all the same, and nobody knows whether repeating it is harmless. */
  readonly isListed: boolean;
  /** Its own name, without the namespace. */
  readonly ownName: string;
  /** The tool says that repeating a call that may already have run is harmless. */
  readonly isRepeatable: boolean;
  /** The backends of its namespace, or all of them. */
  readonly pool: readonly Backend[];
  /** In the order in which they are tried. */
  readonly candidates: readonly ToolCandidate[];
}

export function findTool({ tools, toolAliases }: Catalog, name: string): Entry | undefined {
  return tools.get(name) ?? tools.get(toolAliases.get(name) ?? '');
}

export function findPrompt({ prompts, promptAliases }: Catalog, name: string): Entry | undefined {
  return prompts.get(name) ?? prompts.get(promptAliases.get(name) ?? '');
}

/**
 * Name, pool, strategy and order of a tool call.
 * @returns undefined for a name that nobody can know
 */
export function selectForTool(name: string, surroundings: Surroundings, turns: Turns): Selection | undefined {
  const { catalog, backends, routing } = surroundings;
  const entry = findTool(catalog, name);
  if (entry) {
    const pool = backends.filter(backend => poolOf(backend, routing) === entry.pool);
    const candidates = order(entry.name, pool, entry.candidates, surroundings, turns);
    return { isListed: true, ownName: entry.name, isRepeatable: isRepeatable(entry), pool, candidates };
  }
  for (const { ownName, pool } of readings(name, surroundings)) {
    const candidates = order(ownName, pool, [], surroundings, turns);
    if (candidates.length > 0) return { isListed: false, ownName, isRepeatable: false, pool, candidates };
  }
  return undefined;
}

/** Those that no route speaks of, in the order in which they are tried. */
export function inOrder<C extends Pick<Candidate, 'backend'>>(
  candidates: readonly C[],
  routing: RoutingConfig,
  turns: Turns,
): C[] {
  const pickable = candidates.map(candidate => ({ candidate, ...standing(candidate.backend, turns) }));
  return PICKERS[routing.load_balancing](pickable).map(({ candidate }) => candidate);
}

/** How a name that is in no table can be read: as a namespace and the rest, or without prefixes as it stands. */
export function readings(name: string, { backends, routing }: Surroundings): { ownName: string; pool: Backend[] }[] {
  const found = new Map<string, Backend[]>();
  for (const backend of backends) {
    const rest = restBehind(backend.config.namespace, name);
    const ownName = rest ?? (routing.enable_namespace_prefixing ? undefined : name);
    if (ownName !== undefined) found.set(ownName, [...(found.get(ownName) ?? []), backend]);
  }
  return Array.from(found, ([ownName, pool]) => ({ ownName, pool }));
}

/** What follows a namespace and a separator in a name; undefined: the name does not begin with them. */
export function restBehind(namespace: string, name: string): string | undefined {
  const exposed = exposedNamespace(namespace);
  if (!name.toLowerCase().startsWith(exposed)) return undefined;
  return /^(?:__|\.|::)(.+)$/s.exec(name.slice(exposed.length))?.[1];
}

/** The candidates of a pool by priority, each with its fallback chain behind it; nobody comes twice. */
function order(
  ownName: string,
  pool: readonly Backend[],
  listing: readonly Candidate[],
  { backends, routing }: Surroundings,
  turns: Turns,
): ToolCandidate[] {
  const heads = pool.flatMap((backend): ToolCandidate[] => {
    const listed = listing.find(candidate => candidate.backend === backend);
    const originalName = listed?.originalName ?? ownName;
    const { strategy, matched } = matchRoute(backend.config, originalName, routing);
    const mayKnow = listing.length === 0 && !backend.hasListed;
    // What `tools:` leaves out is not reached by way of a route either.
    const isGuess = ((matched && strategy !== 'capability') || mayKnow) && isOffered(backend.config, originalName);
    const isCandidate = listed !== undefined || isGuess;
    return isCandidate ? [{ backend, originalName, strategy, standsInFor: undefined }] : [];
  });
  const chosen = new Map<Backend, ToolCandidate>();
  for (const head of inOrder(heads, routing, turns)) {
    for (const candidate of [head, ...chainBehind(head, backends, routing)]) {
      if (!chosen.has(candidate.backend)) chosen.set(candidate.backend, candidate);
    }
  }
  return [...chosen.values()];
}

/** Who comes next when a candidate cannot answer: its `fallback_to`, of any namespace, then that one's, and so on. */
function chainBehind(head: ToolCandidate, backends: readonly Backend[], routing: RoutingConfig): ToolCandidate[] {
  const chain: ToolCandidate[] = [];
  const seen = new Set<Backend>();
  for (let at: Backend | undefined = head.backend; at && !seen.has(at); ) {
    seen.add(at);
    const { strategy, fallbackTo } = matchRoute(at.config, head.originalName, routing);
    const next: Backend | undefined =
      strategy === 'fallback' ? backends.find(({ name }) => name === fallbackTo) : undefined;
    if (next && mayServe(next, head.originalName, routing)) {
      chain.push({ backend: next, originalName: head.originalName, strategy, standsInFor: at.name });
    }
    at = next;
  }
  return chain;
}

/** Whether a backend lists a tool by this name, says by a route that it has it, or has never told what it has. */
function mayServe(backend: Backend, originalName: string, routing: RoutingConfig): boolean {
  const { strategy, matched } = matchRoute(backend.config, originalName, routing);
  if (!isOffered(backend.config, originalName)) return false;
  const lists = backend.lists.tools.some(({ name }) => name === originalName);
  return lists || (matched && strategy !== 'capability') || !backend.hasListed;
}

function standing(backend: Backend, turns: Turns): Pickable {
  const { config, stats } = backend;
  return { priority: config.priority, inFlight: stats.inFlight, lastTurn: turns.get(backend) ?? 0 };
}

/** Whether repeating a call that a backend may have run is harmless by its own account; undefined: it lists no such tool. */
export function isRepeatableOn(candidate: Candidate): boolean | undefined {
  const definition = toolOf(candidate);
  return definition && isRepeatable({ definition });
}

/** Whether a candidate says itself that it has the tool. */
export function listsTool(candidate: Candidate): boolean {
  return toolOf(candidate) !== undefined;
}

function toolOf({ backend, originalName }: Candidate) {
  return backend.lists.tools.find(({ name }) => name === originalName);
}

function isRepeatable({ definition }: Pick<Entry, 'definition'>): boolean {
  const hints = definition.annotations as { readOnlyHint?: unknown; idempotentHint?: unknown } | undefined;
  return hints?.readOnlyHint === true || hints?.idempotentHint === true;
}
