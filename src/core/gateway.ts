// Composition root: configuration → backends → catalog → sessions. Both faces start here.
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { Debounced, deferred } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import { type Disposable, DisposableStore } from './base/disposable.ts';
import { UserError } from './base/errors.ts';
import { Emitter } from './base/event.ts';
import type { Logger } from './base/log.ts';
import type { Params } from './base/peer.ts';
import { addBackend, type ConfigEdit, editConfigFile, removeBackend, setBackendKey } from './config/edit.ts';
import {
  formatProblem,
  type LoadOptions,
  type LoadResult,
  loadConfig,
  type Problem,
  parseConfig,
} from './config/load.ts';
import { type BackendConfig, type Config, routingSchema, serverSchema } from './config/schema.ts';
import { watchConfig } from './config/watch.ts';
import type { Present, ServingPorts } from './downstream/dispatch.ts';
import { EditorView } from './downstream/editorView.ts';
import { HttpListener, type HttpListenerOptions } from './downstream/httpListener.ts';
import { callManagementTool, withManagementTools } from './downstream/managementTools.ts';
import { Session } from './downstream/session.ts';
import { StatelessServer } from './downstream/statelessServer.ts';
import { KeptCatalog } from './keptCatalog.ts';
import { digest, digestsOf, ListFeed } from './listFeed.ts';
import { createManagement } from './management.ts';
import { Overlay } from './overlay.ts';
import { buildCatalog, type Catalog } from './router/catalog.ts';
import { type Caller, ClientRequests } from './router/clientRequests.ts';
import type { Decision } from './router/decisions.ts';
import type { Explanation } from './router/explain.ts';
import { Exposure } from './router/exposure.ts';
import { introduce } from './router/introduction.ts';
import { Router } from './router/router.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { BackendPorts } from './upstream/backendPorts.ts';
import { BackendSet, type Difference } from './upstream/backendSet.ts';
import { Children } from './upstream/children.ts';
import { type TryReport, tryBackend } from './upstream/tryBackend.ts';
import { Watchdog } from './upstream/watchdog.ts';

export type { HttpListener } from './downstream/httpListener.ts';
export type { Snapshot } from './snapshot.ts';
export type { TryReport } from './upstream/tryBackend.ts';

export interface GatewayOptions {
  /** Absolute path. */
  readonly configFile: string;
  /** Whether what is changed while running is written to the file; else it lasts until the end of the run. */
  readonly persist?: boolean;
  /** Where what backends offer is kept from one run to the next; undefined: it is not. */
  readonly stateDirectory?: string;
  readonly loadOptions: LoadOptions;
  /** Working directory of stdio backends that name none. */
  readonly defaultCwd: string;
  /** The parent environment of stdio backends; asked at each start of one. */
  readonly environment: () => Promise<NodeJS.ProcessEnv>;
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
  readonly clock: Clock;
  readonly log: Logger;
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

/** A first list waits this long for backends that have neither answered nor failed. */
const FIRST_LIST_MS = 1000;
const SNAPSHOT_DEBOUNCE_MS = 100;
/** Whatever the file says: with the ladder that ends a process, everything is to be gone 9 s after a SIGTERM. */
const MOST_DRAIN_MS = 6000;
const LOG_LINES = 200;
const METHOD_NOT_FOUND = -32601;

const NOTHING: Config = {
  backends: [],
  rejected: [],
  routing: routingSchema.parse({}),
  server: serverSchema.parse({}),
};

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
  private readonly announce: Debounced;
  private readonly listFeed: ListFeed;
  private config = NOTHING;
  /** As read, without what was changed while running. */
  private fileConfig = NOTHING;
  private readonly overlay = new Overlay();
  private problems: readonly Problem[] = [];
  private configError: string | undefined;
  private editor: EditorView | undefined;
  private kept: KeptCatalog | undefined;
  private merged: Catalog | undefined;
  private exposed: Catalog | undefined;
  private firstLists: Promise<unknown> = Promise.resolve();

