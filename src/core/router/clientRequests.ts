import type { Clock } from '../base/clock.ts';
import { metaOf, USUAL_LOG_LEVEL } from '../base/envelope.ts';
import { groupBy } from '../base/groupBy.ts';
import { asText, isObject } from '../base/json.ts';
import type { Logger } from '../base/log.ts';
import type { Answer, Params, RpcError } from '../base/peer.ts';
import { RecentMap } from '../base/recentMap.ts';
import { METHOD_NOT_FOUND, MISSING_CAPABILITY, REFUSED, refusal, URL_ELICITATION_REQUIRED } from '../base/rpcErrors.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Origin } from '../upstream/backendPorts.ts';
import type { Caller, CallInFlight } from '../upstream/connection.ts';
import type { Exposure } from './exposure.ts';
import { signed } from './signature.ts';

export type { Caller };

/** Levels of `logging/setLevel`, most verbose first (RFC 5424). */
export const LOGGING_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** One connected client. As a `Caller` it is reached on its own stream, not on that of a call. */
export interface ClientSession extends Caller {
  /** The exposed URIs it subscribed to → as it spelled them itself. */
  readonly subscriptions: ReadonlyMap<string, string>;
}

const NOT_ASKABLE =
  'its call is of a kind during which the client cannot be asked (in MCP 2026-07-28 all but tools/call, prompts/get and resources/read)';
const RELATED_TASK = 'io.modelcontextprotocol/related-task';
/** Tasks and elicitations whose client is remembered. */
const MAX_REMEMBERED = 10_000;
/**
 * For so long a backend may still ask about a call that was given up by a client that has left. Longer than one takes to
 * come to where it notices, and short since clients come and go: each request of the modern era is one of its own.
 */
const LEFT_MS = 10_000;
/** Of one error. */
const MAX_ELICITATIONS = 100;

/**
 * What backends want of clients, brought to the right one.
 *
 * On a connection of the client's own (`session: per_client`) that is this client. On a shared one it is the client whose
 * call is in flight: over HTTP the call on whose stream it comes. Where that is not told and calls of several clients are in
 * flight, or were given up a moment ago, nobody can know, and the request is refused rather than shown to the wrong person.
 */
export class ClientRequests {
  private readonly sessions = new Map<string, ClientSession>();
  private readonly listeners = new Set<ClientSession>();
  /** The exposed id of a task, and whose it is. */
  private readonly tasks = new RecentMap<string, { readonly taskId: string; readonly sessionId: string }>(
    MAX_REMEMBERED,
  );
  /** Which session an elicitation of a backend belongs to. */
  private readonly elicitations = new RecentMap<string, string>(MAX_REMEMBERED);
  /** What backends ask just now and want to be told the progress of, by the token that the client has. */
  private readonly asking = new Map<string, { backend: Backend; token: unknown; sessionId: string }>();
  /** The shared backends that have asked for roots, by name. */
  private readonly rooted = new Map<string, Backend>();
  private lastToken = 0;
  private statelessLevel: string | undefined;
  private silentUntil = 0;
  private readonly exposure: Pick<Exposure, 'params'>;
  private readonly log: Logger;
  private readonly clock: Clock;

  constructor(exposure: Pick<Exposure, 'params'>, log: Logger, clock: Clock) {
    this.exposure = exposure;
    this.log = log;
    this.clock = clock;
  }

  add(session: ClientSession): void {
    this.sessions.set(session.sessionId, session);
    this.announceRoots();
  }

  /** What it owned stays so: nobody else is to be asked about it, and it falls out with age. */
  delete(session: ClientSession): void {
    if (this.sessions.delete(session.sessionId)) this.announceRoots();
  }

  [Symbol.iterator](): Iterator<ClientSession> {
    return this.sessions.values();
  }

  /** A client that is told of changes, and is not asked anything: `subscriptions/listen` of the modern era. */
  addListener(listener: ClientSession): void {
    this.listeners.add(listener);
  }

  deleteListener(listener: ClientSession): void {
    this.listeners.delete(listener);
  }

  /** Everybody who is told of changes. */
  get audience(): ClientSession[] {
    return [...this.sessions.values(), ...this.listeners];
  }

  /** Whether anybody but this one is subscribed to an exposed URI. */
  isWanted(uri: string, except: ClientSession): boolean {
    return this.audience.some(each => each !== except && each.subscriptions.has(uri));
  }

