// How clients come in to `serve`: flags before variables, and stdio unless something asks for HTTP.
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { messageOf, UserError } from '../core/base/errors.ts';
import { isLoopback } from '../core/base/loopback.ts';
import type { Environment } from '../core/config/environment.ts';
import type { ListenOptions } from '../core/gateway.ts';
import type { ServeArgs } from './args.ts';

export type Entrance =
  | {
      readonly kind: 'stdio';
      /** Flags that mean nothing here; the older system took them too. */
      readonly ignored: readonly string[];
    }
  | {
      readonly kind: 'http';
      readonly listen: ListenOptions;
      /** Where clients of the transport that was asked for connect, below the listener's address. */
      readonly path: '/mcp' | '/sse';
      /** The files that the certificate comes from. */
      readonly tls: CertificateFiles | undefined;
    };

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const HTTP_ONLY = [
  'authTokenFile',
  'noAuth',
  'allowHosts',
  'allowOrigins',
  'tlsCert',
  'tlsKey',
  'accessLog',
] as const satisfies readonly (keyof ServeArgs)[];
const DEFAULT_PORT = { http: 8000, sse: 8080 };

/** Throws `UserError` for what cannot be used, or would let strangers in unasked. */
export async function entranceOf(args: ServeArgs, environment: Environment): Promise<Entrance> {
  const port = args.port ?? environment.port;
  const transport = args.transport ?? (port === undefined ? 'stdio' : 'http');
  if (transport === 'stdio') {
    const given = HTTP_ONLY.find(
      name => ![undefined, false].includes(args[name] as false) && String(args[name]) !== '',
    );
    if (given !== undefined) throw new UserError(`--${dashed(given)} is for HTTP: add --transport http.`);
    const ignored = (['host', 'port'] as const).filter(name => args[name] !== undefined).map(name => `--${name}`);
    return { kind: 'stdio', ignored };
  }

  const host = args.host ?? environment.host ?? '127.0.0.1';
  const tokens = args.noAuth ? [] : await tokensOf(args, environment);
  if (tokens.length === 0 && !args.noAuth && !isLoopback(host))
    throw new UserError(
      `Others can reach ${host}, so clients have to show a token: give one with --auth-token-file or MCP_AUTH_TOKEN, or say --no-auth.`,
    );
  const tls = certificateFiles(args);
  return {
    kind: 'http',
    path: transport === 'sse' ? '/sse' : '/mcp',
    tls,
    listen: {
      clients: 'any',
      host,
      port: port ?? DEFAULT_PORT[transport],
      tokens,
      tls: tls && (await readCertificate(tls)),
      allowedHosts: args.allowHosts,
      allowedOrigins: args.allowOrigins,
    },
  };
}

/** Throws `UserError` if one of them cannot be read, or they cannot be used together. */
export async function readCertificate(
  files: CertificateFiles,
): Promise<{ readonly cert: string; readonly key: string }> {
  const [cert, key] = await Promise.all([
    readText(files.cert, 'The TLS certificate'),
    readText(files.key, 'The TLS key'),
  ]);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw new UserError(
      `TLS cannot be served with the certificate ${files.cert} and the key ${files.key}: ${messageOf(cause)}.`,
      { cause },
    );
  }
  return { cert, key };
}

function certificateFiles({ tlsCert, tlsKey }: ServeArgs): CertificateFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UserError('TLS needs both files: --tls-cert with the certificate chain, and --tls-key with its key.');
  return { cert: tlsCert, key: tlsKey };
}

type Tokens = NonNullable<ListenOptions['tokens']>;

async function tokensOf({ authTokenFile }: ServeArgs, { authToken, readToken }: Environment): Promise<Tokens> {
  if (authTokenFile !== undefined) return tokensIn(await readText(authTokenFile, 'The token file'), authTokenFile);
  return [
    ...(authToken === undefined ? [] : [{ role: 'admin', value: authToken } as const]),
    ...(readToken === undefined ? [] : [{ role: 'read', value: readToken } as const]),
  ];
}

/** One token a line, bare or behind its role; lines with # are comments. */
function tokensIn(text: string, file: string): Tokens {
  const tokens = text.split('\n').flatMap((line, index) => {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) return [];
    const [, role = 'admin', value = ''] = /^(?:(admin|read)\s+)?([\x21-\x7e]+)$/.exec(content) ?? [];
    // A role without a token is what an unset variable leaves.
    if (value === '' || value === 'admin' || value === 'read')
      throw new UserError(
        `${file}:${index + 1}: a line is one token of printable ASCII without blanks, or "admin TOKEN", or "read TOKEN".`,
      );
    return [{ role: role as 'admin' | 'read', value }];
  });
  if (tokens.length === 0) throw new UserError(`The token file ${file} is empty.`);
  return tokens;
}

function readText(file: string, what: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UserError(`${what} cannot be read: ${messageOf(cause)}.`, { cause });
  });
}

function dashed(name: string): string {
  return name.replace(/s$/, '').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}
