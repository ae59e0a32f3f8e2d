// Composition root: configuration → backends → catalog → sessions. Both faces start here.
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { Debounced, deferred } from './base/async.ts';
import { type Disposable, DisposableStore } from './base/disposable.ts';
import { Emitter } from './base/event.ts';
import type { Params } from './base/peer.ts';
import { METHOD_NOT_FOUND } from './base/rpcErrors.ts';
import type { Entry } from './config/entry.ts';
import type { LoadResult } from './config/load.ts';
import { Configuration, type ConfigurationOptions } from './configuration.ts';
import type { HttpListener } from './downstream/httpListener.ts';
import type { BackendChanges } from './downstream/managementTools.ts';
import { KeptCatalog } from './keptCatalog.ts';
import { digest } from './listFeed.ts';
import { LiveCatalog } from './liveCatalog.ts';
import { type AdditionReport, LiveChanges, type ReloadReport } from './liveChanges.ts';
import { type Caller, ClientRequests } from './router/clientRequests.ts';
import type { Decision } from './router/decisions.ts';
import { absenteesOf, type Explanation } from './router/explain.ts';
import { Exposure } from './router/exposure.ts';
import { Router } from './router/router.ts';
import type { Tracing } from './router/tracing.ts';
import { type ListenOptions, Serving } from './serving.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { BackendPorts } from './upstream/backendPorts.ts';
import { BackendSet, type Difference } from './upstream/backendSet.ts';
import { Children } from './upstream/children.ts';
import { type TryReport, tryBackend } from './upstream/tryBackend.ts';
import { Watchdog } from './upstream/watchdog.ts';

export type { HttpListener } from './downstream/httpListener.ts';
export type { CallTrace, Tracing } from './router/tracing.ts';
export type { ListenOptions } from './serving.ts';
export type { Snapshot } from './snapshot.ts';
export type { TryReport } from './upstream/tryBackend.ts';

export interface GatewayOptions extends ConfigurationOptions {
  /** Where what backends offer is kept from one run to the next; undefined: it is not. */
  readonly stateDirectory?: string;
  /** Working directory of stdio backends that name none. */
  readonly defaultCwd: string;
  /** The parent environment of stdio backends; asked at each start of one. */
  readonly environment: () => Promise<NodeJS.ProcessEnv>;
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
  /** Whether a backend that has failed is started again. Default true. */
  readonly restarts?: boolean;
  /** Undefined: nobody looks at traces. */
  readonly tracing?: Tracing | undefined;
}

/** The router itself, apart from its backends. Moments are milliseconds since the epoch. */
export interface RouterStatus {
  readonly name: string;
  readonly version: string;
  readonly configFile: string;
  readonly startedAt: number;
  readonly now: number;
  readonly isDraining: boolean;
  /** Of clients over HTTP. */
  readonly sessionCount: number;
}

/** What became of a tool call made by a face. */
export type CallReport =
  | { readonly kind: 'answered'; readonly result: Params }
  | { readonly kind: 'unknown'; readonly message: string }
  | { readonly kind: 'rejected'; readonly code: number; readonly message: string };

const SNAPSHOT_DEBOUNCE_MS = 100;
const RENEWAL_DEBOUNCE_MS = 50;

/**
 * Everything is to be gone 9 s after a SIGTERM. After the longest drain that leaves no time for the ladder that ends a
 * process: what still runs then is killed, and soon after that no backend is waited for any more.
 */
const KILLED_MS = 8250;
const LEFT_MS = 8400;
/** How long the kept catalog may take to be written at the end. */
const WRITTEN_MS = 300;
/** How long the backends are waited for by a name that names none of them: mistyped, or the router's own and about them all. */
const STRANGE_NAME_MS = 5000;
const LOG_LINES = 200;

