import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer, Params } from '../../../src/core/base/peer.ts';
import { ParkedCalls } from '../../../src/core/downstream/parkedCalls.ts';
import type { Call } from '../../../src/core/router/router.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const NEVER = new AbortController().signal;
const CLIENT = {
  sessionId: 's',
  client: { era: 'modern', info: undefined, capabilities: {}, logLevel: undefined },
} as const;
const MINUTE = 60_000;
const GONE = { code: -32602, message: 'requestState: there is no such call waiting for an answer' };
const accept = { action: 'accept' };

function calls() {
  const clock = new FakeClock();
  const parked = new ParkedCalls(clock);
  const told: Params[] = [];
  const exchangeWith = (signal = NEVER) => ({
    signal,
    progressToken: 'token',
    notify: (method: string, params: Params | undefined) => void told.push({ method, ...params }),
  });
  const begin = (run: (call: Call) => Promise<Answer>, signal = NEVER, identity = 'x') =>
    parked.begin({}, identity, CLIENT, exchangeWith(signal), run).then(read);
  const resume = (state: unknown, responses: unknown = {}, signal = NEVER, identity = 'x') =>
    parked.resume(state, responses, identity, exchangeWith(signal))?.then(read);
  return { clock, parked, told, begin, resume };
}

interface Seen {
  readonly state: unknown;
  /** By key: what is asked. */
  readonly asked: Record<string, { readonly method: string; readonly params: Params }>;
  readonly result: Params | undefined;
  readonly error: unknown;
}

function read(answer: Answer): Seen {
  const result = answer.kind === 'result' ? answer.result : undefined;
  const asked = (result?.inputRequests ?? {}) as Seen['asked'];
  return { state: result?.requestState, asked, result, error: answer.kind === 'error' ? answer.error : undefined };
}

/** The answers to all that is asked. */
const answersTo = ({ asked }: Seen) => Object.fromEntries(Object.keys(asked).map(key => [key, { ...accept, key }]));

/** A backend that asks one thing and then says what it was answered, or why its call was given up. */
function asksOnce(ended = deferred<unknown>()) {
  const run = async ({ caller, signal }: Call): Promise<Answer> => {
    signal.addEventListener('abort', () => ended.resolve(signal.reason));
    const answer = await caller.request('elicitation/create', { message: 'Sure?' }, signal);
    return answer.kind === 'result' ? { kind: 'result', result: { answer: answer.result } } : answer;
  };
  return { run, ended: ended.promise };
}

