import { messageOf } from '../base/errors.ts';
import type { Caller, Connection } from './connection.ts';
import type { Attempted } from './outcome.ts';

interface Own {
  readonly connection: Promise<Attempted<Connection>>;
  readonly abort: AbortController;
  /** Once it is made. */
  made?: Connection;
}

/** Makes a connection for one client. `onEnd` is to be called when it has ended by itself. */
export type OpenFor = (caller: Caller, onEnd: () => void, signal: AbortSignal) => Promise<Attempted<Connection>>;

/** The connections of a backend that gives each client one of its own (`session: per_client`), by downstream session. */
export class ClientConnections {
  private readonly open: OpenFor;
  private readonly own = new Map<string, Own>();
  /** Those that are being closed, until they are gone. */
  private readonly leaving = new Set<Promise<void>>();

  constructor(open: OpenFor) {
    this.open = open;
  }

  /** The client's connection, made now if it has none. */
  for(caller: Caller): Promise<Attempted<Connection>> {
    const { sessionId } = caller;
    const present = this.own.get(sessionId);
    if (present) return present.connection;
    const abort = new AbortController();
    const forget = () => {
      if (this.own.get(sessionId) === entry) this.own.delete(sessionId);
    };
    const failed = (error: unknown): Attempted<Connection> => {
      return { ok: false, failure: { code: 'protocol', message: messageOf(error) } };
    };
    const connection = this.open(caller, forget, abort.signal)
      .catch(failed)
      .then(attempted => {
        if (attempted.ok) entry.made = attempted.value;
        else forget();
        return attempted;
      });
    const entry: Own = { connection, abort };
    this.own.set(sessionId, entry);
    return connection;
  }

  /** The client's connection, if it is there. */
  made(sessionId: string): Connection | undefined {
    return this.own.get(sessionId)?.made;
  }

  /** Whether the client has a connection, or one is being made. */
  has(sessionId: string): boolean {
    return this.own.has(sessionId);
  }

  /** The client's connection if it has one by now. */
  async existing(sessionId: string): Promise<Connection | undefined> {
    const attempted = await this.own.get(sessionId)?.connection;
    return attempted?.ok ? attempted.value : undefined;
  }

  /**
   * Ends a connection that has turned out to be of no use; its client is given another with its next request.
   * @returns false if it is none of these, or no longer
   */
  drop(connection: Connection): boolean {
    const [sessionId] = [...this.own].find(([, { made }]) => made === connection) ?? [];
    if (sessionId !== undefined) this.release(sessionId);
    return sessionId !== undefined;
  }

  /** Ends a client's connection: the client has left. */
  release(sessionId: string): void {
    const entry = this.own.get(sessionId);
    if (!entry) return;
    this.own.delete(sessionId);
    const gone = (async () => {
      entry.abort.abort('its client has left');
      const attempted = await entry.connection;
      if (attempted.ok) await attempted.value.close();
    })().finally(() => this.leaving.delete(gone));
    this.leaving.add(gone);
  }

  /** Ends all of them; resolves when they are gone. */
  async close(): Promise<void> {
    for (const sessionId of [...this.own.keys()]) this.release(sessionId);
    await Promise.all(this.leaving);
  }
}
