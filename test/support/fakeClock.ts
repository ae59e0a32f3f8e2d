import type { Clock } from '../../src/core/base/clock.ts';
import type { Disposable } from '../../src/core/base/disposable.ts';

/** A clock that stands still until it is moved; what is due then runs in its order. */
export class FakeClock implements Clock {
  private time = 0;
  private timers: { readonly at: number; readonly action: () => void }[] = [];

  now(): number {
    return this.time;
  }

  schedule(ms: number, action: () => void): Disposable {
    const timer = { at: this.time + ms, action };
    this.timers.push(timer);
    return {
      dispose: () => {
        this.timers = this.timers.filter(each => each !== timer);
      },
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.timers.length;
  }

  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const [next] = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers = this.timers.filter(each => each !== next);
      this.time = next.at;
      next.action();
    }
    this.time = until;
  }
}
