import { UserError } from '../base/errors.ts';
import { check } from './check.ts';
import { type ConfigNode, entryOf, type MapNode, parseText, plainValue } from './document.ts';
import { URL_WORDS } from './foreignWords.ts';
import { ADDRESS_KEYS } from './launch.ts';
import { backendSchema } from './schema.ts';
import { entriesOf, outlineOf, type RawEntry, type Shape, toNative } from './shapes.ts';

/** One server of a snippet. */
export interface SnippetEntry {
  /** Undefined where the snippet gives none. */
  readonly name: string | undefined;
  /** Those keys of a `backends:` entry that say how to reach it. */
  readonly entry: Readonly<Record<string, unknown>>;
}

/**
 * Reads what a README says to paste: whole files of other clients, the part between the outer braces, one
 * `"name": {…}`, or the bare `{"command": …}`. Throws a `UserError` that says why a text is of no use.
 */
export function parseSnippet(text: string): SnippetEntry[] {
  const root = parsePaste(text);
  if (hasAddress(root)) return [toSnippetEntry('mcpServers', bareEntry(root))];
  const { shape, entries } = serversOf(root);
  if (entries.length === 0) throw new UserError('The snippet names no server.');
  return entries.map(entry => toSnippetEntry(shape, entry));
}

function parsePaste(text: string): MapNode {
  const trimmed = text
    .replace(/^\s*```[^{"\n]*|```\s*$/gm, '')
    .trim()
    .replace(/,$/, '');
  if (trimmed === '') throw new UserError('Nothing is given yet.');
  const whole = parseText(trimmed);
  if (whole.kind === 'parsed' && whole.root?.kind === 'map' && !/^"/.test(trimmed)) return whole.root;
  const inner = parseText(`{${trimmed}}`);
  if (inner.kind === 'parsed' && inner.syntax === 'json' && inner.root?.kind === 'map') return inner.root;
  const isMeantAsJson = /^[{["/]/.test(trimmed);
  const broken = /^"/.test(trimmed) ? inner : whole;
  if (isMeantAsJson && broken.kind === 'broken') {
    throw new UserError(`This cannot be read: ${broken.error.message.replace('the file', 'it')}.`);
  }
  throw new UserError('This is not a JSON object: paste the part of a README that begins with a brace.');
}

function hasAddress(node: ConfigNode): boolean {
  return [...ADDRESS_KEYS, ...URL_WORDS].some(key => entryOf(node, key)?.value.kind === 'scalar');
}

const bareEntry = (node: MapNode): RawEntry => {
  const place = { start: node.start, end: node.start };
  return { name: undefined, id: '#1', place, foreignKey: undefined, node, isBorrowed: false };
};

function serversOf(root: MapNode): { shape: Shape; entries: RawEntry[] } {
  const result = outlineOf(root);
  if (result.kind === 'outline') return { shape: result.outline.shape, entries: entriesOf(result.outline) };
  // Other clients' words for the same map: "mcp.servers", "context_servers", "mcp": {"servers": …}.
  const inner = root.entries.find(({ key, value }) => /servers$|^mcp$/i.test(key) && value.kind === 'map')?.value;
  if (inner?.kind === 'map') return serversOf(inner);
  if (root.entries.length === 0 || !root.entries.every(({ value }) => hasAddress(value))) {
    throw new UserError('The snippet has no server in it: nothing has a "command" or a "url".');
  }
  const keySpan = { start: root.start, end: root.start };
  const holder = { key: 'mcpServers', writtenKey: 'mcpServers', keySpan, value: root, inherited: false };
  return { shape: 'mcpServers', entries: entriesOf({ shape: 'mcpServers', holder, rest: { ...root, entries: [] } }) };
}

const WANTED: ReadonlySet<string> = new Set([...ADDRESS_KEYS, 'args', 'env', 'env_file', 'cwd', 'headers', 'type']);

/** What else a snippet says was meant for another client. */
const addressSchema = backendSchema.partial({ name: true });

function toSnippetEntry(shape: Shape, raw: RawEntry): SnippetEntry {
  const native = toNative(shape, raw);
  const entries = (native.kind === 'map' ? native.entries : [])
    .map(entry => (URL_WORDS.some(word => word === entry.key) ? { ...entry, key: 'url' } : entry))
    .filter(({ key }) => WANTED.has(key));
  const node: ConfigNode = { ...raw.place, kind: 'map', flow: true, entries };
  const whose = raw.name === undefined ? 'The server' : `The server "${raw.name}"`;
  if (!hasAddress(node)) throw new UserError(`${whose} has neither a "command" nor a "url".`);
  check(addressSchema, node, raw.place, (_, __, message) => {
    throw new UserError(`${whose} cannot be used: ${message}.`);
  });
  return { name: raw.name, entry: plainValue(node) as Record<string, unknown> };
}
