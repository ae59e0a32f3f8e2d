import type { Disposable } from './disposable.ts';

/** Subscribes a listener; the result ends the subscription. */
export type Event<T> = (listener: (value: T) => void) => Disposable;

/** Announces that something changed. Events never drive control flow: a listener may be missing. */
export class Emitter<T = void> {
  private readonly listeners = new Set<{ readonly call: (value: T) => void }>();

  readonly event: Event<T> = listener => {
    const entry = { call: listener };
    this.listeners.add(entry);
    return { dispose: () => void this.listeners.delete(entry) };
  };

  fire(value: T): void {
    for (const { call } of [...this.listeners]) call(value);
  }
}
