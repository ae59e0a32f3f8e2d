import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deferred } from '../../../src/core/base/async.ts';
import { type Answer, CancelledError, Peer, type PeerPorts, type PeerRequest } from '../../../src/core/base/peer.ts';
import { ScriptedTransport } from '../../support/scriptedTransport.ts';

const NEVER = new AbortController().signal;
/** Longer than anything takes that waits for nothing outside. */
const turn = () => new Promise(resolve => setImmediate(resolve));

async function peer(ports: Partial<PeerPorts> = {}) {
  const transport = new ScriptedTransport();
  const told: [method: string, params: unknown][] = [];
  const troubles: string[] = [];
  let closed = 0;
  const own = new Peer(transport, {
    onRequest: async () => ({ kind: 'result', result: {} }),
    onNotification: (method, params) => told.push([method, params]),
    onClose: () => {
      closed += 1;
    },
    onTrouble: error => troubles.push(String(error)),
    ...ports,
  });
  await own.start();
  const ask = (options: Partial<PeerRequest> = {}) => own.request('x', { a: 1 }, { signal: NEVER, ...options });
  return { own, transport, told, troubles, ask, closed: () => closed };
}

describe('What a peer is answered', () => {
  for (const [what, message, reply] of [
    ['a result', { result: { b: [null], ü: '🚂' } }, { kind: 'result', result: { b: [null], ü: '🚂' } }],
    [
      'an error with an unknown code and members that nobody knows',
      { error: { code: -31999, message: '', data: { reason: ['kept', null] }, odd: 1 } },
      { kind: 'error', error: { code: -31999, message: '', data: { reason: ['kept', null] }, odd: 1 } },
    ],
    ['an error with data that is null', { error: { code: 0, message: 'm', data: null } }, undefined],
    ['a result and an error, of which the result counts', { result: {}, error: 1 }, { kind: 'result', result: {} }],
    ['no object', { result: 1 }, { kind: 'malformed' }],
    ['a list', { result: [] }, { kind: 'malformed' }],
    ['null', { result: null }, { kind: 'malformed' }],
    ['an error without a message', { error: { code: 1 } }, { kind: 'malformed' }],
    ['an error with a code that is no whole number', { error: { code: 1.5, message: '' } }, { kind: 'malformed' }],
    ['nothing at all', {}, { kind: 'malformed' }],
  ] as const) {
    it(`may be ${what}`, async () => {
      const { transport, troubles, ask } = await peer();
      const asked = ask();
      transport.say({ id: 1, ...message });
      assert.deepEqual(await asked, reply ?? { kind: 'error', ...message });
      assert.deepEqual(troubles, []);
    });
  }

  it('may bear its id as a string', async () => {
    const { transport, ask } = await peer();
    const asked = [ask(), ask()];
    transport.say({ id: '2', result: { second: true } });
    transport.say({ id: '1', result: { first: true } });
    assert.deepEqual(await Promise.all(asked), [
      { kind: 'result', result: { first: true } },
      { kind: 'result', result: { second: true } },
    ]);
  });

  it('is the first of two, and the second is no trouble', async () => {
    const { transport, troubles, ask } = await peer();
    const asked = ask();
    transport.say({ id: 1, result: { n: 1 } });
    transport.say({ id: 1, result: { n: 2 } });
    transport.say({ id: 1, error: { code: 1, message: '' } });
    assert.deepEqual(await asked, { kind: 'result', result: { n: 1 } });
    assert.deepEqual(troubles, []);
  });

  it('is nothing where the stream of the answer ends, or nothing could be sent', async () => {
    const { transport, ask } = await peer();
    const cut = ask();
    transport.sent[0]?.options.onRequestStreamEnd?.();
    assert.deepEqual(await cut, { kind: 'cut' });
    transport.broken = new Error('no way');
    assert.deepEqual(await ask(), { kind: 'unsent', error: transport.broken });
  });

  it('is told as trouble when it answers nothing that was asked', async () => {
    const { transport, troubles, ask } = await peer();
    const asked = ask();
    for (const message of [{ id: 2, result: {} }, { id: 'x', result: {} }, { id: 0, result: {} }, { odd: 1 }])
      transport.say(message);
    const parseError = { id: null, error: { code: -32700, message: 'Parse error' } };
    transport.say(parseError);
    assert.equal(troubles.length, 5);
    assert.match(troubles[4] ?? '', /Parse error/);
    transport.say({ id: 1, result: {} });
    assert.equal((await asked).kind, 'result');
  });
});

describe('A peer that gives a request up', () => {
  it('tells the other side, on the stream of the request that it was about, and drops the late answer', async () => {
    const { transport, troubles, ask } = await peer();
    const abort = new AbortController();
    const asked = ask({ signal: abort.signal, relatedRequestId: 'r' });
    abort.abort('no more');
    assert.deepEqual(await asked, { kind: 'cancelled' });
    const [cancelled] = transport.of('notifications/cancelled');
    assert.deepEqual(
      [cancelled?.params, cancelled?.options.relatedRequestId],
      [{ requestId: 1, reason: 'no more' }, 'r'],
    );
    transport.say({ id: 1, result: {} });
    assert.deepEqual(troubles, []);
  });

  for (const words of [{}, { reason: '' }, { reason: 7, _meta: { kept: [null] }, odd: true }])
    it(`on behalf of another says what that one has said, as ${JSON.stringify(words)}`, async () => {
      const { transport, ask } = await peer();
      const abort = new AbortController();
      const asked = ask({ signal: abort.signal });
      abort.abort(new CancelledError(words));
      await asked;
      assert.deepEqual(transport.of('notifications/cancelled')[0]?.params, { ...words, requestId: 1 });
    });

  it('passes on no envelope of the modern era', () => {
    const version = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
    const { words } = new CancelledError({ reason: 'why', _meta: { ...version, kept: 1 } });
    assert.deepEqual(words, { reason: 'why', _meta: { kept: 1 } });
  });

  it('says nothing where the end of the stream says it', async () => {
    const { transport, ask } = await peer();
    const abort = new AbortController();
    const asked = ask({ signal: abort.signal, endsByStream: true });
    const { options } = transport.sent[0] ?? assert.fail('nothing was sent');
    abort.abort('no more');
    assert.deepEqual(await asked, { kind: 'cancelled' });
    assert.equal(options.requestSignal?.aborted, true);
    assert.equal(transport.sent.length, 1);
  });

  it('says nothing of one that is answered already, or that was never sent', async () => {
    const { transport, ask } = await peer();
    const abort = new AbortController();
    const asked = ask({ signal: abort.signal });
    transport.say({ id: 1, result: {} });
    await asked;
    abort.abort();
    assert.deepEqual(await ask({ signal: abort.signal }), { kind: 'cancelled' });
    assert.equal(transport.sent.length, 1);
  });
});

