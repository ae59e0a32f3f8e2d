// Configurations of other MCP clients as entries of ours: where each keeps its servers, and what its words mean.
import * as path from 'node:path';
import { messageOf, UserError } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { check } from './check.ts';
import { type ConfigNode, entryOf, type MapNode, parseText, plainValue } from './document.ts';
import { knownPart } from './entry.ts';
import { translateWords, URL_WORDS, Words } from './foreignWords.ts';
import { ADDRESS_KEYS } from './launch.ts';
import { type Problem, ProblemLog } from './problem.ts';
import { backendSchema } from './schema.ts';
import { entriesOf, type RawEntry, type Shape, toNative } from './shapes.ts';

/** One server of another client's file: an entry of ours, or why it cannot be one. */
export type ForeignEntry = {
  readonly name: string;
  /** What a person should know about the translation; never a value, for it may be a secret. */
  readonly notes: readonly string[];
} & (
  | { readonly kind: 'usable'; readonly entry: Readonly<Record<string, unknown>> & { readonly name: string } }
  | { readonly kind: 'unusable'; readonly reason: string }
);

/**
 * Reads the servers of a file of any client that is known here, in its order. Throws a `UserError` where the text cannot
 * be read or holds none of the known shapes.
 * @param file for messages, and where relative paths start
 */
export async function readForeign(text: string, file: string): Promise<ForeignEntry[]> {
  const root = await parse(text, file);
  const holders = holdersOf(root);
  if (holders.length === 0)
    throw new UserError(
      `${file} has no servers in a shape that is known: none of mcpServers, servers, mcp, context_servers, mcp_servers and backends is in it.`,
    );
  return holders.flatMap(holder => entriesIn(holder).map(raw => translate(raw, holder, file)));
}

async function parse(text: string, file: string): Promise<MapNode> {
  const parsed = parseText(/\.toml$/i.test(file) ? await jsonOfToml(text, file) : text);
  if (parsed.kind === 'broken') {
    const { line, column } = new ProblemLog(file, text).add('error', parsed.error.span, '');
    throw new UserError(`${file}:${line}:${column}: ${parsed.error.message}.`);
  }
  if (parsed.root?.kind === 'map') return parsed.root;
  throw new UserError(`${file} is not a configuration: it is ${parsed.root ? 'no map of keys' : 'empty'}.`);
}

/** JSON, so that everything after it knows one kind of tree. */
async function jsonOfToml(text: string, file: string): Promise<string> {
  // Loaded where it is needed: only one client writes TOML.
  const { parse, TomlError } = await import('smol-toml');
  try {
    return JSON.stringify(parse(text));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [what = ''] = messageOf(error).split('\n');
    throw new UserError(`${file}:${error.line}:${error.column}: ${what}.`, { cause: error });
  }
}

/** A list or map of servers in a file. */
interface Holder {
  readonly shape: Shape;
  readonly node: ConfigNode;
  /** Whose word `source` is: ours, or Zed's for something else. */
  readonly isOurs: boolean;
  /** Where its programs are started, if that is written there. */
  readonly folder?: string;
  /** Names that the client has switched off elsewhere in the file. */
  readonly off: readonly string[];
}

