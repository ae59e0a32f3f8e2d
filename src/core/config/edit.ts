// Edits of the configuration file by our commands: they change the node that is meant, and no other byte.
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf, UserError } from '../base/errors.ts';
import { appendToBlock, appendTopKey, fillBlock, removeFromBlock } from './blockEdit.ts';
import { type Finding, type MapEntry, type MapNode, parseText, plainValue } from './document.ts';
import { appendToFlow, removeFromFlow } from './flowEdit.ts';
import { applySplices, type KeyAndValue, type Splice } from './lines.ts';
import { ProblemLog } from './problem.ts';
import { backendSchema } from './schema.ts';
import {
  entriesOf,
  nativeKey,
  type Outline,
  outlineOf,
  type RawEntry,
  type Shape,
  shapeOf,
  toMapWords,
  toNative,
} from './shapes.ts';

/** A text of a configuration file made into another one. Throws a `UserError` where it cannot be done. */
export type ConfigEdit = (text: string) => string;

/** A backend in our own words. */
type NewBackend = Readonly<Record<string, unknown>> & { readonly name: string };

/** Adds a backend behind the others; a text without a configuration becomes one. */
export function addBackend(given: NewBackend): ConfigEdit {
  return addBackends([given]);
}

/** Adds several in one step, which takes no longer than one. */
export function addBackends(given: readonly NewBackend[]): ConfigEdit {
  for (const each of given) {
    const [issue] = backendSchema.safeParse(each).error?.issues ?? [];
    if (issue) throw new UserError(`"${each.name}" cannot be added: ${issue.path.join('.')}: ${issue.message}`);
  }
  const added = given.map(each => Object.fromEntries(Object.entries(each).filter(([, value]) => value !== undefined)));

  return text => {
    if (given.length === 0) return text;
    const before = read(text);
    if (before.kind === 'bare') {
      const { root } = before;
      const splices = root?.flow
        ? appendToFlow(text, root, [['backends', added]])
        : appendTopKey(text, 'backends', added);
      return verified(text, splices, { ...meaningOf(before), shape: 'backends', backends: added });
    }
    const { outline } = before;
    const taken = new Set(before.entries.map(({ id }) => id));
    const again = given.find(({ name }) => taken.has(name));
    if (again) throw new UserError(`There is already a backend named "${again.name}".`);
    const entries = given.map(({ name }, index) => [name, worded(outline.shape, added[index] ?? {})] as const);
    const meaning = meaningOf(before);
    const news = outline.shape === 'backends' ? added : entries;
    return verified(text, append(text, outline, entries), { ...meaning, backends: [...meaning.backends, ...news] });
  };
}

/** A backend in the words of a shape: a map has its name outside. */
function worded(shape: Shape, entry: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (shape === 'backends') return entry;
  const { name: _, ...keys } = entry;
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => toMapWords(key, value)));
}

/** Takes a backend out, with the comments that are about it. */
export function removeBackend(name: string): ConfigEdit {
  return text => {
    const before = read(text);
    const { outline, index } = find(before, name);
    const { holder } = outline;
    const container = holder.value;
    if (container.kind === 'scalar') return text;
    const splices = container.flow
      ? removeFromFlow(text, container, index)
      : removeFromBlock(text, container, index, holder);
    const meaning = meaningOf(before);
    return verified(text, splices, { ...meaning, backends: meaning.backends.toSpliced(index, 1) });
  };
}

/**
 * Sets one key of a backend, or takes it out where `value` is undefined. In a map, `enabled` may be written as its
 * opposite, `disabled`.
 */
