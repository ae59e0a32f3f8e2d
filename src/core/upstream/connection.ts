import {
  Client,
  type JSONRPCRequest,
  type Result,
  SdkError,
  SdkErrorCode,
  type Transport,
} from '@modelcontextprotocol/client';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { Any, NO_SDK_TIMEOUT } from '../base/passThrough.ts';
import { Deadline, type Limit } from './deadline.ts';
import { Exchange, outcomeIn } from './exchange.ts';
import type { Failure, Outcome } from './outcome.ts';
import { certainlyNotSent, failureOf } from './transports.ts';

/** A shared connection is made before any client is there, so it offers everything that some client may be able to do. */
const CAPABILITIES = { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } };

export type Params = Record<string, unknown>;

/** The client on whose behalf a request is made, as a connection needs it. */
export interface Caller {
  /** Which downstream session it is. */
  readonly sessionId: string;
  /** Sends a notification on the stream of the call. */
  notify(method: string, params: Params | undefined): void;
  /** Sends a request on the stream of the call; rejects with the client's JSON-RPC error. */
  request(method: string, params: Params | undefined, signal: AbortSignal): Promise<Result>;
}

/** A request that the backend has not answered yet. */
export interface CallInFlight {
  readonly caller: Caller;
  /** Stops the clock of the request while its client is asked something. */
  pause(): Disposable;
}

/** Where a connection reports to; `calls` are those in flight on it, oldest first. */
export interface ConnectionPorts {
  /** A notification of the backend, progress aside. */
  onNotification(method: string, params: Params | undefined, calls: readonly CallInFlight[]): void;
  /** A request of the backend to a client. */
  onRequest(request: JSONRPCRequest, calls: readonly CallInFlight[], signal: AbortSignal): Promise<Result>;
  /** The connection ended by itself. Never called after `close`. */
  onEnd(failure: Failure): void;
  /** Something went wrong that fails no request and ends nothing; a line for the log. */
  onTrouble(line: string): void;
}

export interface RequestOptions {
  readonly signal: AbortSignal;
  /** Silence after which the request fails, in milliseconds; progress restarts it. */
  readonly quietMs: number;
  /** Longest it may take in all, in milliseconds. */
  readonly maxMs: number;
  readonly caller?: Caller;
}

/**
 * One MCP client session with a backend (the legacy era: `initialize`).
 * Requests are passed through: results are not validated, unknown fields survive.
 */
export class Connection {
  private readonly client: Client;
  private readonly transport: Transport;
  private readonly clock: Clock;
  private readonly ports: ConnectionPorts;
  private readonly calls = new Set<CallInFlight>();
  private readonly progress = new Map<string, (params: Params) => void>();
  private lastToken = 0;
  private open = true;
  private ending: Failure | undefined;
  private silentUntil = 0;

  private constructor(client: Client, transport: Transport, clock: Clock, ports: ConnectionPorts) {
    this.client = client;
    this.transport = transport;
    this.clock = clock;
    this.ports = ports;
  }

  /**
   * Starts the transport and initializes the session.
   * Rejects with what went wrong, or when the signal aborts; the transport is left to the caller to close then.
   */
  static async open(
    transport: Transport,
    version: string,
    clock: Clock,
    ports: ConnectionPorts,
    signal: AbortSignal,
  ): Promise<Connection> {
    const client = new Client({ name: 'switchyard', title: 'Switchyard', version }, { capabilities: CAPABILITIES });
    const connection = new Connection(client, transport, clock, ports);
    // The SDK's own progress handling loses what arrives together with the answer, hence our tokens and this fallback.
    client.removeNotificationHandler('notifications/progress');
    client.fallbackNotificationHandler = async ({ method, params }) => connection.receive(method, params);
    client.fallbackRequestHandler = (request, context) =>
      ports.onRequest(request, [...connection.calls], context.mcpReq.signal);
    client.onclose = () => {
      if (!connection.open) return;
      connection.open = false;
      connection.ending = failureOf(undefined, transport);
      ports.onEnd(connection.ending);
    };
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    // The client does not pass the signal on to the start of the transport.
    await Promise.race([client.connect(new Exchange(transport), { signal, timeout: NO_SDK_TIMEOUT }), aborted]);
    client.onerror = error => connection.report(error);
    return connection;
  }

  /** Why it ended by itself; undefined while it lives, and after `close`. */
  get end(): Failure | undefined {
    return this.ending;
  }

  get serverInfo(): { readonly name: string; readonly version: string } {
    return this.client.getServerVersion() ?? { name: 'unknown', version: '' };
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.client.getServerCapabilities() ?? {};
  }

