import {
  isInitializeRequest,
  type JSONRPCRequest,
  LATEST_PROTOCOL_VERSION,
  type RequestId,
  SUPPORTED_PROTOCOL_VERSIONS,
  type Transport,
} from '@modelcontextprotocol/server';
import { type ClientProfile, hasEnvelope } from '../base/envelope.ts';
import { messageOf } from '../base/errors.ts';
import { asText } from '../base/json.ts';
import type { Logger } from '../base/log.ts';
import { type Answer, type Params, Peer } from '../base/peer.ts';
import { INVALID_PARAMS, METHOD_NOT_FOUND, REFUSED, refusal } from '../base/rpcErrors.ts';
import { type Caller, type ClientSession, LOGGING_LEVELS } from '../router/clientRequests.ts';
import type { Call } from '../router/router.ts';
import { dispatch, type Present, presentFor, result, type ServingPorts } from './dispatch.ts';
import type { StatelessServer } from './statelessServer.ts';

const INITIALIZE_PARAMS = 'protocolVersion, capabilities, and clientInfo with a name and a version';

export interface SessionOptions {
  readonly ports: ServingPorts;
  readonly log: Logger;
  /** As the client is to see what it lists; by default as it is. */
  readonly present?: Present | undefined;
  /** Serves the modern requests that come on the same transport; undefined: none do. */
  readonly stateless?: StatelessServer;
}

/** One client's MCP session (the legacy era): each of its requests becomes one router call. */
export class Session implements ClientSession {
  readonly sessionId: string;
  readonly subscriptions = new Map<string, string>();
  private profile: ClientProfile = { era: 'legacy', info: undefined, capabilities: {}, logLevel: undefined };
  private readonly peer: Peer;
  private readonly ports: ServingPorts;
  private readonly present: Present;
  private readonly stateless: StatelessServer | undefined;
  private isInitialized = false;
  private joined = false;

  private constructor(sessionId: string, transport: Transport, { ports, log, present, stateless }: SessionOptions) {
    this.sessionId = sessionId;
    this.ports = ports;
    this.present = present ?? presentFor('legacy');
    this.stateless = stateless;
    this.peer = new Peer(transport, {
      onRequest: (request, signal) => this.answer(request, signal),
      onNotification: (method, params) => this.receive(method, params),
      onClose: () => this.leave(),
      // A client that is gone needs no telling: its transport's end is reported elsewhere.
      onTrouble: error => log.debug(`session ${sessionId}: ${messageOf(error)}`),
    });
  }

  /** Serves a client on a transport until that closes. */
  static async serve(sessionId: string, transport: Transport, options: SessionOptions): Promise<Session> {
    const session = new Session(sessionId, transport, options);
    await session.peer.start();
    return session;
  }

  get client(): ClientProfile {
    return this.profile;
  }

  notify(method: string, params: Params | undefined): void {
    this.peer.notify(method, params);
  }

  request(method: string, params: Params | undefined, signal: AbortSignal): Promise<Answer> {
    return this.ask(method, params, signal);
  }

  /** Ends the session; its calls are cancelled. */
  close(): Promise<void> {
    return this.peer.close();
  }

  private async answer({ id, method, params = {} }: JSONRPCRequest, signal: AbortSignal): Promise<Answer> {
    if (this.stateless && hasEnvelope(params)) {
      const notify = (told: string, about: Params | undefined) => this.peer.notify(told, about, id);
      return this.stateless.answer({ id, method, params }, { notify, signal });
    }
    if (method === 'initialize') return this.initialize({ jsonrpc: '2.0', id, method, params });
    if (method === 'ping') return result({});
    // Before `notifications/initialized`, which may arrive after a first call, a client may only set its log level.
    if (method !== 'logging/setLevel') this.join();
    const call: Call = { params, caller: this.callerOf(id, signal), signal };
    return dispatch(method, call, this.ports, this.present) ?? this.route(method, call);
  }

  private async route(method: string, call: Call): Promise<Answer> {
    const { router } = this.ports;
    switch (method) {
      case 'resources/subscribe':
        return this.subscribe(call);
      case 'resources/unsubscribe':
        return this.unsubscribe(call);
      case 'tasks/list':
        return router.listTasks(call);
      case 'tasks/get':
      case 'tasks/result':
      case 'tasks/cancel':
        return router.ofTask(method, call);
      case 'logging/setLevel':
        return this.setLogLevel(call.params);
      // Of the other era, whoever of the backends may know it.
      case 'server/discover':
      case 'subscriptions/listen':
        return refusal(METHOD_NOT_FOUND, `Method not found: ${method}`);
      default:
        return router.ofNobody(method, call);
    }
  }

