import type { RequestId } from '@modelcontextprotocol/client';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';

/** A message of ours, or the wait for what belongs to none, over all the HTTP exchanges that it takes. */
export class Exchange {
  /** Of the request; undefined: nothing is waited for. */
  readonly id: RequestId | undefined;
  readonly onStreamEnd: (() => void) | undefined;
  /** Where its stream is taken up again. */
  lastEventId: string | undefined;
  /** What the server wants waited before that, in milliseconds. */
  retryMs: number | undefined;
  /** Whether its stream is to be taken up again: it is not answered yet, or is the one that belongs to no request. */
  isWanted: boolean;
  /** Whether its stream has been taken up before. */
  wasOpen = false;
  private abort = new AbortController();
  private isOver = false;
  private wake = () => {};
  private ending: Disposable | undefined;

  constructor(isWanted: boolean, id?: RequestId, onStreamEnd?: () => void) {
    this.isWanted = isWanted;
    this.id = id;
    this.onStreamEnd = onStreamEnd;
  }

  get hasEnded(): boolean {
    return this.isOver;
  }

  /** For one HTTP exchange. Each has its own: `fetch` never lets go of a signal. */
  signal(): AbortSignal {
    this.abort = new AbortController();
    if (this.isOver) this.abort.abort();
    return this.abort.signal;
  }

  async pause(ms: number, clock: Clock): Promise<void> {
    if (this.isOver) return;
    const { promise, resolve } = deferred();
    const timer = clock.schedule(ms, resolve);
    this.wake = resolve;
    await promise;
    timer.dispose();
  }

  /** Breaks off its stream in so many milliseconds. */
  breakIn(ms: number, clock: Clock): void {
    this.ending?.dispose();
    this.ending = clock.schedule(ms, () => this.abort.abort());
  }

  /** It does nothing any more. */
  settle(): void {
    this.ending?.dispose();
  }

  /** Breaks off whatever it does. */
  end(): void {
    this.settle();
    this.isOver = true;
    this.isWanted = false;
    this.abort.abort();
    this.wake();
  }
}
