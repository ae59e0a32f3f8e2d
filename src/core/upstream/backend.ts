import { type Deferred, deferred, NEVER, unlessAborted } from '../base/async.ts';
import type { Disposable } from '../base/disposable.ts';
import type { Era } from '../base/envelope.ts';
import { messageOf } from '../base/errors.ts';
import { asText } from '../base/json.ts';
import { paramHeaders } from '../base/paramHeaders.ts';
import type { Params } from '../base/peer.ts';
import type { BackendConfig } from '../config/schema.ts';
import { Backoff } from '../health/backoff.ts';
import { CircuitBreaker, type CircuitOptions, type Permit } from '../health/circuitBreaker.ts';
import { HealthChecker } from '../health/healthChecker.ts';
import { Stats } from '../health/stats.ts';
import type { BackendPorts, Origin } from './backendPorts.ts';
import { type Admissibility, admissibilityOf, type BackendState, comesBack } from './backendState.ts';
import { ClientConnections } from './clientConnections.ts';
import { type Connected, type ConnectOptions, connect } from './connect.ts';
import type { Caller, Connection } from './connection.ts';
import type { Introduction } from './handshake.ts';
import { LastWords, plainLine } from './lastWords.ts';
import { type Lists, listsChangedBy } from './lists.ts';
import { Offer } from './offer.ts';
import { type Attempted, countsAgainst, type Failure, type Outcome, verdictOf } from './outcome.ts';
import { probe } from './probe.ts';
import { StandingRequests } from './standingRequests.ts';

/** A state with what has to be let go of when it is left. */
type Life =
  | { readonly state: BackendState & { kind: 'idle' | 'stopped' } }
  | {
      readonly state: BackendState & { kind: 'connecting' };
      readonly abort: AbortController;
      readonly attempt: Promise<void>;
    }
  | { readonly state: BackendState & { kind: 'ready' }; readonly connection: Connection }
  | { readonly state: BackendState & { kind: 'draining' }; readonly connection: Connection }
  | { readonly state: BackendState & { kind: 'failed' }; readonly retry: Disposable | undefined };

/** What is known of a backend, from one connection to the next and from one run to the next. */
export interface Acquaintance {
  readonly lists: Lists;
  readonly about: Introduction | undefined;
  /** The resources that clients are subscribed to. */
  readonly subscriptions?: Iterable<string>;
}

const HEALTH_CHECK = 'health check';
/** Before a client's own connection that has ended is made again, for what it is subscribed to. */
const RENEW_MS = 1000;
const RESTART = { initialMs: 500, multiplier: 2, maxMs: 5000, jitter: 0.2 };
/** Having been ready for this long makes the next restart the first again. */
const STEADY_MS = 10_000;

/** One configured MCP server: started, watched, started again. What it offers outlives its connections. */
export class Backend {
  readonly stats = new Stats();
  readonly breaker: CircuitBreaker;
  private readonly ports: BackendPorts;
  private readonly backoff = new Backoff(RESTART);
  private readonly offer: Offer;
  private readonly settled = deferred();
  private hasSettled = false;
  private readonly clients: ClientConnections;
  private readonly standing: StandingRequests;
  private configured: BackendConfig;
  private introduced: Introduction | undefined;
  private life: Life = { state: { kind: 'idle' } };
  private checker: HealthChecker | undefined;
  private checking: Promise<Outcome> | undefined;
  private readonly pings = new WeakMap<Connection, Promise<Outcome>>();
  private stateChanges: Deferred[] = [];
  private readonly lastWords = new LastWords();
  private starts = 0;
  /** Whether it is taken to be of the era that it was of last. */
  private isEraKnown = true;
  /** What was told of the last failure: the same again is not worth telling. */
  private told = '';
  private ending: Promise<void> = Promise.resolve();

