import type { JSONRPCRequest, Result } from '@modelcontextprotocol/client';
import { groupBy } from '../base/groupBy.ts';
import type { Logger } from '../base/log.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Caller, CallInFlight, Params } from '../upstream/connection.ts';
import { WireError } from '../upstream/outcome.ts';
import type { Catalog } from './catalog.ts';

export type { Caller };

/** Levels of `logging/setLevel`, most verbose first (RFC 5424). */
export const LOGGING_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** One connected client. As a `Caller` it is reached on its own stream, not on that of a call. */
export interface ClientSession extends Caller {
  /** What it announced when it initialized. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** What it asked for with `logging/setLevel`. */
  readonly logLevel: string | undefined;
  /** The exposed URIs it subscribed to. */
  readonly subscriptions: ReadonlySet<string>;
}

/** The capability a client must have to be asked. */
const NEEDS: ReadonlyMap<string, string> = new Map([
  ['sampling/createMessage', 'sampling'],
  ['elicitation/create', 'elicitation'],
  ['roots/list', 'roots'],
]);

const METHOD_NOT_FOUND = -32601;
const REFUSED = -32000;

/**
 * What backends want of clients, brought to the right one.
 * A backend's connection is shared: a request belongs to the client whose call is in flight on it. With calls of
 * several clients in flight nobody can know, and it is refused rather than shown to the wrong person.
 */
export class ClientRequests {
  private readonly sessions = new Map<string, ClientSession>();
  private readonly catalog: () => Catalog;
  private readonly log: Logger;

  constructor(catalog: () => Catalog, log: Logger) {
    this.catalog = catalog;
    this.log = log;
  }

  add(session: ClientSession): void {
    this.sessions.set(session.sessionId, session);
  }

  delete(session: ClientSession): void {
    this.sessions.delete(session.sessionId);
  }

  [Symbol.iterator](): Iterator<ClientSession> {
    return this.sessions.values();
  }

  /** The most verbose level any client asked for; undefined if none did. */
  get logLevel(): string | undefined {
    const asked = new Set([...this.sessions.values()].map(session => session.logLevel));
    return LOGGING_LEVELS.find(level => asked.has(level));
  }

  /** A backend's request to a client. Rejects with a {@link WireError}: the client's own, or why nobody could be asked. */
  async request(
    backend: Backend,
    request: JSONRPCRequest,
    calls: readonly CallInFlight[],
    signal: AbortSignal,
  ): Promise<Result> {
    const { method, params } = request;
    const clients = groupBy(calls, ({ caller }) => caller.sessionId);
    if (clients.size > 1) {
      throw this.refusal(backend, method, `calls of ${clients.size} clients are in flight on its shared connection`);
    }
    const [own] = clients.values();
    const [only] = this.sessions.size === 1 ? this.sessions.values() : [];
    const asked = own?.at(-1)?.caller ?? only;
    if (!asked) {
      throw this.refusal(backend, method, `no call is in flight, and ${this.sessions.size} clients are connected`);
    }
    const capability = NEEDS.get(method);
    const session = this.sessions.get(asked.sessionId);
    if (session && capability !== undefined && !(capability in session.capabilities)) {
      this.log.warning(`${backend.name}: ${method} is answered "method not found": the client has no ${capability}`);
      throw new WireError({ code: METHOD_NOT_FOUND, message: `The client does not support ${capability}` });
    }
    // Nobody knows which of the client's calls it is about: the clocks of all of them stand still.
    const pauses = (own ?? []).map(call => call.pause());
    try {
      return await asked.request(method, params, signal);
    } finally {
      for (const pause of pauses) pause.dispose();
    }
  }

  /** A backend's notification to clients. */
  notify(backend: Backend, method: string, params: Params | undefined, calls: readonly CallInFlight[]): void {
    if (method === 'notifications/resources/updated') {
      this.resourceUpdated(backend, params);
      return;
    }
    const isLog = method === 'notifications/message';
    const callers = Array.from(groupBy(calls, ({ caller }) => caller.sessionId).values(), own => own.at(-1)?.caller);
    const others = isLog || this.sessions.size === 1 ? [...this.sessions.values()] : [];
    for (const recipient of callers.length > 0 ? callers : others) {
      if (recipient && (!isLog || wants(this.sessions.get(recipient.sessionId), params)))
        recipient.notify(method, params);
    }
  }

  /** Tells every client. */
  broadcast(method: string): void {
    for (const session of this.sessions.values()) session.notify(method, undefined);
  }

  private resourceUpdated(backend: Backend, params: Params | undefined): void {
    const { resources } = this.catalog();
    for (const session of this.sessions.values()) {
      for (const uri of session.subscriptions) {
        const listed = resources.get(uri);
        const holder = listed?.candidates.find(candidate => candidate.backend === backend);
        const original = listed ? holder?.originalName : uri;
        if (original !== undefined && original === params?.uri)
          session.notify('notifications/resources/updated', { ...params, uri });
      }
    }
  }

  private refusal(backend: Backend, method: string, reason: string): WireError {
    const message = `${method} of backend "${backend.name}" cannot be brought to a client: ${reason}`;
    // Servers ask for roots as soon as they start: while nobody is connected that is no news.
    if (this.sessions.size === 0) this.log.debug(message);
    else this.log.warning(message);
    return new WireError({ code: REFUSED, message });
  }
}

function wants(session: ClientSession | undefined, params: Params | undefined): boolean {
  if (session?.logLevel === undefined) return true;
  return LOGGING_LEVELS.indexOf(String(params?.level)) >= LOGGING_LEVELS.indexOf(session.logLevel);
}
