// The configuration file as a Config, with everything wrong with it told by file, line and column.
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { messageOf } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { didYouMean, nearest } from '../base/nearest.ts';
import { check, type Report } from './check.ts';
import { type ConfigNode, entryOf, parseText, plainValue } from './document.ts';
import { ADDRESS_KEYS, launchOf } from './launch.ts';
import { type Problem, ProblemLog } from './problem.ts';
import {
  type BackendConfig,
  type BackendEntry,
  backendSchema,
  type Config,
  entryOfListSchema,
  entryOfMapSchema,
  fileSchema,
  type Launch,
  type RoutingConfig,
  routingSchema,
  type ServerConfig,
} from './schema.ts';
import { entriesOf, type Outline, outlineOf, type RawEntry, toNative, withoutEmpty } from './shapes.ts';
import { resolveVariables, type VariableSource } from './variables.ts';

export { type EntryProblem, formatProblem, type Problem } from './problem.ts';

/** Values for router-wide keys that come from elsewhere than the file. */
export interface Overrides {
  readonly default_strategy?: RoutingConfig['default_strategy'];
  readonly enable_namespace_prefixing?: boolean;
  readonly capability_cache_ttl_seconds?: number;
  readonly request_timeout_seconds?: number;
  readonly retry?: Partial<Omit<RoutingConfig['retry'], 'initial_backoff_seconds'>>;
  /** The default of all backends; what a backend itself says stays. */
  readonly health_check?: { readonly interval_seconds?: number; readonly timeout_seconds?: number };
  readonly management_tools?: ServerConfig['management_tools'];
  /** Accepted beside those of the file. */
  readonly allowed_hosts?: readonly string[];
}

export interface LoadOptions extends VariableSource {
  /** Below the file: the defaults of a face. */
  readonly base?: Overrides;
  /** Above the file: flags and environment variables of the command line. */
  readonly overrides?: Overrides;
  /** Whether a missing file counts as one without backends; else it is an error. */
  readonly mayBeMissing?: boolean;
  /** Backends that are switched on or off whatever their entry says. */
  readonly enabled?: ReadonlyMap<string, boolean>;
  /** Backends that are elsewhere, which a `fallback_to` may name too: by name, those that they themselves fall back to. */
  readonly others?: ReadonlyMap<string, readonly string[]>;
}

/** `problems` are in the order of the file; without a configuration at least one is an error. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly problems: Problem[]; readonly text: string }
  | { readonly ok: false; readonly problems: Problem[] };

/** Nothing larger is read. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** Reads and parses a file. Never rejects: that it is missing where it may not be, or no file, or too large, is a problem as well. */
export async function loadConfig(file: string, options: LoadOptions): Promise<LoadResult> {
  const fail = (message: string): LoadResult => {
    const log = new ProblemLog(file, '');
    log.add('error', { start: 0, end: 0 }, message);
    return { ok: false, problems: log.problems };
  };
  const read = await readText(file, MAX_FILE_BYTES);
  if ('text' in read) return parseConfig(read.text, file, options);
  return read.isMissing && options.mayBeMissing ? parseConfig('backends: []', file, options) : fail(read.problem);
}

/** The text of a file, or why there is none. Never rejects. */
export async function readText(
  file: string,
  mostBytes = Infinity,
): Promise<{ text: string } | { problem: string; isMissing?: boolean }> {
  let bytes: Buffer;
  try {
    const stats = await fs.stat(file);
    if (stats.isDirectory()) return { problem: 'this is a directory, not a file' };
    if (!stats.isFile()) return { problem: 'this is not a regular file' };
    if (stats.size > mostBytes) return { problem: 'the file is larger than 1 MiB, so it cannot be a configuration' };
    bytes = await fs.readFile(file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { problem: isMissing ? 'there is no such file' : `the file cannot be read: ${messageOf(error)}`, isMissing };
  }
  const text = decodeText(bytes);
  return text === undefined ? { problem: 'the file is not UTF-8 text' } : { text };
}

/** UTF-8 without its byte order mark, or undefined. */
function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // The only thing that a fatal decoder throws is that the bytes are not UTF-8.
    return undefined;
  }
}

/**
 * Parses the text of a configuration file; reads nothing but the `env_file` of its backends.
 * @param file for messages, and where relative paths start
 */
export function parseConfig(text: string, file: string, options: LoadOptions): LoadResult {
  const log = new ProblemLog(file, text);
  const parsed = parseText(text);
  const result = parsed.kind === 'parsed' ? outlineOf(parsed.root) : parsed;
  if (result.kind === 'broken') {
    log.add('error', result.error.span, result.error.message);
    return { ok: false, problems: log.problems };
  }
  if (parsed.kind === 'parsed') for (const { span, message } of parsed.warnings) log.add('warning', span, message);
  const { outline } = result;
  const globals = readGlobals(outline, options, log);
  // The backends are read all the same, so that one look shows everything that is wrong.
  const backends = readBackends(outline, globals?.routing ?? routingSchema.parse({}), file, options, log);
  const problems = log.problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return globals ? { ok: true, config: { ...backends, ...globals }, problems, text } : { ok: false, problems };
}

