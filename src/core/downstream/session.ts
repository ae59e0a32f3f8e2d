import {
  isInitializeRequest,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  type Result,
  Server,
  type Transport,
} from '@modelcontextprotocol/server';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Any, NO_SDK_TIMEOUT } from '../base/passThrough.ts';
import type { Catalog, Entry } from '../router/catalog.ts';
import { type Caller, type ClientRequests, type ClientSession, LOGGING_LEVELS } from '../router/clientRequests.ts';
import type { Answer, Call, Params, Router } from '../router/router.ts';

/** Read once a session, so it holds every group that some backend may ever have. */
const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;

export interface SessionPorts {
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
  readonly router: Pick<Router, 'callTool' | 'getPrompt' | 'readResource' | 'subscribe' | 'complete'>;
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
 *
 * The SDK's `Server` (deprecated for ordinary servers: a pass-through router is the advanced case that it stays for)
 * does the handshake, `ping` and what is asked of the client. It never sees the requests that are passed through: on the
 * way back it would change error codes, and schemas that older clients may not know.
 */
export class Session implements ClientSession {
  readonly sessionId: string;
  readonly subscriptions = new Set<string>();
  logLevel: string | undefined;
  private readonly server: Server;
  private readonly transport: Transport;
  private readonly ports: SessionPorts;
  /** The requests that are not answered yet. */
  private readonly calls = new Map<RequestId, AbortController>();
  private joined = false;

  private constructor(sessionId: string, transport: Transport, ports: SessionPorts) {
    this.sessionId = sessionId;
    this.transport = transport;
    this.ports = ports;
    this.server = new Server({ ...ports.serverInfo }, { capabilities: CAPABILITIES });
    this.server.oninitialized = () => this.join();
    this.server.fallbackNotificationHandler = async ({ method }) => {
      if (method === 'notifications/roots/list_changed') ports.notifyBackends(method);
    };
    this.server.onerror = error => ports.log.debug(`session ${sessionId}: ${messageOf(error)}`);
    this.server.onclose = () => {
      ports.clients.delete(this);
      for (const call of this.calls.values()) call.abort('the session ended');
    };
  }

  /** Serves a client on a transport until that closes. */
  static async serve(sessionId: string, transport: Transport, ports: SessionPorts): Promise<Session> {
    const session = new Session(sessionId, transport, ports);
    const connected = session.server.connect(transport);
    // Not after `connected`: the first message may come before it.
    const toServer = transport.onmessage;
    transport.onmessage = (message, extra) => {
      if (!session.take(message)) toServer?.(message, extra);
    };
    await connected;
    return session;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.server.getClientCapabilities() ?? {};
  }

  notify(method: string, params: Params | undefined): void {
    this.sendNotification(method, params);
  }

  request(method: string, params: Params | undefined, signal: AbortSignal): Promise<Result> {
    return this.sendRequest(method, params, signal);
  }

  /** Ends the session; its calls are cancelled. */
  close(): Promise<void> {
    return this.server.close();
  }

  /** Takes a message from the client. False: it is one for the SDK. */
  private take(message: JSONRPCMessage): boolean {
    if (!('method' in message)) return false;
    if (!('id' in message)) {
      if (message.method === 'notifications/cancelled') {
        const { requestId, reason } = message.params ?? {};
        this.calls.get(requestId as RequestId)?.abort(reason);
      }
      return false;
    }
    if (message.method === 'ping') return false;
    if (message.method === 'initialize') {
      if (isInitializeRequest(message)) return false;
      this.answer(message.id, refusal(INVALID_PARAMS, `Invalid params: initialize needs ${INITIALIZE_PARAMS}`));
    } else {
      void this.serveRequest(message);
    }
    return true;
  }

  private async serveRequest({ id, method, params = {} }: JSONRPCRequest): Promise<void> {
    const abort = new AbortController();
    const { signal } = abort;
    this.calls.set(id, abort);
    // Before `notifications/initialized`, which may arrive after a first call, a client may only set its log level.
    if (method !== 'logging/setLevel') this.join();
    const answer = await this.route(method, { params, caller: this.callerOf(id, signal), signal }).catch(
      (error: unknown) => refusal(INTERNAL_ERROR, messageOf(error)),
    );
    if (this.calls.get(id) === abort) this.calls.delete(id);
    if (!signal.aborted) this.answer(id, answer);
  }

