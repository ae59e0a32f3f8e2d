import type { Disposable } from './disposable.ts';

/** Where time comes from. Nothing else in the core reads the time or sets a timer, so tests move it by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `action` once, `ms` from now, unless disposed before. */
  schedule(ms: number, action: () => void): Disposable;
}

/** The longest time that can be configured: a timer takes at most 2^31 - 1 milliseconds, which is a little more. */
export const MAX_SECONDS = 2_000_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  schedule(ms, action) {
    const timer = setTimeout(action, ms);
    return { dispose: () => clearTimeout(timer) };
  },
};
