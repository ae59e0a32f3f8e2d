import type { JSONRPCRequest, Result } from '@modelcontextprotocol/client';
import { type Deferred, deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import type { BackendConfig } from '../config/schema.ts';
import { Backoff } from '../health/backoff.ts';
import { Stats } from '../health/stats.ts';
import { type Connected, connect } from './connect.ts';
import type { Caller, CallInFlight, Connection, ConnectionPorts, Params } from './connection.ts';
import { ALL_LISTS, type ListKind, type Lists, listsChangedBy, NO_LISTS, readLists } from './lists.ts';
import type { Failure, Outcome } from './outcome.ts';
import type { StdioTransport } from './stdioTransport.ts';
import type { TransportKind } from './transports.ts';

/**
 * idle ──start──► connecting ──lists read──► ready ──lost──► failed ──backoff──► connecting
 * any of them ──stop──► draining ──calls ended──► stopped
 */
export type BackendState =
  /** Not started yet, or `auto_start: false`. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly since: number }
  | {
      readonly kind: 'ready';
      readonly since: number;
      readonly transport: TransportKind;
      readonly serverName: string;
      readonly serverVersion: string;
      /** Of the process, for stdio. */
      readonly pid: number | undefined;
    }
  /** `retryAt` is when it is tried again; undefined: not before someone acts. */
  | { readonly kind: 'failed'; readonly at: number; readonly failure: Failure; readonly retryAt: number | undefined }
  | { readonly kind: 'draining' }
  | { readonly kind: 'stopped' };

/** A state with what has to be let go of when it is left. */
type Life =
  | { readonly state: BackendState & { kind: 'idle' | 'stopped' } }
  | {
      readonly state: BackendState & { kind: 'connecting' };
      readonly abort: AbortController;
      readonly attempt: Promise<void>;
    }
  | { readonly state: BackendState & { kind: 'ready' }; readonly connection: Connection; readonly refresh: Disposable }
  | { readonly state: BackendState & { kind: 'draining' }; readonly connection: Connection }
  | { readonly state: BackendState & { kind: 'failed' }; readonly retry: Disposable | undefined };

export interface BackendPorts {
  readonly clock: Clock;
  /** Of this product, told to the backend. */
  readonly version: string;
  /** Working directory of a stdio backend that names none. */
  readonly defaultCwd: string;
  /** The child processes that live. */
  readonly children: Set<StdioTransport>;
  /** Longest age of a list, in milliseconds. */
  listTtlMs(): number;
  /** The parent environment of stdio backends. */
  environment(): Promise<NodeJS.ProcessEnv>;
  /** A notification other than progress and list changes; `calls` are those in flight on the connection. */
  onNotification(backend: Backend, method: string, params: Params | undefined, calls: readonly CallInFlight[]): void;
  /** A request to a client: sampling, elicitation, roots. */
  onRequest(
    backend: Backend,
    request: JSONRPCRequest,
    calls: readonly CallInFlight[],
    signal: AbortSignal,
  ): Promise<Result>;
  /** A line of the backend's stderr, or about its life. */
  onLine(backend: Backend, line: string): void;
  /** The state or the statistics changed. */
  onChange(backend: Backend): void;
  /** The lists, or whether they can be used, changed. */
  onListsChange(backend: Backend): void;
}

const RESTART = { initialMs: 500, multiplier: 2, maxMs: 5000, jitter: 0.2 };
/** Having been ready for this long makes the next restart the first again. */
const STEADY_MS = 10_000;

/** One configured MCP server: started, watched, started again. Its lists outlive its connections. */
export class Backend {
  readonly stats = new Stats();
  private configured: BackendConfig;
  private readonly ports: BackendPorts;
  private readonly backoff = new Backoff(RESTART);
  private readonly settled = deferred();
  private life: Life = { state: { kind: 'idle' } };
  private offered: Lists = NO_LISTS;
  private stateChanges: Deferred[] = [];
  private lastLine = '';
  private readonly stale = new Set<ListKind>();
  private refreshing = false;

  constructor(config: BackendConfig, ports: BackendPorts) {
    this.configured = config;
    this.ports = ports;
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
    return this.offered;
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
    if (life.state.kind !== 'idle' && life.state.kind !== 'failed' && life.state.kind !== 'stopped') return;
    if ('retry' in life) life.retry?.dispose();
    const abort = new AbortController();
    const state = { kind: 'connecting', since: this.ports.clock.now() } as const;
    this.enter({ state, abort, attempt: this.attempt(abort.signal) });
  }

