import type { JSONRPCRequest, Result } from '@modelcontextprotocol/client';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Backend } from './backend.ts';
import type { Children } from './children.ts';
import type { CallInFlight, Params } from './connection.ts';

/** What a backend needs of the gateway, and tells it. */
export interface BackendPorts {
  readonly clock: Clock;
  /** What the person should know; everything else goes to `onLine`. */
  readonly log: Logger;
  /** Of this product, told to the backend. */
  readonly version: string;
  /** Working directory of a stdio backend that names none. */
  readonly defaultCwd: string;
  /** The child processes that live. */
  readonly children: Children;
  /** Longest age of a list, in milliseconds. */
  listTtlMs(): number;
  /** The parent environment of stdio backends. */
  environment(): Promise<NodeJS.ProcessEnv>;
  /** A notification other than progress and list changes; `calls` are those in flight on the connection. */
  onNotification(backend: Backend, method: string, params: Params | undefined, calls: readonly CallInFlight[]): void;
  /** A request to a client: sampling, elicitation, roots. */
  onRequest(
    backend: Backend,
    request: JSONRPCRequest,
    calls: readonly CallInFlight[],
    signal: AbortSignal,
  ): Promise<Result>;
  /** A line of the backend's stderr, or about its life. */
  onLine(backend: Backend, line: string): void;
  /** The state or the statistics changed. */
  onChange(backend: Backend): void;
  /** The lists, or whether they can be used, changed. */
  onListsChange(backend: Backend): void;
}
