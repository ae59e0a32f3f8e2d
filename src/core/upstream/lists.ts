import type { Connection, RequestOptions } from './connection.ts';
import type { Attempted, Failure } from './outcome.ts';

/** A tool, prompt, resource or template as the backend gave it. */
export type Item = Readonly<Record<string, unknown>>;

/** What a backend offers, in its own order. */
export interface Lists {
  readonly tools: readonly Item[];
  readonly prompts: readonly Item[];
  readonly resources: readonly Item[];
  readonly templates: readonly Item[];
}

export type ListKind = keyof Lists;

export const NO_LISTS: Lists = { tools: [], prompts: [], resources: [], templates: [] };

interface ListMethod {
  readonly capability: string;
  readonly method: string;
  /** The member of the result that holds the items. */
  readonly key: string;
  /** The member of an item without which it cannot be used. */
  readonly id: string;
  readonly changed: string;
}

const RESOURCES_CHANGED = 'notifications/resources/list_changed';
const METHODS: Readonly<Record<ListKind, ListMethod>> = {
  tools: {
    capability: 'tools',
    method: 'tools/list',
    key: 'tools',
    id: 'name',
    changed: 'notifications/tools/list_changed',
  },
  prompts: {
    capability: 'prompts',
    method: 'prompts/list',
    key: 'prompts',
    id: 'name',
    changed: 'notifications/prompts/list_changed',
  },
  resources: {
    capability: 'resources',
    method: 'resources/list',
    key: 'resources',
    id: 'uri',
    changed: RESOURCES_CHANGED,
  },
  templates: {
    capability: 'resources',
    method: 'resources/templates/list',
    key: 'resourceTemplates',
    id: 'uriTemplate',
    changed: RESOURCES_CHANGED,
  },
};

export const ALL_LISTS = Object.keys(METHODS) as ListKind[];

/** The lists that a notification says have changed; none if it says nothing of the kind. */
export function listsChangedBy(method: string): ListKind[] {
  return ALL_LISTS.filter(kind => METHODS[kind].changed === method);
}

/** More pages than this, and a list is taken for endless. */
const MAX_PAGES = 1000;

/** Reads the given lists, all pages of each, at the same time. A list whose capability is not announced is empty. */
export async function readLists(
  connection: Connection,
  kinds: readonly ListKind[],
  options: RequestOptions,
): Promise<Attempted<Partial<Lists>>> {
  const read = await Promise.all(kinds.map(kind => readList(connection, METHODS[kind], options)));
  const value: Partial<Record<ListKind, readonly Item[]>> = {};
  for (const [index, kind] of kinds.entries()) {
    const list = read[index];
    if (list?.ok) value[kind] = list.value;
    // A server that announces resources often has no templates: only tools are worth failing for.
    else if (list && kind === 'tools') return list;
    else value[kind] = [];
  }
  return { ok: true, value };
}

async function readList(
  connection: Connection,
  list: ListMethod,
  options: RequestOptions,
): Promise<Attempted<readonly Item[]>> {
  if (!(list.capability in connection.capabilities)) return { ok: true, value: [] };
  const items: Item[] = [];
  const seen = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const outcome = await connection.request(list.method, cursor === undefined ? undefined : { cursor }, options);
    if (outcome.kind === 'cancelled') return refused('closed', `${list.method} was stopped`);
    if (outcome.kind === 'failed') return { ok: false, failure: outcome.failure };
    if (outcome.kind === 'rejected') return refused('protocol', `${list.method}: ${outcome.error.message}`);
    const found = outcome.result[list.key];
    if (!Array.isArray(found)) return refused('protocol', `${list.method}: the result has no list "${list.key}"`);
    items.push(...found.filter(item => typeof item === 'object' && item !== null && typeof item[list.id] === 'string'));
    const next = outcome.result.nextCursor;
    if (typeof next !== 'string') return { ok: true, value: items };
    if (seen.has(next))
      return refused('protocol', `${list.method}: the cursor ${JSON.stringify(next)} comes again and again`);
    seen.add(next);
    cursor = next;
  }
  return refused('protocol', `${list.method}: more than ${MAX_PAGES} pages`);
}

function refused(code: Failure['code'], message: string): { ok: false; failure: Failure } {
  return { ok: false, failure: { code, message } };
}