  /** @param kept what it was when it was last there, if that is known */
  constructor(config: BackendConfig, ports: BackendPorts, kept?: Acquaintance) {
    this.configured = config;
    this.ports = ports;
    this.introduced = kept?.about;
    this.standing = new StandingRequests(() => this.timeouts(), kept?.subscriptions);
    this.clients = new ClientConnections((caller, onEnd, signal) => this.openFor(caller, onEnd, signal));
    const { clock } = ports;
    this.breaker = new CircuitBreaker(circuitOptions(config), clock, () => {
      this.checker?.touch();
      this.announce();
    });
    this.offer = new Offer(
      {
        clock,
        listTtlMs: () => ports.listTtlMs(),
        timeouts: () => this.timeouts(),
        onChange: () => ports.onListsChange(this),
        onLine: line => ports.onLine(this, line),
      },
      kept?.lists,
    );
  }

  get config(): BackendConfig {
    return this.configured;
  }

  /**
   * Takes over a changed configuration where that needs no new connection.
   * @returns false if it does: then nothing has changed, and another backend has to take this one's place
   */
  reconfigure(config: BackendConfig): boolean {
    if (connectionKey(config) !== connectionKey(this.configured)) return false;
    this.configured = config;
    this.breaker.reconfigure(circuitOptions(config));
    this.checker?.touch();
    return true;
  }

  /** Says that what is configured for all backends may have changed. */
  touch(): void {
    this.offer.touch();
  }

  get name(): string {
    return this.config.name;
  }

  get state(): BackendState {
    return this.life.state;
  }

  /** What it offers, or offered when it was last there. */
  get lists(): Lists {
    return this.offer.lists;
  }

  /** The resources that clients are subscribed to on the shared connection. */
  get subscriptions(): Iterable<string> {
    return this.standing.subscriptionsOf(undefined);
  }

  /** Whether it has ever told what it has, now or in a run before this one. */
  get hasListed(): boolean {
    return this.offer.hasListed;
  }

  /** Connected, its lists read, its circuit closed. */
  get isHealthy(): boolean {
    return this.life.state.kind === 'ready' && this.breaker.state.kind === 'closed';
  }

  /** How often it was started again. */
  get restarts(): number {
    return Math.max(0, this.starts - 1);
  }

  /** What it told of itself when it was last there; undefined if it never was. */
  get about(): Introduction | undefined {
    return this.introduced;
  }

  /** Resolves once it has been ready, or failed, or was stopped. */
  whenSettled(): Promise<void> {
    return this.settled.promise;
  }

  /** Whether it has been ready, or failed, or was stopped. */
  get isSettled(): boolean {
    return this.hasSettled;
  }

  /** Its state once a start under way, if there is one, has come to something. */
  async whenTried(): Promise<BackendState> {
    while (this.life.state.kind === 'connecting') await this.nextChange();
    return this.life.state;
  }

