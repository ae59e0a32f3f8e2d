// client ──► downstream/session.ts ──► router.ts ──► upstream/backend.ts ──► upstream/connection.ts ──► process or URL
//            one MCP session           which backend  one backend's life      one MCP client session
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { asText, isObject } from '../base/json.ts';
import type { Answer, Params, RpcError } from '../base/peer.ts';
import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, refusal } from '../base/rpcErrors.ts';
import { Backoff } from '../health/backoff.ts';
import type { Permit } from '../health/circuitBreaker.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Caller } from '../upstream/connection.ts';
import { isInputRequired } from '../upstream/inputRequests.ts';
import { verdictOf } from '../upstream/outcome.ts';
import {
  findPrompt,
  findTool,
  inOrder,
  isRepeatableOn,
  listsTool,
  readings,
  type Surroundings,
  selectForTool,
  type ToolCandidate,
} from './candidates.ts';
import type { Candidate, Entry } from './catalog.ts';
import type { ClientRequests, ClientSession } from './clientRequests.ts';
import { type Decision, DecisionRecord, Decisions } from './decisions.ts';
import { type Absentee, type Explanation, explainTool } from './explain.ts';
import { type Exposure, originalTask } from './exposure.ts';
import { type Holders, holdersOf } from './holders.ts';
import { Patience } from './patience.ts';
import { withSignedPages, withSignedQuestions } from './signature.ts';
import { nearNames } from './toolNames.ts';
import type { Tracing } from './tracing.ts';

/** A client's request, and all that it brings with it. */
export interface Call {
  readonly params: Params;
  readonly caller: Caller;
  /** Aborts when the client gives up. */
  readonly signal: AbortSignal;
}

/** Who is asked, in which order, and whether a call that may have run may be repeated. */
interface Chosen {
  readonly candidates: readonly (Candidate & Partial<Pick<ToolCandidate, 'strategy'>>)[];
  readonly isRepeatable: boolean;
}

/** What differs from one kind of request to the next. */
interface Routing {
  readonly method: string;
  /** As the client named what it wants. */
  readonly name: string;
  /** Steps 1 to 4; undefined: nobody knows the name. */
  readonly select: () => Chosen | undefined;
  readonly paramsFor: (originalName: string) => Params;
  /** Whether a candidate says itself that a call of it may be repeated; undefined: it does not say. */
  readonly isRepeatableOn?: (candidate: Candidate) => boolean | undefined;
  /** Whether a candidate was chosen by no more than a pattern, so that it need not have what is asked for. */
  readonly isGuess?: (candidate: Candidate) => boolean;
  /** An error as this client is to see it; by default as it is. */
  readonly rejection?: (error: RpcError) => RpcError;
  /** A result as this client is to see it; by default with URIs and ids exposed. */
  readonly exposed?: (backend: Backend, result: Params) => Params;
  readonly unknown: () => Answer;
  readonly nobody: (message: string) => Answer;
}

const RETRY_JITTER = 0.2;
/** What servers say to a tool or a method that they do not have. */
const MEANS_UNKNOWN: ReadonlySet<unknown> = new Set([METHOD_NOT_FOUND, INVALID_PARAMS]);
/** Each costs a request. */
const MAX_LISTED_TASKS = 100;

export interface RouterPorts {
  readonly clock: Clock;
  readonly exposure: Exposure;
  readonly clients: Pick<ClientRequests, 'ownTask' | 'tasksOf' | 'ownElicitations'>;
  /** What is chosen from, as it is now. */
  surroundings(): Surroundings;
  /** Who is configured, and not among the backends of these surroundings. */
  absentees(): readonly Absentee[];
  /** Tools as clients see them, the router's own included. */
  exposedTools(): ReadonlyMap<string, Entry>;
  /** Resolves at once, but right after the start, when backends have a moment to tell what they have. */
  whenBegun(): Promise<unknown>;
  /** There is another of the {@link Router.decisions}. */
  onDecision(decision: Decision): void;
  /** Undefined: nobody looks at traces. */
  readonly tracing: Tracing | undefined;
}