function holdersOf(root: MapNode): Holder[] {
  const holders: Holder[] = [];
  const add = (node: ConfigNode | undefined, rest: Partial<Holder> = {}) => {
    if (node?.kind === 'scalar' || !node) return;
    const shape = node.kind === 'list' ? 'backends' : 'mcpServers';
    holders.push({ shape, node, isOurs: false, off: [], ...rest });
  };
  const value = (node: ConfigNode | undefined, key: string) => node && entryOf(node, key)?.value;
  const mcp = value(root, 'mcp');

  add(value(root, 'backends'), { isOurs: true });
  // A list of servers is what OpenAPI documents have.
  if (value(root, 'servers')?.kind === 'map') add(value(root, 'servers'), { isOurs: true });
  // Gemini CLI lists names under "mcp" that it does not connect to.
  const off = [...namesIn(value(mcp, 'excluded')), ...namesIn(value(root, 'disabledMcpServers'))];
  for (const { key, value: node } of root.entries)
    if (/^(.*\.)?mcpServers$/.test(key)) add(node, { off, isOurs: key === 'mcpServers' });
  add(value(root, 'mcp.servers'));
  add(value(root, 'context_servers'));
  add(value(root, 'mcp_servers'));
  if (value(mcp, 'servers')?.kind === 'map') add(value(mcp, 'servers'));
  else if (mcp?.kind === 'map' && mcp.entries.some(({ value: server }) => addressOf(server))) add(mcp);

  const projects = value(root, 'projects');
  for (const { key: folder, value: project } of projects?.kind === 'map' ? projects.entries : []) {
    const off = namesIn(value(project, 'disabledMcpServers'));
    add(value(project, 'mcpServers'), { folder, off });
  }
  return holders;
}

const addressOf = (server: ConfigNode) => [...ADDRESS_KEYS, ...URL_WORDS].some(key => entryOf(server, key));

const namesIn = (node: ConfigNode | undefined): string[] =>
  (node?.kind === 'list' ? node.items.map(plainValue) : []).map(String);

function entriesIn({ shape, node }: Holder): RawEntry[] {
  const keySpan = { start: node.start, end: node.start };
  const entry = { key: shape, writtenKey: shape, keySpan, value: node, inherited: false };
  const rest: MapNode = { ...keySpan, kind: 'map', flow: true, entries: [] };
  return entriesOf({ shape, holder: entry, rest });
}

/** Keys that mean something to a client and nothing to a router, so that nobody misses them. */
const SILENT = new Set([
  ...[
    'alwaysAllow',
    'autoApprove',
    'trust',
    'description',
    'gallery',
    'version',
    'env_vars',
    'iconPath',
    'displayName',
  ],
  ...['port', 'encoding', 'encoding_error_handler', '$schema', 'dev'],
]);

function translate(raw: RawEntry, { shape, isOurs, folder, off }: Holder, file: string): ForeignEntry {
  const native = toNative(shape, raw);
  const plain = plainValue(native);
  const name = nameOf(raw);
  const notes: string[] = [];
  const original = raw.foreignKey ?? raw.name;
  if (original !== undefined && original !== name) notes.push(`"${original}" is called "${name}" here`);
  const unusable = (reason: string): ForeignEntry => ({ kind: 'unusable', name, notes, reason });
  if (!isObject(plain)) return unusable('it is not a map of keys');

  const { name: _, ...given } = plain;
  const words = new Words(given);
  const entry = translateWords(words);
  const transport = words.take('type', 'transport', 'transportType');
  if (typeof transport === 'string') {
    if (/^(ws|websocket)$/i.test(transport)) return unusable('it is reached over WebSocket, which is not spoken here');
    if (/^sse$/i.test(transport)) entry.type = 'sse';
    else if (/^(streamable[-_]?)?http$/i.test(transport)) entry.type = 'http';
  }
  const isOff = words.take('enabled') === false || words.take('disabled') === true;
  if (isOff || (original !== undefined && off.includes(original))) entry.enabled = false;
  const source = words.take('source');
  if (isOurs && source !== undefined) entry.source = source;
  for (const key of Object.keys(backendSchema.shape)) {
    const own = words.take(key);
    if (own !== undefined) entry[key] ??= own;
  }
  if (!ADDRESS_KEYS.some(key => entry[key] !== undefined)) {
    const isExtension = words.take('settings') !== undefined || source === 'extension';
    return unusable(
      isExtension
        ? 'an extension of the editor brings its program: write a command for it'
        : 'it has neither a command nor a url',
    );
  }

  place(entry, folder, file, shape === 'backends' && isOurs);
  const left = words.left().filter(key => !SILENT.has(key));
  if (left.length > 0) notes.push(`not taken over: ${left.join(', ')}`);
  const rewritten = withVariables({ name, ...entry }) as Record<string, unknown> & { name: string };
  notes.push(...notesOnValues(rewritten));
  const problems = problemsOf(rewritten);
  if (problems.error.length > 0) return unusable(problems.error.join('; '));
  return { kind: 'usable', name, notes: [...notes, ...problems.warning], entry: knownPart(rewritten) };
}

