import { type Deferred, deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { type ClientProfile, enveloped } from '../base/envelope.ts';
import { reasonOf } from '../base/errors.ts';
import { asText, isObject } from '../base/json.ts';
import type { Params, Peer, Reply, RpcError } from '../base/peer.ts';
import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND } from '../base/rpcErrors.ts';
import { Backoff } from '../health/backoff.ts';
import { HttpError, isFinal } from './httpFetch.ts';

/** What comes first on a stream that a server has agreed to. */
export const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

export interface ChangeStreamPorts {
  readonly clock: Clock;
  /** Who the backend is told that listens. */
  readonly client: Omit<ClientProfile, 'era'>;
  /** HTTP: giving up is told by closing the stream. */
  readonly endsByStream: boolean;
  /** Changes may have gone unseen: the stream was open, broke, and is open again. */
  onGap(): void;
  /** Whether what the transport threw says that the backend is gone; then the connection has ended. */
  isLost(error: unknown): boolean;
  onTrouble(line: string): void;
}

const AGAIN = { initialMs: 500, multiplier: 2, maxMs: 30_000, jitter: 0.2 };

/** HTTP 4xx that say so. */
const NOT_OFFERED: ReadonlySet<number> = new Set([404, 405]);
const DONE: Reply = { kind: 'result', result: {} };
const NOT_AGREED: RpcError = { code: INVALID_PARAMS, message: 'The backend does not tell of changes of this resource' };

/** A stream that was asked for, with the resources that no stream before it has covered. */
interface Opening {
  readonly abort: AbortController;
  readonly over: Deferred;
  readonly added: readonly string[];
}

/**
 * How a modern backend tells of changes (MCP 2026-07-28, `subscriptions/listen`): one request that stays open, for all
 * lists and every subscribed resource. When it breaks it is opened again; when what it covers changes, another takes its place.
 */