/** Decides which backend answers a request, and gets the answer. */
export class Router {
  readonly decisions = new Decisions();
  private readonly ports: RouterPorts;
  /** Requests given to backends so far, and which of them was each one's last. */
  private turn = 0;
  private readonly turns = new WeakMap<Backend, number>();

  constructor(ports: RouterPorts) {
    this.ports = ports;
  }

  /** Where a call of a tool would go now, and why; nothing is called. */
  explain(name: string): Explanation {
    const { ports } = this;
    return explainTool(name, ports.exposedTools(), ports.surroundings(), this.turns, ports.absentees());
  }

  /** Whether some backend lists the tool, by exposed name or one of its older spellings. */
  knows(name: string): boolean {
    return findTool(this.ports.surroundings().catalog, name) !== undefined;
  }

  /** The backends that a tool's name names, whether or not they list it. */
  namedBy(name: string): readonly Backend[] {
    return readings(name, this.ports.surroundings()).flatMap(({ pool }) => pool);
  }

  /** `tools/call`, by exposed name or one of its older spellings. */
  callTool(call: Call): Promise<Answer> {
    const name = asText(call.params.name);
    return this.route(call, {
      method: 'tools/call',
      name,
      select: () => selectForTool(name, this.ports.surroundings(), this.turns),
      paramsFor: originalName => ({ ...call.params, name: originalName }),
      isRepeatableOn,
      isGuess: candidate => !listsTool(candidate),
      unknown: () => unknown('tool', name, this.ports.exposedTools().keys()),
      // To the model a missing backend is a failed tool, which it can react to.
      nobody: message => ({ kind: 'result', result: { isError: true, content: [{ type: 'text', text: message }] } }),
    });
  }

  /** `prompts/get`, by exposed name or one of its older spellings. */
  getPrompt(call: Call): Promise<Answer> {
    const name = asText(call.params.name);
    return this.route(call, {
      method: 'prompts/get',
      name,
      select: () => this.harmless(findPrompt(this.ports.surroundings().catalog, name)?.candidates),
      paramsFor: originalName => ({ ...call.params, name: originalName }),
      unknown: () => unknown('prompt', name, this.ports.surroundings().catalog.prompts.keys()),
      nobody: message => refusal(INTERNAL_ERROR, message),
    });
  }

  /** `resources/read`, `resources/subscribe` and `resources/unsubscribe`, by exposed URI. */
  async ofResource(
    method: 'resources/read' | 'resources/subscribe' | 'resources/unsubscribe',
    call: Call,
  ): Promise<Answer> {
    const uri = asText(call.params.uri);
    let original = uri;
    // A URI does not say whose it is: whoever has not told yet may have it.
    await this.ports.whenBegun();
    return this.route(call, {
      method,
      name: uri,
      select: () => this.harmless(this.holdersOf(uri).candidates),
      paramsFor: originalUri => {
        original = originalUri;
        return { ...call.params, uri: originalUri };
      },
      exposed: (backend, result) => this.ports.exposure.result(backend, result, { original, uri }),
      rejection: error => {
        const { data } = error;
        const seen = isObject(data) && data.uri === original ? { ...error, data: { ...data, uri } } : error;
        // What nobody lists and its only possible holder does not take is unknown, in whatever words that one says so.
        return seen.code !== INVALID_PARAMS || this.holdersOf(uri).isListed
          ? seen
          : { data: { uri }, ...seen, code: RESOURCE_NOT_FOUND };
      },
      unknown: () => refusal(RESOURCE_NOT_FOUND, `Unknown resource: ${uri}`, { uri }),
      nobody: message => refusal(INTERNAL_ERROR, message),
    });
  }