/** Everything but the backends, or undefined after reporting what is wrong. */
function readGlobals(
  { rest }: Outline,
  options: LoadOptions,
  log: ProblemLog,
): Pick<Config, 'routing' | 'server'> | undefined {
  let isWrong = false;
  const report: Report = (severity, span, message) => {
    isWrong ||= severity === 'error';
    log.add(severity, span, message);
  };
  const node = resolveVariables(withoutEmpty(rest), options, report);
  const { base = {}, overrides = {} } = options;
  const globals = check(globalSchema, node, rest, report, ({ routing, server }) => ({
    routing: layered(routingOf(base), routing, routingOf(overrides)),
    server: layered(serverOf(base), server, serverOf(overrides)),
  }));
  if (!globals || isWrong) return undefined;
  const { routing, server } = globals;
  if (routing.namespace_separator !== '__') {
    const entry = entryOf(entryOf(rest, 'routing')?.value ?? rest, 'namespace_separator');
    const message = `many clients refuse tool names with "${routing.namespace_separator}"; "__" works everywhere`;
    log.add('warning', entry?.value ?? rest, `namespace_separator: ${message}`);
  }
  const allowed_hosts = [...(base.allowed_hosts ?? []), ...server.allowed_hosts, ...(overrides.allowed_hosts ?? [])];
  return { routing, server: { ...server, allowed_hosts } };
}

const globalSchema = fileSchema.omit({ backends: true, mcpServers: true, servers: true });

function routingOf({ management_tools, health_check, allowed_hosts, ...routing }: Overrides): object {
  return routing;
}

const serverOf = ({ management_tools }: Overrides): object => ({ management_tools });

/** Plain maps laid over each other, the later the stronger, down to the single keys. */
function layered(...layers: readonly unknown[]): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of layers.flatMap(layer => Object.entries(layer ?? {}))) {
    if (value === undefined) continue;
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    result[key] = isMap ? layered(result[key], value) : value;
  }
  return result;
}

function readBackends(
  outline: Outline,
  routing: RoutingConfig,
  file: string,
  options: LoadOptions,
  log: ProblemLog,
): Pick<Config, 'backends' | 'rejected'> {
  // A variable without a value is told with the rest of its entry.
  const raws = entriesOf(outline, written => resolveVariables(written, options, () => {}));
  const entries = raws.map(raw => readBackend(outline, raw, routing, file, options, log));
  const backends = entries.flatMap(({ config }) => config ?? []);
  const byId = new Map(entries.map(entry => [entry.raw.id, entry]));
  for (const entry of entries) checkFallbacks(entry, outline, byId, options.others ?? new Map());
  const rejected = entries.flatMap(({ raw, config, errors: [first] }) => {
    if (!first) return [];
    const { namespace = raw.id, priority, launch } = config ?? readablePart(outline, raw, file, options);
    return [{ name: raw.id, namespace, priority, launch, problem: first }];
  });
  return { backends: backends.filter(({ name }) => !rejected.some(each => each.name === name)), rejected };
}

/** What became of one entry: with errors, it is rejected. */
interface ReadBackend {
  readonly raw: RawEntry;
  readonly config: BackendConfig | undefined;
  readonly errors: Problem[];
  readonly report: Report;
}

function readBackend(
  outline: Outline,
  raw: RawEntry,
  routing: RoutingConfig,
  file: string,
  options: LoadOptions,
  log: ProblemLog,
): ReadBackend {
  const { name, id, place, foreignKey } = raw;
  const errors: Problem[] = [];
  const report: Report = (severity, span, message) => {
    const problem = log.add(severity, span, message, id);
    if (severity === 'error') errors.push(problem);
  };
  if (foreignKey !== undefined) {
    report('warning', place, `"${foreignKey}" is called "${name}": a name has only letters, digits, "-" and "_"`);
  }
  if (name !== undefined && name !== id) {
    report('error', place, `the name "${name}" is taken by an earlier backend; this one is left out`);
  }
  const entry = readEntry(outline, raw, options, report);
  const launch = entry && launchOf(entry, path.dirname(path.resolve(file)));
  if (launch?.kind === 'error') {
    const native = toNative(outline.shape, raw);
    const hint = launch.key === 'name' ? addressMeant(native) : '';
    report('error', entryOf(native, launch.key)?.value ?? place, launch.message + hint);
  }
  const isUsable = entry && launch && launch.kind !== 'error' && errors.length === 0;
  return { raw, errors, report, config: isUsable ? toConfig(entry, launch, routing) : undefined };
}

/** `; did you mean "url" by "ulr"?`, where an unknown key is near one that would say how to reach the backend; or nothing. */
function addressMeant(native: ConfigNode): string {
  const keys = native.kind === 'map' ? native.entries.map(({ key }) => key) : [];
  const mistyped = keys.filter(key => !Object.hasOwn(backendSchema.shape, key));
  const found = mistyped.flatMap(key => nearest(key, ADDRESS_KEYS, 1).map(meant => ({ key, meant })))[0];
  return found ? `; did you mean "${found.meant}" by "${found.key}"?` : '';
}

