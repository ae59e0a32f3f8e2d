import { randomUUID } from 'node:crypto';
import { classifyInboundRequest, type RequestId } from '@modelcontextprotocol/server';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { asModernResult, type ClientProfile, MODERN_VERSION, metaOf, openEnvelope, tagged } from '../base/envelope.ts';
import { messageOf } from '../base/errors.ts';
import { asText, isObject } from '../base/json.ts';
import type { Answer, Params, RpcError } from '../base/peer.ts';
import {
  INTERNAL_ERROR,
  INVALID_PARAMS,
  METHOD_NOT_FOUND,
  MISSING_CAPABILITY,
  REFUSED,
  RESOURCE_NOT_FOUND,
  refusal,
  UNSUPPORTED_VERSION,
  URL_ELICITATION_REQUIRED,
} from '../base/rpcErrors.ts';
import type { ClientSession } from '../router/clientRequests.ts';
import type { Call } from '../router/router.ts';
import { dispatch, type Present, presentFor, result, type ServingPorts } from './dispatch.ts';
import { type Exchange, ParkedCalls, withoutElicitationId } from './parkedCalls.ts';

export interface ModernRequest {
  readonly id: RequestId;
  readonly method: string;
  /** With the envelope. */
  readonly params: Params;
}

/** What clients see is merged from backends that come and go: nobody can say how long it holds, or that it is the same for all. */
const NOT_TO_BE_KEPT = { ttlMs: 0, cacheScope: 'private' };
const CACHEABLE = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'server/discover',
]);
/** The methods that may ask something in their result. */
const MAY_ASK = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
]);
/** The state of a call that is to be made anew when its client has been to the pages that it needs. */
const TO_BE_VISITED = 'switchyard/pages';
/** Of a caller of any other method. */
const UNASKED = {
  cannotBeAsked: true,
  request: async () => refusal(METHOD_NOT_FOUND, 'Nobody can be asked during this request'),
} as const;
/** Methods of the legacy era that this one has done away with. */
const GONE =
  /^(initialize|ping|logging\/|resources\/(un)?subscribe$|tasks\/(list|result)$|roots\/|sampling\/|elicitation\/)/;

export interface StatelessServerOptions {
  /** The lists as clients are to see them; by default as they are. */
  readonly present?: Present | undefined;
  /** The session of the one client that all requests are of, released by who has begun it; by default each stands for a client. */
  readonly onlyClient?: string;
}

/** Serves the modern era (MCP 2026-07-28), in which every request stands alone and brings all that has to be known of its client. */
export class StatelessServer implements Disposable {
  private readonly ports: ServingPorts;
  private readonly parked: ParkedCalls;
  private readonly present: Present;
  private readonly onlyClient: string | undefined;

  constructor(
    ports: ServingPorts,
    clock: Clock,
    { present = presentFor('modern'), onlyClient }: StatelessServerOptions = {},
  ) {
    this.ports = ports;
    this.parked = new ParkedCalls(clock);
    this.present = present;
    this.onlyClient = onlyClient;
  }

  /** Ends the calls that wait for their clients. */
  dispose(): void {
    this.parked.dispose();
  }

  /** Answers one request; what comes before the answer goes to the exchange. Never rejects. */
  async answer({ id, method, params }: ModernRequest, stream: Omit<Exchange, 'progressToken'>): Promise<Answer> {
    const exchange = { ...stream, progressToken: metaOf(params)?.progressToken };
    const body = { jsonrpc: '2.0', id, method, params };
    const classified = classifyInboundRequest({ httpMethod: 'POST', body });
    if (classified.kind === 'reject') return refusal(classified.code, classified.message, classified.data);
    const requested = classified.kind === 'modern' ? classified.classification.revision : undefined;
    if (requested !== MODERN_VERSION) {
      const data = { supported: [MODERN_VERSION], requested };
      return refusal(UNSUPPORTED_VERSION, `Unsupported protocol version: ${requested}`, data);
    }
    const opened = openEnvelope(params);
    const answer = await this.serve(id, method, opened.params, opened.client, exchange).catch((error: unknown) => {
      return refusal(INTERNAL_ERROR, messageOf(error));
    });
    const translated = answer.kind === 'error' ? modernError(answer.error, method, opened.client) : answer;
    return translated.kind === 'error' ? translated : this.finished(method, translated.result);
  }

  private serve(
    id: RequestId,
    method: string,
    params: Params,
    client: ClientProfile,
    exchange: Exchange,
  ): Promise<Answer> {
    if (method === 'server/discover') return this.discover();
    if (method === 'subscriptions/listen') return this.listen(id, params, client, exchange);
    if (GONE.test(method)) return Promise.resolve(refusal(METHOD_NOT_FOUND, `Method not found: ${method}`));
    const { inputResponses, requestState, ...anew } = params;
    if (requestState === TO_BE_VISITED) {
      const declined = Object.values(isObject(inputResponses) ? inputResponses : {}).some(isNoConsent);
      if (declined) return Promise.resolve(refusal(REFUSED, 'The client did not consent to visit what the call needs'));
      return this.serve(id, method, anew, client, exchange);
    }
    const key = MAY_ASK.get(method);
    const identity = JSON.stringify([method, key && params[key]]);
    const resumed = key && this.parked.resume(requestState, inputResponses, identity, exchange);
    if (resumed) return resumed;
    const sessionId = this.onlyClient ?? randomUUID();
    if (client.logLevel !== undefined) this.ports.onStatelessLevel(client.logLevel, sessionId);
    const run = (call: Call) => this.route(method, call).finally(() => this.leave(sessionId));
    if (key !== undefined) return this.parked.begin(params, identity, { sessionId, client }, exchange, run);
    const { notify, signal } = exchange;
    return run({ params, caller: { sessionId, client, notify, ...UNASKED }, signal });
  }