  /**
   * What shared connections are asked for: the most verbose level that any client wants, since each is given no more than
   * it wants. Undefined if none has said.
   */
  get logLevel(): string | undefined {
    const asked = [...this.sessions.values()].map(({ client }) => client.logLevel);
    if (this.statelessLevel === undefined && asked.every(level => level === undefined)) return undefined;
    const wanted = new Set([this.statelessLevel, ...asked.map(level => level ?? USUAL_LOG_LEVEL)]);
    return LOGGING_LEVELS.find(level => wanted.has(level));
  }

  /** A client that has no session wants messages of this level. It may again, so this stands. False: nothing changes by it. */
  noteLevel(level: string): boolean {
    const known =
      this.statelessLevel === undefined ? LOGGING_LEVELS.length : LOGGING_LEVELS.indexOf(this.statelessLevel);
    const isNews = LOGGING_LEVELS.includes(level) && LOGGING_LEVELS.indexOf(level) < known;
    if (isNews) this.statelessLevel = level;
    return isNews;
  }

  /** A task was made by a call of this client. Where each client has a connection of its own, each has its own ids. */
  ownTask(taskId: string, { isShared }: Backend, sessionId: string): void {
    this.tasks.set(isShared ? taskId : `${taskId}\0${sessionId}`, { taskId, sessionId });
  }

  /** The exposed ids of the tasks that calls of this client have made. */
  tasksOf(sessionId: string): string[] {
    return [...this.tasks.values()].filter(task => task.sessionId === sessionId).map(({ taskId }) => taskId);
  }

  /** An error that sends the person to a page (MCP 2025-11-25, -32042): when that is done, this client is told. */
  ownElicitations({ code, data }: RpcError, backend: Backend, sessionId: string): void {
    if (code !== URL_ELICITATION_REQUIRED || !isObject(data) || !Array.isArray(data.elicitations)) return;
    for (const each of data.elicitations.slice(0, MAX_ELICITATIONS)) {
      if (isObject(each)) this.elicitations.set(elicitationKey(backend, each.elicitationId), sessionId);
    }
  }

  /** A backend's request to a client: the client's answer, or why nobody could be asked. */
  async request(
    backend: Backend,
    method: string,
    params: Params | undefined,
    origin: Origin,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (method === 'roots/list' && backend.isShared) this.rooted.set(backend.name, backend);
    const exposed = this.exposure.params(backend, method, params);
    const found = this.askedFor(exposed, origin);
    if ('refusal' in found) {
      const hint = backend.isShared ? '; with "session: per_client" each client has a connection of its own' : '';
      return this.refuse(backend, method, params, origin, `${found.refusal}${hint}`);
    }
    const { asked } = found;
    const missing = missingIn(asked.client.capabilities, method, params);
    if (missing !== undefined) {
      this.log.warning(`${backend.name}: ${method} is refused: the client has no ${missing.name}`, {
        backend: backend.name,
      });
      const message = `The client does not support ${missing.name}`;
      const { era } = asked.client;
      if (era === 'legacy') return refusal(METHOD_NOT_FOUND, message);
      return refusal(MISSING_CAPABILITY, message, { requiredCapabilities: missing.capability });
    }
    if (asked.cannotBeAsked) return this.refuse(backend, method, params, origin, NOT_ASKABLE);
    if (method === 'elicitation/create' && params?.elicitationId !== undefined) {
      this.elicitations.set(elicitationKey(backend, params.elicitationId), asked.sessionId);
    }
    this.log.info(`${backend.name} asks the client: ${method}`, { backend: backend.name });
    // Where nobody knows which of the client's calls it is about, the clocks of all of them stand still.
    const pauses = origin.calls.filter(({ caller }) => caller.sessionId === asked.sessionId).map(call => call.pause());
    const progressToken = `switchyard-${++this.lastToken}`;
    const token = metaOf(exposed)?.progressToken;
    const meta = { ...metaOf(exposed), ...(token !== undefined && { progressToken }) };
    if (token !== undefined) this.asking.set(progressToken, { backend, token, sessionId: asked.sessionId });
    const answer = await asked.request(method, signed(backend, method, { ...exposed, _meta: meta }), signal);
    this.asking.delete(progressToken);
    for (const pause of pauses) pause.dispose();
    return withTask(answer, metaOf(params));
  }

  /** A client tells how far it is with what a backend asked of it. */
  progress(params: Params | undefined, from: string): void {
    const asking = this.asking.get(asText(params?.progressToken));
    if (asking?.sessionId !== from) return;
    const { backend, token, sessionId } = asking;
    void backend.notify('notifications/progress', { ...params, progressToken: token }, sessionId);
  }