export class ChangeStream implements Disposable {
  private readonly peer: Peer;
  private readonly ports: ChangeStreamPorts;
  /** The resources that the backend has agreed to tell of. */
  private readonly agreed = new Set<string>();
  /** Those that it has not been asked for yet, or has not answered, with who waits for that. */
  private readonly wanted = new Map<string, Deferred<Reply>>();
  /** One of several was refused, and it was not told which: they are asked for one by one. */
  private isOneByOne = false;
  private readonly backoff = new Backoff(AGAIN);
  /** The stream that the backend has agreed to; it stays until it has agreed to the next. */
  private current: AbortController | undefined;
  /** The stream that it was asked for and has not agreed to yet: one at a time. */
  private opening: Opening | undefined;
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
    if (this.wanted.size === 0) this.isOneByOne = false;
    const added = [...this.wanted.keys()].slice(0, this.isOneByOne ? 1 : undefined);
    this.opening = { abort: new AbortController(), over: deferred(), added };
    void this.listen(this.opening);
  }

  /** The backend has agreed to the newest stream, or to what its acknowledgement says of it. */
  acknowledge(params?: Params): void {
    const { opening } = this;
    if (!opening) return;
    // The one before goes only now: no change falls between the two.
    this.current?.abort('another stream has taken its place');
    this.current = opening.abort;
    this.backoff.reset();
    if (this.wasOpen) this.ports.onGap();
    this.wasOpen = false;
    const notifications = params?.notifications;
    const covered = isObject(notifications) ? notifications.resourceSubscriptions : opening.added;
    const isCovered = (uri: string) => Array.isArray(covered) && covered.includes(uri);
    for (const uri of opening.added) {
      if (isCovered(uri) && this.wanted.has(uri)) this.agreed.add(uri);
      this.settle(uri, isCovered(uri) ? DONE : { kind: 'error', error: NOT_AGREED });
    }
    this.isOutdated ||= this.isOneByOne && this.wanted.size > 0;
    this.opened();
  }

  /** Adds a resource to what is listened for: what the backend says to that, or `cancelled` if the signal aborts before. */
  async subscribe(uri: string, signal: AbortSignal): Promise<Reply> {
    if (this.agreed.has(uri)) return DONE;
    const waiting = this.wanted.get(uri) ?? deferred<Reply>();
    if (!this.wanted.has(uri)) {
      this.wanted.set(uri, waiting);
      this.open();
    }
    const givenUp = deferred<Reply>();
    signal.addEventListener('abort', () => givenUp.resolve({ kind: 'cancelled' }), { once: true });
    return Promise.race([waiting.promise, givenUp.promise]);
  }

  /** Removes a resource from what is listened for; resolves when the backend knows, or cannot, or the signal aborts. */
  async unsubscribe(uri: string, signal: AbortSignal): Promise<Reply> {
    const wasWanted = this.wanted.has(uri);
    this.settle(uri, DONE);
    if (!this.agreed.delete(uri) && !wasWanted) return DONE;
    this.open();
    const givenUp = deferred();
    signal.addEventListener('abort', () => givenUp.resolve(), { once: true });
    while (this.opening && !signal.aborted) await Promise.race([this.opening.over.promise, givenUp.promise]);
    return DONE;
  }

  dispose(): void {
    this.retry?.dispose();
    this.current?.abort('closed');
    this.opening?.abort.abort('closed');
    for (const uri of [...this.wanted.keys()]) this.settle(uri, { kind: 'closed' });
    this.isOutdated = false;
    this.opened();
  }

  private async listen({ abort, added }: Opening): Promise<void> {
    const { client, endsByStream } = this.ports;
    const uris = [...this.agreed, ...added];
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      ...(uris.length > 0 && { resourceSubscriptions: uris }),
    };
    const params = enveloped({ notifications }, client);
    const reply = await this.peer.request('subscriptions/listen', params, { signal: abort.signal, endsByStream });
    if (!abort.signal.aborted) this.ended(abort, reply);
  }

  private ended(abort: AbortController, reply: Reply): void {
    const wasCurrent = this.current === abort;
    if (wasCurrent) this.current = undefined;
    const opening = this.opening?.abort === abort ? this.opening : undefined;
    switch (reply.kind) {
      case 'closed':
        break;
      case 'error':
        // What was agreed to once has not been refused.
        if (wasCurrent) this.broke();
        else this.refused(reply.error, opening?.added ?? []);
        break;
      case 'unsent':
        if (this.ports.isLost(reply.error)) break;
        if (reply.error instanceof HttpError && isFinal(reply.error.status)) {
          const { status, message } = reply.error;
          const code = NOT_OFFERED.has(status) ? METHOD_NOT_FOUND : INTERNAL_ERROR;
          this.refused({ code, message }, opening?.added ?? []);
          break;
        }
        this.ports.onTrouble(`changes may go unseen for a while (subscriptions/listen: ${reasonOf(reply.error)})`);
        this.again();
        break;
      default:
        if (wasCurrent) this.broke();
        else this.again();
    }
    if (opening) this.opened();
  }

  /** The stream that was agreed to is no more. Another that is on its way takes its place. */
  private broke(): void {
    this.wasOpen = true;
    if (!this.opening) this.again();
  }

  /** One of the resources is what it refuses, and all others go on; or it offers nothing of the kind. */
  private refused(error: RpcError, added: readonly string[]): void {
    if (error.code === METHOD_NOT_FOUND || (added.length === 0 && this.agreed.size === 0)) {
      // Its lists are read again when they get old.
      this.ports.onTrouble(`it does not tell of changes (subscriptions/listen: ${error.message})`);
      for (const uri of [...this.wanted.keys()]) this.settle(uri, { kind: 'error', error });
      return;
    }
    const named = isObject(error.data) ? asText(error.data.uri) : undefined;
    const culprit =
      [...this.agreed, ...added].find(uri => uri === named) ?? (added.length === 1 ? added[0] : undefined);
    if (culprit !== undefined) {
      this.agreed.delete(culprit);
      this.settle(culprit, { kind: 'error', error });
    } else {
      this.isOneByOne = true;
      // It may refuse what it agreed to before.
      if (added.length === 0) for (const uri of this.agreed) this.wanted.set(uri, deferred());
      if (added.length === 0) this.agreed.clear();
    }
    this.isOutdated ||= this.wanted.size > 0 || !this.current;
  }

  private again(): void {
    this.retry?.dispose();
    this.retry = this.ports.clock.schedule(this.backoff.next(), () => this.open());
  }

  private settle(uri: string, reply: Reply): void {
    const waiting = this.wanted.get(uri);
    this.wanted.delete(uri);
    waiting?.resolve(reply);
  }

  /** What was asked for has been answered, or never will be. */
  private opened(): void {
    const { opening } = this;
    this.opening = undefined;
    if (this.isOutdated) this.open();
    opening?.over.resolve();
  }
}
