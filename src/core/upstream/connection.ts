import type { RequestId, Transport } from '@modelcontextprotocol/client';
import { deferred, NEVER } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import {
  asLegacyError,
  type ClientProfile,
  enveloped,
  type Implementation,
  metaOf,
  USUAL_LOG_LEVEL,
  untagged,
} from '../base/envelope.ts';
import { messageOf } from '../base/errors.ts';
import { asText, isObject } from '../base/json.ts';
import { type Answer, type Params, Peer, type Reply } from '../base/peer.ts';
import { RecentMap } from '../base/recentMap.ts';
import { INVALID_PARAMS, METHOD_NOT_FOUND, refusal } from '../base/rpcErrors.ts';
import { ACKNOWLEDGED, ChangeStream } from './changeStream.ts';
import { Deadline, type Limit } from './deadline.ts';
import { type HandshakeOptions, type Introduction, shakeHands } from './handshake.ts';
import { fulfil } from './inputRequests.ts';
import { ALL_LISTS, changeOf } from './lists.ts';
import type { Failure, Outcome } from './outcome.ts';
import { StreamableHttpTransport } from './streamableHttp.ts';
import { certainlyNotSent, failureOf } from './transports.ts';

/** The client on whose behalf a request is made, as a connection needs it. */
export interface Caller {
  /** Which downstream session it is. */
  readonly sessionId: string;
  readonly client: ClientProfile;
  /** Sends a notification on the stream of the call. */
  notify(method: string, params: Params | undefined): void;
  /** The call is of a kind during which the client is not asked anything: `request` gives nothing but errors. */
  readonly cannotBeAsked?: true;
  /** Sends a request on the stream of the call; an error if the client gave one, or cannot be asked. */
  request(method: string, params: Params | undefined, signal: AbortSignal): Promise<Answer>;
}

/** A request that the backend has not answered yet. */
export interface CallInFlight {
  readonly caller: Caller;
  /** When the backend was told that nobody waits for it any more, in milliseconds since the epoch; undefined: it was not. */
  readonly givenUpAt: number | undefined;
  /** Stops the clock of the request while its client is asked something. */
  pause(): Disposable;
}

/**
 * Where a connection reports to. `calls` are those that it may be about: the one on whose stream it came, where each has
 * its own; otherwise all that are in flight, oldest first, and those that were given up within the last minute.
 */
export interface ConnectionPorts {
  /** A notification of the backend; progress bears the token of the one call that it is about. */
  onNotification(method: string, params: Params | undefined, calls: readonly CallInFlight[]): void;
  /** A request of the backend to a client. */
  onRequest(
    method: string,
    params: Params | undefined,
    calls: readonly CallInFlight[],
    signal: AbortSignal,
  ): Promise<Answer>;
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
  /** HTTP headers for this request alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const TROUBLE_INTERVAL_MS = 10_000;
const MAX_TROUBLE_LENGTH = 300;
const GOODBYE_MS = 500;
/** Tasks that are not finished; more, and the progress of the oldest is no longer passed on. */
const MAX_TASKS = 1000;
/**
 * A backend that was told to stop may go on for a while, and ask: it is not to be taken for another client's call. One that
 * answers all the same has stopped.
 */
const ABANDONED_MS = 60_000;
const CLOSED: Failure = { code: 'closed', message: 'the connection is closed' };
const NO_ANSWER: Failure = { code: 'protocol', message: 'the answer is neither a result nor an error' };
const CUT: Failure = { code: 'closed', message: 'the connection ended before the answer' };

/**
 * One MCP client session with a backend, in the era that it speaks.
 * Requests are passed through: results are not validated, unknown fields survive.
 */
export class Connection {
  private readonly peer: Peer;
  private readonly transport: Transport;
  /** Who asks where no client does. */
  private readonly ourselves: Omit<ClientProfile, 'era'> & { readonly info: Implementation };
  private readonly clock: Clock;
  private readonly ports: ConnectionPorts;
  /** Those that are in flight, and for a while those that were given up, with the ids of the messages that each is made of. */
  private readonly calls = new Map<CallInFlight, Set<RequestId>>();
  private readonly abandoned = new Map<CallInFlight, Disposable>();
  private readonly progress = new RecentMap<string, (params: Params) => void>(MAX_TASKS);
  private introduction: Introduction | undefined;
  private changes: ChangeStream | undefined;
  private lastToken = 0;
  private open = true;
  private ending: Failure | undefined;
  private silentUntil = 0;