  /** Connects, unless it is connected or about to be. */
  start(): void {
    const { life } = this;
    if (life.state.kind !== 'idle' && life.state.kind !== 'failed') return;
    if ('retry' in life) life.retry?.dispose();
    this.starts += 1;
    const abort = new AbortController();
    const after = life.state.kind === 'failed' ? life.state.failure : undefined;
    const state = { kind: 'connecting', since: this.ports.clock.now(), after } as const;
    // One that cannot even be tried has failed as well.
    const attempt = this.attempt(abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) this.fail({ code: 'protocol', message: messageOf(error) }, false);
    });
    this.enter({ state, abort, attempt });
  }

  /** Ends the connection and makes a new one. */
  async restart(): Promise<void> {
    this.ports.onLine(this, 'restarting');
    this.backoff.reset();
    await this.end({ kind: 'idle' });
    // Unless it was stopped meanwhile.
    this.start();
  }

  /** Takes no new calls, gives those in flight `drainMs`, then ends everything; resolves when it is gone. */
  async stop(drainMs: number): Promise<void> {
    if (this.life.state.kind === 'ready' && 'connection' in this.life && this.stats.inFlight > 0) {
      this.enter({ state: { kind: 'draining' }, connection: this.life.connection });
      const late = deferred<'late'>();
      const timer = this.ports.clock.schedule(drainMs, () => late.resolve('late'));
      while (this.stats.inFlight > 0 && (await Promise.race([this.nextChange(), late.promise])) !== 'late');
      timer.dispose();
    }
    await this.end({ kind: 'stopped' });
  }

  /** Whether it could take a call now; changes nothing. */
  get admissibility(): Admissibility {
    return admissibilityOf(this.life.state, this.breaker, this.stats.inFlight, this.config.max_concurrency);
  }

  /** Leave for one call, to be settled by its outcome; undefined unless its admissibility is `ready`. */
  admit(): Permit | undefined {
    return this.admissibility.kind === 'ready' ? this.breaker.acquire() : undefined;
  }

  /**
   * Starts it if it is idle, and waits until it is ready or cannot be for now.
   * @returns false if that took longer than its request timeout, or the signal aborted
   */
  async whenConnected(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.life.state.kind === 'idle') this.start();
    if (!this.isAboutToConnect) return true;
    const enough = deferred<'enough'>();
    const giveUp = () => enough.resolve('enough');
    const timer = this.ports.clock.schedule(this.timeouts().quietMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    while (this.isAboutToConnect && (await Promise.race([this.nextChange(), enough.promise])) !== 'enough');
    timer.dispose();
    signal.removeEventListener('abort', giveUp);
    return !this.isAboutToConnect;
  }

  /** Sends one request of a client. Never rejects. */
  async request(
    method: string,
    params: Params | undefined,
    options: { signal: AbortSignal; caller: Caller },
  ): Promise<Outcome> {
    const { clock } = this.ports;
    const begun = clock.now();
    this.stats.begin();
    this.announce();
    const found = await this.connectionFor(options.caller, options.signal);
    let outcome: Outcome = found.ok
      ? await found.value.request(method, params, {
          ...this.timeouts(method),
          headers: this.headersFor(method, params),
          ...options,
        })
      : options.signal.aborted
        ? { kind: 'cancelled' }
        : { kind: 'failed', sent: false, failure: found.failure };
    if (found.ok && found.value.isOpen && outcome.kind === 'failed' && outcome.failure.code === 'closed') {
      const failure = await unlessAborted(this.whyCut(found.value, outcome.failure), options.signal);
      outcome = failure ? { ...outcome, failure } : { kind: 'cancelled' };
    }
    this.stats.end();
    if (outcome.kind === 'answered') {
      this.standing.note(method, params, this.isShared ? undefined : options.caller.sessionId);
    }
    if (outcome.kind === 'failed') this.failed(found.ok ? found.value : undefined, method, outcome.failure);
    else if (outcome.kind !== 'cancelled') this.stats.succeed(clock.now() - begun, clock.now());
    this.announce();
    return outcome;
  }

  /**
   * Finds out now whether it works, whatever its circuit; one that is not connected is started. What is found counts as a
   * call's outcome would, where the circuit lets calls through.
   * @returns undefined if it was not connected; else what came of it
   */
  check(): Promise<Outcome | undefined> {
    const { life } = this;
    if (life.state.kind !== 'ready' || !('connection' in life)) {
      if (life.state.kind !== 'connecting' && life.state.kind !== 'draining') this.start();
      return Promise.resolve(undefined);
    }
    this.checking ??= this.probe(life.connection).finally(() => {
      this.checking = undefined;
    });
    return this.checking;
  }

  private async probe(connection: Connection): Promise<Outcome> {
    const permit = this.breaker.acquire();
    const outcome = await probe(connection, this.config, this.ports.clock);
    permit?.settle(verdictOf(outcome));
    if (outcome.kind === 'failed') this.failed(connection, HEALTH_CHECK, outcome.failure);
    else this.stats.prove(this.ports.clock.now());
    this.announce();
    return outcome;
  }

  /** Tells the backend something on behalf of a client, if it is there. */
  async notify(method: string, params: Params | undefined, sessionId: string): Promise<void> {
    const connection = this.isShared ? this.connection : await this.clients.existing(sessionId);
    connection?.notify(method, params);
  }

  /**
   * Asks for log messages of this level and above, if the backend sends any.
   * @param sessionId the client who wants them, which matters where it has a connection of its own
   */
  async setLogLevel(level: string, sessionId?: string): Promise<void> {
    const connection =
      this.isShared || sessionId === undefined ? this.connection : await this.clients.existing(sessionId);
    if (connection) this.standing.setLevel(connection, level);
  }

  /** A client has left: what was only there for it ends. */
  release(sessionId: string): void {
    this.clients.release(sessionId);
    this.standing.forget(sessionId);
  }

  /** Whether there is a connection that a client's requests would go by, so that none has to be made for them. */
  isConnectedFor(sessionId: string): boolean {
    return this.isShared || this.clients.has(sessionId);
  }

  /** Whether all clients are served on one connection. */
  get isShared(): boolean {
    return this.config.session === 'shared';
  }

  private async connectionFor(caller: Caller, signal: AbortSignal): Promise<Attempted<Connection>> {
    const { life } = this;
    if (life.state.kind !== 'ready' || !('connection' in life)) return { ok: false, failure: this.absence() };
    if (this.isShared) return { ok: true, value: life.connection };
    const made = this.clients.made(caller.sessionId);
    if (made) return { ok: true, value: made };
    const failure = {
      code: 'request-timeout',
      message: 'the connection for this client was not made in time',
    } as const;
    const late = deferred<Attempted<Connection>>();
    const timer = this.ports.clock.schedule(this.timeouts().quietMs, () => late.resolve({ ok: false, failure }));
    const found = await unlessAborted(Promise.race([this.clients.for(caller), late.promise]), signal);
    timer.dispose();
    return found ?? { ok: false, failure: { code: 'closed', message: 'the client gave up' } };
  }

  /** Only a modern backend over HTTP wants some arguments in headers as well. */
  private headersFor(method: string, params: Params | undefined): Record<string, string> | undefined {
    if (method !== 'tools/call' || this.about?.era !== 'modern' || this.config.launch.kind !== 'remote')
      return undefined;
    const tool = this.lists.tools.find(({ name }) => name === params?.name);
    return tool && paramHeaders(tool.inputSchema, params?.arguments);
  }

  /** Whether it was asked to tell this client of a resource, or is about to be. */
  isSubscribed(uri: string, sessionId: string): boolean {
    if (this.isShared) return this.standing.subscriptionsOf(undefined).has(uri);
    return this.standing.subscriptionsOf(sessionId).has(uri) && this.clients.has(sessionId);
  }

  /** A client wants to be told of a resource that it has not asked this backend for itself. */
  async subscribe(uri: string, caller: Caller): Promise<void> {
    const { sessionId } = caller;
    if (this.isShared) this.standing.subscribe(this.connection, uri, undefined);
    else if (this.clients.has(sessionId)) {
      this.standing.subscribe(await this.clients.existing(sessionId), uri, sessionId);
    } else {
      // The connection that is made for it asks for all that is noted.
      this.standing.subscribe(undefined, uri, sessionId);
      void this.clients.for(caller);
    }
  }

  /** Nobody wants to be told of a resource any more; where each client has a connection of its own, this one does not. */
  async unsubscribe(uri: string, sessionId: string): Promise<void> {
    if (this.isShared) this.standing.unsubscribe(this.connection, uri, undefined);
    else this.standing.unsubscribe(await this.clients.existing(sessionId), uri, sessionId);
  }

  private get knownEra(): Era | undefined {
    return this.isEraKnown ? this.introduced?.era : undefined;
  }

  private get connection(): Connection | undefined {
    return 'connection' in this.life ? this.life.connection : undefined;
  }

  /** Starting, or just lost and started again in a moment. */
  private get isAboutToConnect(): boolean {
    const { state } = this.life;
    return state.kind === 'connecting' || (state.kind === 'failed' && comesBack(state));
  }

  /** Why it cannot take a request now. */
  private absence(): Failure {
    const { state } = this.life;
    return state.kind === 'failed' ? state.failure : { code: 'closed', message: `it is ${state.kind}` };
  }

  private timeouts(method?: string): { quietMs: number; maxMs: number } {
    const maxMs = this.config.max_request_seconds * 1000;
    // The result of a task is there when the task is done, and nothing is said until then.
    return { quietMs: method === 'tasks/result' ? maxMs : this.config.request_timeout_seconds * 1000, maxMs };
  }

  private async attempt(signal: AbortSignal): Promise<void> {
    let connection: Connection | undefined;
    // An end before it is ours is found below.
    const onEnd = (failure: Failure) => void (connection && this.lose(connection, failure));
    const attempted = await this.open({ knownEra: this.knownEra }, undefined, onEnd, signal);
    connection = attempted.ok ? attempted.value.connection : undefined;
    // One that has changed its era may leave what it does not know unanswered.
    this.isEraKnown = attempted.ok || attempted.failure.code !== 'start-timeout';
    if (signal.aborted) await connection?.close();
    else if (!attempted.ok) this.fail(attempted.failure, false);
    else if (attempted.value.connection.end) this.fail(attempted.value.connection.end, false);
    else this.becomeReady(attempted.value);
  }

  /** A connection for one client alone, which the backend is told can do just what that client can. */
  private async openFor(caller: Caller, onEnd: () => void, signal: AbortSignal): Promise<Attempted<Connection>> {
    const { capabilities, logLevel } = caller.client;
    const lost = (failure: Failure) => {
      onEnd();
      this.stats.fail(failure.message, this.ports.clock.now());
      this.breaker.fail();
      this.ports.onLine(this, `the connection of one client ended: ${failure.message}`);
      this.renewSoon(caller, RENEW_MS);
    };
    const options = { knownEra: this.knownEra, capabilities, readsLists: false };
    const opened = await this.open(options, caller.sessionId, lost, signal);
    if (!opened.ok) {
      if (!signal.aborted && countsAgainst(opened.failure)) this.breaker.fail();
      if (!signal.aborted) this.renewSoon(caller, RESTART.maxMs);
      return opened;
    }
    const { connection } = opened.value;
    if (logLevel !== undefined) this.standing.setLevel(connection, logLevel);
    this.standing.renew(connection, caller.sessionId);
    return { ok: true, value: connection };
  }

  /** A client that is subscribed to something has no connection of its own: it gets another without asking for one. */
  private renewSoon(caller: Caller, ms: number): void {
    this.ports.clock.schedule(ms, () => {
      const { sessionId } = caller;
      const { kind } = this.life.state;
      const isWanted = this.standing.subscriptionsOf(sessionId).size > 0 && !this.clients.has(sessionId);
      if (!isWanted || kind === 'draining' || kind === 'stopped') return;
      if (kind === 'ready' && this.breaker.isReady) void this.clients.for(caller);
      else this.renewSoon(caller, ms);
    });
  }

  /** @param sessionId the downstream session whose own it is; undefined: it is shared */
  private async open(
    options: Pick<ConnectOptions, 'knownEra' | 'capabilities' | 'readsLists'>,
    sessionId: string | undefined,
    onEnd: (failure: Failure) => void,
    signal: AbortSignal,
  ): Promise<Attempted<Connected>> {
    const { clock, clientInfo, defaultCwd, children } = this.ports;
    const onLine = (line: string) => {
      const plain = plainLine(line);
      this.lastWords.add(plain);
      this.ports.onLine(this, plain);
    };
    return connect(
      this.config,
      { ...options, clock, clientInfo, defaultCwd, children, onLine, environment: await this.ports.environment() },
      {
        onNotification: (method, params, calls) => this.receive(method, params, { calls, sessionId }),
        onRequest: (method, params, calls, asked) =>
          this.ports.onRequest(this, method, params, { calls, sessionId }, asked),
        onEnd,
        onTrouble: line => this.ports.onLine(this, line),
      },
      signal,
    );
  }

  private becomeReady({ connection, lists, ttlMs, transport, pid }: Connected): void {
    this.introduced = connection.about;
    const { name: serverName, version } = connection.about.serverInfo;
    const serverVersion = asText(version ?? '');
    const since = this.ports.clock.now();
    this.enter({ state: { kind: 'ready', since, transport, serverName, serverVersion, pid }, connection });
    const { length } = lists.tools;
    const what = `ready: ${serverName} ${serverVersion}, ${length} tool${length === 1 ? '' : 's'}`;
    this.ports.onLine(this, what);
    this.ports.log.info(`${this.name}: ${what}`, { backend: this.name });
    this.offer.attach(connection, lists, ttlMs);
    this.told = '';
    this.stats.prove(since);
    this.checker ??= this.watch();
    this.checker.touch();
    this.settle();
    this.standing.renew(connection, undefined);
  }

  /**
   * The answer to one request was cut off: whether the server is gone with it, a ping finds out. That it answers a ping says
   * nothing for a backend that cuts its answers.
   */
  private async whyCut(connection: Connection, failure: Failure): Promise<Failure> {
    const ping = await this.pingOnce(connection);
    if (ping.kind === 'failed' && isLoss(ping.failure, HEALTH_CHECK)) return ping.failure;
    return connection.isOpen ? { ...failure, code: 'cut' } : failure;
  }

  /** One ping at a time, however many answers are cut off at once. */
  private pingOnce(connection: Connection): Promise<Outcome> {
    const present = this.pings.get(connection);
    if (present) return present;
    const timeoutMs = this.config.health_check.timeout_seconds * 1000;
    const limits = { signal: NEVER, quietMs: timeoutMs, maxMs: timeoutMs };
    const ping = connection.request('ping', undefined, limits).then(outcome => {
      this.pings.delete(connection);
      if (outcome.kind === 'failed' && connection.isOpen) this.failed(connection, HEALTH_CHECK, outcome.failure);
      return outcome;
    });
    this.pings.set(connection, ping);
    return ping;
  }

  /** A request was not answered. What is lost with it is connected anew. */
  private failed(connection: Connection | undefined, what: string, failure: Failure): void {
    const isLost = isLoss(failure, what);
    // The end of a connection counts once, however many requests were on it.
    const isOfOneClient = !this.isShared && connection !== this.connection;
    const isCounted = connection && (connection.end !== undefined || (isLost && !isOfOneClient));
    if (!isCounted) this.stats.fail(failure.message, this.ports.clock.now());
    this.ports.onLine(this, `${what} failed: ${failure.message}`);
    if (!connection) return;
    if (connection !== this.connection) {
      // That of one client alone is made anew by its next request.
      if (isLost && this.clients.drop(connection)) this.breaker.fail();
      return;
    }
    if (isLost) this.lose(connection, failure);
  }

  /** Reacts to the end of a connection, unless another has taken its place. */
  private lose(connection: Connection, failure: Failure): void {
    const { life } = this;
    if (!('connection' in life) || life.connection !== connection || life.state.kind !== 'ready') return;
    if (this.ports.clock.now() - life.state.since >= STEADY_MS) this.backoff.reset();
    this.stats.fail(failure.message, this.ports.clock.now());
    this.breaker.fail();
    void connection.close();
    this.fail(failure, true);
  }

  private fail(failure: Failure, wasReady: boolean): void {
    const { clock } = this.ports;
    const told = this.lastWords.explain(failure);
    if (!wasReady) this.stats.fail(told, clock.now());
    // Asking again does not sign anybody in.
    const isOver = failure.code === 'needs-sign-in' || !this.ports.restarts;
    const delay = isOver ? undefined : this.backoff.next();
    const retry = delay === undefined ? undefined : clock.schedule(delay, () => this.start());
    const retryAt = delay === undefined ? undefined : clock.now() + delay;
    this.ports.onLine(this, told);
    if (told !== this.told) this.ports.log.warning(`${this.name}: ${told}`, { backend: this.name });
    this.told = told;
    const state = {
      kind: 'failed',
      at: clock.now(),
      failure: { ...failure, message: told },
      retryAt,
      wasReady,
    } as const;
    this.enter({ state, retry });
    this.settle();
  }

  private settle(): void {
    this.hasSettled = true;
    this.settled.resolve();
  }

  /** Leaves the present state with all it holds, and enters a quiet one; resolves when everything is gone. */
  private end(state: BackendState & { kind: 'idle' | 'stopped' }): Promise<void> {
    const { life } = this;
    this.enter({ state });
    this.checker?.dispose();
    this.checker = undefined;
    if ('retry' in life) life.retry?.dispose();
    if ('abort' in life) life.abort.abort();
    this.settle();
    const earlier = this.ending;
    this.ending = (async () => {
      await earlier;
      if ('attempt' in life) await life.attempt;
      await Promise.all([this.clients.close(), 'connection' in life && life.connection.close()]);
    })();
    return this.ending;
  }

  private enter(life: Life): void {
    if (life.state.kind !== 'ready' && life.state.kind !== 'draining') this.offer.detach();
    this.life = life;
    this.announce();
  }

  private announce(): void {
    const waiting = this.stateChanges;
    this.stateChanges = [];
    for (const { resolve } of waiting) resolve();
    this.ports.onChange(this);
  }

  private nextChange(): Promise<void> {
    const change = deferred();
    this.stateChanges.push(change);
    return change.promise;
  }

  private receive(method: string, params: Params | undefined, origin: Origin): void {
    const kinds = listsChangedBy(method);
    if (kinds.length > 0) this.offer.markStale(kinds);
    else this.ports.onNotification(this, method, params, origin);
  }

  /** Checks it now and then, from when it was first ready. While it is away its start is the check. */
  private watch(): HealthChecker {
    return new HealthChecker({
      clock: this.ports.clock,
      intervalMs: () => this.config.health_check.interval_seconds * 1000,
      lastProof: () => this.stats.lastProof,
      // One whose time is up while the backend is away is due when it is back.
      probeAt: () =>
        this.life.state.kind === 'ready' && this.breaker.state.kind === 'open' ? this.breaker.state.until : undefined,
      check: async () => {
        // Before an open circuit's time is up there is nothing to find out.
        if (this.config.health_check.enabled && this.life.state.kind === 'ready' && this.breaker.isReady)
          await this.check();
      },
    });
  }
}

/** Whether a connection is of no use any more. A check that is cut off says that more than one stream was. */
function isLoss({ code }: Failure, what: string): boolean {
  return code === 'session-lost' || code === 'unreachable' || (code === 'closed' && what === HEALTH_CHECK);
}

/** What a connection was made with: a change of anything else leaves it alone. */
export function connectionKey({ launch, protocol, session }: BackendConfig): string {
  return JSON.stringify({ launch, protocol, session });
}

function circuitOptions({ circuit_breaker }: BackendConfig): CircuitOptions {
  const { failure_threshold, timeout_seconds, half_open_attempts } = circuit_breaker;
  return {
    failureThreshold: failure_threshold,
    timeoutMs: timeout_seconds * 1000,
    halfOpenAttempts: half_open_attempts,
  };
}
