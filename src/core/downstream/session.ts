import {
  type JSONRPCRequest,
  type Result,
  Server,
  type ServerContext,
  type Transport,
} from '@modelcontextprotocol/server';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Catalog, Entry } from '../router/catalog.ts';
import { type Caller, type ClientRequests, type ClientSession, LOGGING_LEVELS } from '../router/clientRequests.ts';
import { type Answer, type Call, type Params, type Router, WireError } from '../router/router.ts';

/** Accepts any result: nothing is parsed, so nothing is lost. */
const Any = { '~standard': { version: 1, vendor: 'switchyard', validate: (value: unknown) => ({ value }) } } as const;
/** A person may take as long as they like: the backend's own timeouts decide. (Infinity fires at once.) */
const NO_SDK_TIMEOUT = 2 ** 31 - 1;

/** Read once a session, so it holds every group that some backend may ever have. */
const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

export interface SessionPorts {
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
  readonly router: Router;
  readonly clients: ClientRequests;
  readonly log: Logger;
  /** What to list. Right after the start it waits a moment for backends that have not answered yet. */
  catalog(): Promise<Catalog>;
  /** Tells all backends. */
  notifyBackends(method: string): void;
  /** Some client asked for another level. */
  onLogLevelChange(): void;
}

/**
 * One client's MCP session: each of its requests becomes one router call.
 * On the SDK's `Server`, deprecated for ordinary servers in favour of `McpServer`: a pass-through router is the
 * advanced case that it stays for.
 */
export class Session implements ClientSession {
  readonly sessionId: string;
  readonly subscriptions = new Set<string>();
  logLevel: string | undefined;
  private readonly server: Server;
  private readonly ports: SessionPorts;

  private constructor(sessionId: string, ports: SessionPorts) {
    this.sessionId = sessionId;
    this.ports = ports;
    this.server = new Server({ ...ports.serverInfo }, { capabilities: CAPABILITIES });
    this.server.fallbackRequestHandler = (request, context) => this.handle(request, context);
    // Answered by the SDK itself unless taken back.
    this.server.removeRequestHandler('logging/setLevel');
    this.server.fallbackNotificationHandler = async ({ method }) => {
      if (method === 'notifications/roots/list_changed') ports.notifyBackends(method);
    };
    this.server.onerror = error => ports.log.debug(`session ${sessionId}: ${messageOf(error)}`);
  }

  /** Serves a client on a transport until that closes. */
  static async serve(sessionId: string, transport: Transport, ports: SessionPorts): Promise<Session> {
    const session = new Session(sessionId, ports);
    ports.clients.add(session);
    session.server.onclose = () => ports.clients.delete(session);
    await session.server.connect(transport);
    return session;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.server.getClientCapabilities() ?? {};
  }

  notify(method: string, params: Params | undefined): void {
    this.report(this.server.notification({ method, ...(params && { params }) }));
  }

  request(method: string, params: Params | undefined, signal: AbortSignal): Promise<Result> {
    return this.server.request({ method, ...(params && { params }) }, Any, {
      signal,
      timeout: NO_SDK_TIMEOUT,
    }) as Promise<Result>;
  }

  /** Ends the session; its calls are cancelled. */
  close(): Promise<void> {
    return this.server.close();
  }

  private async handle(request: JSONRPCRequest, context: ServerContext): Promise<Result> {
    const { router } = this.ports;
    const params = request.params ?? {};
    const call: Call = { params, caller: this.callerOf(context), signal: context.mcpReq.signal };
    switch (request.method) {
      case 'tools/list':
        return { tools: definitions((await this.ports.catalog()).tools) };
      case 'prompts/list':
        return { prompts: definitions((await this.ports.catalog()).prompts) };
      case 'resources/list':
        return { resources: definitions((await this.ports.catalog()).resources) };
      case 'resources/templates/list':
        return { resourceTemplates: definitions((await this.ports.catalog()).templates) };
      case 'tools/call':
        return resultOf(await router.callTool(call));
      case 'prompts/get':
        return resultOf(await router.getPrompt(call));
      case 'resources/read':
        return resultOf(await router.readResource(call));
      case 'resources/subscribe':
        return this.subscribe(call);
      case 'resources/unsubscribe':
        return this.unsubscribe(call);
      case 'completion/complete':
        return resultOf(await router.complete(call));
      case 'logging/setLevel':
        return this.setLogLevel(params);
      default:
        throw new WireError({ code: METHOD_NOT_FOUND, message: `Method not found: ${request.method}` });
    }
  }

  private async subscribe(call: Call): Promise<Result> {
    const result = resultOf(await this.ports.router.subscribe('resources/subscribe', call));
    this.subscriptions.add(String(call.params.uri));
    return result;
  }

  /** The backend is told only when nobody else is subscribed. */
  private async unsubscribe(call: Call): Promise<Result> {
    const uri = String(call.params.uri);
    this.subscriptions.delete(uri);
    if ([...this.ports.clients].some(session => session.subscriptions.has(uri))) return {};
    return resultOf(await this.ports.router.subscribe('resources/unsubscribe', call));
  }

  private setLogLevel(params: Params): Result {
    const level = String(params.level);
    if (!LOGGING_LEVELS.includes(level)) {
      throw new WireError({
        code: INVALID_PARAMS,
        message: `Unknown log level: ${level}; one of ${LOGGING_LEVELS.join(', ')}`,
      });
    }
    this.logLevel = level;
    this.ports.onLogLevelChange();
    return {};
  }

  /** Reaches the client on the stream of one of its requests. */
  private callerOf({ mcpReq }: ServerContext): Caller {
    return {
      sessionId: this.sessionId,
      notify: (method, params) => this.report(mcpReq.notify({ method, ...(params && { params }) })),
      request: (method, params, signal) =>
        mcpReq.send({ method, ...(params && { params }) }, Any, { signal, timeout: NO_SDK_TIMEOUT }) as Promise<Result>,
    };
  }

  /** A client that is gone needs no telling: its transport's end is reported elsewhere. */
  private report(sending: Promise<void>): void {
    sending.catch((error: unknown) => this.ports.log.debug(`session ${this.sessionId}: ${messageOf(error)}`));
  }
}

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;

function definitions(entries: ReadonlyMap<string, Entry>): unknown[] {
  return Array.from(entries.values(), ({ definition }) => definition);
}

function resultOf(answer: Answer): Result {
  if (answer.kind === 'error') throw new WireError(answer.error);
  return answer.result;
}