  private constructor(
    transport: Transport,
    { clientInfo, capabilities }: Pick<HandshakeOptions, 'clientInfo' | 'capabilities'>,
    clock: Clock,
    ports: ConnectionPorts,
  ) {
    this.transport = transport;
    if (transport instanceof StreamableHttpTransport) transport.ongap = () => this.changesMissed();
    this.ourselves = { info: clientInfo, capabilities, logLevel: undefined };
    this.clock = clock;
    this.ports = ports;
    this.peer = new Peer(transport, {
      onRequest: (request, signal, relatedId) =>
        this.answer(request.method, request.params, this.callsOn(relatedId), signal),
      onNotification: (method, params, relatedId) => this.receive(method, params, relatedId),
      // In the modern era a call may go on under another id.
      onLateAnswer: id => this.era === 'legacy' && this.forgetAbandoned(this.callsOn(id)),
      onClose: () => this.endWith(failureOf(undefined, transport)),
      onTrouble: error => this.report(error),
    });
  }

  /**
   * Starts the transport and makes the backend's acquaintance.
   * Rejects with what went wrong, or when the signal aborts; the transport is left to the caller to close then.
   */
  static async open(
    transport: Transport,
    handshake: HandshakeOptions,
    clock: Clock,
    ports: ConnectionPorts,
    signal: AbortSignal,
  ): Promise<Connection> {
    const connection = new Connection(transport, handshake, clock, ports);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const introduced = async () => {
      await connection.peer.start();
      return shakeHands(connection.peer, transport, handshake, NEVER);
    };
    connection.introduction = await Promise.race([introduced(), aborted]);
    if (connection.era === 'modern') connection.listen();
    return connection;
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return this.open;
  }

  /** Why it ended by itself; undefined while it lives, and after `close`. */
  get end(): Failure | undefined {
    return this.ending;
  }

  /** What the backend told of itself. */
  get about(): Introduction {
    return this.introduction ?? UNKNOWN;
  }

  private get era() {
    return this.about.era;
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
    const { caller } = options;
    const call = caller && { caller, givenUpAt: undefined, pause: () => deadline.pause() };
    const ids = new Set<RequestId>();
    if (call) this.calls.set(call, ids);
    const onId = (id: RequestId) => void ids.add(id);
    const token = this.relayProgress(params, deadline, call);
    const sent = token === undefined ? params : { ...params, _meta: { ...metaOf(params), progressToken: token } };
    const reply = await (this.era === 'modern'
      ? this.exchangeModern(method, sent, abort.signal, options, onId, call)
      : this.peer.request(method, sent, { signal: abort.signal, onId }));
    deadline.dispose();
    options.signal.removeEventListener('abort', cancel);
    if (call) this.leave(call, reply);
    if (token !== undefined) this.forgetProgress(token, reply);
    if (options.signal.aborted) return { kind: 'cancelled' };
    if (reached) return { kind: 'failed', sent: true, failure: timeout(reached, options) };
    // Whose questions were answered has reached the backend, whatever became of the answers.
    return this.outcomeOf(reply, ids.size > 1);
  }

  /** Tells the backend something; failing to ends nothing. */
  notify(method: string, params?: Params): void {
    // What a legacy client tells of itself, a modern backend is told with each request.
    if (this.era === 'legacy') this.peer.notify(method, params);
  }

  /** Ends the session and whatever runs it; resolves when it is gone. */
  async close(): Promise<void> {
    this.open = false;
    this.forgetAbandoned(this.abandoned.keys());
    this.changes?.dispose();
    await closeTransport(this.transport, this.clock);
  }

