import { type Deferred, deferred } from '../base/async.ts';
import type { Disposable } from '../base/disposable.ts';
import type { BackendConfig } from '../config/schema.ts';
import { Backoff } from '../health/backoff.ts';
import { CircuitBreaker, type CircuitOptions, type Permit } from '../health/circuitBreaker.ts';
import { HealthChecker } from '../health/healthChecker.ts';
import { Stats } from '../health/stats.ts';
import type { BackendPorts } from './backendPorts.ts';
import type { Admissibility, BackendState } from './backendState.ts';
import { type Connected, connect } from './connect.ts';
import type { Caller, CallInFlight, Connection, ConnectionPorts, Params } from './connection.ts';
import { LastWords, plainLine } from './lastWords.ts';
import { type Lists, listsChangedBy } from './lists.ts';
import { Offer } from './offer.ts';
import { type Failure, type Outcome, verdictOf } from './outcome.ts';
import { probe } from './probe.ts';

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
  private configured: BackendConfig;
  private life: Life = { state: { kind: 'idle' } };
  private checker: HealthChecker | undefined;
  private stateChanges: Deferred[] = [];
  private readonly lastWords = new LastWords();
  private starts = 0;
  /** What was told of the last failure: the same again is not worth telling. */
  private told = '';
  private ending: Promise<void> = Promise.resolve();

  /** @param kept what it offered when it was last there, if that is known */
  constructor(config: BackendConfig, ports: BackendPorts, kept?: Lists) {
    this.configured = config;
    this.ports = ports;
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
      kept,
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
    return true;
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

  /** As the server announced them; empty while there is no connection. */
  get capabilities(): Readonly<Record<string, unknown>> {
    return this.connection?.capabilities ?? {};
  }

  /** Resolves once it has been ready, or failed, or was stopped. */
  whenSettled(): Promise<void> {
    return this.settled.promise;
  }

  /** Connects, unless it is connected or about to be. */
  start(): void {
    const { life } = this;
    if (life.state.kind !== 'idle' && life.state.kind !== 'failed') return;
    if ('retry' in life) life.retry?.dispose();
    this.starts += 1;
    const abort = new AbortController();
    const state = { kind: 'connecting', since: this.ports.clock.now() } as const;
    this.enter({ state, abort, attempt: this.attempt(abort.signal) });
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
    const { state } = this.life;
    const { max_concurrency } = this.config;
    if (state.kind === 'draining' || state.kind === 'stopped') return refused(`it is ${state.kind}`);
    if (state.kind === 'failed' && !state.wasReady) return refused(state.failure.message, state.retryAt);
    if (max_concurrency > 0 && this.stats.inFlight >= max_concurrency) {
      return refused(`${max_concurrency} calls are in flight, as many as it may have`);
    }
    if (this.breaker.isReady) return { kind: state.kind === 'ready' ? 'ready' : 'starting' };
    const circuit = this.breaker.state;
    if (circuit.kind === 'held-open') return refused('paused by the user');
    return refused('circuit open', circuit.kind === 'open' ? circuit.until : undefined);
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
    if (this.life.state.kind !== 'ready' || !('connection' in this.life)) {
      return { kind: 'failed', sent: false, failure: this.absence() };
    }
    const { connection } = this.life;
    const begun = clock.now();
    this.stats.begin();
    const outcome = await connection.request(method, params, { ...this.timeouts(), ...options });
    this.stats.end();
    if (outcome.kind === 'failed') this.failed(connection, method, outcome.failure);
    else if (outcome.kind !== 'cancelled') this.stats.succeed(clock.now() - begun, clock.now());
    this.announce();
    return outcome;
  }

  /** Finds out now whether it works; one that is not connected is started. What is found counts in the circuit. */
  async check(): Promise<void> {
    const { life } = this;
    if (life.state.kind !== 'ready' || !('connection' in life)) {
      if (life.state.kind !== 'connecting' && life.state.kind !== 'draining') this.start();
      return;
    }
    const permit = this.breaker.acquire();
    if (!permit) return;
    const outcome = await probe(life.connection, this.config);
    permit.settle(verdictOf(outcome));
    if (outcome.kind === 'failed') this.failed(life.connection, 'health check', outcome.failure);
    else this.stats.prove(this.ports.clock.now());
    this.announce();
  }

  /** Tells the backend something, if it is there. */
  notify(method: string, params?: Params): void {
    this.connection?.notify(method, params);
  }

  /** Asks for log messages of this level and above, if the backend sends any. */
  async setLogLevel(level: string): Promise<void> {
    if ('logging' in this.capabilities)
      await this.connection?.request('logging/setLevel', { level }, { ...this.timeouts(), signal: NEVER });
  }

  private get connection(): Connection | undefined {
    return 'connection' in this.life ? this.life.connection : undefined;
  }

  /** Starting, or just lost and started again in a moment. */
  private get isAboutToConnect(): boolean {
    const { state } = this.life;
    return state.kind === 'connecting' || (state.kind === 'failed' && state.wasReady);
  }

  /** Why it cannot take a request now. */
  private absence(): Failure {
    const { state } = this.life;
    return state.kind === 'failed' ? state.failure : { code: 'closed', message: `it is ${state.kind}` };
  }

  private timeouts(): { quietMs: number; maxMs: number } {
    return { quietMs: this.config.request_timeout_seconds * 1000, maxMs: this.config.max_request_seconds * 1000 };
  }

  private async attempt(signal: AbortSignal): Promise<void> {
    const { clock, version, defaultCwd, children } = this.ports;
    const environment = await this.ports.environment();
    let connection: Connection | undefined;
    const onLine = (line: string) => {
      const plain = plainLine(line);
      this.lastWords.add(plain);
      this.ports.onLine(this, plain);
    };
    const ports: ConnectionPorts = {
      onNotification: (method, params, calls) => this.receive(method, params, calls),
      onRequest: (request, calls, asked) => this.ports.onRequest(this, request, calls, asked),
      // An end before it is ours is found below.
      onEnd: failure => connection && this.lose(connection, failure),
      onTrouble: line => this.ports.onLine(this, line),
    };
    const attempted = await connect(
      this.config,
      { clock, version, defaultCwd, environment, onLine, children },
      ports,
      signal,
    );
    connection = attempted.ok ? attempted.value.connection : undefined;
    if (signal.aborted) await connection?.close();
    else if (!attempted.ok) this.fail(attempted.failure, false);
    else if (attempted.value.connection.end) this.fail(attempted.value.connection.end, false);
    else this.becomeReady(attempted.value);
  }

  private becomeReady({ connection, lists, transport, pid }: Connected): void {
    const { name: serverName, version: serverVersion } = connection.serverInfo;
    const since = this.ports.clock.now();
    this.enter({ state: { kind: 'ready', since, transport, serverName, serverVersion, pid }, connection });
    const what = `ready: ${serverName} ${serverVersion}, ${lists.tools.length} tools`;
    this.ports.onLine(this, what);
    this.ports.log.info(`${this.name}: ${what}`);
    this.offer.attach(connection, lists);
    this.told = '';
    this.checker ??= this.watch();
    this.settled.resolve();
  }

  /** A request was not answered. What is lost with it is connected anew. */
  private failed(connection: Connection, what: string, failure: Failure): void {
    this.stats.fail(failure.message, this.ports.clock.now());
    this.ports.onLine(this, `${what} failed: ${failure.message}`);
    if (failure.code === 'session-lost' || failure.code === 'unreachable') this.lose(connection, failure);
    // One stream was cut: whether the server is gone with it, a ping finds out.
    else if (failure.code === 'closed' && !connection.end) void this.check();
  }

  /** Reacts to the end of a connection, unless another has taken its place. */
  private lose(connection: Connection, failure: Failure): void {
    const { life } = this;
    if (!('connection' in life) || life.connection !== connection || life.state.kind !== 'ready') return;
    if (this.ports.clock.now() - life.state.since >= STEADY_MS) this.backoff.reset();
    this.stats.fail(failure.message, this.ports.clock.now());
    this.breaker.acquire()?.settle('failure');
    void connection.close();
    this.fail(failure, true);
  }

  private fail(failure: Failure, wasReady: boolean): void {
    const { clock } = this.ports;
    const words = this.lastWords.take();
    const told = failure.code === 'exited' && words ? `${failure.message}: ${words}` : failure.message;
    // Asking again does not sign anybody in.
    const delay = failure.code === 'needs-sign-in' ? undefined : this.backoff.next();
    const retry = delay === undefined ? undefined : clock.schedule(delay, () => this.start());
    const retryAt = delay === undefined ? undefined : clock.now() + delay;
    this.ports.onLine(this, told);
    if (told !== this.told) this.ports.log.warning(`${this.name}: ${told}`);
    this.told = told;
    const state = {
      kind: 'failed',
      at: clock.now(),
      failure: { ...failure, message: told },
      retryAt,
      wasReady,
    } as const;
    this.enter({ state, retry });
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
    this.settled.resolve();
    const earlier = this.ending;
    this.ending = (async () => {
      await earlier;
      if ('attempt' in life) await life.attempt;
      if ('connection' in life) await life.connection.close();
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

  private receive(method: string, params: Params | undefined, calls: readonly CallInFlight[]): void {
    const kinds = listsChangedBy(method);
    if (kinds.length > 0) this.offer.markStale(kinds);
    else this.ports.onNotification(this, method, params, calls);
  }

  /** Checks it now and then, from when it was first ready. While it is away its start is the check. */
  private watch(): HealthChecker {
    return new HealthChecker({
      clock: this.ports.clock,
      intervalMs: () => this.config.health_check.interval_seconds * 1000,
      lastProof: () => this.stats.lastProof,
      probeAt: () => (this.breaker.state.kind === 'open' ? this.breaker.state.until : undefined),
      check: async () => {
        if (this.config.health_check.enabled && this.life.state.kind === 'ready') await this.check();
      },
    });
  }
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

function refused(reason: string, retryAt?: number): Admissibility {
  return { kind: 'refused', reason, ...(retryAt !== undefined && { retryAt }) };
}

/** The level is set for everybody: nobody's cancelling stops it. */
const NEVER = new AbortController().signal;