  /** `completion/complete`, by the prompt or resource template that it refers to. */
  async complete(call: Call): Promise<Answer> {
    await this.ports.whenBegun();
    const ref = call.params.ref as Params | undefined;
    const isPrompt = ref?.type === 'ref/prompt';
    const key = isPrompt ? 'name' : 'uri';
    const name = asText(ref?.[key]);
    const entry = (): Entry | undefined => {
      const { catalog } = this.ports.surroundings();
      return isPrompt ? findPrompt(catalog, name) : (catalog.templates.get(name) ?? catalog.resources.get(name));
    };
    return this.route(call, {
      method: 'completion/complete',
      name,
      select: () => this.harmless(entry()?.candidates),
      paramsFor: original => ({ ...call.params, ref: { ...ref, [key]: original } }),
      unknown: () => {
        const { prompts, templates } = this.ports.surroundings().catalog;
        return isPrompt
          ? unknown('prompt', name, prompts.keys())
          : unknown('resource template', name, templates.keys());
      },
      nobody: message => refusal(INTERNAL_ERROR, message),
    });
  }

  /**
   * What is asked of a task (MCP 2025-11-25, "Tasks", and the extension that they are in the modern era), by exposed id:
   * with the backend that has it.
   */
  ofTask(method: 'tasks/get' | 'tasks/result' | 'tasks/update' | 'tasks/cancel', call: Call): Promise<Answer> {
    const exposedId = asText(call.params.taskId);
    const task = originalTask(exposedId);
    return this.route(call, {
      method,
      name: exposedId,
      select: () => {
        const holder = this.ports.surroundings().backends.find(({ name }) => name === task?.backend);
        // Others have tasks on the same connection, which are none of this client's business. Where there are no sessions,
        // knowing the id is what makes a task one's own.
        const isStateless = call.caller.client.era === 'modern' && holder?.about?.era === 'modern';
        const isOwn = this.ports.clients.tasksOf(call.caller.sessionId).includes(exposedId);
        if (!isStateless && !isOwn) return undefined;
        return this.harmless(holder && task && [{ backend: holder, originalName: task.taskId }]);
      },
      paramsFor: taskId => ({ ...call.params, taskId }),
      unknown: () => refusal(INVALID_PARAMS, `Unknown task: ${exposedId}`),
      nobody: message => refusal(INTERNAL_ERROR, message),
    });
  }

  /** `tasks/list`: those of the client alone, whatever others have running on the same connections. */
  async listTasks(call: Call): Promise<Answer> {
    const ids = this.ports.clients.tasksOf(call.caller.sessionId).slice(-MAX_LISTED_TASKS);
    const answers = await Promise.all(ids.map(taskId => this.ofTask('tasks/get', { ...call, params: { taskId } })));
    return {
      kind: 'result',
      result: { tasks: answers.flatMap(each => (each.kind === 'result' ? [each.result] : [])) },
    };
  }

  /**
   * A method of nobody's specification: it goes to the backends in their order until one knows it.
   * One that does not know a method does nothing, so asking the next is harmless.
   */
  async ofNobody(method: string, call: Call): Promise<Answer> {
    let invalid: RpcError | undefined;
    for (const backend of this.ports.surroundings().backends) {
      // A backend that is paused is not asked, and none is started for what it may not even know.
      const permit = backend.isConnectedFor(call.caller.sessionId) ? backend.admit() : undefined;
      if (!permit) continue;
      const outcome = await backend.request(method, call.params, call);
      permit.settle(verdictOf(outcome));
      if (outcome.kind === 'answered') return { kind: 'result', result: outcome.result };
      if (outcome.kind === 'cancelled') return refusal(INTERNAL_ERROR, 'cancelled');
      if (outcome.kind === 'failed') return refusal(INTERNAL_ERROR, `${backend.name}: ${outcome.failure.message}`);
      if (!MEANS_UNKNOWN.has(outcome.error.code)) return { kind: 'error', error: outcome.error };
      // It may know the method after all: then this says more than that nobody does.
      if (outcome.error.code !== METHOD_NOT_FOUND) invalid ??= outcome.error;
    }
    return invalid ? { kind: 'error', error: invalid } : refusal(METHOD_NOT_FOUND, `Method not found: ${method}`);
  }