  /** A request to a modern backend, which wants it in other words than a legacy client's, and asks back in its results. */
  private async exchangeModern(
    method: string,
    params: Params | undefined,
    signal: AbortSignal,
    { caller, headers }: RequestOptions,
    onId: (id: RequestId) => void,
    call: CallInFlight | undefined,
  ): Promise<Reply> {
    // What is asked for no client, such as the lists, may be of use to any that this connection is for.
    const client = caller?.client ?? this.ourselves;
    // A client of the legacy era that names no level leaves it to the server, which in the modern one may say nothing then.
    const logLevel = client.logLevel ?? (caller?.client.era === 'legacy' ? USUAL_LOG_LEVEL : undefined);
    const ask = (also: Params = {}) =>
      this.peer.request(
        modernMethod(method),
        enveloped({ ...params, ...also }, { ...client, logLevel, info: client.info ?? this.ourselves.info }),
        {
          signal,
          headers,
          onId,
          endsByStream: this.endsByStream,
        },
      );
    if (method === 'logging/setLevel') return NOTHING;
    if (method === 'resources/subscribe' || method === 'resources/unsubscribe') {
      const { changes } = this;
      const uri = asText(params?.uri);
      if (!changes) return NOTHING;
      const isWanted = method === 'resources/subscribe';
      return legacyReply(await (isWanted ? changes.subscribe(uri, signal) : changes.unsubscribe(uri, signal)));
    }
    const reply = await ask();
    // What is asked for no client is read as it came: how long it holds is said beside it.
    if (caller?.client.era !== 'legacy') return reply;
    if (reply.kind !== 'result') return legacyReply(reply);
    const request = (input: Params) =>
      this.ports.onRequest(asText(input.method), input.params as Params | undefined, call ? [call] : [], signal);
    return legacyReply(await fulfil(reply.result, request, ask));
  }

  /** Over HTTP each request has a stream of its own, whose end says that nobody waits any more. */
  private get endsByStream(): boolean {
    return (this.transport as { hasPerRequestStream?: boolean }).hasPerRequestStream === true;
  }

  private listen(): void {
    const told = Object.values(this.about.capabilities).some(
      group => isObject(group) && (group.listChanged === true || group.subscribe === true),
    );
    if (!told) return;
    const changes = new ChangeStream(this.peer, {
      clock: this.clock,
      client: this.ourselves,
      endsByStream: this.endsByStream,
      onGap: () => this.changesMissed(),
      isLost: error => {
        const failure = failureOf(error, this.transport);
        if (failure.code === 'unreachable') this.endWith(failure);
        return !this.open;
      },
      onTrouble: line => this.ports.onTrouble(line),
    });
    this.changes = changes;
    changes.open();
  }

  /** Any list may have changed without our being told. */
  private changesMissed(): void {
    for (const kind of ALL_LISTS) this.ports.onNotification(changeOf(kind), undefined, []);
  }

  private leave(call: CallInFlight, reply: Reply): void {
    const ids = this.calls.get(call);
    this.calls.delete(call);
    if (!ids || reply.kind !== 'cancelled' || this.era === 'modern' || !this.open) return;
    const abandoned = { ...call, givenUpAt: this.clock.now() };
    this.calls.set(abandoned, ids);
    this.abandoned.set(
      abandoned,
      this.clock.schedule(ABANDONED_MS, () => this.forgetAbandoned([abandoned])),
    );
  }

  private forgetAbandoned(calls: Iterable<CallInFlight>): void {
    for (const call of calls) {
      this.abandoned.get(call)?.dispose();
      this.abandoned.delete(call);
      this.calls.delete(call);
    }
  }

  private outcomeOf(reply: Reply, hasArrived: boolean): Outcome {
    switch (reply.kind) {
      case 'result':
        return { kind: 'answered', result: reply.result };
      case 'error':
        return { kind: 'rejected', error: reply.error };
      case 'cancelled':
        return { kind: 'cancelled' };
      case 'closed':
        return { kind: 'failed', sent: true, failure: this.ending ?? CLOSED };
      case 'cut':
        return { kind: 'failed', sent: true, failure: CUT };
      case 'malformed':
        return { kind: 'failed', sent: true, failure: NO_ANSWER };
      case 'unsent': {
        // What JSON.stringify throws at params that are nested too deep: their sender's doing, not the backend's.
        if (reply.error instanceof RangeError) {
          const message = `Invalid params: they cannot be written as JSON: ${reply.error.message}`;
          return { kind: 'rejected', error: { code: INVALID_PARAMS, message } };
        }
        const failure = failureOf(reply.error, this.transport);
        const isUnseen = failure.code === 'session-lost' || certainlyNotSent(reply.error);
        return { kind: 'failed', sent: hasArrived || !isUnseen, failure };
      }
    }
  }

