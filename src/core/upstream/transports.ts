import { existsSync } from 'node:fs';
import type { Transport } from '@modelcontextprotocol/client';
import type { Clock } from '../base/clock.ts';
import { reasonOf } from '../base/errors.ts';
import type { Launch } from '../config/schema.ts';
import { HttpError, SessionLostError } from './httpFetch.ts';
import type { Failure } from './outcome.ts';
import { SseTransport } from './sseTransport.ts';
import { type ChildEnd, NotSentError, StdioTransport } from './stdioTransport.ts';
import { StreamableHttpTransport } from './streamableHttp.ts';

export type TransportKind = 'stdio' | 'http' | 'sse';

export interface LaunchContext {
  /** Working directory of a stdio backend that names none. */
  readonly defaultCwd: string;
  /** The parent environment of stdio backends. */
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** A line of the backend's stderr. */
  readonly onLine: (line: string) => void;
  /** The child processes that live; whoever must end at once kills them. */
  readonly children: Set<StdioTransport>;
}

/** The transports to try for a backend, in order; not started yet. `auto` is Streamable HTTP, then HTTP+SSE. */
export function transportsFor(
  launch: Launch,
  context: LaunchContext,
): { kind: TransportKind; create: () => Transport }[] {
  if (launch.kind === 'stdio') return [{ kind: 'stdio', create: () => stdio(launch, context) }];
  const url = new URL(launch.url);
  const { headers } = launch;
  const http = { kind: 'http' as const, create: () => new StreamableHttpTransport(url, headers, context.clock) };
  const sse = { kind: 'sse' as const, create: () => new SseTransport(url, headers, context.clock) };
  return { http: [http], sse: [sse], auto: [http, sse] }[launch.type];
}

function stdio(
  launch: Launch & { kind: 'stdio' },
  { environment, defaultCwd, clock, onLine, children }: LaunchContext,
): Transport {
  const { command, args, env, cwd } = launch;
  const transport = new StdioTransport(
    { command, args, env: { ...environment, ...env }, cwd: cwd ?? defaultCwd },
    clock,
    children,
  );
  transport.online = onLine;
  return transport;
}

/**
 * Says why a connection could not be opened, or ended.
 * @param error what was thrown; undefined if the transport closed by itself
 */
export function failureOf(error: unknown, transport: Transport): Failure {
  if (transport instanceof StdioTransport && transport.childEnd) return failureOfEnd(transport.childEnd, transport);
  const status = statusOf(error);
  if (status === 401) {
    const isHttp = transport instanceof StreamableHttpTransport || transport instanceof SseTransport;
    const what = isHttp && transport.sendsHeaders ? 'the server refused the header (401)' : 'add a header';
    return { code: 'needs-sign-in', message: `needs sign-in: ${what}` };
  }
  if (error instanceof SessionLostError) return { code: 'session-lost', message: error.message };
  if (error instanceof HttpError) return { code: codeOfStatus(error.status), message: error.message };
  const cause = systemCodeOf(error);
  if (cause && NO_CONNECTION.has(cause.code))
    return { code: 'unreachable', message: `no connection: ${cause.message}` };
  // It was there a moment ago, and may still be.
  if (cause) return { code: 'closed', message: `the connection broke: ${cause.message}` };
  if (error === undefined) return { code: 'closed', message: 'the connection ended' };
  return { code: 'protocol', message: reasonOf(error) };
}

/** What an HTTP error says of a server; 408 is its own timeout. */
export function codeOfStatus(status: number): 'refused' | 'http' {
  return status >= 400 && status < 500 && status !== 408 ? 'refused' : 'http';
}

function failureOfEnd(end: ChildEnd, transport: StdioTransport): Failure {
  switch (end.kind) {
    case 'exit':
      return { code: 'exited', message: `exited with code ${end.code}` };
    case 'signal':
      return { code: 'exited', message: `ended by ${end.signal}` };
    case 'spawn-error': {
      const { command, cwd, env } = transport.launch;
      if (end.code !== 'ENOENT')
        return { code: 'not-found', message: `"${command}" could not be started: ${end.message}` };
      if (!existsSync(cwd)) return { code: 'not-found', message: `the working directory ${cwd} does not exist` };
      // Windows writes it `Path`.
      const searched = /[\\/]/.test(command) ? '' : `; searched the PATH ${env.PATH ?? env.Path ?? '(empty)'}`;
      const hint = hintOn(command);
      return { code: 'not-found', message: `command "${command}" was not found${hint}${searched}` };
    }
  }
}

/** What a command that was not found may be meant to be. */
function hintOn(command: string): string {
  if (/^~[\\/]/.test(command)) return `; "~" is not resolved here: write \${userHome}${command.slice(1)}`;
  return /\s/.test(command) ? '; it is one program, and what follows it goes under "args"' : '';
}

/** Whether it is certain that no byte of the request reached the backend. */
export function certainlyNotSent(error: unknown): boolean {
  if (error instanceof NotSentError) return true;
  const code = systemCodeOf(error)?.code;
  return code !== undefined && NO_CONNECTION.has(code);
}

/** What `fetch` says of itself where the system said nothing. */
const CONNECT_TIMEOUT = 'UND_ERR_CONNECT_TIMEOUT';
const OTHER_SIDE_CLOSED = 'UND_ERR_SOCKET';
const NO_CONNECTION = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'EAI_AGAIN', CONNECT_TIMEOUT]);

/** Whether a server that refused Streamable HTTP like this may be one of the older HTTP+SSE kind, or of another era. */
export function mayBeSse(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500 && status !== 401 && status !== 403;
}

function statusOf(error: unknown): number | undefined {
  return error instanceof HttpError ? error.status : undefined;
}

/** The error of the operating system, or of the network, in a chain of causes. */
function systemCodeOf(error: unknown): { code: string; message: string } | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const errors = at instanceof AggregateError ? at.errors : [at];
    for (const each of errors) {
      if (!(each instanceof Error && 'code' in each)) continue;
      if ('syscall' in each || each.code === CONNECT_TIMEOUT || each.code === OTHER_SIDE_CLOSED)
        return { code: String(each.code), message: each.message };
    }
  }
  return undefined;
}
