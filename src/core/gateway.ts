// Composition root: configuration → backends → catalog → sessions. Both faces start here.
import { createHash, randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { Debounced, deferred } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import { type Disposable, DisposableStore } from './base/disposable.ts';
import { Emitter } from './base/event.ts';
import type { Logger } from './base/log.ts';
import {
  formatProblem,
  type LoadOptions,
  type LoadResult,
  loadConfig,
  type Problem,
  parseConfig,
} from './config/load.ts';
import { type Config, routingSchema, serverSchema } from './config/schema.ts';
import { watchConfig } from './config/watch.ts';
import { HttpListener, type HttpListenerOptions } from './downstream/httpListener.ts';
import { Session, type SessionPorts } from './downstream/session.ts';
import { buildCatalog, type Catalog } from './router/catalog.ts';
import { type Caller, ClientRequests } from './router/clientRequests.ts';
import { type Params, Router, WireError } from './router/router.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import type { BackendPorts } from './upstream/backend.ts';
import { BackendSet, type Difference } from './upstream/backendSet.ts';
import { connect } from './upstream/connect.ts';
import type { StdioTransport } from './upstream/stdioTransport.ts';

export type { HttpListener } from './downstream/httpListener.ts';
export type { Snapshot } from './snapshot.ts';

export interface GatewayOptions {
  /** Absolute path. */
  readonly configFile: string;
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

/** What trying a backend apart from the running ones found. */
export type TryReport =
  | { readonly ok: true; readonly serverName: string; readonly tools: readonly string[] }
  | { readonly ok: false; readonly message: string; readonly stderrTail: readonly string[] };

/** What became of a tool call made by a face. */
export type CallReport =
  | { readonly kind: 'answered'; readonly result: Params }
  | { readonly kind: 'unknown'; readonly message: string }
  | { readonly kind: 'rejected'; readonly code: number; readonly message: string };

/** A first list waits this long for backends that have neither answered nor failed. */
const FIRST_LIST_MS = 1000;
const LIST_CHANGED_DEBOUNCE_MS = 50;
const SNAPSHOT_DEBOUNCE_MS = 100;
const LOG_LINES = 200;
const TAIL_LINES = 20;
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
  private readonly children = new Set<StdioTransport>();
  private readonly lines = new Map<string, string[]>();
  private readonly disposables = new DisposableStore();
  private readonly changed = new Emitter();
  private readonly logged = new Emitter<{ readonly backend: string; readonly line: string }>();
  private readonly announce: Debounced;
  private readonly announceLists: Debounced;
  private config = NOTHING;
  private problems: readonly Problem[] = [];
  private configError: string | undefined;
  private merged: Catalog | undefined;
  private announced = digests(buildCatalog([], NOTHING.routing));
  private firstLists: Promise<unknown> = Promise.resolve();

  /** Anything in the snapshot may differ; at most ten times a second. */
  readonly onDidChange = this.changed.event;
  /** A line of a backend's stderr, or about its life. */
  readonly onDidLogBackend = this.logged.event;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { clock, log } = options;
    this.announce = this.disposables.add(new Debounced(clock, SNAPSHOT_DEBOUNCE_MS, () => this.changed.fire()));
    this.announceLists = this.disposables.add(new Debounced(clock, LIST_CHANGED_DEBOUNCE_MS, () => this.tellClients()));
    this.backends = new BackendSet(this.backendPorts());
    this.clients = new ClientRequests(() => this.catalog(), log);
    this.router = new Router({ catalog: () => this.catalog(), backends: () => this.backends.all });
  }

  /** Reads the configuration, starts every backend at once and watches the file; does not wait for the backends. */
  async start(): Promise<LoadResult> {
    const { configFile, clock } = this.options;
    const result = await this.load();
    if (result.ok) this.apply(result.config);
    this.disposables.add(watchConfig(configFile, clock, () => void this.reload()));
    const patience = deferred();
    const timer = this.disposables.add(clock.schedule(FIRST_LIST_MS, patience.resolve));
    this.firstLists = Promise.race([this.whenSettled().finally(() => timer.dispose()), patience.promise]);
    return result;
  }

  /** Reads the configuration again and applies the difference. A broken file changes nothing that runs. */
  async reload(): Promise<ReloadReport> {
    const result = await this.load();
    if (result.ok) return { ...this.apply(result.config), errors: [] };
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
      catalog: this.catalog(),
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
    return hash([this.config, digests(this.catalog())]);
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
    const { configFile, loadOptions, clock, serverInfo, defaultCwd } = this.options;
    const parsed = parseConfig(JSON.stringify({ backends: [entry] }), configFile, loadOptions);
    const config = parsed.ok ? parsed.config.backends[0] : undefined;
    if (!config)
      return { ok: false, message: parsed.problems.map(({ message }) => message).join('\n'), stderrTail: [] };
    const tail: string[] = [];
    const onLine = (line: string) => void (tail.push(line) > TAIL_LINES && tail.shift());
    const ignore = {
      onNotification: () => {},
      onRequest: () => Promise.reject(nobodyToAsk('It is only being tried')),
      onEnd: () => {},
    };
    const environment = await this.options.environment();
    const { version } = serverInfo;
    const context = { clock, version, defaultCwd, environment, onLine, children: this.children };
    const tried = await connect(config, context, ignore, signal);
    if (!tried.ok) return { ok: false, message: tried.failure.message, stderrTail: tail };
    const { connection, lists } = tried.value;
    await connection.close();
    return { ok: true, serverName: connection.serverInfo.name, tools: lists.tools.map(tool => String(tool.name)) };
  }

  /** Calls a tool as a client would, once it is known or every backend has settled. */
  async callTool(name: string, args: Params, signal: AbortSignal): Promise<CallReport> {
    const caller: Caller = {
      sessionId: randomUUID(),
      notify: (method, params) => this.options.log.info(`${name}: ${method} ${JSON.stringify(params)}`),
      request: () => Promise.reject(nobodyToAsk('No client is connected')),
    };
    await this.whenKnown(name);
    const answer = await this.router.callTool({ params: { name, arguments: args }, caller, signal });
    if (answer.kind === 'result') return { kind: 'answered', result: answer.result };
    const { code, message } = answer.error;
    return this.router.knows(name) ? { kind: 'rejected', code, message } : { kind: 'unknown', message };
  }

  /** Serves clients over Streamable HTTP. Rejects with a UserError if the address cannot be had. */
  async listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
    const { allowed_hosts, allowed_origins } = this.config.server;
    const allowedHosts = [...allowed_hosts, ...(options.allowedHosts ?? [])];
    const allowedOrigins = [...allowed_origins, ...(options.allowedOrigins ?? [])];
    const listener = await HttpListener.listen(
      { ...options, allowedHosts, allowedOrigins },
      this.options.clock,
      this.sessionPorts(),
    );
    this.listeners.add(listener);
    return listener;
  }

  /** Serves one client over a pair of streams; resolves when the client has closed them. */
  async serveStdio(input: Readable, output: Writable): Promise<void> {
    const ended = deferred();
    const transport = new StdioServerTransport(input, output, { maxBufferSize: MAX_STDIO_MESSAGE_BYTES });
    transport.onclose = ended.resolve;
    await Session.serve(randomUUID(), transport, this.sessionPorts());
    await ended.promise;
  }

  /** Takes no new calls, gives those in flight their grace, then ends everything; resolves when it is gone. */
  async stop(): Promise<void> {
    this.disposables.dispose();
    await this.backends.stop(this.config.server.drain_seconds * 1000);
    await Promise.all([...this.listeners].map(listener => listener.close()));
  }

  /** Ends everything now: what is not gone when this returns is killed. */
  dispose(): void {
    this.disposables.dispose();
    void this.backends.stop(0);
    for (const child of this.children) child.kill();
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

  private apply(config: Config): Difference {
    this.config = config;
    const difference = this.backends.apply(config.backends, config.server.drain_seconds * 1000);
    this.listsChanged();
    this.announce.trigger();
    return difference;
  }

  private catalog(): Catalog {
    this.merged ??= buildCatalog(this.backends.all, this.config.routing);
    return this.merged;
  }

  private listsChanged(): void {
    this.merged = undefined;
    this.announce.trigger();
    this.announceLists.trigger();
  }

  /** Tells clients which of their lists differ from what they were last told of. */
  private tellClients(): void {
    const now = digests(this.catalog());
    const before = this.announced;
    this.announced = now;
    if (now.tools !== before.tools) this.clients.broadcast('notifications/tools/list_changed');
    if (now.prompts !== before.prompts) this.clients.broadcast('notifications/prompts/list_changed');
    if (now.resources !== before.resources) this.clients.broadcast('notifications/resources/list_changed');
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

  private sessionPorts(): SessionPorts {
    const { serverInfo, log } = this.options;
    return {
      serverInfo,
      log,
      router: this.router,
      clients: this.clients,
      catalog: async () => {
        await this.firstLists;
        return this.catalog();
      },
      notifyBackends: method => {
        for (const backend of this.backends.all) backend.notify(method);
      },
      onLogLevelChange: () => {
        const { logLevel } = this.clients;
        for (const backend of this.backends.all) if (logLevel) void backend.setLogLevel(logLevel);
      },
    };
  }

  private backendPorts(): BackendPorts {
    const { clock, log, defaultCwd, environment, serverInfo } = this.options;
    return {
      clock,
      defaultCwd,
      environment,
      version: serverInfo.version,
      children: this.children,
      listTtlMs: () => this.config.routing.capability_cache_ttl_seconds * 1000,
      onNotification: (backend, method, params, calls) => this.clients.notify(backend, method, params, calls),
      onRequest: (backend, request, calls, signal) => this.clients.request(backend, request, calls, signal),
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
        this.listsChanged();
      },
    };
  }
}

const MAX_STDIO_MESSAGE_BYTES = 64 * 1024 * 1024;

function nobodyToAsk(reason: string): WireError {
  return new WireError({ code: METHOD_NOT_FOUND, message: `${reason}: nobody can be asked` });
}

function digests(catalog: Catalog): { tools: string; prompts: string; resources: string } {
  const of = (...maps: ReadonlyMap<string, { definition: unknown }>[]) =>
    hash(maps.map(map => Array.from(map.values(), ({ definition }) => definition)));
  return {
    tools: of(catalog.tools),
    prompts: of(catalog.prompts),
    resources: of(catalog.resources, catalog.templates),
  };
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
