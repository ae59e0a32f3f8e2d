import type { Failure } from './outcome.ts';
import type { TransportKind } from './transports.ts';

/**
 * idle ──start──► connecting ──lists read──► ready ──lost──► failed ──backoff──► connecting
 * any of them ──stop──► draining ──calls ended──► stopped
 */
export type BackendState =
  /** Not started yet, or `auto_start: false`. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly since: number }
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
