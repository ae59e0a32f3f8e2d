import type { Era } from '../base/envelope.ts';
import { groupBy } from '../base/groupBy.ts';
import { asText, isObject } from '../base/json.ts';
import type { BackendConfig, RoutingConfig } from '../config/schema.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Item } from '../upstream/lists.ts';
import { globMatcher } from './glob.ts';
import { pageToolsOf } from './pageTools.ts';
import { exposedDefinition } from './rewrite.ts';
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
  /** Whose backends can serve it; see {@link poolOf}. */
  readonly pool: string;
  /** What the exposed name is made of: the tool's own name, or what that is renamed to. */
  readonly name: string;
  /** As clients see it: the first candidate's, unaltered but for the name. */
  readonly definition: Item;
  /** All names that its candidates would give it. */
  readonly spellings: ReadonlySet<string>;
  /** Who offers it: ascending priority, then as in the file. At least one. */
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
  /** URIs that tools point to (MCP Apps) and nobody lists → the namespace they belong to. */
  readonly linked: ReadonlyMap<string, string>;
  /** Other spellings of tool names, as the older systems wrote them (`ns.tool`, `ns::tool`, `backend::tool`) → exposed. */
  readonly toolAliases: ReadonlyMap<string, string>;
  /** The same of prompts. */
  readonly promptAliases: ReadonlyMap<string, string>;
  /** Tools that pages of MCP Apps may call, by the names that they know them by → exposed. */
  readonly pageTools: ReadonlyMap<string, string>;
}

/** A definition as a client of an era can take it: exactly as it is, but for what the other era alone knows. */
export function definitionFor(era: Era, { definition, candidates }: Entry): Item {
  if (era === 'modern') return omit(definition, 'execution');
  const isModern = candidates[0]?.backend.about?.era === 'modern';
  // In the legacy era a client may refuse a whole list for one tool whose results are not objects.
  const { outputSchema } = definition;
  const isForeign =
    isModern && outputSchema !== undefined && (!isObject(outputSchema) || outputSchema.type !== 'object');
  return isForeign ? omit(definition, 'outputSchema') : definition;
}

function omit(item: Item, key: string): Item {
  if (!(key in item)) return item;
  const { [key]: _, ...rest } = item;
  return rest;
}

/** Merges what the backends offer, in the order of the file, then in each backend's own. Pure. */
export function buildCatalog(backends: readonly Backend[], routing: RoutingConfig): Catalog {
  const resources = located(backends, 'resources', 'uri');
  const linked = new Map<string, string>();
  const tools = named(
    backends.flatMap(backend => {
      const uri = (original: string) => linkedUri(backend, original, resources, linked);
      return toolsOf(backend, routing).map(offer => ({ ...offer, item: exposedDefinition(offer.item, { uri }) }));
    }),
    routing,
  );
  const prompts = named(
    backends.flatMap(backend => promptsOf(backend, routing)),
    routing,
  );
  const pageTools = pageToolsOf(tools);
  return {
    linked,
    tools,
    prompts,
    resources,
    templates: located(backends, 'templates', 'uriTemplate'),
    toolAliases: new Map([...pageTools, ...aliasesOf(tools)]),
    promptAliases: aliasesOf(prompts),
    pageTools,
  };
}

/** A tool or prompt of one backend. */
interface Offer extends Candidate {
  /** What its exposed name is made of: the original name, or what that is renamed to. */
  readonly name: string;
  readonly exposedName: string;
  readonly item: Item;
}

/** Whether a backend's `tools:` lets a tool through. */
export function isOffered({ tools: { include, exclude } }: BackendConfig, originalName: string): boolean {
  return globMatcher(include)(originalName) && !globMatcher(exclude)(originalName);
}

function toolsOf(backend: Backend, routing: RoutingConfig): Offer[] {
  const { rename } = backend.config.tools;
  const items = backend.lists.tools.filter(item => isOffered(backend.config, nameOf(item)));
  return offersOf(backend, items, routing, name => (Object.hasOwn(rename, name) ? String(rename[name]) : name));
}

function promptsOf(backend: Backend, routing: RoutingConfig): Offer[] {
  return offersOf(backend, backend.lists.prompts, routing, name => name);
}

function offersOf(
  backend: Backend,
  items: readonly Item[],
  routing: RoutingConfig,
  renamed: (name: string) => string,
): Offer[] {
  const options = { prefixing: routing.enable_namespace_prefixing, separator: routing.namespace_separator };
  const names = items.map(item => renamed(nameOf(item)));
  const exposed = exposedNames(backend.config.namespace, names, options);
  return items.map((item, at) => {
    const name = names[at] ?? '';
    return { backend, item, originalName: nameOf(item), name, exposedName: exposed.get(name) ?? name };
  });
}