  /** Anything in the snapshot may differ; at most ten times a second. */
  readonly onDidChange = this.changed.event;
  /** A line of a backend's stderr, or about its life. */
  readonly onDidLogBackend = this.logged.event;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { clock, log } = options;
    this.watchdog = new Watchdog(log);
    this.children = new Children(this.watchdog);
    this.announce = this.disposables.add(new Debounced(clock, SNAPSHOT_DEBOUNCE_MS, () => this.changed.fire()));
    this.listFeed = this.disposables.add(
      new ListFeed(
        clock,
        () => this.exposedCatalog(),
        method => this.clients.broadcast(method),
      ),
    );
    this.backends = new BackendSet(this.backendPorts(), config => this.kept?.kept(config));
    const exposure = new Exposure(() => this.catalog());
    this.clients = new ClientRequests(exposure, log);
    this.router = new Router({
      clock,
      exposure,
      clients: this.clients,
      onDecision: () => this.announce.trigger(),
      surroundings: () => ({ catalog: this.catalog(), backends: this.backends.all, routing: this.config.routing }),
    });
  }

  /** Reads the configuration, starts every backend at once and watches the file; does not wait for the backends. */
  async start(): Promise<LoadResult> {
    const { configFile, clock } = this.options;
    const { stateDirectory, log } = this.options;
    const [result, kept] = await Promise.all([
      this.load(),
      stateDirectory === undefined
        ? undefined
        : KeptCatalog.open({ directory: stateDirectory, configFile, clock, log }),
    ]);
    this.kept = kept;
    if (result.ok) this.apply(result.config);
    this.disposables.add(watchConfig(configFile, clock, () => void this.reload()));
    const patience = deferred();
    const timer = this.disposables.add(clock.schedule(FIRST_LIST_MS, patience.resolve));
    const unknown = this.backends.all.filter(({ config, hasListed }) => config.auto_start && !hasListed);
    const known = Promise.all(unknown.map(backend => backend.whenSettled()));
    this.firstLists = Promise.race([known.finally(() => timer.dispose()), patience.promise]);
    return result;
  }

  /** Reads the configuration again and applies the difference. A broken file changes nothing that runs. */
  async reload(): Promise<ReloadReport> {
    const result = await this.load();
    if (result.ok) {
      const difference = this.apply(result.config);
      const changes = Object.entries(difference).flatMap(([kind, names]) =>
        names.length > 0 ? `${kind}: ${names.join(', ')}` : [],
      );
      if (changes.length > 0) this.options.log.info(`Configuration applied (${changes.join('; ')})`);
      return { ...difference, errors: [] };
    }
    return { added: [], removed: [], updated: [], errors: result.problems.map(formatProblem) };
  }

  snapshot(): Snapshot {
    const { config, problems, configError } = this;
    const { configFile } = this.options;
    return takeSnapshot({
      configFile,
      config,
      problems,
      configError,
      backends: this.backends.all,
      catalog: this.exposedCatalog(),
      editorProblemOf: tool => this.editor?.problemOf(tool),
    });
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
    return digest([this.config, digestsOf(this.exposedCatalog())]);
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
   * Adds a backend: to the file if changes made while running are kept there, else until the end of this run.
   * @param entry an entry of `backends:`. Rejects with a UserError if it cannot be used.
   */
  async addBackend(entry: Record<string, unknown> & { readonly name: string }): Promise<void> {
    if (this.options.persist) return this.edit(addBackend(entry));
    const parsed = this.parseEntry(entry);
    if (!parsed.ok) throw new UserError(parsed.message);
    this.overlay.add(parsed.config);
    this.apply(this.fileConfig);
  }

  /** Ends a backend and removes it, from the file or until the end of this run. */
  async removeBackend(name: string): Promise<void> {
    if (this.options.persist) return this.edit(removeBackend(name));
    this.overlay.remove(name);
    this.apply(this.fileConfig);
  }

  /** Changes when a backend is tried, in the file or until the end of this run. */
  async setPriority(name: string, priority: number): Promise<void> {
    if (this.options.persist) return this.edit(setBackendKey(name, 'priority', priority));
    this.overlay.setPriority(name, priority);
    this.apply(this.fileConfig);
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
    const parsed = this.parseEntry(entry);
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

  /** Serves clients over Streamable HTTP. Rejects with a UserError if the address cannot be had. */
  async listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
    const { allowed_hosts, allowed_origins } = this.config.server;
    const allowedHosts = [...allowed_hosts, ...(options.allowedHosts ?? [])];
    const allowedOrigins = [...allowed_origins, ...(options.allowedOrigins ?? [])];
    const listener = await HttpListener.listen({ ...options, allowedHosts, allowedOrigins }, this.options.clock, {
      ports: this.servingPorts(),
      log: this.options.log,
      present: options.fitsEditor ? this.editorView() : undefined,
    });
    this.listeners.add(listener);
    return listener;
  }

  /** Serves one client over a pair of streams; resolves when the client has closed them. */
  async serveStdio(input: Readable, output: Writable): Promise<void> {
    const ended = deferred();
    const transport = new StdioServerTransport(input, output, { maxBufferSize: MAX_STDIO_MESSAGE_BYTES });
    transport.onclose = ended.resolve;
    const ports = this.servingPorts();
    const stateless = new StatelessServer(ports, this.options.clock);
    await Session.serve(randomUUID(), transport, { ports, log: this.options.log, stateless });
    await ended.promise;
    stateless.dispose();
  }

  /** Takes no new calls, gives those in flight their grace, then ends everything; resolves when it is gone. */
  async stop(): Promise<void> {
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

  private async load(): Promise<LoadResult> {
    const { configFile, loadOptions, log } = this.options;
    const result = await loadConfig(configFile, loadOptions);
    this.problems = result.problems;
    this.configError = result.ok ? undefined : result.problems.map(formatProblem).join('\n');
    for (const problem of result.problems) log[problem.severity](formatProblem(problem));
    this.announce.trigger();
    return result;
  }

  private parseEntry(entry: unknown): { ok: true; config: BackendConfig } | { ok: false; message: string } {
    const { configFile, loadOptions } = this.options;
    const parsed = parseConfig(JSON.stringify({ backends: [entry] }), configFile, loadOptions);
    const config = parsed.ok ? parsed.config.backends[0] : undefined;
    return config
      ? { ok: true, config }
      : { ok: false, message: parsed.problems.map(({ message }) => message).join('\n') };
  }

  private async edit(edit: ConfigEdit): Promise<void> {
    await editConfigFile(this.options.configFile, edit);
    await this.reload();
  }

  private apply(fileConfig: Config): Difference {
    this.fileConfig = fileConfig;
    const config = this.overlay.over(fileConfig);
    this.config = config;
    // A mistake in an entry does not cost that backend what is known of it.
    this.kept?.retain([...config.backends, ...config.rejected].map(({ name }) => name));
    const difference = this.backends.apply(config.backends, config.server.drain_seconds * 1000);
    this.listsChanged();
    this.announce.trigger();
    return difference;
  }

  private catalog(): Catalog {
    this.merged ??= buildCatalog(this.backends.all, this.config.routing);
    return this.merged;
  }

  /** As clients see it: with the management tools. */
  private exposedCatalog(): Catalog {
    this.exposed ??= withManagementTools(this.catalog(), this.config.server.management_tools);
    return this.exposed;
  }

  private listsChanged(): void {
    this.merged = undefined;
    this.exposed = undefined;
    this.announce.trigger();
    this.listFeed.changed();
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

  private release(sessionId: string): void {
    for (const backend of this.backends.all) backend.release(sessionId);
  }

  private servingPorts(): ServingPorts {
    const { serverInfo } = this.options;
    const { router } = this;
    const management = createManagement(this);
    return {
      serverInfo,
      introduction: () => introduce(this.backends.all),
      release: sessionId => this.release(sessionId),
      router: {
        callTool: call =>
          callManagementTool(call, this.config.server.management_tools, management) ?? router.callTool(call),
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
        await this.firstLists;
        return this.exposedCatalog();
      },
      notifyBackends: (method, params, sessionId) => {
        for (const backend of this.backends.all) void backend.notify(method, params, sessionId);
      },
      onLogLevelChange: (level, sessionId) => {
        for (const backend of this.backends.all)
          void backend.setLogLevel(backend.isShared ? this.clients.loudest(level) : level, sessionId);
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
        log.debug(`${backend.name}: ${line}`);
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