  private async route(method: string, call: Call): Promise<Answer> {
    const { router } = this.ports;
    switch (method) {
      case 'tools/list':
        return result({ tools: definitions((await this.ports.catalog()).tools) });
      case 'prompts/list':
        return result({ prompts: definitions((await this.ports.catalog()).prompts) });
      case 'resources/list':
        return result({ resources: definitions((await this.ports.catalog()).resources) });
      case 'resources/templates/list':
        return result({ resourceTemplates: definitions((await this.ports.catalog()).templates) });
      case 'tools/call':
        return router.callTool(call);
      case 'prompts/get':
        return router.getPrompt(call);
      case 'resources/read':
        return router.readResource(call);
      case 'resources/subscribe':
        return this.subscribe(call);
      case 'resources/unsubscribe':
        return this.unsubscribe(call);
      case 'completion/complete':
        return router.complete(call);
      case 'logging/setLevel':
        return this.setLogLevel(call.params);
      default:
        return refusal(METHOD_NOT_FOUND, `Method not found: ${method}`);
    }
  }

  private async subscribe(call: Call): Promise<Answer> {
    const answer = await this.ports.router.subscribe('resources/subscribe', call);
    if (answer.kind === 'result') this.subscriptions.add(String(call.params.uri));
    return answer;
  }

  /** The backend is told only when nobody else is subscribed. */
  private async unsubscribe(call: Call): Promise<Answer> {
    const uri = String(call.params.uri);
    this.subscriptions.delete(uri);
    if ([...this.ports.clients].some(session => session.subscriptions.has(uri))) return result({});
    return this.ports.router.subscribe('resources/unsubscribe', call);
  }

  private setLogLevel(params: Params): Answer {
    const level = String(params.level);
    if (!LOGGING_LEVELS.includes(level))
      return refusal(INVALID_PARAMS, `Unknown log level: ${level}; one of ${LOGGING_LEVELS.join(', ')}`);
    this.logLevel = level;
    if (this.joined) this.ports.onLogLevelChange();
    return result({});
  }

  /** From now on it is told what belongs to no call, and counts among those who can be asked. */
  private join(): void {
    if (this.joined || !this.server.getClientCapabilities()) return;
    this.joined = true;
    this.ports.clients.add(this);
    if (this.logLevel !== undefined) this.ports.onLogLevelChange();
  }

  /** Reaches the client on the stream of one of its requests, for as long as that is not cancelled. */
  private callerOf(id: RequestId, cancelled: AbortSignal): Caller {
    return {
      sessionId: this.sessionId,
      notify: (method, params) => this.sendNotification(method, params, id),
      request: (method, params, signal) => this.sendRequest(method, params, AbortSignal.any([signal, cancelled]), id),
    };
  }

  private sendNotification(method: string, params: Params | undefined, relatedRequestId?: RequestId): void {
    const options = relatedRequestId === undefined ? undefined : { relatedRequestId };
    this.report(this.server.notification({ method, ...(params && { params }) }, options));
  }

  private sendRequest(
    method: string,
    params: Params | undefined,
    signal: AbortSignal,
    relatedRequestId?: RequestId,
  ): Promise<Result> {
    return this.server.request({ method, ...(params && { params }) }, Any, {
      signal,
      timeout: NO_SDK_TIMEOUT,
      ...(relatedRequestId !== undefined && { relatedRequestId }),
    }) as Promise<Result>;
  }

  private answer(id: RequestId, answer: Answer): void {
    const { kind: _, ...resultOrError } = answer;
    this.report(this.transport.send({ jsonrpc: '2.0', id, ...resultOrError }));
  }

  /** A client that is gone needs no telling: its transport's end is reported elsewhere. */
  private report(sending: Promise<void>): void {
    sending.catch((error: unknown) => this.ports.log.debug(`session ${this.sessionId}: ${messageOf(error)}`));
  }
}

const INITIALIZE_PARAMS = 'protocolVersion, capabilities, and clientInfo with a name and a version';

function definitions(entries: ReadonlyMap<string, Entry>): unknown[] {
  return Array.from(entries.values(), ({ definition }) => definition);
}

function result(value: Params): Answer {
  return { kind: 'result', result: value };
}

function refusal(code: number, message: string): Answer {
  return { kind: 'error', error: { code, message } };
}
