// The words of other MCP clients for how a server is reached and what of it is used.
import { isObject } from '../base/json.ts';

/** What `url` is called elsewhere. */
export const URL_WORDS = ['url', 'serverUrl', 'httpUrl'] as const;

/** The keys of an entry, each taken once. */
export class Words {
  private readonly rest: Map<string, unknown>;

  constructor(given: Readonly<Record<string, unknown>>) {
    this.rest = new Map(Object.entries(given));
  }

  /** The value of the first key that is there; all of them count as taken. */
  take(...keys: readonly string[]): unknown {
    const values = keys.map(key => this.rest.get(key));
    for (const key of keys) this.rest.delete(key);
    return values.find(value => value !== undefined);
  }

  left(): string[] {
    return [...this.rest.keys()];
  }
}

/** What the keys that other clients have for the same things say in ours; the rest stays untaken. */
export function translateWords(words: Words): Record<string, unknown> {
  return { ...address(words), ...tools(words), ...timeouts(words) };
}

/** How it is reached: a program with its arguments and variables, or a URL with its headers. */
function address(words: Words): Record<string, unknown> {
  const command = words.take('command');
  const args = words.take('args');
  const env = words.take('env', 'environment');
  const remote = { url: words.take(...URL_WORDS), headers: headersOf(words) };
  // opencode has program and arguments in one list, an older Zed all of it in a map.
  if (Array.isArray(command)) {
    const [program, ...rest] = command.map(String);
    return filled({
      command: program,
      args: Array.isArray(args) ? [...rest, ...args] : rest,
      env: texts(env),
      ...remote,
    });
  }
  if (isObject(command))
    return filled({ command: command.path, args: command.args, env: texts(command.env), ...remote });
  return filled({ command, args, env: texts(env), ...remote });
}

function headersOf(words: Words): unknown {
  const options = words.take('requestOptions');
  const headers = words.take('headers', 'http_headers') ?? (isObject(options) ? options.headers : undefined);
  const fromVariables = words.take('env_http_headers');
  const bearer = words.take('bearer_token_env_var');
  const added = [
    ...(isObject(fromVariables) ? Object.entries(fromVariables).map(([key, name]) => [key, `\${env:${name}}`]) : []),
    ...(typeof bearer === 'string' ? [['Authorization', `Bearer \${env:${bearer}}`]] : []),
  ];
  if (added.length === 0) return texts(headers);
  return { ...(isObject(headers) ? headers : {}), ...Object.fromEntries(added) };
}

function tools(words: Words): Record<string, unknown> {
  const lists = filled({
    include: words.take('includeTools', 'enabled_tools'),
    exclude: words.take('excludeTools', 'disabled_tools', 'disabledTools'),
  });
  // A list is what GitHub Copilot has; a map is ours.
  const own = words.take('tools');
  if (Array.isArray(own)) return filled({ tools: own.includes('*') ? lists : { include: own, ...lists } });
  return filled({ tools: isObject(own) ? { ...own, ...lists } : (own ?? lists) });
}

/** Those that say their unit in their name; what a bare `timeout` counts differs from client to client. */
function timeouts(words: Words): Record<string, unknown> {
  const milliseconds = words.take('startup_timeout_ms');
  return filled({
    start_timeout_seconds:
      words.take('startup_timeout_sec') ?? (typeof milliseconds === 'number' ? milliseconds / 1000 : undefined),
    request_timeout_seconds: words.take('tool_timeout_sec'),
  });
}

/** Without members that hold nothing. */
function filled(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).filter(
      ([, value]) =>
        value !== undefined &&
        value !== null &&
        (typeof value !== 'object' || (Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0)),
    ),
  );
}

/** Values that can only be meant as text. */
function texts(map: unknown): unknown {
  if (!isObject(map)) return map;
  const entries = Object.entries(map).filter(([, value]) => value !== null);
  return Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'object' ? value : String(value)]));
}
