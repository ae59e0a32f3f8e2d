import { NEVER } from '../base/async.ts';
import { asText } from '../base/json.ts';
import type { Params } from '../base/peer.ts';
import type { Connection, RequestOptions } from './connection.ts';
import type { Outcome } from './outcome.ts';

/**
 * What clients have asked of a backend until further notice: log levels, and the resources they are subscribed to. A
 * connection that takes the place of another is asked for the same again.
 */
export class StandingRequests {
  private readonly timeouts: () => Omit<RequestOptions, 'signal'>;
  private readonly levels = new WeakMap<Connection, string>();
  /** By the session whose connection it is; undefined: the one that all share. */
  private readonly subscribed = new Map<string | undefined, Set<string>>();

  /** @param shared the resources that were subscribed to on the shared connection of a backend that this one replaces */
  constructor(timeouts: () => Omit<RequestOptions, 'signal'>, shared: Iterable<string> = []) {
    this.timeouts = timeouts;
    this.subscribed.set(undefined, new Set(shared));
  }

  subscriptionsOf(sessionId: string | undefined): ReadonlySet<string> {
    return this.subscribed.get(sessionId) ?? new Set();
  }

  /** Takes note of a request that was answered, if it is one of those. */
  note(method: string, params: Params | undefined, sessionId: string | undefined): void {
    const uris = this.subscribed.get(sessionId) ?? new Set();
    if (method === 'resources/subscribe') this.subscribed.set(sessionId, uris.add(asText(params?.uri)));
    if (method === 'resources/unsubscribe') uris.delete(asText(params?.uri));
  }

  /** Asks a new connection for what the one before was asked for. */
  renew(connection: Connection, sessionId: string | undefined): void {
    for (const uri of this.subscriptionsOf(sessionId)) void this.ask(connection, 'resources/subscribe', { uri });
  }

  /** Somebody wants to be told of a resource; without a connection it is asked for when there is one. */
  subscribe(connection: Connection | undefined, uri: string, sessionId: string | undefined): void {
    this.note('resources/subscribe', { uri }, sessionId);
    void this.ask(connection, 'resources/subscribe', { uri }).then(outcome => {
      // One that does not take it is not subscribed to; another may have the resource as well.
      if (outcome?.kind === 'rejected') this.subscribed.get(sessionId)?.delete(uri);
    });
  }

  /** Nobody wants to be told of a resource any more. */
  unsubscribe(connection: Connection | undefined, uri: string, sessionId: string | undefined): void {
    if (this.subscribed.get(sessionId)?.delete(uri)) void this.ask(connection, 'resources/unsubscribe', { uri });
  }

  /** A client has left. */
  forget(sessionId: string): void {
    this.subscribed.delete(sessionId);
  }

  /** Asks for log messages of this level and above, if the backend sends any and was not asked for just that. */
  setLevel(connection: Connection, level: string): void {
    if (!('logging' in connection.about.capabilities) || this.levels.get(connection) === level) return;
    this.levels.set(connection, level);
    void this.ask(connection, 'logging/setLevel', { level });
  }

  /** What comes of it is nobody's to wait for; a backend that fails at it is found out by its calls. */
  private async ask(connection: Connection | undefined, method: string, params: Params): Promise<Outcome | undefined> {
    return connection?.request(method, params, { ...this.timeouts(), signal: NEVER });
  }
}