  /** Sends one request. Never rejects, and always ends: see {@link Outcome}. */
  async request(method: string, params: Params | undefined, options: RequestOptions): Promise<Outcome> {
    if (!this.open) return { kind: 'failed', sent: false, failure: CLOSED };
    if (options.signal.aborted) return { kind: 'cancelled' };
    const abort = new AbortController();
    let reached: Limit | undefined;
    const deadline = new Deadline(this.clock, options.quietMs, options.maxMs, limit => {
      reached = limit;
      abort.abort('timed out');
    });
    const cancel = () => abort.abort(options.signal.reason);
    options.signal.addEventListener('abort', cancel, { once: true });
    const call = options.caller && { caller: options.caller, pause: () => deadline.pause() };
    if (call) this.calls.add(call);
    const token = this.relayProgress(params, deadline, options.caller);
    try {
      const result = await this.client.request({ method, ...(params && { params: withToken(params, token) }) }, Any, {
        signal: abort.signal,
        timeout: NO_SDK_TIMEOUT,
      });
      return { kind: 'answered', result: result as Result };
    } catch (error) {
      if (options.signal.aborted) return { kind: 'cancelled' };
      if (reached) return { kind: 'failed', sent: true, failure: timeout(reached, options) };
      const carried = outcomeIn(error);
      if (carried) return carried;
      const isEnd = error instanceof SdkError && error.code === SdkErrorCode.ConnectionClosed;
      const failure = isEnd ? (this.ending ?? CLOSED) : failureOf(error, this.transport);
      return { kind: 'failed', sent: failure.code !== 'session-lost' && !certainlyNotSent(error), failure };
    } finally {
      deadline.dispose();
      options.signal.removeEventListener('abort', cancel);
      if (call) this.calls.delete(call);
      if (token !== undefined) this.progress.delete(token);
    }
  }

  /** Tells the backend something; failing to ends nothing. */
  notify(method: string, params?: Params): void {
    this.client
      .notification({ method, ...(params && { params }) })
      .catch((error: unknown) => this.report(error as Error));
  }

  /** Ends the session and whatever runs it; resolves when it is gone. */
  async close(): Promise<void> {
    this.open = false;
    await closeTransport(this.transport, this.clock);
  }

  /** Now and then at most: a server that is wrong once is wrong with every message. */
  private report(error: Error): void {
    const now = this.clock.now();
    // What we aborted ourselves is no trouble.
    if (now < this.silentUntil || error.name === 'AbortError') return;
    this.silentUntil = now + TROUBLE_INTERVAL_MS;
    this.ports.onTrouble(error.message.replace(/\s+/g, ' ').slice(0, MAX_TROUBLE_LENGTH));
  }

  private receive(method: string, params: Params | undefined): void {
    if (method !== 'notifications/progress') {
      this.ports.onNotification(method, params, [...this.calls]);
    } else if (params) {
      this.progress.get(String(params.progressToken))?.(params);
    }
  }

  /** Gives a request that asks for progress a token of our own; its notifications carry the caller's again. */
  private relayProgress(
    params: Params | undefined,
    deadline: Deadline,
    caller: Caller | undefined,
  ): string | undefined {
    const original = metaOf(params)?.progressToken;
    if (original === undefined || !caller) return undefined;
    const token = `s${++this.lastToken}`;
    this.progress.set(token, progress => {
      deadline.restart();
      caller.notify('notifications/progress', { ...progress, progressToken: original });
    });
    return token;
  }
}

const CLOSED: Failure = { code: 'closed', message: 'the connection is closed' };
const TROUBLE_INTERVAL_MS = 10_000;
const MAX_TROUBLE_LENGTH = 300;

function timeout(limit: Limit, { quietMs, maxMs }: RequestOptions): Failure {
  const told = limit === 'quiet' ? `no answer for ${seconds(quietMs)}` : `took longer than ${seconds(maxMs)}`;
  return { code: 'request-timeout', message: told };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function withToken(params: Params, token: string | undefined): Params {
  return token === undefined ? params : { ...params, _meta: { ...metaOf(params), progressToken: token } };
}

function metaOf(params: Params | undefined): Params | undefined {
  return params?._meta as Params | undefined;
}

/** Closes a transport, telling a Streamable HTTP server first that the session is over. */
export async function closeTransport(transport: Transport, clock: Clock): Promise<void> {
  const { terminateSession } = transport as Transport & { terminateSession?: () => Promise<void> };
  if (terminateSession) {
    const patience = deferred();
    const timer = clock.schedule(GOODBYE_MS, patience.resolve);
    // A server that does not take leave is left all the same; the transport has told `onerror` of it.
    const goodbye = terminateSession.call(transport).catch(() => {});
    await Promise.race([goodbye, patience.promise]);
    timer.dispose();
  }
  await transport.close();
}

const GOODBYE_MS = 500;
