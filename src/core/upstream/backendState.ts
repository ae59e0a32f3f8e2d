import type { CircuitBreaker } from '../health/circuitBreaker.ts';
import type { Failure } from './outcome.ts';
import type { TransportKind } from './transports.ts';

/**
 * idle ──start──► connecting ──lists read──► ready ──lost──► failed ──backoff──► connecting
 * any of them ──stop──► draining ──calls ended──► stopped
 */
export type BackendState =
  /** Not started yet, or `auto_start: false`. */
  | { readonly kind: 'idle' }
  /** `after`: what it failed with before, and is tried again for; undefined: it starts afresh. */
  | { readonly kind: 'connecting'; readonly since: number; readonly after: Failure | undefined }
  | {
      readonly kind: 'ready';
      readonly since: number;
      readonly transport: TransportKind;
      readonly serverName: string;
      readonly serverVersion: string;
      /** Of the process, for stdio. */
      readonly pid: number | undefined;
    }
  /** `retryAt` is when it is tried again; undefined: not before someone acts. `wasReady`: it has just been lost. */
  | {
      readonly kind: 'failed';
      readonly at: number;
      readonly failure: Failure;
      readonly retryAt: number | undefined;
      readonly wasReady: boolean;
    }
  | { readonly kind: 'draining' }
  | { readonly kind: 'stopped' };

/** Whether a backend can take a call now. */
export type Admissibility =
  | { readonly kind: 'ready' }
  /** Not yet, but it is about to. */
  | { readonly kind: 'starting'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly retryAt?: number };

/** Whether it was lost just now and is tried again in a moment: calls wait for it. */
export function comesBack({ wasReady, retryAt }: BackendState & { kind: 'failed' }): boolean {
  return wasReady && retryAt !== undefined;
}

/** @param maxInFlight calls that it may have at a time; 0: no limit */
export function admissibilityOf(
  state: BackendState,
  breaker: Pick<CircuitBreaker, 'isReady' | 'state'>,
  inFlight: number,
  maxInFlight: number,
): Admissibility {
  if (state.kind === 'draining' || state.kind === 'stopped') return refused(`it is ${state.kind}`);
  if (state.kind === 'failed' && !comesBack(state)) return refused(state.failure.message, state.retryAt);
  if (maxInFlight > 0 && inFlight >= maxInFlight) {
    const calls = maxInFlight === 1 ? '1 call is' : `${maxInFlight} calls are`;
    return refused(`${calls} in flight, as many as it may have, try again when one has ended`);
  }
  if (breaker.isReady) {
    if (state.kind === 'ready') return { kind: 'ready' };
    const reason = { idle: 'not started', connecting: 'still starting', failed: 'starting again' }[state.kind];
    return { kind: 'starting', reason };
  }
  switch (breaker.state.kind) {
    case 'held-open':
      return refused('paused by the user');
    case 'open':
      return refused('circuit open', breaker.state.until);
    default:
      return refused('circuit half-open, with as many calls as may try it, try again in a moment');
  }
}

function refused(reason: string, retryAt?: number): Admissibility {
  return { kind: 'refused', reason, ...(retryAt !== undefined && { retryAt }) };
}