/** The whole running thing: listeners, router, backends. */
export class Gateway implements Disposable {
  private readonly options: GatewayOptions;
  private readonly backends: BackendSet;
  private readonly router: Router;
  private readonly clients: ClientRequests;
  private readonly watchdog: Watchdog;
  private readonly children: Children;
  private readonly lines = new Map<string, string[]>();
  private readonly disposables = new DisposableStore();
  private readonly changed = new Emitter();
  private readonly logged = new Emitter<{ readonly backend: string; readonly line: string }>();
  private readonly decided = new Emitter<Decision>();
  private readonly announce: Debounced;
  private readonly renewal: Debounced;
  private readonly catalog: LiveCatalog;
  private readonly configuration: Configuration;
  private readonly serving: Serving;
  private readonly changes: LiveChanges;
  private readonly startedAt: number;
  private kept: KeptCatalog | undefined;

  /** Anything in the snapshot may differ; at most ten times a second. */
  readonly onDidChange = this.changed.event;
  /** A line of a backend's stderr, or about its life. */
  readonly onDidLogBackend = this.logged.event;
  /** A client's request has ended, and this is how it went. */
  readonly onDidDecide = this.decided.event;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { clock, log } = options;
    this.startedAt = clock.now();
    this.watchdog = new Watchdog(log);
    this.children = new Children(this.watchdog);
    this.announce = this.disposables.add(new Debounced(clock, SNAPSHOT_DEBOUNCE_MS, () => this.changed.fire()));
    this.renewal = this.disposables.add(
      new Debounced(clock, RENEWAL_DEBOUNCE_MS, () => this.router.renewSubscriptions(this.clients.audience)),
    );
    this.configuration = new Configuration(options, () => this.announce.trigger());
    this.catalog = this.disposables.add(
      new LiveCatalog({
        clock,
        config: () => this.config,
        backends: () => this.backends.all,
        broadcast: method => this.clients.broadcast(method),
      }),
    );
    this.changes = new LiveChanges({
      clock,
      log,
      persist: options.persist === true,
      configuration: this.configuration,
      backend: name => this.backends.find(name),
      apply: () => this.apply(),
      isStopping: () => this.serving.isDraining,
    });
    this.backends = new BackendSet(this.backendPorts(), config => this.kept?.kept(config));
    const exposure = new Exposure(() => this.catalog.ofBackends);
    this.clients = new ClientRequests(exposure, log, clock);
    this.router = new Router({
      clock,
      exposure,
      clients: this.clients,
      onDecision: decision => {
        this.decided.fire(decision);
        this.announce.trigger();
      },
      tracing: options.tracing,
      surroundings: () => ({
        catalog: this.catalog.ofBackends,
        backends: this.backends.all,
        routing: this.config.routing,
      }),
      absentees: () => absenteesOf(this.config),
      exposedTools: () => this.catalog.forClients.tools,
      whenBegun: () => this.catalog.whenBegun(),
    });
    this.serving = new Serving({
      options,
      gateway: this,
      router: this.router,
      clients: this.clients,
      catalog: this.catalog,
      config: () => this.config,
      backends: () => this.backends.all,
    });
  }

  /** Reads the configuration, starts every backend at once and watches the file; does not wait for the backends. */
  async start(): Promise<LoadResult> {
    const { configFile, clock } = this.options;
    const { stateDirectory, log } = this.options;
    const [result, kept] = await Promise.all([
      this.configuration.read(),
      stateDirectory === undefined
        ? undefined
        : KeptCatalog.open({ directory: stateDirectory, configFile, clock, log }),
    ]);
    this.kept = kept;
    if (result.ok) this.apply();
    this.disposables.add(this.configuration.watch(() => void this.reload()));
    this.catalog.begin();
    return result;
  }

  /** Reads the configuration again and applies the difference. A broken file changes nothing that runs. */
  reload(): Promise<ReloadReport> {
    return this.changes.reload();
  }

  snapshot(): Snapshot {
    const { current, problems, error } = this.configuration;
    return takeSnapshot({
      configFile: this.options.configFile,
      config: current,
      problems,
      configError: error,
      backends: this.backends.all,
      catalog: this.catalog.forClients,
      editorProblemOf: tool => this.serving.editorProblemOf(tool),
    });
  }

  /** The router itself, apart from its backends. */
  about(): RouterStatus {
    const { configFile, clock, serverInfo } = this.options;
    const { isDraining, sessionCount } = this.serving;
    const { name, version } = serverInfo;
    return { name, version, configFile, startedAt: this.startedAt, now: clock.now(), isDraining, sessionCount };
  }

  /** The last 200 lines about a backend. */
  backendLog(name: string): readonly string[] {
    return this.lines.get(name) ?? [];
  }

  /** Resolves when every enabled `auto_start` backend has been ready or has failed once. */
  async whenSettled(): Promise<void> {
    const starting = this.backends.all.filter(({ config }) => config.auto_start);
    await Promise.all(starting.map(backend => backend.whenSettled()));
  }

  /** A hash of the configuration and of everything offered. */
  version(): string {
    return digest([this.config, this.catalog.digests]);
  }

  /**
   * Finds out now whether a backend works, also one whose circuit is open; one that is not connected is started, which
   * takes at most its start timeout.
   * @returns why it does not; undefined if it works
   */
  async checkNow(name: string): Promise<string | undefined> {
    const backend = this.backends.find(name);
    const found = (await backend?.check()) ?? (await backend?.whenTried());
    return found?.kind === 'failed' ? found.failure.message : undefined;
  }

  /** Holds a backend's circuit open until it is resumed; calls go elsewhere, what runs keeps running. Not saved. */
  pause(name: string): void {
    this.backends.find(name)?.breaker.hold();
  }

  resume(name: string): void {
    this.backends.find(name)?.breaker.release();
  }

  /** Closes a backend's circuit and forgets its failures. */
  resetCircuit(name: string): void {
    this.backends.find(name)?.breaker.reset();
  }

  /**
   * Adds backends: to the file if changes made while running are kept there, else until the end of this run.
   * @param patienceMs how long to wait for what becomes of them; one that fails to start within that time is not added
   */
  addBackends(entries: readonly Entry[], patienceMs = 0): Promise<AdditionReport> {
    return this.changes.add(entries, patienceMs);
  }

  /** Ends a backend and removes it, from the file or until the end of this run. False: there is none of this name. */
  removeBackend(name: string): Promise<boolean> {
    return this.changes.remove(name);
  }

  /** Changes a backend, in the file or until the end of this run. False: there is none of this name. */
  updateBackend(name: string, changes: BackendChanges): Promise<boolean> {
    return this.changes.update(name, changes);
  }

  /** Where a call of a tool would go now, and why; nothing is called. */
  explainRoute(name: string): Explanation {
    return this.router.explain(name);
  }

  /** Why the last calls went where they went, newest first. */
  recentCalls(limit?: number): readonly Decision[] {
    return this.router.decisions.recent(limit);
  }

  /** Restarts a backend; does nothing for a name that is not running. */
  restart(name: string): void {
    void this.backends.find(name)?.restart();
  }

  /**
   * Connects a backend apart from the running ones, reads what it offers and ends it again.
   * @param entry an entry of `backends:`
   */
  async try(entry: unknown, signal: AbortSignal): Promise<TryReport> {
    const { clock, serverInfo, defaultCwd } = this.options;
    const parsed = this.configuration.parseEntry(entry);
    if (!parsed.ok) return { ok: false, message: parsed.message, stderrTail: [] };
    const environment = await this.options.environment();
    const options = { clock, clientInfo: serverInfo, knownEra: undefined };
    return tryBackend(parsed.config, { ...options, defaultCwd, environment, children: this.children }, signal);
  }

  /** Calls a tool as a client would, once it is known or every backend has settled. */
  async callTool(name: string, args: Params, signal: AbortSignal): Promise<CallReport> {
    const sessionId = randomUUID();
    const caller: Caller = {
      sessionId,
      client: { era: 'legacy', info: this.options.serverInfo, capabilities: {}, logLevel: undefined },
      notify: (method, params) => this.options.log.info(`${name}: ${method} ${JSON.stringify(params)}`),
      request: async () => ({ kind: 'error', error: NOBODY_TO_ASK }),
    };
    await this.whenKnown(name);
    const answer = await this.serving.callTool({ params: { name, arguments: args }, caller, signal });
    this.serving.release(sessionId);
    if (answer.kind === 'result') return { kind: 'answered', result: answer.result };
    const { code, message } = answer.error;
    return this.router.knows(name) ? { kind: 'rejected', code, message } : { kind: 'unknown', message };
  }

  /** Serves clients over HTTP. Rejects with a UserError if the address cannot be had. */
  listenHttp(options: ListenOptions): Promise<HttpListener> {
    return this.serving.listenHttp(options);
  }

  /** Serves one client over a pair of streams; resolves when the client has closed them. */
  serveStdio(input: Readable, output: Writable): Promise<void> {
    return this.serving.serveStdio(input, output);
  }

  /** Takes no new calls, gives those in flight their grace, then ends everything; resolves when it is gone. */
  async stop(): Promise<void> {
    this.serving.drain();
    this.disposables.dispose();
    const killing = this.options.clock.schedule(KILLED_MS, () => this.killAll());
    await this.atMost(LEFT_MS, this.backends.stop(this.config.server.drain_seconds * 1000));
    killing.dispose();
    // A disk that does not answer is not waited for either.
    await this.atMost(WRITTEN_MS, this.kept?.flush());
    this.watchdog.dispose();
    await this.serving.close();
  }

  /** Ends everything now: what is not gone when this returns is killed. */
  dispose(): void {
    this.disposables.dispose();
    void this.backends.stop(0);
    void this.kept?.flush();
    this.killAll();
    this.watchdog.dispose();
    void this.serving.close();
  }

  private async atMost(ms: number, ending: Promise<void> | undefined): Promise<void> {
    const late = deferred();
    const timer = this.options.clock.schedule(ms, late.resolve);
    await Promise.race([ending, late.promise]);
    timer.dispose();
  }

  private killAll(): void {
    for (const child of this.children) child.kill();
  }

  private get config() {
    return this.configuration.current;
  }

  /** Makes what runs equal to the configuration. */
  private apply(): Difference {
    const { config } = this;
    // A mistake in an entry does not cost that backend what is known of it.
    const names = new Set([...config.backends, ...config.rejected].map(({ name }) => name));
    this.kept?.retain([...names]);
    for (const name of this.lines.keys()) if (!names.has(name)) this.lines.delete(name);
    const difference = this.backends.apply(config.backends, config.server.drain_seconds * 1000);
    this.listsChanged();
    return difference;
  }

  private listsChanged(): void {
    this.catalog.changed();
    this.renewal.trigger();
    this.announce.trigger();
  }

  /** Waits for those who may still tell of a tool: the backends that its name names; for any other name all, but not long. */
  private async whenKnown(name: string): Promise<void> {
    const known = deferred();
    const check = () => this.router.knows(name) && known.resolve();
    const subscription = this.onDidChange(check);
    check();
    const named = this.router.namedBy(name);
    const told = (named.length > 0 ? named : this.backends.all)
      .filter(({ config }) => config.auto_start)
      .map(backend => backend.whenSettled());
    const timer = named.length > 0 ? undefined : this.options.clock.schedule(STRANGE_NAME_MS, known.resolve);
    await Promise.race([Promise.all(told), known.promise]);
    timer?.dispose();
    subscription.dispose();
  }

  private backendPorts(): BackendPorts {
    const { clock, log, defaultCwd, environment, serverInfo, restarts = true } = this.options;
    return {
      clock,
      log,
      defaultCwd,
      environment,
      clientInfo: serverInfo,
      children: this.children,
      restarts,
      listTtlMs: () => this.config.routing.capability_cache_ttl_seconds * 1000,
      onNotification: (backend, method, params, origin) => this.clients.notify(backend, method, params, origin),
      onRequest: (backend, method, params, origin, signal) =>
        this.clients.request(backend, method, params, origin, signal),
      onLine: (backend, line) => {
        const lines = this.lines.get(backend.name) ?? [];
        this.lines.set(backend.name, lines);
        if (lines.push(line) > LOG_LINES) lines.shift();
        log.debug(`${backend.name}: ${line}`, { backend: backend.name });
        this.logged.fire({ backend: backend.name, line });
      },
      onChange: () => this.announce.trigger(),
      onListsChange: backend => {
        const { logLevel } = this.clients;
        if (logLevel) void backend.setLogLevel(logLevel);
        this.kept?.keep(backend.config, backend);
        this.listsChanged();
      },
    };
  }
}

const NOBODY_TO_ASK = { code: METHOD_NOT_FOUND, message: 'No client is connected: nobody can be asked' };