export function setBackendKey(name: string, key: string, value: string | number | boolean | undefined): ConfigEdit {
  return text => {
    const before = read(text);
    const { outline, index, entry } = find(before, name);
    const { node } = entry;
    if (node.kind !== 'map') throw new UserError(`"${name}" cannot be changed: its entry is not a map of keys.`);
    const own = node.entries.filter(({ inherited }) => !inherited);
    const at = own.findIndex(candidate => nativeKey(outline.shape, candidate.key) === key);
    const found = own[at];
    if (!found && value === undefined) return text;

    const [word, wording] = found && found.key !== key ? toMapWords(key, value) : [key, value];
    const splices =
      value === undefined
        ? (node.flow ? removeFromFlow : removeFromBlock)(text, node, at)
        : found
          ? [replaceScalar(text, name, found, wording)]
          : (node.flow ? appendToFlow : appendToBlock)(text, node, [[key, value]]);
    const { [word]: _, ...others } = plainValue(node) as Record<string, unknown>;
    const keys = value === undefined ? others : { ...others, [word]: wording };
    const meaning = meaningOf(before);
    const changed = outline.shape === 'backends' ? keys : [entry.foreignKey ?? name, keys];
    return verified(text, splices, { ...meaning, backends: meaning.backends.with(index, changed) });
  };
}

/** The backends of a text by their names, in our own words and without defaults. Throws a `UserError` where it is broken. */
export function backendsIn(text: string): Map<string, Readonly<Record<string, unknown>>> {
  const before = read(text);
  if (before.kind === 'bare') return new Map();
  const plain = before.entries.map(raw => [raw.id, plainValue(toNative(before.outline.shape, raw))] as const);
  return new Map(plain.map(([name, value]) => [name, typeof value === 'object' && value !== null ? { ...value } : {}]));
}

/** Where the entry of a backend is, as the offset of its name; undefined: there is none, or the text is broken. */
export function placeOfBackend(text: string, name: string): number | undefined {
  const parsed = parseText(text);
  const result = parsed.kind === 'parsed' ? outlineOf(parsed.root) : parsed;
  if (result.kind === 'broken') return undefined;
  return entriesOf(result.outline).find(({ id }) => id === name)?.place.start;
}

/**
 * Applies an edit to a file, in one step: who reads it at any moment sees the old text or the new one. Its mode stays, a
 * link is followed. Throws a `UserError` and writes nothing where the edit cannot be done.
 * @param missing whether a file that is missing starts out empty, or is an error
 */
export async function editConfigFile(
  file: string,
  edit: ConfigEdit,
  missing: 'is made' | 'is refused' = 'is made',
): Promise<void> {
  try {
    // Nothing is awaited in between, so that two edits of this process never overwrite each other.
    const target = fs.existsSync(file) ? fs.realpathSync(file) : file;
    const bytes = fs.existsSync(target) ? fs.readFileSync(target) : undefined;
    if (!bytes && missing === 'is refused')
      throw new UserError('There is no such file any more: restore it, or try again.');
    const text = bytes ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) : emptyText(target);
    const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
    const edited = mark + edit(text.slice(mark.length));
    if (edited === text) return;
    const mode = bytes ? fs.statSync(target).mode : 0o600;
    fs.mkdirSync(path.dirname(target), { recursive: true });
    const temporary = `${target}.${randomUUID()}.tmp`;
    try {
      fs.writeFileSync(temporary, edited, { mode });
      // The mode of a new file is cut by the process's mask.
      fs.chmodSync(temporary, mode);
      fs.renameSync(temporary, target);
    } finally {
      fs.rmSync(temporary, { force: true });
    }
  } catch (error) {
    throw new UserError(`${file} was not changed. ${messageOf(error)}`, { cause: error });
  }
}

const emptyText = (file: string) => (/\.jsonc?$/i.test(file) ? '{\n}\n' : '');

/** A text that can be edited: one with backends or a place for them, or one that has neither yet. */
type Editable =
  | { readonly kind: 'configuration'; readonly outline: Outline; readonly entries: readonly RawEntry[] }
  | { readonly kind: 'bare'; readonly root: MapNode | undefined };

