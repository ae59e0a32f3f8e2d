// Composition root: configuration → backends → catalog → sessions. Both faces start here.
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { Debounced, deferred, Turns } from './base/async.ts';
import { type Disposable, DisposableStore } from './base/disposable.ts';
import { Emitter } from './base/event.ts';
import type { Params } from './base/peer.ts';
import { METHOD_NOT_FOUND } from './base/rpcErrors.ts';
import type { Entry } from './config/entry.ts';
import { formatProblem, type LoadResult } from './config/load.ts';
import { type Addition, Configuration, type ConfigurationOptions } from './configuration.ts';
import type { Present, ServingPorts } from './downstream/dispatch.ts';
import type { Door, Role } from './downstream/door.ts';
import { EditorView } from './downstream/editorView.ts';
import { type AnsweredRequest, HttpListener, type HttpListenerOptions } from './downstream/httpListener.ts';
import { ManagementApi } from './downstream/managementApi.ts';
import { callManagementTool, levelFor, limitedTo } from './downstream/managementTools.ts';
import { type ProbePorts, probes } from './downstream/probes.ts';
import { Session } from './downstream/session.ts';
import { SseDoor } from './downstream/sseDoor.ts';
import { StatelessServer } from './downstream/statelessServer.ts';
import { StreamableDoor } from './downstream/streamableDoor.ts';
import { KeptCatalog } from './keptCatalog.ts';
import { digest } from './listFeed.ts';
import { LiveCatalog } from './liveCatalog.ts';
import { createManagement } from './management.ts';
import type { Metrics } from './metrics.ts';
import type { Changes } from './overlay.ts';
import { findTool } from './router/candidates.ts';
import { type Caller, ClientRequests } from './router/clientRequests.ts';
import type { Decision } from './router/decisions.ts';
import type { Explanation } from './router/explain.ts';
import { Exposure } from './router/exposure.ts';
import { introduce } from './router/introduction.ts';
import { Router } from './router/router.ts';
import type { Tracing } from './router/tracing.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { Backend } from './upstream/backend.ts';
import type { BackendPorts } from './upstream/backendPorts.ts';
import { BackendSet, type Difference } from './upstream/backendSet.ts';
import { Children } from './upstream/children.ts';
import { type TryReport, tryBackend } from './upstream/tryBackend.ts';
import { Watchdog } from './upstream/watchdog.ts';

export type { HttpListener } from './downstream/httpListener.ts';
export type { CallTrace, Tracing } from './router/tracing.ts';
export type { Snapshot } from './snapshot.ts';
export type { TryReport } from './upstream/tryBackend.ts';

export interface ListenOptions extends HttpListenerOptions {
  /** `editor`: VS Code alone, which is shown what it can take. `any`: whoever comes, at every door there is. */
  readonly clients: 'any' | 'editor';
}

export interface GatewayOptions extends ConfigurationOptions {
  /** Where what backends offer is kept from one run to the next; undefined: it is not. */
  readonly stateDirectory?: string;
  /** Working directory of stdio backends that name none. */
  readonly defaultCwd: string;
  /** The parent environment of stdio backends; asked at each start of one. */
  readonly environment: () => Promise<NodeJS.ProcessEnv>;
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
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

/** What a reload did; with errors, nothing. */
export interface ReloadReport extends Difference {
  readonly errors: readonly string[];
}

/** What became of a tool call made by a face. */
export type CallReport =
  | { readonly kind: 'answered'; readonly result: Params }
  | { readonly kind: 'unknown'; readonly message: string }
  | { readonly kind: 'rejected'; readonly code: number; readonly message: string };

const SNAPSHOT_DEBOUNCE_MS = 100;
/** Whatever the file says: with the ladder that ends a process, everything is to be gone 9 s after a SIGTERM. */
const MOST_DRAIN_MS = 6000;
const LOG_LINES = 200;

/** The whole running thing: listeners, router, backends. */
export class Gateway implements Disposable {
  private readonly options: GatewayOptions;
  private readonly backends: BackendSet;
  private readonly router: Router;
  private readonly clients: ClientRequests;
  private readonly listeners = new Set<HttpListener>();
  private readonly watchdog: Watchdog;
  private readonly children: Children;
  private readonly lines = new Map<string, string[]>();
  private readonly disposables = new DisposableStore();
  private readonly changed = new Emitter();
  private readonly logged = new Emitter<{ readonly backend: string; readonly line: string }>();
  private readonly decided = new Emitter<Decision>();
  private readonly announce: Debounced;
  private readonly catalog: LiveCatalog;
  private readonly configuration: Configuration;
  /** Of the configuration, one at a time. */
  private readonly changes = new Turns();
  private readonly startedAt: number;
  private isDraining = false;
  private editor: EditorView | undefined;
  private kept: KeptCatalog | undefined;
  private metrics: Promise<Metrics> | undefined;

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
    this.configuration = new Configuration(options);
    this.catalog = this.disposables.add(
      new LiveCatalog({
        clock,
        config: () => this.config,
        backends: () => this.backends.all,
        broadcast: method => this.clients.broadcast(method),
      }),
    );
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
    return this.changes.take(() => this.readAgain());
  }

