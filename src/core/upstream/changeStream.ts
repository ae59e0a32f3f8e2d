import { type Deferred, deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { enveloped, type Implementation } from '../base/envelope.ts';
import type { Peer, Reply } from '../base/peer.ts';
import { Backoff } from '../health/backoff.ts';

/** What comes first on a stream that a server has agreed to. */
export const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

export interface ChangeStreamPorts {
  readonly clock: Clock;
  readonly clientInfo: Implementation;
  /** HTTP: giving up is told by closing the stream. */
  readonly endsByStream: boolean;
  /** Changes may have gone unseen: the stream was open, broke, and is open again. */
  onGap(): void;
  /** The backend cannot be reached any more; what the transport threw. */
  onLost(error: unknown): void;
  onTrouble(line: string): void;
}

const AGAIN = { initialMs: 500, multiplier: 2, maxMs: 30_000, jitter: 0.2 };

/**
 * How a modern backend tells of changes (MCP 2026-07-28, `subscriptions/listen`): one request that stays open, for all
 * lists and every subscribed resource. When it breaks it is opened again; when what it covers changes, another takes its place.
 */
export class ChangeStream implements Disposable {
  private readonly peer: Peer;
  private readonly ports: ChangeStreamPorts;
  private readonly uris = new Set<string>();
  private readonly backoff = new Backoff(AGAIN);
  /** The stream that the backend has agreed to; it stays until it has agreed to the next. */
  private current: AbortController | undefined;
  /** The stream that it was asked for and has not agreed to yet: one at a time. */
  private opening: { readonly abort: AbortController; readonly over: Deferred } | undefined;
  /** What is listened for has changed since it was asked. */
  private isOutdated = false;
  private retry: Disposable | undefined;
  private wasOpen = false;

  constructor(peer: Peer, ports: ChangeStreamPorts) {
    this.peer = peer;
    this.ports = ports;
  }

  open(): void {
    this.retry?.dispose();
    this.isOutdated = this.opening !== undefined;
    if (this.isOutdated) return;
    this.opening = { abort: new AbortController(), over: deferred() };
    void this.listen(this.opening.abort);
  }

  /** The backend has agreed to the newest stream. */
  acknowledge(): void {
    const { opening } = this;
    if (!opening) return;
    // The one before goes only now: no change falls between the two.
    this.current?.abort('another stream has taken its place');
    this.current = opening.abort;
    this.backoff.reset();
    if (this.wasOpen) this.ports.onGap();
    this.wasOpen = false;
    this.opened();
  }

  /** Adds a resource to what is listened for, or removes it; resolves when the backend knows, or cannot, or the signal aborts. */
  async subscribe(uri: string, wanted: boolean, signal: AbortSignal): Promise<void> {
    if (wanted === this.uris.has(uri)) return;
    if (wanted) this.uris.add(uri);
    else this.uris.delete(uri);
    this.open();
    const givenUp = deferred();
    signal.addEventListener('abort', () => givenUp.resolve(), { once: true });
    while (this.opening && !signal.aborted) await Promise.race([this.opening.over.promise, givenUp.promise]);
  }

  dispose(): void {
    this.retry?.dispose();
    this.isOutdated = false;
    this.current?.abort('closed');
    this.opening?.abort.abort('closed');
    this.opened();
  }

  private async listen(abort: AbortController): Promise<void> {
    const { clientInfo, endsByStream } = this.ports;
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      ...(this.uris.size > 0 && { resourceSubscriptions: [...this.uris] }),
    };
    const params = enveloped({ notifications }, { info: clientInfo, capabilities: {}, logLevel: undefined });
    const reply = await this.peer.request('subscriptions/listen', params, { signal: abort.signal, endsByStream });
    if (!abort.signal.aborted) this.ended(abort, reply);
  }

  private ended(abort: AbortController, reply: Reply): void {
    const wasCurrent = this.current === abort;
    if (wasCurrent) this.current = undefined;
    switch (reply.kind) {
      case 'closed':
        break;
      case 'unsent':
        this.ports.onLost(reply.error);
        break;
      case 'error':
        // It does not offer this: its lists are read again when they get old.
        this.ports.onTrouble(`it does not tell of changes (subscriptions/listen: ${reply.error.message})`);
        break;
      default:
        this.wasOpen ||= wasCurrent;
        // Another that is on its way takes its place.
        if (!wasCurrent || !this.opening)
          this.retry = this.ports.clock.schedule(this.backoff.next(), () => this.open());
    }
    if (this.opening?.abort === abort) this.opened();
  }

  /** What was asked for has been answered, or never will be. */
  private opened(): void {
    const { opening } = this;
    this.opening = undefined;
    if (this.isOutdated) this.open();
    opening?.over.resolve();
  }
}
