import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';

/** How long a message waits for the notifications before it to be taken. */
const ORDER_MS = 1000;

/**
 * The order of what is posted: of posts at the same time a server may take the later first. So notifications wait for each
 * other, and requests for the notifications before them; but giving up waits for nothing, nor does an answer.
 */
export class SendOrder {
  private readonly clock: Clock;
  /** Resolves when the server has taken the last notification; undefined: nothing waits for it, or not any more. */
  private told: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Posts a message when its turn has come; settles as `post` does. */
  async take<T>(message: JSONRPCMessage, post: () => Promise<T>): Promise<T> {
    if (!('method' in message) || message.method === 'notifications/cancelled') return post();
    const before = this.told;
    const taken = deferred();
    if (!('id' in message)) this.told = taken.promise;
    try {
      if (before) await this.soon(before);
      return await post();
    } finally {
      taken.resolve();
      this.forget(taken.promise);
    }
  }

  private forget(told: Promise<void>): void {
    if (this.told === told) this.told = undefined;
  }

  /** A server that keeps a notification open keeps nothing else waiting for long, and what comes later not at all. */
  private async soon(before: Promise<void>): Promise<void> {
    const enough = deferred();
    const timer = this.clock.schedule(ORDER_MS, enough.resolve);
    await Promise.race([before, enough.promise]);
    timer.dispose();
    this.forget(before);
  }
}