  private endWith(failure: Failure): void {
    if (!this.open) return;
    this.open = false;
    this.ending = failure;
    this.forgetAbandoned(this.abandoned.keys());
    this.changes?.dispose();
    // One that ends before it was made is told by its handshake.
    if (this.introduction) this.ports.onEnd(failure);
  }

  /** Now and then at most: a server that is wrong once is wrong with every message. */
  private report(error: unknown): void {
    const now = this.clock.now();
    // While it is being made, whoever waits for it is told; and what we aborted ourselves is no trouble.
    const isOurs = error instanceof Error && error.name === 'AbortError';
    if (!this.introduction || now < this.silentUntil || isOurs) return;
    this.silentUntil = now + TROUBLE_INTERVAL_MS;
    this.ports.onTrouble(messageOf(error).replace(/\s+/g, ' ').slice(0, MAX_TROUBLE_LENGTH));
  }

  /** The call on whose stream something came, if it is still in flight; all of them where that is not told. */
  private callsOn(requestId: RequestId | undefined): CallInFlight[] {
    const calls = [...this.calls];
    return (requestId === undefined ? calls : calls.filter(([, ids]) => ids.has(requestId))).map(([call]) => call);
  }

  private async answer(
    method: string,
    params: Params | undefined,
    calls: readonly CallInFlight[],
    signal: AbortSignal,
  ): Promise<Answer> {
    if (method === 'ping') return { kind: 'result', result: {} };
    if (this.era === 'modern') {
      const message = `Method not found: ${method}; in this protocol version a server asks in its results`;
      return refusal(METHOD_NOT_FOUND, message);
    }
    return this.ports.onRequest(method, params, calls, signal);
  }

  private receive(method: string, params: Params | undefined, relatedId: RequestId | undefined): void {
    if (method === ACKNOWLEDGED) this.changes?.acknowledge(params);
    else if (method !== 'notifications/progress') {
      this.ports.onNotification(method, untagged(params), this.callsOn(relatedId));
    } else if (params) this.progress.get(asText(params.progressToken))?.(params);
  }

  /** Gives a request that asks for progress a token of our own; its notifications carry the caller's again. */
  private relayProgress(
    params: Params | undefined,
    deadline: Deadline,
    call: CallInFlight | undefined,
  ): string | undefined {
    const original = metaOf(params)?.progressToken;
    if (original === undefined || !call) return undefined;
    const token = `s${++this.lastToken}`;
    this.progress.set(token, progress => {
      deadline.restart();
      this.ports.onNotification('notifications/progress', { ...progress, progressToken: original }, [call]);
    });
    return token;
  }

  /** The token of a task (MCP 2025-11-25, "Tasks") stays good until the task ends, which is after its request did. */
  private forgetProgress(token: string, reply: Reply): void {
    const isTask = reply.kind === 'result' && isObject(reply.result.task);
    if (!isTask) this.progress.delete(token);
  }
}

const NOTHING: Reply = { kind: 'result', result: {} };
const UNKNOWN: Introduction = {
  era: 'legacy',
  serverInfo: { name: 'unknown', version: '' },
  capabilities: {},
  instructions: undefined,
};

function legacyReply(reply: Reply): Reply {
  return reply.kind === 'error' ? { kind: 'error', error: asLegacyError(reply.error) } : reply;
}

/** What the modern era calls a method. */
function modernMethod(method: string): string {
  return method === 'ping' ? 'server/discover' : method;
}

function timeout(limit: Limit, { quietMs, maxMs }: RequestOptions): Failure {
  const told = limit === 'quiet' ? `no answer for ${seconds(quietMs)}` : `took longer than ${seconds(maxMs)}`;
  return { code: 'request-timeout', message: told };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
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