/** What is wrong with an entry, in the words for one of our own files. */
function problemsOf(entry: Readonly<Record<string, unknown>>): Readonly<Record<Problem['severity'], string[]>> {
  const found = { error: [] as string[], warning: [] as string[] };
  const parsed = parseText(JSON.stringify(entry));
  if (parsed.kind === 'parsed' && parsed.root)
    check(backendSchema, parsed.root, parsed.root, (severity, _, message) => found[severity].push(message));
  return found;
}

/** A name that a backend can have, also for a list's, which may have any text. */
function nameOf({ name, id }: RawEntry): string {
  const fit = (name ?? id).replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');
  return fit || 'server';
}

/** Makes what is relative to the file's project, or to the file, mean the same from anywhere. */
function place(entry: Record<string, unknown>, project: string | undefined, file: string, isOurFile: boolean): void {
  const folder = path.dirname(path.resolve(file));
  const isHidden = path.basename(folder).startsWith('.');
  const base = project ?? (isHidden && !isOurFile ? path.dirname(folder) : folder);
  for (const key of ['cwd', 'env_file']) {
    const value = entry[key];
    if (typeof value === 'string' && !value.includes('${') && !value.startsWith('~'))
      entry[key] = path.resolve(base, value);
  }
  const isRelative = (text: unknown) => typeof text === 'string' && /^\.{1,2}[/\\]/.test(text);
  const started = [entry.command, ...(Array.isArray(entry.args) ? entry.args : [])];
  if (entry.cwd === undefined && started.some(isRelative)) entry.cwd = base;
}

/** Other clients' words for a variable in ours: `${NAME}`, `$NAME` and `{env:NAME}` as a whole word of capitals. */
function withVariables(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withVariables);
  if (isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withVariables(each)]));
  if (typeof value !== 'string') return value;
  return value
    .replace(/(?<!\$)\{env:(\w+)\}/g, `\${env:$1}`)
    .replace(/\$\{([A-Z][A-Z0-9_]*)\}/g, `\${env:$1}`)
    .replace(/^\$([A-Z][A-Z0-9_]*)$/, `\${env:$1}`);
}

const SECRET = /token|secret|passw|credential|api[-_]?key|auth/i;

function notesOnValues(entry: Readonly<Record<string, unknown>>): string[] {
  const all = JSON.stringify(entry);
  const inputs = new Set([...all.matchAll(/\$\{input:([^{}"]+)\}/g)].map(([, id = '']) => id));
  const secrets = (['env', 'headers'] as const).flatMap(key =>
    Object.entries(isObject(entry[key]) ? entry[key] : {})
      .filter(
        ([name, value]) => SECRET.test(name) && typeof value === 'string' && value !== '' && !value.includes('${'),
      )
      .map(([name]) => `${key}.${name}`),
  );
  const defaults = [...all.matchAll(/\$\{(\w+):-/g)].map(([, name]) => name);
  return [
    ...(secrets.length > 0
      ? [`${secrets.join(', ')}: a secret in plain text; \${env:NAME} keeps it out of the file`]
      : []),
    ...[...inputs].map(
      id =>
        `\${input:${id}}: without VS Code its value is the variable SWITCHYARD_INPUT_${id.toUpperCase().replace(/\W/g, '_')}`,
    ),
    ...defaults.map(name => `\${${name}:-…}: defaults are not known here; write \${env:${name}} or the value`),
    ...(/\$\{\{/.test(all) ? [`\${{ … }} is not known here; write \${env:NAME}`] : []),
    ...(/(?<!\$)\{file:/.test(all) ? [`{file:…} is not known here; write the value, or \${env:NAME}`] : []),
  ];
}
