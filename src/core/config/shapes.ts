// The three shapes of a file (`backends:`, `mcpServers:`, `servers:`) read into one list of entries in our own words,
// and the words of the other worlds for what our commands write there.

import { didYouMean, nearest } from '../base/nearest.ts';
import { type ConfigNode, entryOf, type Finding, type MapEntry, type MapNode, visibleSpan } from './document.ts';
import type { Span } from './problem.ts';
import { ignoredKeys } from './schema.ts';

const SHAPES = ['backends', 'mcpServers', 'servers'] as const;
export type Shape = (typeof SHAPES)[number];

/** The shape that a top key says. */
export const shapeOf = (key: string | undefined): Shape | undefined => SHAPES.find(shape => shape === key);

/** The top of a file, taken apart. */
export interface Outline {
  readonly shape: Shape;
  /** The top key with the list or map of backends. */
  readonly holder: MapEntry;
  /** All other top keys. */
  readonly rest: MapNode;
}

/** One backend as the file has it. */
export interface RawEntry {
  /** Undefined in a list, where it is missing or not text. */
  readonly name: string | undefined;
  /** Unique in the file: the name, or `#3` for the third entry where its name is missing or taken by an earlier one. */
  readonly id: string;
  /** Where to point when the entry as a whole is meant. */
  readonly place: Span;
  /** The key of a map that sanitising made into `name`. */
  readonly foreignKey: string | undefined;
  readonly node: ConfigNode;
  /** Written elsewhere: reached by an alias or a merge. */
  readonly isBorrowed: boolean;
}

export type OutlineResult =
  | { readonly kind: 'outline'; readonly outline: Outline }
  | { readonly kind: 'broken'; readonly error: Finding };

/** Finds the one top key that says the shape. */
export function outlineOf(root: ConfigNode | undefined): OutlineResult {
  const broken = (span: Span, message: string): OutlineResult => ({ kind: 'broken', error: { span, message } });
  const top = { start: 0, end: 0 };
  if (!root) return broken(top, 'the file is empty; a configuration without backends is written "backends: []"');
  if (root.kind === 'list') return broken(root, 'the file is a list; put it under a "backends:" key');
  const needed = 'the file needs one of the top keys "backends", "mcpServers" or "servers"';
  if (root.kind === 'scalar') return broken(root, needed);

  const [holder, second] = root.entries.filter(({ key }) => shapeOf(key));
  const shape = shapeOf(holder?.key);
  if (!holder || !shape) {
    const meant = root.entries.find(({ key }) => nearest(key, SHAPES).length > 0);
    return broken(meant?.keySpan ?? top, meant ? needed + didYouMean(meant.key, SHAPES) : needed);
  }
  if (second) {
    const again = second.key === holder.key ? 'twice' : `and "${second.key}" both`;
    return broken(second.keySpan, `the file has "${holder.key}" ${again}; keep one`);
  }
  const { value } = holder;
  if (!isEmpty(value) && value.kind !== (shape === 'backends' ? 'list' : 'map')) {
    const message =
      shape === 'backends'
        ? 'backends must be a list; a map of servers by name goes under "mcpServers"'
        : `${shape} must be a map of servers by name; a list goes under "backends"`;
    return broken(visibleSpan(holder), message);
  }
  const rest = { ...root, entries: root.entries.filter(entry => entry !== holder) };
  return { kind: 'outline', outline: { shape, holder, rest } };
}

/**
 * The backends of a file in its order; nothing is checked yet.
 * @param resolve gives what is written as a name its variables' values; without it, names are as written
 */
export function entriesOf(
  { holder: { value } }: Outline,
  resolve: (written: ConfigNode) => ConfigNode = written => written,
): RawEntry[] {
  const entries =
    value.kind === 'list'
      ? value.items.map(item => entryOfList(item, resolve))
      : value.kind === 'map'
        ? entriesOfMap(value)
        : [];
  const taken = new Set<string>();
  return entries.map((entry, index) => {
    const isFirst = entry.name !== undefined && !taken.has(entry.name);
    if (entry.name !== undefined) taken.add(entry.name);
    return { ...entry, id: entry.name !== undefined && isFirst ? entry.name : `#${index + 1}` };
  });
}

function entryOfList(node: ConfigNode, resolve: (written: ConfigNode) => ConfigNode): Omit<RawEntry, 'id'> {
  const name = entryOf(node, 'name');
  const resolved = name && resolve(name.value);
  const first = node.kind === 'map' ? node.entries.find(entry => !entry.inherited) : undefined;
  const place = name && !name.inherited && !node.alias ? visibleSpan(name) : (first?.keySpan ?? node);
  const text = resolved?.kind === 'scalar' && typeof resolved.value === 'string' ? resolved.value : undefined;
  return { name: text, place, foreignKey: undefined, node, isBorrowed: node.alias === true };
}

