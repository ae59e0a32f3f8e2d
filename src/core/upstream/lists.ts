import { messageOf } from '../base/errors.ts';
import { isDeeperThan, MAX_DEPTH } from '../base/json.ts';
import type { RpcError } from '../base/peer.ts';
import { METHOD_NOT_FOUND } from '../base/rpcErrors.ts';
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

/** The notification that says that a list has changed. */
export function changeOf(kind: ListKind): string {
  return METHODS[kind].changed;
}

/** The lists that a notification says have changed; none if it says nothing of the kind. */
export function listsChangedBy(method: string): ListKind[] {
  return ALL_LISTS.filter(kind => METHODS[kind].changed === method);
}

/** More pages than this, and a list is taken for endless. */
const MAX_PAGES = 1000;
/** So much of a name is told in the log. */
const MAX_TOLD = 100;

export interface ListsRead {
  readonly lists: Partial<Lists>;
  /** Why the others could not be read. */
  readonly failures: ReadonlyMap<ListKind, Failure>;
  /** What the log of the backend should say of items that are missing in the lists. */
  readonly omissions: readonly string[];
  /** How long the backend says that they hold (MCP 2026-07-28, `ttlMs`), the shortest; undefined: it does not say. */
  readonly ttlMs: number | undefined;
}

/**
 * Reads the given lists, all pages of each, at the same time. A list whose capability is not announced is empty.
 * @param options timeouts of each page; the signal gives up what is not read yet, its reason says why
 */
export async function readLists(
  connection: Connection,
  kinds: readonly ListKind[],
  options: RequestOptions,
): Promise<ListsRead> {
  const lists: Partial<Record<ListKind, readonly Item[]>> = {};
  const failures = new Map<ListKind, Failure>();
  const omissions: string[] = [];
  const ttls: number[] = [];
  const read = async (kind: ListKind) => {
    const list = await readList(connection, METHODS[kind], options, ttlMs => ttls.push(ttlMs));
    if (!list.ok) return void failures.set(kind, list.failure);
    // One such item would make everybody's list one that cannot be written.
    const usable = list.value.filter(item => !isDeeperThan(item, MAX_DEPTH));
    if (usable.length < list.value.length) omissions.push(omissionOf(METHODS[kind], list.value, usable));
    lists[kind] = usable;
  };
  await Promise.all(kinds.map(read));
  return { lists, failures, omissions, ttlMs: ttls.length > 0 ? Math.min(...ttls) : undefined };
}

function omissionOf({ method, id }: ListMethod, all: readonly Item[], usable: readonly Item[]): string {
  const first = String(all.find((item, at) => item !== usable[at])?.[id]).slice(0, MAX_TOLD);
  const count = all.length - usable.length;
  const told = `${JSON.stringify(first)}${count > 1 ? ` and ${count - 1} more` : ''}`;
  return `${method}: ${told} left out, nested more than ${MAX_DEPTH} levels deep`;
}

/** A server that announces resources often has no templates. One without tools has to say so. */
function isAbsent(list: ListMethod, error: RpcError): boolean {
  return error.code === METHOD_NOT_FOUND && list !== METHODS.tools;
}

async function readList(
  connection: Connection,
  list: ListMethod,
  options: RequestOptions,
  onTtl: (ttlMs: number) => void,
): Promise<Attempted<readonly Item[]>> {
  if (!(list.capability in connection.about.capabilities)) return { ok: true, value: [] };
  const items: Item[] = [];
  const seen = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const outcome = await connection.request(list.method, cursor === undefined ? undefined : { cursor }, options);
    if (outcome.kind === 'cancelled') return refused('closed', `${list.method} ${messageOf(options.signal.reason)}`);
    if (outcome.kind === 'failed') return { ok: false, failure: outcome.failure };
    if (outcome.kind === 'rejected' && isAbsent(list, outcome.error)) return { ok: true, value: [] };
    if (outcome.kind === 'rejected') return refused('protocol', `${list.method}: ${outcome.error.message}`);
    const { ttlMs, [list.key]: found } = outcome.result;
    // 0 is "no longer than this moment": then it is for its own notice, and our own limit, that we wait.
    if (typeof ttlMs === 'number' && ttlMs > 0) onTtl(ttlMs);
    if (!Array.isArray(found)) return refused('protocol', `${list.method}: the result has no list "${list.key}"`);
    for (const item of found) {
      if (typeof item === 'object' && item !== null && typeof item[list.id] === 'string') items.push(item);
    }
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
