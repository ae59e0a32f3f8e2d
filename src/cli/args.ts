import { parseArgs } from 'node:util';
import { UserError } from '../core/base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../core/base/log.ts';
import { nearest } from '../core/base/nearest.ts';
import { COMMAND_NAMES, COMMANDS, type CommandName, type CommandSpec, SHELLS, type Shell } from './commandTable.ts';
import { commandHelp, mainHelp } from './help.ts';

export type Command =
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  | ({ readonly kind: 'serve' } & ServeArgs)
  | ({ readonly kind: 'check' } & CheckArgs)
  | ({ readonly kind: 'status' } & StatusArgs)
  | ({ readonly kind: 'call' } & CallArgs)
  | ({ readonly kind: 'import' } & ImportArgs)
  | { readonly kind: 'completion'; readonly shell: Shell };

export interface ServeArgs {
  readonly config: string | undefined;
  readonly transport: 'stdio' | 'http' | 'sse' | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly authTokenFile: string | undefined;
  readonly noAuth: boolean;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** Whether what is changed while running is kept in the file. */
  readonly persist: boolean;
  readonly logLevel: LogLevel;
  readonly logFormat: 'pretty' | 'json';
  readonly accessLog: boolean;
}

export interface CheckArgs {
  readonly config: string | undefined;
  readonly json: boolean;
}

export interface StatusArgs {
  /** The router's base, or any of its doors; undefined: where `serve` would listen. */
  readonly url: string | undefined;
  readonly json: boolean;
}

/** Where `import` writes if nothing else is said. */
export const DEFAULT_TARGET = 'backends.yaml';

export interface ImportArgs {
  readonly files: readonly string[];
  /** Undefined: stdout. */
  readonly to: string | undefined;
  readonly json: boolean;
}

export interface CallArgs {
  readonly tool: string;
  readonly args: Record<string, unknown>;
  readonly config: string | undefined;
  readonly url: string | undefined;
  readonly json: boolean;
}

/** Reads the arguments after the program's name. Throws `UserError` for whatever cannot be understood. */
export function parseCommandLine(argv: readonly string[]): Command {
  const [first, ...rest] = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  if (first === '--help' || first === '-h') return { kind: 'help', text: mainHelp() };
  if (first === '--version' || first === '-v') return { kind: 'version' };
  if (first === undefined) throw usageError(`A command is missing: ${COMMAND_NAMES.join(', ')}.`);
  if (!isCommandName(first)) {
    if (first.startsWith('-')) throw usageError(`The command comes first, before "${first}".${withCommand(argv)}`);
    throw usageError(`Unknown command "${first}".${didYouMean(first, COMMAND_NAMES)}`);
  }

  const parsed = readOptions(first, rest);
  if (parsed.flag('help')) return { kind: 'help', text: commandHelp(first) };
  switch (first) {
    case 'serve':
      return { kind: 'serve', ...serveArgs(parsed) };
    case 'check':
      return { kind: 'check', config: parsed.value('config'), json: parsed.flag('json') };
    case 'status':
      return { kind: 'status', url: urlOf(parsed, 'status'), json: parsed.flag('json') };
    case 'call':
      return { kind: 'call', ...callArgs(parsed) };
    case 'import':
      return { kind: 'import', ...importArgs(parsed) };
    case 'completion':
      return { kind: 'completion', shell: shellOf(parsed) };
  }
}

/** The older systems had no command: their options are those of `serve`. */
function withCommand(argv: readonly string[]): string {
  try {
    readOptions('serve', argv);
  } catch (error) {
    if (error instanceof UserError) return '';
    throw error;
  }
  const words = argv.map(word => (/^[\w.,:=@%+/-]+$/.test(word) ? word : JSON.stringify(word)));
  return ` Did you mean "switchyard serve ${words.join(' ')}"?`;
}

function serveArgs(parsed: ParsedOptions): ServeArgs {
  const args: ServeArgs = {
    config: parsed.value('config'),
    transport: transportOf(parsed.value('transport')),
    host: parsed.value('host'),
    port: portOf(parsed.value('port')),
    authTokenFile: parsed.value('auth-token-file'),
    noAuth: parsed.flag('no-auth'),
    allowHosts: parsed.values('allow-host'),
    allowOrigins: parsed.values('allow-origin'),
    tlsCert: parsed.value('tls-cert'),
    tlsKey: parsed.value('tls-key'),
    persist: parsed.flag('persist'),
    logLevel: logLevelOf(parsed.value('log-level') ?? 'info'),
    logFormat: logFormatOf(parsed.value('log-format') ?? 'pretty'),
    accessLog: parsed.flag('access-log'),
  };
  if (args.noAuth && args.authTokenFile !== undefined)
    throw usageError('--no-auth and --auth-token-file exclude each other.', 'serve');
  return args;
}