  /** A request has ended, and with it its client, unless that has more to come. */
  private leave(sessionId: string): void {
    if (sessionId !== this.onlyClient) this.ports.release(sessionId);
  }

  private route(method: string, call: Call): Promise<Answer> {
    const { router } = this.ports;
    switch (method) {
      case 'tasks/get':
      case 'tasks/update':
      case 'tasks/cancel':
        return router.ofTask(method, call);
      default:
        return dispatch(method, call, this.ports, this.present) ?? router.ofNobody(method, call);
    }
  }

  private async discover(): Promise<Answer> {
    const { capabilities, instructions } = this.ports.introduction();
    // Tasks are an extension in this era, and no group of their own.
    const { tasks: _, ...offered } = capabilities;
    return result({
      supportedVersions: [MODERN_VERSION],
      capabilities: offered,
      ...(instructions !== undefined && { instructions }),
    });
  }

  /** Tells of changes until the client has had enough. */
  private async listen(id: RequestId, params: Params, client: ClientProfile, exchange: Exchange): Promise<Answer> {
    if (!isObject(params.notifications)) {
      return refusal(INVALID_PARAMS, 'Invalid params: subscriptions/listen needs "notifications"');
    }
    const { clients, router } = this.ports;
    const sessionId = this.onlyClient ?? randomUUID();
    const { resourceSubscriptions, ...wanted } = params.notifications;
    const uris = Array.isArray(resourceSubscriptions) ? resourceSubscriptions.map(asText) : [];
    const lists = Object.keys(CHANGES).filter(each => wanted[each] === true);
    const methods = new Set(['notifications/resources/updated', ...lists.map(each => CHANGES[each])]);
    const notify = (method: string, about: Params | undefined) => {
      if (methods.has(method)) exchange.notify(method, tagged(about, id));
    };
    const subscriptions = new Map(uris.map(uri => [router.listedAs(uri), uri]));
    const caller: ClientSession = { sessionId, client, notify, subscriptions, ...UNASKED };
    const agreed = {
      ...Object.fromEntries(lists.map(each => [each, true])),
      ...(uris.length > 0 && { resourceSubscriptions: uris }),
    };
    clients.addListener(caller);
    exchange.notify('notifications/subscriptions/acknowledged', tagged({ notifications: agreed }, id));
    for (const uri of uris)
      void router.ofResource('resources/subscribe', { params: { uri }, caller, signal: exchange.signal });
    const over = deferred();
    exchange.signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (!exchange.signal.aborted) await over.promise;
    clients.deleteListener(caller);
    for (const uri of subscriptions.keys()) if (!clients.isWanted(uri, caller)) router.leaveResource(uri, sessionId);
    this.leave(sessionId);
    return result(tagged(undefined, id));
  }

  private finished(method: string, value: Params): Answer {
    const isComplete = value.resultType === undefined || value.resultType === 'complete';
    const whole = CACHEABLE.has(method) && isComplete ? { ...NOT_TO_BE_KEPT, ...value } : value;
    return result(asModernResult(whole, this.ports.serverInfo));
  }
}

const CHANGES: Readonly<Record<string, string>> = {
  toolsListChanged: 'notifications/tools/list_changed',
  promptsListChanged: 'notifications/prompts/list_changed',
  resourcesListChanged: 'notifications/resources/list_changed',
};

/** An error of a legacy backend in the words of this era. */
function modernError(error: RpcError, method: string, client: ClientProfile): Answer {
  if (error.code === RESOURCE_NOT_FOUND) return { kind: 'error', error: { ...error, code: INVALID_PARAMS } };
  const { elicitations } = isObject(error.data) ? error.data : {};
  if (error.code !== URL_ELICITATION_REQUIRED || !Array.isArray(elicitations)) return { kind: 'error', error };
  if (!MAY_ASK.has(method)) return refusal(REFUSED, error.message, error.data);
  // "Visit this page first, then call again" is a question here.
  const { elicitation } = client.capabilities;
  if (!isObject(elicitation) || !isObject(elicitation.url)) {
    return refusal(MISSING_CAPABILITY, error.message, { requiredCapabilities: { elicitation: { url: {} } } });
  }
  const inputRequests = Object.fromEntries(
    elicitations
      .filter(isObject)
      .map((page, at) => [
        `url-${at + 1}`,
        { method: 'elicitation/create', params: withoutElicitationId({ mode: 'url', ...page }) },
      ]),
  );
  return result({ resultType: 'input_required', inputRequests, requestState: TO_BE_VISITED });
}

function isNoConsent(response: unknown): boolean {
  return isObject(response) && response.action !== 'accept';
}