  private initialize(request: JSONRPCRequest): Answer {
    if (!isInitializeRequest(request)) {
      return refusal(INVALID_PARAMS, `Invalid params: initialize needs ${INITIALIZE_PARAMS}`);
    }
    const { protocolVersion, capabilities, clientInfo } = request.params;
    this.profile = { ...this.profile, info: clientInfo, capabilities: capabilities as Params };
    this.isInitialized = true;
    const { capabilities: offered, instructions } = this.ports.introduction();
    return result({
      protocolVersion: SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)
        ? protocolVersion
        : LATEST_PROTOCOL_VERSION,
      capabilities: offered,
      serverInfo: this.ports.serverInfo,
      ...(instructions !== undefined && { instructions }),
    });
  }

  private receive(method: string, params: Params | undefined): void {
    if (method === 'notifications/initialized') this.join();
    else if (method === 'notifications/progress') this.ports.clients.progress(params, this.sessionId);
    else this.ports.notifyBackends(method, params, this.sessionId);
  }

  private async subscribe(call: Call): Promise<Answer> {
    const uri = asText(call.params.uri);
    const exposed = this.ports.router.listedAs(uri);
    const before = this.subscriptions.get(exposed);
    // At once: nobody else's leaving ends what is being asked for.
    this.subscriptions.set(exposed, uri);
    const answer = await this.ports.router.ofResource('resources/subscribe', call);
    if (answer.kind === 'error' && before === undefined) this.subscriptions.delete(exposed);
    return answer;
  }

  /** A backend that all share is told only when nobody else is subscribed. */
  private async unsubscribe(call: Call): Promise<Answer> {
    const uri = this.ports.router.listedAs(asText(call.params.uri));
    this.subscriptions.delete(uri);
    const { clients, router } = this.ports;
    if (clients.isWanted(uri, this) && router.isShared(uri)) return result({});
    const answer = await router.ofResource('resources/unsubscribe', call);
    // Of several holders another may be the one that was subscribed to.
    if (!clients.isWanted(uri, this)) router.leaveResource(uri, this.sessionId);
    return answer;
  }

  private setLogLevel(params: Params): Answer {
    const level = asText(params.level);
    if (!LOGGING_LEVELS.includes(level))
      return refusal(INVALID_PARAMS, `Unknown log level: ${level}; one of ${LOGGING_LEVELS.join(', ')}`);
    this.profile = { ...this.profile, logLevel: level };
    if (this.joined) this.ports.onLogLevelChange(level, this.sessionId);
    return result({});
  }

  /** From now on it is told what belongs to no call, and counts among those who can be asked. */
  private join(): void {
    if (this.joined || !this.isInitialized) return;
    this.joined = true;
    this.ports.clients.add(this);
    const { logLevel } = this.profile;
    if (logLevel !== undefined) this.ports.onLogLevelChange(logLevel, this.sessionId);
    else this.ports.onJoin();
  }

  private leave(): void {
    const { clients, router } = this.ports;
    clients.delete(this);
    for (const uri of this.subscriptions.keys())
      if (!clients.isWanted(uri, this)) router.leaveResource(uri, this.sessionId);
    this.ports.release(this.sessionId);
  }

  /** Reaches the client on the stream of one of its requests, for as long as that is not cancelled. */
  private callerOf(id: RequestId, cancelled: AbortSignal): Caller {
    const session = this;
    return {
      sessionId: this.sessionId,
      get client() {
        return session.profile;
      },
      notify: (method, params) => {
        if (!cancelled.aborted) this.peer.notify(method, params, id);
      },
      request: (method, params, signal) => this.ask(method, params, AbortSignal.any([signal, cancelled]), id),
    };
  }

  private async ask(
    method: string,
    params: Params | undefined,
    signal: AbortSignal,
    relatedRequestId?: RequestId,
  ): Promise<Answer> {
    const reply = await this.peer.request(method, params, { signal, relatedRequestId });
    if (reply.kind === 'result' || reply.kind === 'error') return reply;
    return refusal(REFUSED, `The client did not answer ${method}: ${WHY[reply.kind]}`);
  }
}

const WHY = {
  malformed: 'what came is neither a result nor an error',
  cut: 'its stream has ended',
  unsent: 'it cannot be reached',
  closed: 'it has left',
  cancelled: 'the call was cancelled',
};
