import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';

/** What a request has exceeded: its quiet time, or the longest that it may take in all. */
export type Limit = 'quiet' | 'longest';

/**
 * Ends a request that stays silent for `quietMs`, or that takes longer than `maxMs` in all.
 * Progress restarts the quiet time; while the backend waits for a person it stands still; the maximum never moves.
 */
export class Deadline implements Disposable {
  private readonly clock: Clock;
  private readonly quietMs: number;
  private readonly latest: number;
  private readonly expire: (limit: Limit) => void;
  private pauses = 0;
  private quietUntil: number;
  private timer: Disposable | undefined;
  private isOver = false;

  constructor(clock: Clock, quietMs: number, maxMs: number, expire: (limit: Limit) => void) {
    this.clock = clock;
    this.quietMs = quietMs;
    this.expire = expire;
    this.latest = clock.now() + maxMs;
    this.quietUntil = clock.now() + quietMs;
    this.arm();
  }

  restart(): void {
    this.quietUntil = this.clock.now() + this.quietMs;
  }

  /** Stands still until the result is disposed; pauses nest. */
  pause(): Disposable {
    this.pauses += 1;
    let held = true;
    return {
      dispose: () => {
        if (!held) return;
        held = false;
        this.pauses -= 1;
        this.restart();
        this.arm();
      },
    };
  }

  dispose(): void {
    this.isOver = true;
    this.timer?.dispose();
  }

  private get due(): number {
    return this.pauses > 0 ? this.latest : Math.min(this.quietUntil, this.latest);
  }

  /** One timer at a time: what moved the deadline in between is noticed when it fires. */
  private arm(): void {
    this.timer?.dispose();
    // A pause may outlast the request.
    if (this.isOver) return;
    this.timer = this.clock.schedule(Math.max(0, this.due - this.clock.now()), () => {
      if (this.clock.now() < this.due) this.arm();
      else this.expire(this.due === this.quietUntil ? 'quiet' : 'longest');
    });
  }
}