describe('A parked call', () => {
  it('is none where nothing is asked', async () => {
    const { begin, clock } = calls();
    assert.deepEqual((await begin(async () => ({ kind: 'result', result: { a: 1 } }))).result, { a: 1 });
    assert.equal(clock.pending, 0);
  });

  it('goes on where it was when its client comes back with the answers', async () => {
    const { begin, resume, clock } = calls();
    let runs = 0;
    const { run } = asksOnce();
    const first = await begin(call => {
      runs += 1;
      return run(call);
    });
    assert.equal(first.result?.resultType, 'input_required');
    assert.deepEqual(Object.values(first.asked), [{ method: 'elicitation/create', params: { message: 'Sure?' } }]);
    const [key] = Object.keys(first.asked);
    const second = await resume(first.state, answersTo(first));
    assert.deepEqual([second?.result, runs, clock.pending], [{ answer: { ...accept, key } }, 1, 0]);
  });

  it('has a state of its own each time, good for once', async () => {
    const { begin, resume } = calls();
    const first = await begin(async ({ caller, signal }) => {
      await caller.request('roots/list', undefined, signal);
      await caller.request('roots/list', undefined, signal);
      return { kind: 'result', result: { done: true } };
    });
    assert.deepEqual(Object.values(first.asked), [{ method: 'roots/list', params: {} }]);
    const second = await resume(first.state, answersTo(first));
    assert.ok(second && second.state !== first.state);
    assert.notDeepEqual(Object.keys(second.asked), Object.keys(first.asked));
    assert.deepEqual((await resume(first.state, answersTo(second)))?.error, GONE);
    assert.deepEqual((await resume(second.state, answersTo(second)))?.result, { done: true });
  });

  it('asks again what was not answered', async () => {
    const { begin, resume } = calls();
    const first = await begin(async ({ caller, signal }) => {
      const answers = await Promise.all(['a', 'b'].map(message => caller.request('x', { message }, signal)));
      return { kind: 'result', result: { answers: answers.length } };
    });
    const [a, b] = Object.keys(first.asked);
    assert.ok(a && b);
    const second = await resume(first.state, { [a]: accept, [b]: 'no object', unknown: accept });
    assert.deepEqual(Object.keys(second?.asked ?? {}), [b]);
    assert.deepEqual((await resume(second?.state, { [b]: accept }))?.result, { answers: 2 });
  });

  it('is of nobody who asks for something else, or brings an unknown state', async () => {
    const { begin, resume } = calls();
    const first = await begin(asksOnce().run);
    assert.deepEqual((await resume(first.state, answersTo(first), NEVER, 'y'))?.error, GONE);
    assert.deepEqual((await resume('switchyard/call:unknown'))?.error, GONE);
    // Those are the backends'.
    for (const state of ['another', undefined, 7]) assert.equal(resume(state), undefined);
    assert.ok((await resume(first.state, answersTo(first)))?.result, 'it is still there for its own client');
  });

  it('tells what comes meanwhile on the request that is open, and to nobody while none is', async () => {
    const { begin, resume, told } = calls();
    const first = await begin(async ({ caller, signal }) => {
      caller.notify('1', undefined);
      const answered = caller.request('x', undefined, signal);
      await new Promise(resolve => setImmediate(resolve));
      caller.notify('2', undefined);
      await answered;
      caller.notify('3', undefined);
      return { kind: 'result', result: {} };
    });
    await new Promise(resolve => setImmediate(resolve));
    await resume(first.state, answersTo(first));
    assert.deepEqual(
      told.map(({ method }) => method),
      ['1', '3'],
    );
  });

  it('is ended when its client does not come back in ten minutes', async () => {
    const { begin, resume, clock } = calls();
    const { run, ended } = asksOnce();
    const first = await begin(run);
    clock.advance(10 * MINUTE - 1);
    assert.equal(await Promise.race([ended, 'waits']), 'waits');
    clock.advance(1);
    assert.equal(await ended, 'the client did not come back');
    assert.deepEqual((await resume(first.state, answersTo(first)))?.error, GONE);
  });

  it('keeps an answer that comes while it waits', async () => {
    const { begin, resume } = calls();
    const first = await begin(({ caller, signal }) => {
      void caller.request('x', undefined, signal);
      return new Promise(resolve => setImmediate(() => resolve({ kind: 'result', result: { impatient: true } })));
    });
    await new Promise(resolve => setImmediate(resolve));
    assert.deepEqual((await resume(first.state))?.result, { impatient: true });
  });

  it('is ended with the client that leaves, first or later', async () => {
    const { begin, resume } = calls();
    const leaving = new AbortController();
    const never = deferred<unknown>();
    const first = begin(({ signal }) => {
      signal.addEventListener('abort', () => never.resolve(signal.reason));
      return new Promise(resolve => signal.addEventListener('abort', () => resolve({ kind: 'result', result: {} })));
    }, leaving.signal);
    leaving.abort('hung up');
    await first;
    assert.equal(await never.promise, 'hung up');

    const { run, ended } = asksOnce();
    const parked = await begin(run);
    const again = new AbortController();
    const resumed = resume(parked.state, {}, again.signal);
    // It is asked at once what it left unanswered, and parked again: a client that leaves then has been answered.
    const asked = await resumed;
    again.abort('hung up');
    assert.equal(await Promise.race([ended, 'waits']), 'waits');
    assert.ok((await resume(asked?.state, answersTo(parked)))?.result);
  });

  it('is ended when the gateway stops', async () => {
    const { begin, parked, clock } = calls();
    const { run, ended } = asksOnce();
    await begin(run);
    parked.dispose();
    assert.equal(await ended, 'the server is stopping');
    assert.equal(clock.pending, 0);
  });

  it('is refused when a thousand others wait, which wait on', async () => {
    const { begin, resume, clock } = calls();
    const first = await begin(asksOnce().run);
    for (let n = 0; n < 999; n++) await begin(asksOnce().run);
    const late = asksOnce();
    assert.deepEqual((await begin(late.run)).error, {
      code: -32000,
      message: 'Too many calls wait for the answers of their clients',
    });
    assert.equal(await late.ended, 'too many calls wait for their clients');
    assert.equal(clock.pending, 1000);
    assert.ok((await resume(first.state, answersTo(first)))?.result);
  });
});
