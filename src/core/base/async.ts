import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.ts';
import type { Disposable } from './disposable.ts';

/** A promise settled from outside. */
export interface Deferred<T = void> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>(settle => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** For what is stopped by its timeout or by the end of its connection, and by nobody's cancelling. */
export const NEVER = new AbortController().signal;
// However many wait with it at the same time: Node takes more than ten for a leak.
setMaxListeners(0, NEVER);

/** What a promise comes to; undefined if the signal aborts before. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const aborted = deferred<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', abort, { once: true });
  const first = await Promise.race([promise, aborted.promise]);
  signal.removeEventListener('abort', abort);
  return first;
}

/** Runs actions one after another, in the order in which they came. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** Settles as the action does, when its turn has come. */
  take<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.last.then(action, action);
    this.last = turn;
    return turn;
  }
}

/** Runs `action` once, `ms` after the first of a burst of triggers, so a steady stream cannot postpone it for ever. */
export class Debounced implements Disposable {
  private readonly clock: Clock;
  private readonly ms: number;
  private readonly action: () => void;
  private timer: Disposable | undefined;
  private isDisposed = false;

  constructor(clock: Clock, ms: number, action: () => void) {
    this.clock = clock;
    this.ms = ms;
    this.action = action;
  }

  trigger(): void {
    if (this.isDisposed) return;
    this.timer ??= this.clock.schedule(this.ms, () => {
      this.timer = undefined;
      this.action();
    });
  }

  /** Forgets the triggers so far. */
  cancel(): void {
    this.timer?.dispose();
    this.timer = undefined;
  }

  dispose(): void {
    this.isDisposed = true;
    this.cancel();
  }
}
