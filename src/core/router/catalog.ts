import { groupBy } from '../base/groupBy.ts';
import type { RoutingConfig } from '../config/schema.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Item } from '../upstream/lists.ts';
import { globMatcher } from './glob.ts';
import { exposedNames, exposedNamespace } from './toolNames.ts';

/** A backend that a request could go to, with the name (or URI) that it knows the thing by. */
export interface Candidate {
  readonly backend: Backend;
  readonly originalName: string;
}

/** One thing that clients see, and who can serve it. */
export interface Entry {
  /** Exposed name; of a resource its URI, of a template its pattern. */
  readonly exposedName: string;
  /** As clients see it: the first candidate's, unaltered but for the name. */
  readonly definition: Item;
  /** In the order they are tried: ascending priority, then as in the file. At least one. */
  readonly candidates: readonly Candidate[];
}

/** What all backends offer, merged. Immutable: a new one takes its place on every change. */
export interface Catalog {
  readonly tools: ReadonlyMap<string, Entry>;
  readonly prompts: ReadonlyMap<string, Entry>;
  /** By exposed URI. */
  readonly resources: ReadonlyMap<string, Entry>;
  /** By exposed URI template. */
  readonly templates: ReadonlyMap<string, Entry>;
  /** Other spellings of tool names, as the older systems wrote them (`ns.tool`, `ns::tool`, `backend::tool`) → exposed. */
  readonly toolAliases: ReadonlyMap<string, string>;
}

/** Merges what the backends offer, in the order of the file, then in each backend's own. Pure. */
export function buildCatalog(backends: readonly Backend[], routing: RoutingConfig): Catalog {
  const tools = named(backends.flatMap(toolsOf), routing);
  return {
    tools,
    prompts: named(backends.flatMap(promptsOf), routing),
    resources: located(backends, 'resources', 'uri'),
    templates: located(backends, 'templates', 'uriTemplate'),
    toolAliases: aliasesOf(tools),
  };
}

/** A tool or prompt of one backend. */
interface Offer extends Candidate {
  /** What its exposed name is made of: the original name, or what that is renamed to. */
  readonly name: string;
  readonly item: Item;
}

function toolsOf(backend: Backend): Offer[] {
  const { include, exclude, rename } = backend.config.tools;
  const included = globMatcher(include);
  const excluded = globMatcher(exclude);
  return backend.lists.tools
    .map(item => ({ backend, item, originalName: nameOf(item) }))
    .filter(({ originalName }) => included(originalName) && !excluded(originalName))
    .map(offer => ({ ...offer, name: rename[offer.originalName] ?? offer.originalName }));
}

function promptsOf(backend: Backend): Offer[] {
  return backend.lists.prompts.map(item => ({ backend, item, originalName: nameOf(item), name: nameOf(item) }));
}

function nameOf(item: Item): string {
  return String(item.name);
}

/** Tools and prompts are known by their name within a namespace; without prefixing all backends share one. */
function named(offers: readonly Offer[], routing: RoutingConfig): Map<string, Entry> {
  const options = { prefixing: routing.enable_namespace_prefixing, separator: routing.namespace_separator };
  const entries = new Map<string, Entry>();
  const pools = groupBy(offers, ({ backend }) => (options.prefixing ? exposedNamespace(backend.config.namespace) : ''));
  for (const pool of pools.values()) {
    const sameName = groupBy(pool, ({ name }) => name);
    const spellings = groupBy(pool, ({ backend }) => (options.prefixing ? backend.config.namespace : ''));
    for (const [namespace, own] of spellings) {
      const exposed = exposedNames(
        namespace,
        own.map(({ name }) => name),
        options,
      );
      for (const [name, exposedName] of exposed) {
        const candidates = byPriority(sameName.get(name) ?? []);
        const [first] = candidates;
        if (!first || entries.has(exposedName)) continue;
        entries.set(exposedName, { exposedName, definition: { ...first.item, name: exposedName }, candidates });
      }
    }
  }
  return entries;
}

/**
 * Resources and templates keep their URI. The same one in the same namespace is one thing with several candidates;
 * in another namespace the later in the file becomes `switchyard://<namespace>/<original>`.
 */
function located(backends: readonly Backend[], list: 'resources' | 'templates', key: string): Map<string, Entry> {
  const entries = new Map<string, Entry & { readonly namespace: string; readonly candidates: Candidate[] }>();
  for (const backend of backends) {
    const namespace = exposedNamespace(backend.config.namespace);
    for (const item of backend.lists[list]) {
      const originalName = String(item[key]);
      const holder = entries.get(originalName);
      const exposedName =
        !holder || holder.namespace === namespace ? originalName : `switchyard://${namespace}/${originalName}`;
      const entry = entries.get(exposedName) ?? {
        exposedName,
        namespace,
        definition: { ...item, [key]: exposedName },
        candidates: [],
      };
      entry.candidates.push({ backend, originalName });
      entries.set(exposedName, entry);
    }
  }
  for (const [exposedName, entry] of entries)
    entries.set(exposedName, { ...entry, candidates: byPriority(entry.candidates) });
  return entries;
}

/** Lower is tried first; equals keep the order of the file. A backend that lists a thing twice is one candidate. */
function byPriority<C extends Candidate>(candidates: readonly C[]): C[] {
  const firsts = candidates.filter(
    (candidate, at) => candidates.findIndex(({ backend }) => backend === candidate.backend) === at,
  );
  return firsts.sort((a, b) => a.backend.config.priority - b.backend.config.priority);
}

function aliasesOf(tools: ReadonlyMap<string, Entry>): Map<string, string> {
  const aliases = new Map<string, string>();
  for (const { exposedName, candidates } of tools.values()) {
    for (const { backend, originalName } of candidates) {
      for (const owner of new Set([backend.config.namespace, backend.name])) {
        for (const separator of ['__', '.', '::']) {
          const alias = `${owner}${separator}${originalName}`;
          if (!tools.has(alias) && !aliases.has(alias)) aliases.set(alias, exposedName);
        }
      }
    }
  }
  return aliases;
}