  /** The exposed URI that a client means by its own spelling. */
  listedAs(uri: string): string {
    return this.ports.exposure.listedAs(uri);
  }

  /** Whether some backend that can serve an exposed URI does so for all clients on one connection. */
  isShared(uri: string): boolean {
    return this.holdersOf(uri).candidates.some(({ backend }) => backend.isShared);
  }

  /** Sees to it that of what clients are subscribed to one of the backends tells that have it now. */
  renewSubscriptions(clients: Iterable<ClientSession>): void {
    for (const client of clients) {
      for (const uri of client.subscriptions.keys()) {
        const ready = this.holdersOf(uri).candidates.filter(({ backend }) => backend.state.kind === 'ready');
        if (ready.some(({ backend, originalName }) => backend.isSubscribed(originalName, client.sessionId))) continue;
        const [first] = ready;
        void first?.backend.subscribe(first.originalName, client);
      }
    }
  }

  /** Nobody is subscribed to an exposed URI any more: its backends need not tell of it. `sessionId`: who was the last. */
  leaveResource(uri: string, sessionId: string): void {
    for (const { backend, originalName } of this.holdersOf(uri).candidates) {
      void backend.unsubscribe(originalName, sessionId);
    }
  }

  /** The path of every request, in the order it travels it. */
  private async route(call: Call, request: Routing): Promise<Answer> {
    const { clock } = this.ports;
    const { retry } = this.ports.surroundings().routing;
    const record = new DecisionRecord(request.method, request.name, clock);
    const trace = this.ports.tracing?.begin(request.method, request.name, call);
    const patience = new Patience(call.signal);
    const conclude = (outcome: Decision['outcome'], answer: Answer): Answer => {
      patience.end();
      const decision = this.decisions.add(record.concluded(outcome));
      trace?.end(decision, answer);
      this.ports.onDecision(decision);
      return answer;
    };

    // 1. Name, 2. pool, 3. strategy, 4. order: who may be asked, and who first. Nothing of it waits, but that of a name
    //    which is nobody's so far a backend that has yet to tell what it has may be the one that knows it.
    let selection = await this.selectOnceListed(request, patience, call.signal);
    if (!selection) return conclude('rejected', request.unknown());
    // What a backend asked in mid-call is answered to that one.
    const pin = call.caller.client.era === 'modern' ? pinIn(call.params.requestState) : undefined;
    const eligible = (chosen: Chosen) =>
      chosen.candidates.filter(({ backend }) => !pin || backend.name === pin.backend);
    let candidates = eligible(selection);
    if (candidates.length === 0 && pin) return conclude('rejected', refusal(INVALID_PARAMS, 'Unknown requestState'));
    record.candidates = candidates;
    // Calls that come at once are not all to see the same one first.
    this.takeTurn(candidates[0]?.backend);

    const backoff = new Backoff({
      initialMs: retry.initial_backoff_seconds * 1000,
      multiplier: retry.backoff_multiplier,
      maxMs: retry.max_backoff_seconds * 1000,
      jitter: RETRY_JITTER,
    });
    const tried = new Set<Backend>();
    let met: readonly Candidate[] = candidates;
    for (let attempts = 0; attempts < retry.max_attempts && !call.signal.aborted; ) {
      // 5. Admit: who cannot take the call is passed over at no cost.
      const untried = candidates.filter(({ backend }) => !tried.has(backend));
      const admitted = await this.admit(untried, patience, record, call.signal);
      if (!admitted) {
        // Others may have come meanwhile: in the place of these, when the file has changed.
        const again = request.select();
        if (again && eligible(again).some(({ backend }) => !met.some(each => each.backend === backend))) {
          selection = again;
          candidates = eligible(again);
          record.candidates = candidates;
          met = [...met, ...candidates];
          continue;
        }
        // Everybody was tried: come back to them, after the backoff. Who leaves for good, or could not be tried, does
        // not come back, and for a circuit that will still be open nobody waits.
        if (![...tried].some(({ state: { kind } }) => kind !== 'draining' && kind !== 'stopped')) break;
        const backoffMs = backoff.next();
        const isWorthIt = [...tried].some(backend => mayTakeCall(backend, clock.now() + backoffMs));
        tried.clear();
        if (isWorthIt) await this.pause(backoffMs, call.signal);
        continue;
      }

      // 6. Attempt, and tell the breaker what came of it. Moving on to the next candidate is immediate.
      const { candidate, permit } = admitted;
      this.takeTurn(candidate.backend);
      const at = clock.now();
      const params = { ...request.paramsFor(candidate.originalName), ...(pin && { requestState: pin.state }) };
      const attempt = trace?.attempt(candidate.backend.name, params);
      const outcome = await candidate.backend.request(request.method, attempt?.params ?? params, call);
      permit.settle(verdictOf(outcome));
      attempt?.end(outcome);
      record.attempted(candidate.backend.name, at, outcome);
      attempts += 1;
      tried.add(candidate.backend);
      switch (outcome.kind) {
        case 'answered':
          return conclude(outcome.result.isError === true ? 'tool error' : 'answered', {
            kind: 'result',
            result: this.exposed(candidate.backend, outcome.result, request, call.caller),
          });
        case 'rejected':
          // Who was asked by a pattern alone need not have the tool; the next one may.
          if (candidates.length > 1 && request.isGuess?.(candidate) && MEANS_UNKNOWN.has(outcome.error.code)) {
            tried.delete(candidate.backend);
            candidates = candidates.filter(other => other !== candidate);
            break;
          }
          this.ports.clients.ownElicitations(outcome.error, candidate.backend, call.caller.sessionId);
          return conclude('rejected', {
            kind: 'error',
            error: this.exposedError(candidate.backend, outcome.error, request, call.caller),
          });
        case 'cancelled':
          return conclude('cancelled', refusal(INTERNAL_ERROR, 'cancelled'));
        case 'failed':
          // A call that may already have run is repeated only if its tool says that this is harmless: as clients see it,
          // and the one that may have run.
          if (outcome.sent && !(selection.isRepeatable && (request.isRepeatableOn?.(candidate) ?? true)))
            return conclude('nobody', request.nobody(record.explanation));
      }
    }

    // 7. Nobody left.
    if (call.signal.aborted) return conclude('cancelled', refusal(INTERNAL_ERROR, 'cancelled'));
    return conclude('nobody', request.nobody(record.explanation));
  }

