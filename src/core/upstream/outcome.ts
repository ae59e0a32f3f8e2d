import type { Params, RpcError } from '../base/peer.ts';

/** Why a backend cannot be reached, or why a call to it failed. The code decides; the message is for people. */
export interface Failure {
  readonly code:
    | 'not-found' // the command does not exist
    | 'exited' // the process ended
    | 'start-timeout' // no answer to `initialize` in time
    | 'request-timeout' // no answer to a request in time
    | 'needs-sign-in' // HTTP 401
    | 'session-lost' // the server does not know our session
    | 'unreachable' // no connection could be made
    | 'refused' // another HTTP 4xx: the server is there, and does not take this
    | 'http' // any other HTTP status
    | 'protocol' // something that is not MCP
    | 'cut' // what the answer was to come on ended, and the backend is still there
    | 'closed'; // the connection ended, or was ended by us
  readonly message: string;
}

/**
 * What became of one request to a backend. Requests never reject: they end in one of these.
 *
 * - `answered`: a result came, `isError: true` included: the backend is well.
 * - `rejected`: a JSON-RPC error came: the backend is well, the request was not.
 * - `failed`: no answer. `sent` is false only if it is certain that the backend never saw the request.
 * - `cancelled`: the caller gave up.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly result: Params }
  | { readonly kind: 'rejected'; readonly error: RpcError }
  | { readonly kind: 'failed'; readonly sent: boolean; readonly failure: Failure }
  | { readonly kind: 'cancelled' };

/** A value, or why there is none. */
export type Attempted<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

/** The server is there, and does not take this. */
const HARMLESS: ReadonlySet<Failure['code']> = new Set(['refused', 'needs-sign-in']);
/** The connection itself is gone: counted once, however many calls were on it. */
const OF_THE_CONNECTION: ReadonlySet<Failure['code']> = new Set(['exited', 'closed', 'session-lost', 'unreachable']);

/** Whether a failure says something against the backend, and so counts in its circuit. */
export function countsAgainst({ code }: Failure): boolean {
  return !HARMLESS.has(code);
}

/** What the circuit breaker learns from the outcome of one call: only not having been answered speaks against a backend. */
export function verdictOf(outcome: Outcome): 'success' | 'failure' | 'ignored' {
  switch (outcome.kind) {
    case 'answered':
    case 'rejected':
      return 'success';
    case 'failed':
      // What did not reach it says nothing that the end of its connection does not say.
      return outcome.sent && countsAgainst(outcome.failure) && !OF_THE_CONNECTION.has(outcome.failure.code)
        ? 'failure'
        : 'ignored';
    case 'cancelled':
      return 'ignored';
  }
}
