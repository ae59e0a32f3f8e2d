import { Client, type JSONRPCRequest, ProtocolError, type Result, type Transport } from '@modelcontextprotocol/client';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { messageOf } from '../base/errors.ts';
import { Deadline } from './deadline.ts';
import type { Failure, Outcome } from './outcome.ts';
import { certainlyNotSent, failureOf } from './transports.ts';

/** Accepts any result: nothing is parsed, so nothing is lost. */
const Any = { '~standard': { version: 1, vendor: 'switchyard', validate: (value: unknown) => ({ value }) } } as const;
/** The SDK's own timer is never meant to fire: our deadline aborts through the signal. (Infinity fires at once.) */
const NO_SDK_TIMEOUT = 2 ** 31 - 1;
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
      ports.onEnd(failureOf(undefined, transport));
    };
    await client.connect(transport, { signal, timeout: NO_SDK_TIMEOUT });
    return connection;
  }

  get serverInfo(): { readonly name: string; readonly version: string } {
    return this.client.getServerVersion() ?? { name: 'unknown', version: '' };
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.client.getServerCapabilities() ?? {};
  }

  get instructions(): string | undefined {
    return this.client.getInstructions();
  }

  /** Sends one request. Never rejects, and always ends: see {@link Outcome}. */
  async request(method: string, params: Params | undefined, options: RequestOptions): Promise<Outcome> {
    if (!this.open)
      return { kind: 'failed', sent: false, failure: { code: 'closed', message: 'the connection is closed' } };
    if (options.signal.aborted) return { kind: 'cancelled' };
    const abort = new AbortController();
    let timedOut = false;
    const deadline = new Deadline(this.clock, options.quietMs, options.maxMs, () => {
      timedOut = true;
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
      if (timedOut) {
        const seconds = Math.round(options.quietMs / 1000);
        return {
          kind: 'failed',
          sent: true,
          failure: { code: 'request-timeout', message: `no answer for ${seconds} s` },
        };
      }
      if (error instanceof ProtocolError) {
        const { code, message, data } = error;
        return { kind: 'rejected', error: { code, message, ...(data !== undefined && { data }) } };
      }
      const failure = failureOf(error, this.transport);
      return { kind: 'failed', sent: failure.code !== 'session-lost' && !certainlyNotSent(error), failure };
    } finally {
      deadline.dispose();
      options.signal.removeEventListener('abort', cancel);
      if (call) this.calls.delete(call);
      if (token !== undefined) this.progress.delete(token);
    }
  }

  /** Tells the backend something; failing to is no more than a closed connection, which `onEnd` reports. */
  notify(method: string, params?: Params): void {
    this.client
      .notification({ method, ...(params && { params }) })
      .catch((error: unknown) => this.client.onerror?.(error as Error));
  }

  /** Ends the session and whatever runs it; resolves when it is gone. */
  async close(): Promise<void> {
    this.open = false;
    await closeTransport(this.transport, this.clock);
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
    // A server that does not take leave is left all the same.
    const goodbye = terminateSession
      .call(transport)
      .catch((error: unknown) => transport.onerror?.(new Error(messageOf(error))));
    await Promise.race([goodbye, patience.promise]);
    timer.dispose();
  }
  await transport.close();
}

const GOODBYE_MS = 500;