function transportOf(text: string | undefined): ServeArgs['transport'] {
  if (text === undefined || text === 'stdio' || text === 'http' || text === 'sse') return text;
  throw usageError(`--transport is stdio, http or sse, not "${text}".`, 'serve');
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw usageError(`--port is a number from 0 to 65535, not "${text}".`, 'serve');
  return Number(text);
}

/** In any case, and CRITICAL too, as the older systems have it. */
function logLevelOf(text: string): LogLevel {
  const wanted = text.toLowerCase() === 'critical' ? 'error' : text.toLowerCase();
  const level = LOG_LEVELS.find(known => known === wanted);
  if (!level) throw usageError(`--log-level is one of ${LOG_LEVELS.join(', ')}, not "${text}".`, 'serve');
  return level;
}

function logFormatOf(text: string): ServeArgs['logFormat'] {
  if (text === 'pretty' || text === 'json') return text;
  throw usageError(`--log-format is pretty or json, not "${text}".`, 'serve');
}

function callArgs(parsed: ParsedOptions): CallArgs {
  const [tool, json] = parsed.positionals;
  if (!tool) throw usageError('The name of the tool is missing.', 'call');
  const config = parsed.value('config');
  const url = urlOf(parsed, 'call');
  if (config !== undefined && url !== undefined) throw usageError('--config and --url exclude each other.', 'call');
  return { tool, args: toolArguments(json), config, url, json: parsed.flag('json') };
}

function toolArguments(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {};
  const help = `The tool's arguments are one JSON object, such as '{"message": "hello"}'`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw usageError(`${help}: ${(cause as SyntaxError).message}.`, 'call');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw usageError(`${help}.`, 'call');
  return value as Record<string, unknown>;
}

function importArgs(parsed: ParsedOptions): ImportArgs {
  const files = parsed.positionals;
  const to = parsed.value('to') ?? DEFAULT_TARGET;
  const json = parsed.flag('json');
  if (files.length === 0) throw usageError('The file to import is missing.', 'import');
  if (to === '-' && json) throw usageError('--json and --to - both write to stdout: choose one.', 'import');
  return { files, to: to === '-' ? undefined : to, json };
}

function shellOf({ positionals: [text] }: ParsedOptions): Shell {
  const shell = SHELLS.find(known => known === text);
  if (shell) return shell;
  const given = text === undefined ? 'The shell is missing' : `Unknown shell "${text}"`;
  throw usageError(`${given}: ${SHELLS.join(', ')}.`, 'completion');
}

function urlOf(parsed: ParsedOptions, command: CommandName): string | undefined {
  const url = parsed.value('url');
  if (url === undefined || (/^https?:/i.test(url) && URL.canParse(url))) return url;
  throw usageError(`--url is an http or https address, not "${url}".`, command);
}

interface ParsedOptions {
  readonly positionals: readonly string[];
  /** The last one given. */
  value(name: string): string | undefined;
  values(name: string): readonly string[];
  flag(name: string): boolean;
}

function readOptions(command: CommandName, argv: readonly string[]): ParsedOptions {
  const { options, maxPositionals }: CommandSpec = COMMANDS[command];
  const names = Object.keys(options);
  // Not strict: parseArgs tells what it found, and the messages are ours.
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value }]) => [
        name,
        { type: value === undefined ? 'boolean' : 'string', ...(name === 'help' ? { short: 'h' } : {}) } as const,
      ]),
    ),
    strict: false,
    tokens: true,
  });

  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option) {
      const suggestion = didYouMean(
        token.rawName,
        names.map(name => `--${name}`),
      );
      throw usageError(`Unknown option "${token.rawName}".${suggestion}`, command);
    }
    if (option.value === undefined && token.value !== undefined)
      throw usageError(`${token.rawName} takes no value.`, command);
    // An empty one is what an unset variable of a shell leaves.
    const missing = !token.value || (!token.inlineValue && /^-./.test(token.value));
    if (option.value !== undefined && missing)
      throw usageError(`${token.rawName} needs a value: ${token.rawName} ${option.value}.`, command);
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? '']);
  }
  const extra = positionals[maxPositionals];
  if (extra !== undefined) throw usageError(`"${extra}" is one argument too many.`, command);
  return {
    positionals,
    value: name => given.get(name)?.at(-1),
    values: name => given.get(name) ?? [],
    flag: name => given.has(name),
  };
}

function isCommandName(text: string): text is CommandName {
  return Object.hasOwn(COMMANDS, text);
}

function usageError(message: string, command?: CommandName): UserError {
  return new UserError(`${message}\nSee "switchyard ${command ? `${command} ` : ''}--help".`);
}

function didYouMean(text: string, known: readonly string[]): string {
  const [guess] = nearest(text, known, 1);
  return guess === undefined ? '' : ` Did you mean "${guess}"?`;
}