  /** A result as its client is to see it; what later belongs to that client alone is noted. */
  private exposed(backend: Backend, result: Params, { exposed }: Routing, { sessionId, client }: Caller): Params {
    const seen = exposed?.(backend, result) ?? this.ports.exposure.result(backend, result);
    if (isObject(seen.task)) this.ports.clients.ownTask(asText(seen.task.taskId), backend, sessionId);
    if (client.era === 'legacy' || !isInputRequired(seen)) return seen;
    const asking = withSignedQuestions(backend, seen);
    const { requestState } = asking;
    return typeof requestState === 'string' ? { ...asking, requestState: pinned(backend, requestState) } : asking;
  }

  /** An error as its client is to see it: of the modern era, that is asked to visit the pages that it names. */
  private exposedError(backend: Backend, error: RpcError, { rejection }: Routing, { client }: Caller): RpcError {
    const seen = rejection?.(error) ?? error;
    return client.era === 'legacy' ? seen : withSignedPages(backend, seen);
  }

  /**
   * The first candidate that can take the call now; if none can, but some are starting, the first of those to be ready.
   * @returns undefined if nobody can, or the client gave up
   */
  private async admit<C extends Candidate>(
    candidates: readonly C[],
    patience: Patience,
    record: DecisionRecord,
    signal: AbortSignal,
  ): Promise<{ candidate: C; permit: Permit } | undefined> {
    while (!signal.aborted) {
      const starting = new Map<Backend, string>();
      for (const candidate of candidates) {
        const { backend } = candidate;
        const permit = backend.admit();
        if (permit) {
          for (const [{ name }, reason] of starting) record.passOver({ backend: name, reason });
          return { candidate, permit };
        }
        const { admissibility } = backend;
        if (admissibility.kind !== 'starting') {
          const { kind, ...refusal } = admissibility;
          record.passOver({ backend: backend.name, reason: 'cannot take a call', ...refusal });
        } else if (patience.hasRunOut(backend))
          record.passOver({ backend: backend.name, reason: 'did not start in time' });
        else starting.set(backend, admissibility.reason);
      }
      if (starting.size === 0) return undefined;
      await patience.untilNext([...starting.keys()]);
    }
    return undefined;
  }