  /** A backend's notification to clients. */
  notify(backend: Backend, method: string, params: Params | undefined, origin: Origin): void {
    const exposed = this.exposure.params(backend, method, params);
    switch (method) {
      case 'notifications/resources/updated':
        // What came together with an answer is for the client that the answer is still on its way to.
        setImmediate(() => this.resourceUpdated(asText(exposed?.uri), exposed, origin));
        return;
      case 'notifications/tasks/status':
        setImmediate(() =>
          this.sessionOf(origin, this.tasks.get(asText(exposed?.taskId))?.sessionId)?.notify(method, exposed),
        );
        return;
      case 'notifications/elicitation/complete':
        setImmediate(() => {
          const owner = this.elicitations.get(elicitationKey(backend, params?.elicitationId));
          this.sessionOf(origin, owner)?.notify(method, exposed);
        });
        return;
      case 'notifications/message': {
        const logger = [backend.name, exposed?.logger].filter(part => typeof part === 'string').join('/');
        for (const each of this.recipients(backend, origin, true))
          if (wants(each, params)) each.notify(method, { ...exposed, logger });
        return;
      }
      default:
        for (const each of this.recipients(backend, origin, false)) each.notify(method, exposed);
    }
  }

  /** Tells every client. */
  broadcast(method: string): void {
    for (const each of this.audience) each.notify(method, undefined);
  }

  private get only(): ClientSession | undefined {
    return this.sessions.size === 1 ? [...this.sessions.values()][0] : undefined;
  }

  /** Servers ask for roots when they start, when nobody may be there who has any: they are told to ask again. */
  private announceRoots(): void {
    const { only } = this;
    if (!only || !isObject(only.client.capabilities.roots)) return;
    for (const [name, backend] of this.rooted) {
      if (backend.state.kind === 'stopped') this.rooted.delete(name);
      else void backend.notify('notifications/roots/list_changed', undefined, only.sessionId);
    }
  }

  private resourceUpdated(uri: string, params: Params | undefined, { sessionId }: Origin): void {
    for (const each of this.audience) {
      if (sessionId !== undefined && sessionId !== each.sessionId) continue;
      const spelling = each.subscriptions.get(uri);
      // A subscription is also for what is below the resource.
      const isBelow = () => [...each.subscriptions.keys()].some(above => uri.startsWith(above.replace(/\/?$/, '/')));
      if (spelling !== undefined) each.notify('notifications/resources/updated', { ...params, uri: spelling });
      else if (isBelow()) each.notify('notifications/resources/updated', params);
    }
  }

  /** The one client that a request can be meant for. */
  private askedFor(params: Params | undefined, { calls, sessionId }: Origin): { asked: Caller } | { refusal: string } {
    const { clients, inFlight } = this.clientsOf(calls);
    const task = metaOf(params)?.[RELATED_TASK];
    const owner = sessionId ?? (isObject(task) ? this.tasks.get(asText(task.taskId))?.sessionId : undefined);
    if (owner === undefined && clients.length > 1) return { refusal: ambiguity(inFlight, clients.length) };
    const whose = owner ?? clients[0];
    const asked = whose === undefined ? this.only : this.reached(whose, calls);
    if (asked) return { asked };
    if (whose !== undefined) return { refusal: 'the client that it is for has left' };
    return { refusal: `no call is in flight, and ${this.sessions.size} clients are connected` };
  }

  /** Whom something concerns that says not whom: whose calls it may be about, else everybody who could be meant. */
  private recipients(backend: Backend, { calls, sessionId }: Origin, isForAll: boolean): Caller[] {
    const { clients } = this.clientsOf(calls);
    if (clients.length > 1) {
      this.leftOut(backend);
      return [];
    }
    const [whose = sessionId] = clients;
    const others = isForAll || this.sessions.size === 1 ? [...this.sessions.values()] : [];
    const found = whose === undefined ? others : [this.reached(whose, calls)];
    return found.filter(caller => caller !== undefined);
  }

  /** The clients whose calls something may be about, and how many of them have one in flight. */
  private clientsOf(calls: readonly CallInFlight[]): { readonly clients: string[]; readonly inFlight: number } {
    const leftBefore = this.clock.now() - LEFT_MS;
    const counting = calls.filter(
      ({ caller: { sessionId }, givenUpAt }) =>
        givenUpAt === undefined || givenUpAt > leftBefore || this.sessions.has(sessionId),
    );
    const byClient = groupBy(counting, ({ caller }) => caller.sessionId);
    const inFlight = [...byClient.values()].filter(own => own.some(isInFlight)).length;
    return { clients: [...byClient.keys()], inFlight };
  }