/** What an entry with errors says all the same, by its keys that are right. */
function readablePart(
  { shape }: Outline,
  raw: RawEntry,
  file: string,
  options: LoadOptions,
): Pick<BackendEntry, 'priority'> & { readonly namespace: string | undefined; readonly launch: Launch | undefined } {
  const plain = plainValue(resolveVariables(toNative(shape, raw), options, () => {}));
  const { command, args, source, url, namespace, priority } = backendSchema.shape;
  const readable = Object.entries({ command, args, source, url, namespace, priority }).flatMap(([key, schema]) => {
    const read = isObject(plain) ? schema.safeParse(plain[key]) : undefined;
    return read?.success ? [[key, read.data]] : [];
  });
  const entry = backendSchema.parse({ ...Object.fromEntries(readable), name: 'unnamed' });
  const launch = launchOf(entry, path.dirname(path.resolve(file)));
  return { namespace: entry.namespace, priority: entry.priority, launch: launch.kind === 'error' ? undefined : launch };
}

/** A `fallback_to` must name another backend, and following them from one to the next must come to an end. */
function checkFallbacks(
  { raw, config, report }: ReadBackend,
  { shape }: Outline,
  all: ReadonlyMap<string, ReadBackend>,
  others: ReadonlyMap<string, readonly string[]>,
): void {
  const routes = entryOf(toNative(shape, raw), 'routes')?.value;
  for (const [index, { fallback_to }] of (config?.routes ?? []).entries()) {
    if (fallback_to === undefined) continue;
    const route = routes?.kind === 'list' ? routes.items[index] : undefined;
    const place = (route && entryOf(route, 'fallback_to')?.value) ?? raw.place;
    if (!all.has(fallback_to) && !others.has(fallback_to)) {
      const hint = didYouMean(
        fallback_to,
        [...all.keys(), ...others.keys()].filter(name => name !== raw.id),
      );
      report('error', place, `fallback_to: there is no backend "${fallback_to}"${hint}`);
    } else if (leadsTo(fallback_to, raw.id, all, others)) {
      report('error', place, `fallback_to: "${fallback_to}" leads back to "${raw.id}", so a call would never end`);
    }
  }
}

/** Whether following `fallback_to` from one backend can come to another. What was found to be wrong before leads nowhere. */
function leadsTo(
  from: string,
  to: string,
  all: ReadonlyMap<string, ReadBackend>,
  others: ReadonlyMap<string, readonly string[]>,
): boolean {
  const seen = new Set<string>();
  const next = [from];
  for (const name of next) {
    if (name === to) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    const found = all.get(name);
    if (!found) next.push(...(others.get(name) ?? []));
    else if (found.config && found.errors.length === 0) next.push(...fallbacksOf(found.config));
  }
  return false;
}

/** The backends that a backend's routes fall back to. */
export function fallbacksOf({ routes }: BackendConfig): string[] {
  return routes.flatMap(({ fallback_to }) => fallback_to ?? []);
}

/** One entry with its defaults, or undefined after reporting what is wrong. */
function readEntry({ shape }: Outline, raw: RawEntry, options: LoadOptions, report: Report): BackendEntry | undefined {
  const native = switched(toNative(shape, raw), raw, options.enabled?.get(raw.id));
  const enabled = entryOf(native, 'enabled')?.value;
  const isDisabled = enabled?.kind === 'scalar' && enabled.value === false;
  const node = resolveVariables(native, options, (severity, span, message) => {
    // A backend that is switched off may lack what it would need.
    if (severity === 'warning' || !isDisabled) report(severity, span, message);
  });
  const [winner, ...losers] = ADDRESS_KEYS.flatMap(key => entryOf(node, key) ?? []);
  for (const loser of losers)
    report('warning', loser.keySpan, `${loser.key} is ignored, because ${winner?.key} is given`);
  const { base, overrides } = options;
  const withDefaults = (plain: Record<string, unknown>) => ({
    ...plain,
    health_check: layered(base?.health_check, overrides?.health_check, plain.health_check),
  });
  const written = shape === 'backends' ? entryOfListSchema : entryOfMapSchema;
  return check(backendSchema, node, raw.place, report, withDefaults, written);
}

/** An entry with `enabled` as it was set while running. */
function switched(node: ConfigNode, { place }: RawEntry, enabled: boolean | undefined): ConfigNode {
  if (enabled === undefined || node.kind !== 'map') return node;
  const key = 'enabled';
  const value: ConfigNode = { ...place, kind: 'scalar', value: enabled, source: String(enabled) };
  const others = node.entries.filter(entry => entry.key !== key);
  return { ...node, entries: [...others, { key, writtenKey: key, keySpan: place, value, inherited: false }] };
}

function toConfig(entry: BackendEntry, launch: Launch, routing: RoutingConfig): BackendConfig {
  const { command, args, env, env_file, cwd, url, headers, type, source, ...rest } = entry;
  return {
    ...rest,
    namespace: entry.namespace ?? entry.name,
    request_timeout_seconds: entry.request_timeout_seconds ?? routing.request_timeout_seconds,
    launch,
  };
}