  /** Ends the connection and makes a new one. */
  async restart(): Promise<void> {
    this.ports.onLine(this, 'restarting');
    this.backoff.reset();
    await this.end({ kind: 'idle' });
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

  /**
   * Starts it if it is idle, and resolves when it is no longer connecting, when its request timeout is over, or when
   * the signal aborts.
   */
  async whenConnected(signal: AbortSignal): Promise<void> {
    if (this.life.state.kind === 'idle') this.start();
    if (this.life.state.kind !== 'connecting') return;
    const enough = deferred<'enough'>();
    const giveUp = () => enough.resolve('enough');
    const timer = this.ports.clock.schedule(this.timeouts().quietMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    while (
      this.life.state.kind === 'connecting' &&
      (await Promise.race([this.nextChange(), enough.promise])) !== 'enough'
    );
    timer.dispose();
    signal.removeEventListener('abort', giveUp);
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
    if (outcome.kind === 'failed') {
      this.stats.fail(outcome.failure.message, clock.now());
      this.ports.onLine(this, `${method} failed: ${outcome.failure.message}`);
      if (outcome.failure.code === 'session-lost' || outcome.failure.code === 'unreachable')
        this.lose(connection, outcome.failure);
    } else if (outcome.kind !== 'cancelled') {
      this.stats.succeed(clock.now() - begun);
    }
    this.announce();
    return outcome;
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
      this.lastLine = line;
      this.ports.onLine(this, line);
    };
    const ports: ConnectionPorts = {
      onNotification: (method, params, calls) => this.receive(method, params, calls),
      onRequest: (request, calls, asked) => this.ports.onRequest(this, request, calls, asked),
      // An end while the lists are still being read shows as their failure.
      onEnd: failure => connection && this.lose(connection, failure),
    };
    const attempted = await connect(
      this.config,
      { clock, version, defaultCwd, environment, onLine, children },
      ports,
      signal,
    );
    connection = attempted.ok ? attempted.value.connection : undefined;
    if (signal.aborted) await connection?.close();
    else if (attempted.ok) this.becomeReady(attempted.value);
    else this.fail(attempted.failure);
  }

  private becomeReady({ connection, lists, transport, pid }: Connected): void {
    const { name: serverName, version: serverVersion } = connection.serverInfo;
    const since = this.ports.clock.now();
    this.offered = lists;
    const state = { kind: 'ready', since, transport, serverName, serverVersion, pid } as const;
    this.enter({ state, connection, refresh: this.refreshLater() });
    this.ports.onLine(this, `ready: ${serverName} ${serverVersion}, ${lists.tools.length} tools`);
    this.ports.onListsChange(this);
    this.settled.resolve();
    // What changed while the lists were being read.
    void this.refresh();
  }

  /** Reacts to the end of a connection, unless another has taken its place. */
  private lose(connection: Connection, failure: Failure): void {
    const { life } = this;
    if (!('connection' in life) || life.connection !== connection || life.state.kind !== 'ready') return;
    if (this.ports.clock.now() - life.state.since >= STEADY_MS) this.backoff.reset();
    this.stats.fail(failure.message, this.ports.clock.now());
    void connection.close();
    this.fail(failure);
  }

  private fail(failure: Failure): void {
    const { clock } = this.ports;
    const told =
      failure.code === 'exited' && this.lastLine
        ? `${failure.message}: ${this.lastLine.slice(0, 200)}`
        : failure.message;
    // Asking again does not sign anybody in.
    const delay = failure.code === 'needs-sign-in' ? undefined : this.backoff.next();
    const retry = delay === undefined ? undefined : clock.schedule(delay, () => this.start());
    const retryAt = delay === undefined ? undefined : clock.now() + delay;
    this.lastLine = '';
    this.ports.onLine(this, told);
    this.enter({ state: { kind: 'failed', at: clock.now(), failure: { ...failure, message: told }, retryAt }, retry });
    this.settled.resolve();
  }

  /** Leaves the present state with all it holds, and enters a quiet one. */
  private async end(state: BackendState & { kind: 'idle' | 'stopped' }): Promise<void> {
    const { life } = this;
    this.enter({ state });
    if ('retry' in life) life.retry?.dispose();
    if ('refresh' in life) life.refresh.dispose();
    if ('abort' in life) {
      life.abort.abort();
      await life.attempt;
    }
    if ('connection' in life) await life.connection.close();
    this.settled.resolve();
  }

  private enter(life: Life): void {
    if ('refresh' in this.life) this.life.refresh.dispose();
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
    if (kinds.length === 0) {
      this.ports.onNotification(this, method, params, calls);
    } else {
      for (const kind of kinds) this.stale.add(kind);
      void this.refresh();
    }
  }

  private refreshLater(): Disposable {
    return this.ports.clock.schedule(this.ports.listTtlMs(), () => {
      for (const kind of ALL_LISTS) this.stale.add(kind);
      void this.refresh();
    });
  }

  /** Reads the stale lists again, one round at a time. A list that cannot be read stays as it was. */
  private async refresh(): Promise<void> {
    const { life } = this;
    if (life.state.kind !== 'ready' || !('refresh' in life) || this.refreshing) return;
    this.refreshing = true;
    while (this.stale.size > 0 && this.life === life) {
      const kinds = [...this.stale];
      this.stale.clear();
      const read = await readLists(life.connection, kinds, { ...this.timeouts(), signal: NEVER });
      if (this.life !== life) break;
      if (!read.ok) this.ports.onLine(this, `its lists could not be read again: ${read.failure.message}`);
      else if (kinds.some(kind => JSON.stringify(read.value[kind]) !== JSON.stringify(this.offered[kind]))) {
        this.offered = { ...this.offered, ...read.value };
        this.ports.onListsChange(this);
      }
    }
    this.refreshing = false;
    if (this.life !== life) return this.refresh();
    life.refresh.dispose();
    this.life = { ...life, refresh: this.refreshLater() };
  }
}

/** What a connection was made with: a change of anything else leaves it alone. */
function connectionKey({ launch, protocol, session }: BackendConfig): string {
  return JSON.stringify({ launch, protocol, session });
}

/** Lists are read for everybody: nobody's cancelling stops them; their timeouts do. */
const NEVER = new AbortController().signal;