  private async readAgain(): Promise<ReloadReport> {
    const result = await this.configuration.read();
    if (result.ok) {
      const difference = this.apply();
      const changes = Object.entries(difference).flatMap(([kind, names]) =>
        names.length > 0 ? `${kind}: ${names.join(', ')}` : [],
      );
      if (changes.length > 0) this.options.log.info(`Configuration applied (${changes.join('; ')})`);
      return { ...difference, errors: [] };
    }
    return { added: [], removed: [], updated: [], errors: result.problems.map(formatProblem) };
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
      editorProblemOf: tool => this.editor?.problemOf(tool),
    });
  }

  about(): RouterStatus {
    const { configFile, clock, serverInfo } = this.options;
    const { startedAt, isDraining } = this;
    const sessionCount = [...this.listeners].reduce((sum, listener) => sum + listener.sessionCount, 0);
    const { name, version } = serverInfo;
    return { name, version, configFile, startedAt, now: clock.now(), isDraining, sessionCount };
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

  /** Finds out now whether a backend works; one that is not connected is started. */
  async checkNow(name: string): Promise<void> {
    await this.backends.find(name)?.check();
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
  async addBackends(entries: readonly Entry[], patienceMs = 0): Promise<Addition> {
    const addition = await this.changes.take(async () => {
      const result = await this.configuration.add(entries);
      this.apply();
      return result;
    });
    if (patienceMs === 0) return addition;
    const { added, errors, warnings } = addition;
    const patience = deferred();
    const timer = this.options.clock.schedule(patienceMs, patience.resolve);
    await Promise.all(added.map(name => this.dropIfFailing(name, patience.promise, errors)));
    timer.dispose();
    return { added: added.filter(name => !errors.has(name)), errors, warnings };
  }

  /** Ends a backend and removes it, from the file or until the end of this run. False: there is none of this name. */
  removeBackend(name: string): Promise<boolean> {
    return this.changes.take(async () => {
      const isRemoved = await this.configuration.remove(name);
      if (isRemoved) this.apply();
      return isRemoved;
    });
  }

  /** Changes a backend, in the file or until the end of this run. False: there is none of this name. */
  updateBackend(name: string, changes: Changes): Promise<boolean> {
    return this.changes.take(async () => {
      const isUpdated = await this.configuration.update(name, changes);
      if (isUpdated) this.apply();
      return isUpdated;
    });
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
    const answer = await this.router.callTool({ params: { name, arguments: args }, caller, signal });
    this.release(sessionId);
    if (answer.kind === 'result') return { kind: 'answered', result: answer.result };
    const { code, message } = answer.error;
    return this.router.knows(name) ? { kind: 'rejected', code, message } : { kind: 'unknown', message };
  }

  /** Serves clients over HTTP. Rejects with a UserError if the address cannot be had. */
  async listenHttp({ clients, ...options }: ListenOptions): Promise<HttpListener> {
    const { clock, log } = this.options;
    const { allowed_hosts, allowed_origins } = this.config.server;
    const allowedHosts = [...allowed_hosts, ...(options.allowedHosts ?? [])];
    const allowedOrigins = [...allowed_origins, ...(options.allowedOrigins ?? [])];
    const present = clients === 'editor' ? this.editorView() : undefined;
    const ports = { admin: this.servingPorts('admin'), read: this.servingPorts('read') };
    const sessionOptions = (role: Role) => ({ ports: ports[role], log, present });
    const doors: Door[] = [new StreamableDoor(clock, sessionOptions)];
    const metrics = clients === 'any' ? await this.observed() : undefined;
    if (metrics) {
      doors.push(new SseDoor(clock, sessionOptions));
      doors.push(this.managementApi(), probes(this.probePorts()), metrics);
    }
    const onAnswered = (answered: AnsweredRequest) => {
      metrics?.answered(answered);
      options.onAnswered?.(answered);
    };
    const readsTraceContext = this.options.tracing !== undefined;
    const listening = { ...options, allowedHosts, allowedOrigins, readsTraceContext, onAnswered };
    const listener = await HttpListener.listen(listening, doors, clock, log);
    this.listeners.add(listener);
    return listener;
  }

  /** Serves one client over a pair of streams; resolves when the client has closed them. */
  async serveStdio(input: Readable, output: Writable): Promise<void> {
    const ended = deferred();
    const transport = new StdioServerTransport(input, output, { maxBufferSize: MAX_STDIO_MESSAGE_BYTES });
    transport.onclose = ended.resolve;
    const ports = this.servingPorts('admin');
    const stateless = new StatelessServer(ports, this.options.clock);
    await Session.serve(randomUUID(), transport, { ports, log: this.options.log, stateless });
    await ended.promise;
    stateless.dispose();
  }

  /** Takes no new calls, gives those in flight their grace, then ends everything; resolves when it is gone. */
  async stop(): Promise<void> {
    this.isDraining = true;
    for (const listener of this.listeners) listener.drain();
    this.disposables.dispose();
    await this.backends.stop(Math.min(this.config.server.drain_seconds * 1000, MOST_DRAIN_MS));
    await this.kept?.flush();
    this.watchdog.dispose();
    await Promise.all([...this.listeners].map(listener => listener.close()));
  }

  /** Ends everything now: what is not gone when this returns is killed. */
  dispose(): void {
    this.disposables.dispose();
    void this.backends.stop(0);
    void this.kept?.flush();
    for (const child of this.children) child.kill();
    this.watchdog.dispose();
    for (const listener of this.listeners) void listener.close();
  }

  private get config() {
    return this.configuration.current;
  }

  /** Makes what runs equal to the configuration. */
  private apply(): Difference {
    const { config } = this;
    // A mistake in an entry does not cost that backend what is known of it.
    this.kept?.retain([...config.backends, ...config.rejected].map(({ name }) => name));
    const difference = this.backends.apply(config.backends, config.server.drain_seconds * 1000);
    this.listsChanged();
    return difference;
  }

  /** Takes a new backend away again if it fails before it has ever been ready. */
  private async dropIfFailing(name: string, patience: Promise<void>, errors: Map<string, string>): Promise<void> {
    const backend = this.backends.find(name);
    if (!backend?.config.auto_start) return;
    await Promise.race([backend.whenSettled(), patience]);
    const { state } = backend;
    if (state.kind !== 'failed' || state.wasReady) return;
    errors.set(name, state.failure.message);
    await this.changes.take(async () => {
      // Another may have taken its place meanwhile.
      if (this.backends.find(name) !== backend) return;
      await this.configuration.remove(name);
      this.apply();
    });
  }

  private listsChanged(): void {
    this.catalog.changed();
    this.announce.trigger();
  }

  private async whenKnown(name: string): Promise<void> {
    const settled = this.whenSettled();
    const known = deferred();
    const check = () => this.router.knows(name) && known.resolve();
    const subscription = this.onDidChange(check);
    check();
    await Promise.race([settled, known.promise]);
    subscription.dispose();
  }

  private editorView(): Present {
    const { clock, log } = this.options;
    if (!this.editor) {
      this.editor = this.disposables.add(new EditorView(clock, log));
      this.editor.onDidChange(() => {
        for (const list of ['tools', 'prompts', 'resources'])
          this.clients.broadcast(`notifications/${list}/list_changed`);
      });
    }
    const { editor } = this;
    return (entry, kind) => editor.present(entry, kind);
  }

  private setSharedLevel(): void {
    const { logLevel } = this.clients;
    for (const backend of this.backends.all) if (logLevel && backend.isShared) void backend.setLogLevel(logLevel);
  }

  private release(sessionId: string): void {
    for (const backend of this.backends.all) backend.release(sessionId);
    this.setSharedLevel();
  }

  private managementApi(): Door {
    const { clock, serverInfo } = this.options;
    return new ManagementApi({
      management: createManagement(this),
      clock,
      document: async () => (await import('./openApi.ts')).createOpenApi(serverInfo),
    });
  }

  /** What Prometheus can ask for; loaded for those who serve it. */
  private observed(): Promise<Metrics> {
    this.metrics ??= import('./metrics.ts').then(({ Metrics }) => {
      const metrics = new Metrics({
        version: this.options.serverInfo.version,
        snapshot: () => this.snapshot(),
        sessions: () => [...this.listeners].reduce((sum, { sessionCount }) => sum + sessionCount, 0),
        exposedTool: name => findTool(this.catalog.ofBackends, name)?.exposedName,
      });
      this.onDidDecide(decision => metrics.decided(decision));
      return metrics;
    });
    return this.metrics;
  }

  private probePorts(): ProbePorts {
    const isAwaited = ({ config, isSettled, hasListed }: Backend) => config.auto_start && !isSettled && !hasListed;
    return {
      isDraining: () => this.isDraining,
      awaited: () => this.backends.all.filter(isAwaited).length,
    };
  }

  private servingPorts(role: Role): ServingPorts {
    const { serverInfo } = this.options;
    const { router } = this;
    const management = createManagement(this);
    const level = () => levelFor(role, this.config.server.management_tools);
    return {
      serverInfo,
      introduction: () => introduce(this.backends.all),
      release: sessionId => this.release(sessionId),
      router: {
        callTool: call => callManagementTool(call, level(), management) ?? router.callTool(call),
        getPrompt: call => router.getPrompt(call),
        ofResource: (method, call) => router.ofResource(method, call),
        complete: call => router.complete(call),
        ofTask: (method, call) => router.ofTask(method, call),
        listTasks: call => router.listTasks(call),
        ofNobody: (method, call) => router.ofNobody(method, call),
        leaveResource: uri => router.leaveResource(uri),
        listedAs: uri => router.listedAs(uri),
      },
      clients: this.clients,
      catalog: async () => {
        const catalog = await this.catalog.whenBegun();
        return level() === this.config.server.management_tools ? catalog : limitedTo(level(), catalog);
      },
      notifyBackends: (method, params, sessionId) => {
        for (const backend of this.backends.all) void backend.notify(method, params, sessionId);
      },
      onLogLevelChange: (level, sessionId) => {
        for (const backend of this.backends.all) if (!backend.isShared) void backend.setLogLevel(level, sessionId);
        this.setSharedLevel();
      },
      onStatelessLevel: level => {
        this.clients.noteLevel(level);
        this.setSharedLevel();
      },
    };
  }

  private backendPorts(): BackendPorts {
    const { clock, log, defaultCwd, environment, serverInfo } = this.options;
    return {
      clock,
      log,
      defaultCwd,
      environment,
      clientInfo: serverInfo,
      children: this.children,
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

const MAX_STDIO_MESSAGE_BYTES = 64 * 1024 * 1024;

const NOBODY_TO_ASK = { code: METHOD_NOT_FOUND, message: 'No client is connected: nobody can be asked' };
