import type { Backend } from '../upstream/backend.ts';

/** One call's waiting for backends that are starting: for each up to its own request timeout, once. */
export class Patience {
  private readonly signal: AbortSignal;
  /** Once it waits, which most calls never do. */
  private waiting: { readonly over: AbortController; readonly either: AbortSignal } | undefined;
  private readonly waits = new Map<Backend, Promise<void>>();
  private readonly tooSlow = new Set<Backend>();

  /** @param signal aborts when the client gives up: then nothing is waited for any more */
  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  /** Whether a backend has been waited for long enough. */
  hasRunOut(backend: Backend): boolean {
    return this.tooSlow.has(backend);
  }

  /**
   * Waits until one of them is connected, cannot be for now, or took too long; see {@link awaitedOf}.
   * @param starting in the order in which they are to be tried; not empty
   */
  async untilNext(starting: readonly Backend[]): Promise<void> {
    await Promise.race(awaitedOf(starting).map(backend => this.wait(backend)));
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.waiting?.over.abort();
  }

  private wait(backend: Backend): Promise<void> {
    const present = this.waits.get(backend);
    if (present) return present;
    const over = this.waiting?.over ?? new AbortController();
    this.waiting ??= { over, either: AbortSignal.any([this.signal, over.signal]) };
    const wait = backend.whenConnected(this.waiting.either).then(isInTime => {
      this.waits.delete(backend);
      if (!isInTime) this.tooSlow.add(backend);
    });
    this.waits.set(backend, wait);
    return wait;
  }
}

/**
 * Those of them that a call waits for, in the order in which they are to be tried. One that is idle is started only where it
 * comes first: those behind may not be needed.
 */
export function awaitedOf(starting: readonly Backend[]): Backend[] {
  return starting.filter(({ state }, at) => at === 0 || state.kind !== 'idle');
}