describe('What a peer is asked', () => {
  it('is answered under its id, errors as they are', async () => {
    const error = { code: 7, message: 'no', data: null, odd: true };
    const answers: Answer[] = [
      { kind: 'result', result: { a: 1 } },
      { kind: 'error', error },
    ];
    const { transport } = await peer({ onRequest: async () => answers.shift() ?? assert.fail() });
    transport.say({ id: 'a', method: 'm' });
    transport.say({ id: 0, method: 'm' });
    await turn();
    assert.deepEqual(
      transport.sent.map(({ options, ...message }) => message),
      [
        { jsonrpc: '2.0', id: 'a', result: { a: 1 } },
        { jsonrpc: '2.0', id: 0, error },
      ],
    );
  });

  it('is an internal error where its handler fails', async () => {
    const { transport } = await peer({ onRequest: () => Promise.reject(new Error('a bug')) });
    transport.say({ id: 1, method: 'm' });
    await turn();
    assert.deepEqual(transport.sent[0]?.error, { code: -32603, message: 'a bug' });
  });

  it('is not answered after it was cancelled, and its handler knows why', async () => {
    const answer = deferred<Answer>();
    const signals: AbortSignal[] = [];
    const { transport, told } = await peer({
      onRequest: (_, signal) => {
        signals.push(signal);
        return answer.promise;
      },
    });
    transport.say({ id: 3, method: 'm' });
    transport.say({ id: 4, method: 'm' });
    transport.say({ method: 'notifications/cancelled', params: { requestId: 3, reason: 'why', _meta: { kept: 1 } } });
    transport.say({ method: 'notifications/cancelled', params: { requestId: 'unknown' } });
    transport.say({ method: 'notifications/cancelled' });
    answer.resolve({ kind: 'result', result: {} });
    await turn();
    assert.deepEqual(
      signals.map(({ aborted, reason }) => [aborted, reason?.message, reason?.words]),
      [
        [true, 'why', { reason: 'why', _meta: { kept: 1 } }],
        [false, undefined, undefined],
      ],
    );
    assert.deepEqual(
      transport.sent.map(({ id }) => id),
      [4],
    );
    assert.deepEqual(told, [], 'a cancellation is nobody else’s business');
  });
});

describe('A peer', () => {
  it('hands on notifications that nobody knows as they are', async () => {
    const { transport, told } = await peer();
    transport.say({ method: 'notifications/odd', params: { x: [1], _meta: { y: null } } });
    transport.say({ method: 'odd' });
    assert.deepEqual(told, [
      ['notifications/odd', { x: [1], _meta: { y: null } }],
      ['odd', undefined],
    ]);
  });

  it('ends with what is open both ways, and is closed once', async () => {
    const signals: AbortSignal[] = [];
    const never = deferred<Answer>();
    const { own, transport, ask, closed } = await peer({
      onRequest: (_, signal) => {
        signals.push(signal);
        return never.promise;
      },
    });
    const asked = [ask(), ask()];
    transport.say({ id: 1, method: 'm' });
    await own.close();
    transport.onclose?.();
    assert.deepEqual(await Promise.all(asked), [{ kind: 'closed' }, { kind: 'closed' }]);
    assert.deepEqual([signals[0]?.aborted, signals[0]?.reason], [true, 'the session ended']);
    assert.deepEqual(await ask(), { kind: 'closed' });
    never.resolve({ kind: 'result', result: {} });
    await turn();
    assert.equal(transport.sent.length, 2, 'only what was asked');
    assert.equal(closed(), 1);
  });

  it('tells whoever made its transport of the end, too', async () => {
    const transport = new ScriptedTransport();
    const ends: string[] = [];
    transport.onclose = () => ends.push('transport');
    const nothing = () => {};
    const onRequest = () => assert.fail();
    const own = new Peer(transport, {
      onRequest,
      onNotification: nothing,
      onTrouble: nothing,
      onClose: () => ends.push('peer'),
    });
    await own.close();
    assert.deepEqual(ends, ['transport', 'peer']);
  });

  it('survives what cannot be read, and tells of it', async () => {
    const deep = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
    const { transport, troubles, ask } = await peer({
      onNotification: (_, params) => void String(params?.progressToken),
    });
    const asked = ask();
    transport.say({ deep });
    transport.say({ id: { toString: null, valueOf: null }, result: {} });
    transport.say({ method: 'notifications/progress', params: { progressToken: { toString: null } } });
    assert.equal(troubles.length, 3);
    transport.say({ id: 1, result: {} });
    assert.equal((await asked).kind, 'result');
  });
});
