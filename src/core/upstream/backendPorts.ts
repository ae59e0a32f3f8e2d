import type { Clock } from '../base/clock.ts';
import type { Implementation } from '../base/envelope.ts';
import type { Logger } from '../base/log.ts';
import type { Answer, Params } from '../base/peer.ts';
import type { Backend } from './backend.ts';
import type { Children } from './children.ts';
import type { CallInFlight } from './connection.ts';

/** Where something that a backend sends comes from. */
export interface Origin {
  /**
   * Those that it may be about: over HTTP the call on whose stream it came, elsewhere all that are in flight on the
   * connection, oldest first, and some that were given up.
   */
  readonly calls: readonly CallInFlight[];
  /** The downstream session whose own connection it is; undefined: it is shared. */
  readonly sessionId: string | undefined;
}

/** What a backend needs of the gateway, and tells it. */
export interface BackendPorts {
  readonly clock: Clock;
  /** What the person should know; everything else goes to `onLine`. */
  readonly log: Logger;
  /** What backends are told of us. */
  readonly clientInfo: Implementation;
  /** Working directory of a stdio backend that names none. */
  readonly defaultCwd: string;
  /** The child processes that live. */
  readonly children: Children;
  /** Whether what has failed is started again. */
  readonly restarts: boolean;
  /** Longest age of a list, in milliseconds. */
  listTtlMs(): number;
  /** The parent environment of stdio backends. */
  environment(): Promise<NodeJS.ProcessEnv>;
  /** A notification other than of list changes. */
  onNotification(backend: Backend, method: string, params: Params | undefined, origin: Origin): void;
  /** A request to a client: sampling, elicitation, roots. */
  onRequest(
    backend: Backend,
    method: string,
    params: Params | undefined,
    origin: Origin,
    signal: AbortSignal,
  ): Promise<Answer>;
  /** A line of the backend's stderr, or about its life. */
  onLine(backend: Backend, line: string): void;
  /** The state or the statistics changed. */
  onChange(backend: Backend): void;
  /** The lists, or whether they can be used, changed. */
  onListsChange(backend: Backend): void;
}
