// How a backend is reached: `command`, `url` or `source` of an entry made into one Launch.
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import * as querystring from 'node:querystring';
import { messageOf } from '../base/errors.ts';
import { parseEnvFile } from './envFile.ts';
import type { BackendEntry, Launch } from './schema.ts';

/** What is wrong with the address of a backend, and the key to point at. */
export interface LaunchError {
  readonly kind: 'error';
  readonly key: 'url' | 'source' | 'env_file' | 'health_check' | 'name';
  readonly message: string;
}

/** The keys that say how to reach a backend, the winner first. */
export const ADDRESS_KEYS = ['command', 'source', 'url'] as const;

/**
 * @param folder where relative paths start
 * @returns the launch; of a disabled backend the env_file is not read, and its variables may stand unresolved
 */
export function launchOf(entry: BackendEntry, folder: string): Launch | LaunchError {
  if (entry.command !== undefined) return stdio(entry, folder, entry.command, []);
  if (entry.source !== undefined) {
    const source = readSource(entry.source);
    if (source.kind === 'remote') return remote(entry, source.url, 'source');
    if (source.kind === 'stdio') return stdio(entry, folder, source.command, source.args);
    if (entry.enabled) return { kind: 'error', key: 'source', message: source.message };
    return stdio(entry, folder, entry.source, []);
  }
  if (entry.url !== undefined) return remote(entry, entry.url, 'url');
  return { kind: 'error', key: 'name', message: 'has neither command, url nor source' };
}

type Source =
  | { readonly kind: 'remote'; readonly url: string }
  | { readonly kind: 'stdio'; readonly command: string; readonly args: readonly string[] }
  | { readonly kind: 'unknown'; readonly message: string };

function readSource(source: string): Source {
  if (/^https?:/i.test(source)) return { kind: 'remote', url: source };
  const npm = /^(?:npm:(?=\S)|(?=@[^/\s]+\/[^/\s]))(\S+)$/.exec(source)?.[1];
  if (npm) return { kind: 'stdio', command: 'npx', args: ['-y', npm] };
  const python = /^(?:pypi:)?([A-Za-z0-9][\w.-]*(?:\[[\w,.-]+\])?(?:[=@<>~!][^\s/]*)?)$/.exec(source)?.[1];
  if (python) return { kind: 'stdio', command: 'uvx', args: [python] };
  const [, repository, folder] = /^github:([\w.-]+\/[\w.-]+)(?:\/([\w./-]+))?$/.exec(source) ?? [];
  if (repository) {
    const address = `git+https://github.com/${repository}${folder ? `#subdirectory=${folder}` : ''}`;
    return { kind: 'stdio', command: 'uvx', args: ['--from', address, path.posix.basename(folder ?? repository)] };
  }
  const message =
    'source must be a URL, npm:PKG, @scope/pkg, pypi:PKG, the bare name of a PyPI package, or github:owner/repo';
  return { kind: 'unknown', message };
}

/**
 * What the older system calls a backend by its source: the name after its package or repository, the namespace without
 * what such names begin with. Undefined for a URL, and for what is no source.
 */
export function sourceNames(source: string): { readonly name: string; readonly namespace: string } | undefined {
  if (readSource(source).kind !== 'stdio') return undefined;
  const [, repository] = /^github:[^/]+\/([^/]+)/.exec(source) ?? [];
  const [, packaged = ''] = /^(?:npm:|pypi:)?(?:@[^/]+\/)?([\w.-]*)/.exec(source) ?? [];
  const identifier = (text: string) => text.replace(/[^A-Za-z0-9_-]/g, '_');
  const name = identifier(repository ?? packaged.replaceAll('-', '_'));
  const namespace = (repository ?? packaged).toLowerCase().replace(/^(mcp-|server-|mcp-server-)/, '');
  return { name, namespace: identifier(namespace) || name };
}

function remote(
  { headers, type, enabled, health_check: { endpoint } }: BackendEntry,
  url: string,
  key: 'url' | 'source',
): Launch | LaunchError {
  const isAddress = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (enabled && !isAddress) return { kind: 'error', key, message: `${key} must be an http:// or https:// address` };
  if (enabled && endpoint !== undefined && !URL.canParse(endpoint, url))
    return {
      kind: 'error',
      key: 'health_check',
      message: `health_check.endpoint "${endpoint}" is no path of the server`,
    };
  const address = isAddress ? new URL(url) : undefined;
  if (!address?.username && !address?.password) return { kind: 'remote', url, headers, type };
  // As browsers and curl send it (RFC 7617). Left in the URL, `fetch` would refuse it, in words that have all of it.
  const credentials = `${querystring.unescape(address.username)}:${querystring.unescape(address.password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  address.username = '';
  address.password = '';
  const isSaid = Object.keys(headers).some(name => name.toLowerCase() === 'authorization');
  return { kind: 'remote', url: address.href, headers: isSaid ? headers : { ...headers, authorization }, type };
}

function stdio(
  entry: BackendEntry,
  folder: string,
  command: string,
  firstArgs: readonly string[],
): Launch | LaunchError {
  let fromFile: Readonly<Record<string, string>> = {};
  if (entry.env_file !== undefined && entry.enabled) {
    const read = readEnvFile(path.resolve(folder, entry.env_file));
    if (typeof read === 'string') return { kind: 'error', key: 'env_file', message: read };
    fromFile = read;
  }
  return {
    kind: 'stdio',
    command,
    args: [...firstArgs, ...entry.args],
    env: { ...fromFile, ...entry.env },
    cwd: entry.cwd === undefined ? undefined : path.resolve(folder, entry.cwd),
  };
}

/** The variables, or what is wrong. */
function readEnvFile(file: string): Readonly<Record<string, string>> | string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return `env_file cannot be read: ${messageOf(error)}`;
  }
  const parsed = parseEnvFile(text);
  return parsed.kind === 'read' ? parsed.variables : `env_file ${file}:${parsed.line}: is not a NAME=value line`;
}