function read(text: string): Editable {
  const parsed = parseText(text);
  const fail = (problem: Finding): never => {
    const { line, column } = new ProblemLog('', text).add('error', problem.span, problem.message);
    throw new UserError(`It has an error, to be corrected first: ${problem.message} (line ${line}, column ${column}).`);
  };
  if (parsed.kind === 'broken') return fail(parsed.error);
  const { root } = parsed;
  if (!root || (root.kind === 'map' && !root.entries.some(({ key }) => shapeOf(key)))) return { kind: 'bare', root };
  const result = outlineOf(root);
  if (result.kind === 'broken') return fail(result.error);
  return { kind: 'configuration', outline: result.outline, entries: entriesOf(result.outline) };
}

function find(editable: Editable, name: string): { outline: Outline; index: number; entry: RawEntry } {
  const entries = editable.kind === 'bare' ? [] : editable.entries;
  const index = entries.findIndex(({ id }) => id === name);
  const entry = entries[index];
  if (editable.kind === 'bare' || !entry) throw new UserError(`There is no backend named "${name}" in it.`);
  if (entry.isBorrowed || editable.outline.holder.value.alias) throw writtenElsewhere(`"${name}"`);
  return { outline: editable.outline, index, entry };
}

const writtenElsewhere = (what: string) =>
  new UserError(`${what} is written elsewhere in the file and only referred to here (a YAML alias): edit it by hand.`);

function append(text: string, { holder, shape, rest }: Outline, entries: readonly KeyAndValue[]): Splice[] {
  const container = holder.value;
  if (container.alias) throw writtenElsewhere(holder.key);
  const isEmpty = container.kind === 'scalar' || /^(\[\s*\]|\{\s*\})$/.test(text.slice(container.start, container.end));
  if (isEmpty && !rest.flow) {
    const content = shape === 'backends' ? entries.map(([, value]) => value) : Object.fromEntries(entries);
    return fillBlock(text, holder, content);
  }
  if (container.kind === 'scalar')
    throw new UserError(`Write ${shape === 'backends' ? '[]' : '{}'} for "${holder.key}" first.`);
  return (container.flow ? appendToFlow : appendToBlock)(text, container, entries);
}

function replaceScalar(text: string, name: string, { key, value }: MapEntry, wording: unknown): Splice {
  if (value.kind !== 'scalar') throw new UserError(`${key} of "${name}" is not a single value: edit it by hand.`);
  const rendered = JSON.stringify(wording);
  // Where there was nothing, the neighbours may be the colon and a comment.
  const isEmpty = value.end === value.start;
  const before = isEmpty && !/\s/.test(text[value.start - 1] ?? ' ') ? ' ' : '';
  const after = isEmpty && !/\s/.test(text[value.end] ?? ' ') ? ' ' : '';
  return { start: value.start, end: value.end, text: before + rendered + after };
}

/** What a text says, aliases and all, for comparing. */
interface Meaning {
  readonly shape: string | undefined;
  readonly rest: unknown;
  /** Values of a list; pairs of key and value of a map. */
  readonly backends: readonly unknown[];
}

function meaningOf(editable: Editable): Meaning {
  if (editable.kind === 'bare') {
    return { shape: undefined, rest: editable.root ? plainValue(editable.root) : {}, backends: [] };
  }
  const { shape, rest } = editable.outline;
  const backends = editable.entries.map(({ node, name, foreignKey }) =>
    shape === 'backends' ? plainValue(node) : [foreignKey ?? name, plainValue(node)],
  );
  return { shape, rest: plainValue(rest), backends };
}

/** The edited text, if it says what it should: a text has more ways to be written than the splices can know. */
function verified(text: string, splices: readonly Splice[], expected: Meaning): string {
  const edited = applySplices(text, splices);
  const parsed = parseText(edited);
  if (parsed.kind === 'parsed' && isDeepStrictEqual(meaningOf(read(edited)), expected)) return edited;
  throw new UserError('The way it is written there allows no change that leaves the rest alone: edit it by hand.');
}