  /** A client on the stream of its latest call, one that it can be asked on before others, or else on its own. */
  private reached(sessionId: string, calls: readonly CallInFlight[]): Caller | undefined {
    const own = calls.filter(call => call.caller.sessionId === sessionId && isInFlight(call));
    const call = own.findLast(({ caller }) => !caller.cannotBeAsked) ?? own.at(-1);
    return call?.caller ?? this.sessions.get(sessionId);
  }

  /** What is about one client's call may not be seen by another; told once a minute. */
  private leftOut(backend: Backend): void {
    if (this.clock.now() < this.silentUntil) return;
    this.silentUntil = this.clock.now() + 60_000;
    this.log.info(
      `${backend.name}: messages are left out while they may be about calls of several clients on its shared connection; with "session: per_client" each client gets its own`,
      { backend: backend.name },
    );
  }

  /** The client whose own connection something came on, or else its owner. */
  private sessionOf({ sessionId }: Origin, owner: string | undefined): ClientSession | undefined {
    return this.sessions.get(sessionId ?? owner ?? '');
  }

  private refuse(
    backend: Backend,
    method: string,
    params: Params | undefined,
    { calls }: Origin,
    reason: string,
  ): Answer {
    const callers = [...this.sessions.values(), ...calls.map(({ caller }) => caller)];
    const couldBeAnswered = callers.some(({ client }) => !missingIn(client.capabilities, method, params));
    const why = couldBeAnswered ? reason : 'no client that is connected can take it';
    const message = `${method} of backend "${backend.name}" cannot be brought to a client: ${why}`;
    // Servers ask for roots as soon as they start: while nobody is there that is no news.
    if (callers.length === 0) this.log.debug(message, { backend: backend.name });
    else this.log.warning(message, { backend: backend.name });
    return refusal(couldBeAnswered ? REFUSED : METHOD_NOT_FOUND, message);
  }
}

function isInFlight({ givenUpAt }: CallInFlight): boolean {
  return givenUpAt === undefined;
}

/** Why nobody can know which of several clients is meant. */
function ambiguity(inFlight: number, clients: number): string {
  if (inFlight > 1) return `calls of ${inFlight} clients are in flight on its shared connection`;
  if (inFlight === 1) return 'a call of another client was cancelled a moment ago on its shared connection';
  return `calls of ${clients} clients were cancelled a moment ago on its shared connection`;
}

/** What a client would have to be able to do to be asked this, and cannot; undefined: nothing. */
function missingIn(
  { roots, sampling, elicitation }: Caller['client']['capabilities'],
  method: string,
  params: Params | undefined,
): { readonly name: string; readonly capability: Params } | undefined {
  const missing = (name: string, capability: Params) => ({ name, capability });
  switch (method) {
    case 'roots/list':
      return isObject(roots) ? undefined : missing('roots', { roots: {} });
    case 'sampling/createMessage':
      if (!isObject(sampling)) return missing('sampling', { sampling: {} });
      return params?.tools === undefined || isObject(sampling.tools)
        ? undefined
        : missing('sampling with tools', { sampling: { tools: {} } });
    case 'elicitation/create': {
      if (!isObject(elicitation)) return missing('elicitation', { elicitation: {} });
      // Before 2025-11-25 there were only forms, which nobody had to name.
      const isUrl = params?.mode === 'url';
      if (isUrl)
        return isObject(elicitation.url) ? undefined : missing('elicitation by URL', { elicitation: { url: {} } });
      return isObject(elicitation.form) || !isObject(elicitation.url)
        ? undefined
        : missing('elicitation by form', { elicitation: { form: {} } });
    }
    default:
      return undefined;
  }
}

/** An answer that names the task it is about by the id that clients know, with the backend's own. */
function withTask(answer: Answer, asked: Params | undefined): Answer {
  const task = asked?.[RELATED_TASK];
  const meta = answer.kind === 'result' ? metaOf(answer.result) : undefined;
  if (answer.kind === 'error' || task === undefined || !meta || !(RELATED_TASK in meta)) return answer;
  return { kind: 'result', result: { ...answer.result, _meta: { ...meta, [RELATED_TASK]: task } } };
}

function elicitationKey(backend: Backend, elicitationId: unknown): string {
  return `${backend.name}\0${elicitationId}`;
}

/** In the modern era a client that names no level wants no messages. */
function wants({ client: { era, logLevel } }: Caller, params: Params | undefined): boolean {
  if (logLevel === undefined) return era === 'legacy';
  return LOGGING_LEVELS.indexOf(asText(params?.level)) >= LOGGING_LEVELS.indexOf(logLevel);
}