function nameOf(item: Item): string {
  return asText(item.name);
}

/**
 * Tools and prompts are known by their name within a namespace; without prefixes all backends share one. The first
 * candidate gives the definition, and the name where backends spell their common namespace differently.
 */
function named(offers: readonly Offer[], routing: RoutingConfig): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [pool, members] of groupBy(offers, ({ backend }) => poolOf(backend, routing))) {
    for (const [name, alike] of groupBy(members, offer => offer.name)) {
      const candidates = byPriority(alike);
      const [first] = candidates;
      if (!first || entries.has(first.exposedName)) continue;
      const { exposedName } = first;
      const definition = { ...first.item, name: exposedName };
      const spellings = new Set(alike.map(offer => offer.exposedName));
      entries.set(exposedName, { exposedName, pool, name, definition, candidates, spellings });
    }
  }
  return entries;
}

/**
 * Resources and templates keep their URI. The same one in the same namespace is one thing with several candidates;
 * in another namespace the later in the file becomes `switchyard://<namespace>/<original>`.
 */
function located(backends: readonly Backend[], list: 'resources' | 'templates', key: string): Map<string, Entry> {
  const entries = new Map<string, Entry & { readonly candidates: Candidate[] }>();
  for (const backend of backends) {
    const pool = namespaceOf(backend);
    for (const item of backend.lists[list]) {
      const originalName = asText(item[key]);
      const holder = entries.get(originalName);
      const isOwn = !holder || holder.pool === pool;
      const exposedName = isOwn && !isNamespaced(originalName) ? originalName : inNamespace(pool, originalName);
      const entry = entries.get(exposedName) ?? {
        exposedName,
        pool,
        name: originalName,
        spellings: new Set([exposedName]),
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

/** Where a tool's `ui://` resource is: nobody has to list it, and another namespace may have the same. */
function linkedUri(
  backend: Backend,
  original: string,
  resources: ReadonlyMap<string, Entry>,
  linked: Map<string, string>,
): string {
  const namespace = namespaceOf(backend);
  const holder = resources.get(original)?.pool ?? linked.get(original) ?? namespace;
  if (holder !== namespace) return inNamespace(namespace, original);
  if (!resources.has(original)) linked.set(original, namespace);
  return original;
}

/** Whether a backend's own URI looks like one of ours: it must not pass for another namespace's. */
export function isNamespaced(uri: string): boolean {
  return uri.startsWith('switchyard://');
}

/** A URI that another namespace has too, as clients see it. */
export function inNamespace(namespace: string, uri: string): string {
  return `switchyard://${namespace}/${uri}`;
}

/** The namespace of a backend in whatever case: as those that share it have it in common, and as URIs name it. */
export function namespaceOf({ config }: Backend): string {
  return config.namespace.toLowerCase();
}

/** Whose backends can serve a name of this backend: those of its namespace, or '' for all where there are no prefixes. */
export function poolOf(backend: Backend, routing: RoutingConfig): string {
  return routing.enable_namespace_prefixing ? namespaceOf(backend) : '';
}

/** Lower is tried first; equals keep the order of the file. A backend that lists a thing twice is one candidate. */
function byPriority<C extends Candidate>(candidates: readonly C[]): C[] {
  const firsts = candidates.filter(
    (candidate, at) => candidates.findIndex(({ backend }) => backend === candidate.backend) === at,
  );
  return firsts.sort((a, b) => a.backend.config.priority - b.backend.config.priority);
}

const separated = (namespace: string) => [`${namespace}.`, `${namespace}::`];

function aliasesOf(entries: ReadonlyMap<string, Entry>): Map<string, string> {
  const aliases = new Map<string, string>();
  const add = (aliasesOfOne: (entry: Entry) => Iterable<string>) => {
    for (const entry of entries.values()) {
      for (const alias of aliasesOfOne(entry))
        if (!entries.has(alias) && !aliases.has(alias)) aliases.set(alias, entry.exposedName);
    }
  };
  const spelledWith = (prefixes: (backend: Backend) => readonly string[]) => (entry: Entry) =>
    entry.candidates.flatMap(({ backend, originalName }) =>
      prefixes(backend).flatMap(prefix => [entry.name, originalName].map(own => prefix + own)),
    );
  add(({ spellings }) => spellings);
  add(spelledWith(({ config }) => separated(config.namespace)));
  add(spelledWith(({ config }) => separated(exposedNamespace(config.namespace))));
  // A namespace may bear the name of another's backend: then it is the namespace that is meant.
  add(spelledWith(({ name }) => [`${name}::`]));
  return aliases;
}
