import { randomUUID } from 'node:crypto';
import { type Deferred, deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { isObject } from '../base/json.ts';
import type { Answer, Params } from '../base/peer.ts';
import { INVALID_PARAMS, REFUSED, refusal } from '../base/rpcErrors.ts';
import type { Caller } from '../router/clientRequests.ts';
import type { Call } from '../router/router.ts';

/** How the client of one request is reached, for as long as the request is open. */
export interface Exchange {
  notify(method: string, params: Params | undefined): void;
  /** Under which the client wants to be told of progress, if it does. */
  readonly progressToken: unknown;
  /** Aborts when the client does not wait any more. */
  readonly signal: AbortSignal;
}

interface Question {
  readonly method: string;
  readonly params: Params | undefined;
  readonly answer: (answer: Answer) => void;
}

/** A call that outlives the request that made it. */
interface OpenCall {
  /** What the client has to repeat for it to go on. */
  readonly identity: string;
  readonly abort: AbortController;
  answer: Promise<Answer>;
  /** The request that the client waits on now; undefined: it has been asked, and is yet to come back. */
  exchange: Exchange | undefined;
  readonly questions: Map<string, Question>;
  /** Resolves when there is a question that the client has not been asked. */
  asked: Deferred;
}

/** Not what any backend's own state begins with here: names of backends have no slash. */
const PREFIX = 'switchyard/call:';
/** A person who has not answered a form by then has gone; until then, on a shared connection, nobody else can be asked. */
const PARKED_MS = 10 * 60_000;
const MAX_PARKED = 1000;

/**
 * Calls of modern clients to legacy backends that ask something meanwhile. Such a backend asks in a request and waits; such
 * a client is asked in a result, and comes back with the answers (MCP 2026-07-28, "Multi Round-Trip Requests"). Between the
 * two the call is parked here: the backend goes on waiting, and the client's next request goes on with the same call.
 */
export class ParkedCalls implements Disposable {
  private readonly clock: Clock;
  private readonly parked = new Map<string, { readonly call: OpenCall; readonly expiry: Disposable }>();
  private lastQuestion = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Begins a call; resolves with its answer, or with what the client has to be asked first. */
  begin(
    params: Params,
    identity: string,
    { sessionId, client }: Pick<Caller, 'sessionId' | 'client'>,
    exchange: Exchange,
    run: (call: Call) => Promise<Answer>,
  ): Promise<Answer> {
    const call: OpenCall = {
      identity,
      abort: new AbortController(),
      answer: Promise.resolve(NO_ANSWER),
      exchange: undefined,
      questions: new Map(),
      asked: deferred(),
    };
    const caller = {
      sessionId,
      client,
      notify: (method: string, about: Params | undefined) => {
        if (!call.exchange) return;
        const { progressToken } = call.exchange;
        // Each of the client's requests has a token of its own.
        if (method !== 'notifications/progress') call.exchange.notify(method, about);
        else if (progressToken !== undefined) call.exchange.notify(method, { ...about, progressToken });
      },
      request: (method: string, about: Params | undefined, signal: AbortSignal) =>
        this.ask(call, method, about, signal),
    };
    call.exchange = exchange;
    call.answer = run({ params, caller, signal: call.abort.signal });
    return this.wait(call, exchange);
  }

  /**
   * Goes on with a parked call.
   * @param identity of the request that comes with the state: it has to be that of the call
   * @returns undefined if the state is not one that was given here
   */
  resume(
    requestState: unknown,
    inputResponses: unknown,
    identity: string,
    exchange: Exchange,
  ): Promise<Answer> | undefined {
    if (typeof requestState !== 'string' || !requestState.startsWith(PREFIX)) return undefined;
    const parked = this.parked.get(requestState);
    if (!parked || parked.call.identity !== identity) {
      return Promise.resolve(refusal(INVALID_PARAMS, 'requestState: there is no such call waiting for an answer'));
    }
    const { call, expiry } = parked;
    this.parked.delete(requestState);
    expiry.dispose();
    for (const [key, response] of Object.entries(isObject(inputResponses) ? inputResponses : {})) {
      if (!isObject(response)) continue;
      call.questions.get(key)?.answer({ kind: 'result', result: response });
    }
    call.exchange = exchange;
    // What was asked and not answered is asked again.
    if (call.questions.size > 0) call.asked.resolve();
    return this.wait(call, exchange);
  }

  dispose(): void {
    for (const state of [...this.parked.keys()]) this.abandon(state, 'the server is stopping');
  }

  private abandon(requestState: string, reason: string): void {
    const parked = this.parked.get(requestState);
    this.parked.delete(requestState);
    parked?.expiry.dispose();
    parked?.call.abort.abort(reason);
  }

  private async wait(call: OpenCall, exchange: Exchange): Promise<Answer> {
    const giveUp = () => call.abort.abort(exchange.signal.reason);
    if (exchange.signal.aborted) giveUp();
    exchange.signal.addEventListener('abort', giveUp, { once: true });
    const asked = call.asked.promise.then(() => undefined);
    const answer = await Promise.race([call.answer, asked]);
    exchange.signal.removeEventListener('abort', giveUp);
    call.exchange = undefined;
    return answer ?? this.park(call);
  }

  private park(call: OpenCall): Answer {
    if (this.parked.size >= MAX_PARKED) {
      call.abort.abort('too many calls wait for their clients');
      return refusal(REFUSED, 'Too many calls wait for the answers of their clients');
    }
    const requestState = `${PREFIX}${randomUUID()}`;
    const expire = () => this.abandon(requestState, 'the client did not come back');
    call.asked = deferred();
    this.parked.set(requestState, { call, expiry: this.clock.schedule(PARKED_MS, expire) });
    const inputRequests = Object.fromEntries(
      Array.from(call.questions, ([key, { method, params = {} }]) => [
        key,
        { method, params: method === 'elicitation/create' ? withoutElicitationId(params) : params },
      ]),
    );
    return { kind: 'result', result: { resultType: 'input_required', inputRequests, requestState } };
  }

  private async ask(call: OpenCall, method: string, params: Params | undefined, signal: AbortSignal): Promise<Answer> {
    const key = `switchyard-${++this.lastQuestion}`;
    const answered = deferred<Answer>();
    const settle = (answer: Answer) => {
      call.questions.delete(key);
      answered.resolve(answer);
    };
    call.questions.set(key, { method, params, answer: settle });
    const giveUp = () => settle(NO_ANSWER);
    for (const each of [signal, call.abort.signal]) {
      if (each.aborted) giveUp();
      each.addEventListener('abort', giveUp, { once: true });
    }
    call.asked.resolve();
    return answered.promise;
  }
}

/** Params of an elicitation, which the modern era knows by no id. */
export function withoutElicitationId({ elicitationId: _, ...params }: Params): Params {
  return params;
}

const NO_ANSWER = refusal(REFUSED, 'The client did not answer');