  /**
   * Who may be asked. A name that is nobody's may be one of backends that have never told what they have: while there are
   * any that it could be of, they are waited for.
   */
  private async selectOnceListed(
    { name, select }: Routing,
    patience: Patience,
    signal: AbortSignal,
  ): Promise<Chosen | undefined> {
    for (;;) {
      const selection = select();
      if (signal.aborted || selection?.candidates.some(({ backend }) => backend.hasListed)) return selection;
      const yetToTell = this.yetToTell(name).filter(backend => !patience.hasRunOut(backend));
      if (yetToTell.length === 0) return selection;
      await patience.untilNext(yetToTell);
    }
  }

  /** The backends that a name could be of, and that are starting for the first time, in the order in which they are tried. */
  private yetToTell(name: string): Backend[] {
    const surroundings = this.ports.surroundings();
    const starting = readings(name, surroundings).flatMap(({ pool }) =>
      pool.filter(({ hasListed, admissibility }) => !hasListed && admissibility.kind === 'starting'),
    );
    const candidates = starting.map(backend => ({ backend }));
    return inOrder(candidates, surroundings.routing, this.turns).map(({ backend }) => backend);
  }

  private takeTurn(backend: Backend | undefined): void {
    if (backend) this.turns.set(backend, ++this.turn);
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const over = deferred();
    const timer = this.ports.clock.schedule(ms, over.resolve);
    const giveUp = () => over.resolve();
    signal.addEventListener('abort', giveUp, { once: true });
    await over.promise;
    timer.dispose();
    signal.removeEventListener('abort', giveUp);
  }

  /** Of what is only read: repeating it is harmless. */
  private harmless(candidates: readonly Candidate[] | undefined): Chosen | undefined {
    if (!candidates || candidates.length === 0) return undefined;
    const { routing } = this.ports.surroundings();
    return { isRepeatable: true, candidates: inOrder(candidates, routing, this.turns) };
  }

  private holdersOf(uri: string): Holders {
    return holdersOf(uri, this.ports.surroundings(), this.ports.exposure);
  }
}

/** A backend's state of a call that goes on, with whose it is. The backend itself sees to it that nobody has changed it. */
function pinned(backend: Backend, state: string): string {
  return `${backend.name}:${state}`;
}

function pinIn(requestState: unknown): { readonly backend: string; readonly state: string } | undefined {
  if (typeof requestState !== 'string') return undefined;
  const end = requestState.indexOf(':');
  return { backend: requestState.slice(0, Math.max(end, 0)), state: requestState.slice(end + 1) };
}

/** Whether it may be able to take a call at that time, as far as can be told now. */
function mayTakeCall({ admissibility, breaker }: Backend, at: number): boolean {
  if (breaker.state.kind === 'held-open') return false;
  return admissibility.kind !== 'refused' || (admissibility.retryAt ?? at) <= at;
}

function unknown(what: string, name: string, known: Iterable<string>): Answer {
  const near = nearNames(name, known);
  const hint = near.length > 0 ? `. Did you mean ${near.map(each => `"${each}"`).join(' or ')}?` : '';
  return refusal(INVALID_PARAMS, `Unknown ${what}: ${name}${hint}`);
}
