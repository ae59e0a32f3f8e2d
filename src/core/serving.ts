// The side of the gateway that clients come in by: the listeners, their doors, and what those are given of what is behind.
import { randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { deferred } from './base/async.ts';
import { DisposableStore } from './base/disposable.ts';
import { USUAL_LOG_LEVEL } from './base/envelope.ts';
import type { Answer } from './base/peer.ts';
import type { Config } from './config/schema.ts';
import type { Present, ServingPorts } from './downstream/dispatch.ts';
import type { Door, Role } from './downstream/door.ts';
import { EditorView } from './downstream/editorView.ts';
import { Unread } from './downstream/httpExchange.ts';
import { type AnsweredRequest, HttpListener, type HttpListenerOptions } from './downstream/httpListener.ts';
import { ManagementApi } from './downstream/managementApi.ts';
import { callManagementTool, levelFor, limitedTo } from './downstream/managementTools.ts';
import { type ProbePorts, probes } from './downstream/probes.ts';
import { Session } from './downstream/session.ts';
import { SessionRoom } from './downstream/sessionTable.ts';
import { SseDoor } from './downstream/sseDoor.ts';
import { StatelessServer } from './downstream/statelessServer.ts';
import { StdioTransport } from './downstream/stdioTransport.ts';
import { StreamableDoor } from './downstream/streamableDoor.ts';
import type { Gateway, GatewayOptions } from './gateway.ts';
import type { LiveCatalog } from './liveCatalog.ts';
import { createManagement } from './management.ts';
import type { Metrics } from './metrics.ts';
import { findTool } from './router/candidates.ts';
import type { ClientRequests } from './router/clientRequests.ts';
import { introduce } from './router/introduction.ts';
import type { Call, Router } from './router/router.ts';
import type { Backend } from './upstream/backend.ts';

export interface ListenOptions extends HttpListenerOptions {
  /** `editor`: VS Code alone, which is shown what it can take. `any`: whoever comes, at every door there is. */
  readonly clients: 'any' | 'editor';
}

export interface ServingParts {
  readonly options: Pick<GatewayOptions, 'clock' | 'log' | 'serverInfo' | 'tracing'>;
  readonly gateway: Gateway;
  readonly router: Router;
  readonly clients: ClientRequests;
  readonly catalog: LiveCatalog;
  config(): Config;
  backends(): readonly Backend[];
}

/** Serves clients until it is closed; before that it is drained. */
export class Serving {
  private readonly parts: ServingParts;
  private readonly listeners = new Set<HttpListener>();
  private readonly disposables = new DisposableStore();
  private draining = false;
  /** Who is there has changed, and with it perhaps what they want at most. */
  private levelCheck: NodeJS.Immediate | undefined;
  private hasSetLevel = false;
  private editor: EditorView | undefined;
  private metrics: Promise<Metrics> | undefined;

  constructor(parts: ServingParts) {
    this.parts = parts;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Of clients over HTTP. */
  get sessionCount(): number {
    return [...this.listeners].reduce((sum, { sessionCount }) => sum + sessionCount, 0);
  }

  /** Why the editor is not shown a tool; undefined: it is. */
  editorProblemOf(tool: Parameters<EditorView['problemOf']>[0]): string | undefined {
    return this.editor?.problemOf(tool);
  }

  /** Serves clients over HTTP. Rejects with a UserError if the address cannot be had. */
  async listenHttp({ clients, ...options }: ListenOptions): Promise<HttpListener> {
    const { clock, log } = this.parts.options;
    const alsoAllowed = () => {
      const { allowed_hosts, allowed_origins } = this.parts.config().server;
      return { hosts: allowed_hosts, origins: allowed_origins };
    };
    const present = clients === 'editor' ? this.editorView() : undefined;
    const ports = { admin: this.servingPorts('admin'), read: this.servingPorts('read') };
    const sessionOptions = (role: Role) => ({ ports: ports[role], log, present });
    const [room, unread] = [new SessionRoom(), new Unread()];
    const doors: Door[] = [new StreamableDoor(clock, sessionOptions, room, unread)];
    const metrics = clients === 'any' ? await this.observed() : undefined;
    if (metrics) {
      doors.push(new SseDoor(clock, sessionOptions, room, unread));
      doors.push(this.managementApi(), probes(this.probePorts()), metrics);
    }
    const onAnswered = (answered: AnsweredRequest) => {
      metrics?.answered(answered);
      options.onAnswered?.(answered);
    };
    const readsTraceContext = this.parts.options.tracing !== undefined;
    const listening = { ...options, alsoAllowed, readsTraceContext, onAnswered };
    const listener = await HttpListener.listen(listening, doors, clock, log);
    this.listeners.add(listener);
    return listener;
  }

  /** Serves one client over a pair of streams; resolves when the client has closed them. */
  async serveStdio(input: Readable, output: Writable): Promise<void> {
    const ended = deferred();
    const graceMs = () => this.parts.config().server.drain_seconds * 1000;
    const transport = new StdioTransport(input, output, this.parts.options.clock, graceMs);
    transport.onclose = ended.resolve;
    const ports = this.servingPorts('admin');
    const sessionId = randomUUID();
    const stateless = new StatelessServer(ports, this.parts.options.clock, { onlyClient: sessionId });
    await Session.serve(sessionId, transport, { ports, log: this.parts.options.log, stateless });
    await ended.promise;
    stateless.dispose();
  }

  /** Calls a tool, the router's own ones included, as a client with all rights does. */
  callTool(call: Call): Promise<Answer> {
    return this.servingPorts('admin').router.callTool(call);
  }

  /** Takes nothing new; what is in flight goes on. */
  drain(): void {
    this.draining = true;
    for (const listener of this.listeners) listener.drain();
  }

  /** Ends all sessions and stops listening. */
  async close(): Promise<void> {
    this.disposables.dispose();
    await Promise.all([...this.listeners].map(listener => listener.close()));
  }

  private editorView(): Present {
    const { clock, log } = this.parts.options;
    if (!this.editor) {
      this.editor = this.disposables.add(new EditorView(clock, log));
      this.editor.onDidChange(() => {
        for (const list of ['tools', 'prompts', 'resources'])
          this.parts.clients.broadcast(`notifications/${list}/list_changed`);
      });
    }
    const { editor } = this;
    return (catalog, kind) => editor.present(catalog, kind);
  }

  private setSharedLevel(): void {
    // What was asked for stays so, also for those who ask for nothing.
    const level = this.parts.clients.logLevel ?? (this.hasSetLevel ? USUAL_LOG_LEVEL : undefined);
    if (level === undefined) return;
    this.hasSetLevel = true;
    for (const backend of this.parts.backends()) if (backend.isShared) void backend.setLogLevel(level);
  }

  /** On the connections of one client's own. */
  private setLevelFor(sessionId: string, level: string): void {
    for (const backend of this.parts.backends()) if (!backend.isShared) void backend.setLogLevel(level, sessionId);
  }

  /** Many may come or leave in one turn, and finding the level looks at all who are there. */
  private setSharedLevelSoon(): void {
    this.levelCheck ??= setImmediate(() => {
      this.levelCheck = undefined;
      this.setSharedLevel();
    });
  }

  release(sessionId: string): void {
    for (const backend of this.parts.backends()) backend.release(sessionId);
    // Who stops needs it no more.
    if (!this.draining) this.setSharedLevelSoon();
  }

  private managementApi(): Door {
    const { clock, serverInfo } = this.parts.options;
    return new ManagementApi({
      management: createManagement(this.parts.gateway),
      clock,
      document: async () => (await import('./openApi.ts')).createOpenApi(serverInfo),
    });
  }

  /** What Prometheus can ask for; loaded for those who serve it. */
  private observed(): Promise<Metrics> {
    this.metrics ??= import('./metrics.ts').then(({ Metrics }) => {
      const metrics = new Metrics({
        version: this.parts.options.serverInfo.version,
        snapshot: () => this.parts.gateway.snapshot(),
        sessions: () => this.sessionCount,
        exposedTool: name => findTool(this.parts.catalog.ofBackends, name)?.exposedName,
      });
      this.parts.gateway.onDidDecide(decision => metrics.decided(decision));
      return metrics;
    });
    return this.metrics;
  }

  private probePorts(): ProbePorts {
    const isAwaited = ({ config, isSettled, hasListed }: Backend) => config.auto_start && !isSettled && !hasListed;
    return {
      isDraining: () => this.draining,
      awaited: () => this.parts.backends().filter(isAwaited).length,
    };
  }

  private servingPorts(role: Role): ServingPorts {
    const { serverInfo } = this.parts.options;
    const { router } = this.parts;
    const management = createManagement(this.parts.gateway);
    const level = () => levelFor(role, this.parts.config().server.management_tools);
    return {
      serverInfo,
      isStopping: () => this.draining,
      introduction: () => introduce(this.parts.backends()),
      release: sessionId => this.release(sessionId),
      router: {
        callTool: call => callManagementTool(call, level(), management) ?? router.callTool(call),
        getPrompt: call => router.getPrompt(call),
        ofResource: (method, call) => router.ofResource(method, call),
        complete: call => router.complete(call),
        ofTask: (method, call) => router.ofTask(method, call),
        listTasks: call => router.listTasks(call),
        ofNobody: (method, call) => router.ofNobody(method, call),
        isShared: uri => router.isShared(uri),
        leaveResource: (uri, sessionId) => router.leaveResource(uri, sessionId),
        listedAs: uri => router.listedAs(uri),
      },
      clients: this.parts.clients,
      catalog: async () => {
        const catalog = await this.parts.catalog.whenBegun();
        return level() === this.parts.config().server.management_tools ? catalog : limitedTo(level(), catalog);
      },
      notifyBackends: (method, params, sessionId) => {
        for (const backend of this.parts.backends()) void backend.notify(method, params, sessionId);
      },
      onJoin: () => {
        if (this.hasSetLevel) this.setSharedLevelSoon();
      },
      onLogLevelChange: (level, sessionId) => {
        this.setLevelFor(sessionId, level);
        this.setSharedLevel();
      },
      onStatelessLevel: (level, sessionId) => {
        const { clients } = this.parts;
        if (!clients.noteLevel(level)) return;
        this.setLevelFor(sessionId, clients.logLevel ?? level);
        this.setSharedLevel();
      },
    };
  }
}