function entriesOfMap({ entries }: MapNode): Omit<RawEntry, 'id'>[] {
  const names = namesForKeys(entries.map(({ key }) => key));
  return entries.map(({ key, keySpan, value: node, inherited }) => {
    const name = names.get(key) ?? key;
    const foreignKey = name === key ? undefined : key;
    return { name, place: keySpan, foreignKey, node, isBorrowed: inherited || node.alias === true };
  });
}

/** A name of ours for each key of a map: the key itself where it can be, otherwise a unique likeness of it. */
function namesForKeys(keys: readonly string[]): Map<string, string> {
  const isName = (key: string) => /^[A-Za-z0-9_-]+$/.test(key);
  const taken = new Set(keys.filter(isName));
  const names = new Map<string, string>();
  for (const key of keys) {
    if (isName(key) || names.has(key)) continue;
    const stem = key.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'server';
    let name = stem;
    for (let count = 2; taken.has(name); count++) name = `${stem}-${count}`;
    taken.add(name);
    names.set(key, name);
  }
  return names;
}

/**
 * An entry in our own words: keys of its world translated or left out, empty ones dropped, and plain values given as
 * text where only text can be meant (`PORT: 8080` in an `env`).
 */
export function toNative(shape: Shape, { node, name, place }: RawEntry): ConfigNode {
  if (node.kind !== 'map') return node;
  const isMap = shape !== 'backends';
  const ignored: object = isMap ? ignoredKeys.map : ignoredKeys.list;
  const entries = node.entries
    .filter(({ key }) => !Object.hasOwn(ignored, key))
    .map(entry => (isMap ? translated(entry) : entry))
    .filter(({ key, value }) => !isEmpty(value) && !(isMap && key === 'type' && isValue(value, 'stdio')))
    .map(entry => ({ ...entry, value: withoutEmpty(TEXT_ONLY.has(entry.key) ? asText(entry.value) : entry.value) }));
  if (!isMap || name === undefined) return { ...node, entries };
  const nameNode: ConfigNode = { ...place, kind: 'scalar', value: name, source: name };
  return {
    ...node,
    entries: [{ key: 'name', writtenKey: 'name', keySpan: place, value: nameNode, inherited: false }, ...entries],
  };
}

/** What a key of ours and its value are called in an entry of a map. */
export function toMapWords(key: string, value: unknown): readonly [key: string, value: unknown] {
  if (key === 'env_file') return ['envFile', value];
  if (key === 'enabled' && typeof value === 'boolean') return ['disabled', !value];
  return [key, value];
}

/** What a key of a map's world is called in ours. */
export function nativeKey(shape: Shape, key: string): string {
  if (shape === 'backends') return key;
  return key === 'envFile' ? 'env_file' : key === 'disabled' ? 'enabled' : key;
}

/** A tree without keys that have no value: in YAML that is what is left when all below a key is commented out. */
export function withoutEmpty(node: ConfigNode): ConfigNode {
  if (node.kind === 'list') return { ...node, items: node.items.map(withoutEmpty) };
  if (node.kind === 'scalar') return node;
  const entries = node.entries.filter(({ value }) => !isEmpty(value));
  return { ...node, entries: entries.map(entry => ({ ...entry, value: withoutEmpty(entry.value) })) };
}

const TEXT_ONLY: ReadonlySet<string> = new Set(['args', 'env', 'headers']);

function translated(entry: MapEntry): MapEntry {
  const key = nativeKey('mcpServers', entry.key);
  let { value } = entry;
  if (entry.key === 'disabled' && value.kind === 'scalar' && typeof value.value === 'boolean') {
    value = { ...value, value: !value.value };
  }
  if (entry.key === 'type' && value.kind === 'scalar' && /^streamable[-_]?http$/i.test(value.source)) {
    value = { ...value, value: 'http' };
  }
  return { ...entry, key, value };
}

function asText(node: ConfigNode): ConfigNode {
  if (node.kind === 'list') return { ...node, items: node.items.map(asText) };
  if (node.kind === 'map') {
    return { ...node, entries: node.entries.map(entry => ({ ...entry, value: asText(entry.value) })) };
  }
  const isPlain = typeof node.value === 'number' || typeof node.value === 'boolean';
  return isPlain ? { ...node, value: node.source } : node;
}

const isEmpty = (node: ConfigNode) => isValue(node, null);
const isValue = (node: ConfigNode, value: unknown): node is ConfigNode & { kind: 'scalar' } =>
  node.kind === 'scalar' && node.value === value;
