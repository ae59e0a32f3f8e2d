import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { systemClock } from '../../../src/core/base/clock.ts';
import type { Answer, Params, Reply } from '../../../src/core/base/peer.ts';
import { fulfil } from '../../../src/core/upstream/inputRequests.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

const form = (message: string) => ({ method: 'elicitation/create', params: { message } });
const asking = (inputRequests: unknown, requestState?: unknown): Params => ({
  resultType: 'input_required',
  ...(inputRequests !== undefined && { inputRequests }),
  ...(requestState !== undefined && { requestState }),
});

/** A backend that gives these results one after the other, and a client that gives these answers to what it is asked. */
async function play(results: readonly Params[], answer: (request: Params) => Answer | Promise<Answer>) {
  const asked: Params[] = [];
  const again: Params[] = [];
  const [first, ...others] = results;
  assert.ok(first);
  const reply = await fulfil(
    first,
    async request => {
      asked.push(request);
      return answer(request);
    },
    async (input): Promise<Reply> => {
      again.push(input);
      return { kind: 'result', result: others.shift() ?? assert.fail('asked too often') };
    },
  );
  return { reply, asked, again };
}

const accept = (content = {}): Answer => ({ kind: 'result', result: { action: 'accept', content } });
const DONE = { resultType: 'complete', content: [] };

describe('What a modern backend asks in its result', () => {
  it('is asked all at once, and answered under its keys', async () => {
    const questions = { b: form('B'), a: form('A'), ключ: { method: 'roots/list' } };
    const { reply, asked, again } = await play([asking(questions), DONE], ({ params }) =>
      accept({ said: (params as Params | undefined)?.message }),
    );
    assert.deepEqual(asked, [form('B'), form('A'), { method: 'roots/list', params: undefined }]);
    assert.deepEqual(again, [
      {
        inputResponses: {
          b: { action: 'accept', content: { said: 'B' } },
          a: { action: 'accept', content: { said: 'A' } },
          ключ: { action: 'accept', content: { said: undefined } },
        },
      },
    ]);
    assert.deepEqual(reply, { kind: 'result', result: { content: [] } });
  });

  it('may be asked in several rounds, each with its own state, byte for byte', async () => {
    const states = ['\u0000 "\\ü🚂\u2028\ud800 ', '{"b": 1,  "a":[ ]}', ''];
    const rounds = states.map((state, n) => asking({ q: form(`${n}`) }, state));
    const { again } = await play([...rounds, DONE], () => accept());
    assert.deepEqual(
      again.map(({ requestState }) => requestState),
      states,
    );
  });

  it('may be nothing but to come again', async () => {
    const { asked, again } = await play([asking(undefined, 'later'), asking({}, 'even later'), DONE], () => accept());
    assert.deepEqual([asked, again], [[], [{ requestState: 'later' }, { requestState: 'even later' }]]);
  });

  it('is refused altogether where one question is, and the backend is not asked again', async () => {
    const error = { code: -32601, message: 'The client does not support roots', data: { odd: 1 } };
    const { reply, asked, again } = await play(
      [asking({ a: form('A'), b: { method: 'roots/list', params: {} }, c: form('C') })],
      ({ method }) => (method === 'roots/list' ? { kind: 'error', error } : accept()),
    );
    assert.deepEqual([reply, asked.length, again], [{ kind: 'error', error }, 3, []]);
  });

  it('is answered where the person declines: that is no refusal', async () => {
    const { reply, again } = await play([asking({ a: form('A') }), DONE], () => ({
      kind: 'result',
      result: { action: 'decline' },
    }));
    assert.deepEqual(again, [{ inputResponses: { a: { action: 'decline' } } }]);
    assert.equal(reply.kind, 'result');
  });

  it('ends with an error that says so where it is asked for ever', async () => {
    const forever = Array.from({ length: 100 }, () => asking({ a: form('Again?') }, 's'));
    const { reply, asked } = await play(forever, () => accept());
    assert.equal(asked.length, 16);
    assert.deepEqual(reply, {
      kind: 'error',
      error: { code: -32603, message: 'The backend asked 16 times in one call, and again: it was given up' },
    });
  });

  it('may be asked as often as that, if then there is a result', async () => {
    const rounds = Array.from({ length: 16 }, () => asking({ a: form('Again?') }));
    const { reply } = await play([...rounds, DONE], () => accept());
    assert.deepEqual(reply, { kind: 'result', result: { content: [] } });
  });

  it('has an id where a page is to be visited, as the legacy era wants it', async () => {
    const url = (params = {}) => ({
      method: 'elicitation/create',
      params: { mode: 'url', message: 'm', url: 'https://a.example/', ...params },
    });
    const { asked } = await play([asking({ a: url(), b: url(), c: url({ elicitationId: 'own' }) }), DONE], () =>
      accept(),
    );
    const ids = asked.map(({ params }) => (params as Params).elicitationId);
    assert.equal(new Set(ids).size, 3);
    assert.ok(ids.every(id => typeof id === 'string' && id !== ''));
    assert.equal(ids[2], 'own');
  });

  it('is asked of nobody where it is nothing that can be', async () => {
    const { asked } = await play([asking({ a: null, b: 'x' }), DONE], () => accept());
    assert.deepEqual(asked, [
      { method: undefined, params: undefined },
      { method: undefined, params: undefined },
    ]);
    const { again } = await play([asking(['x'], 's'), DONE], () => accept());
    assert.deepEqual(again, [{ requestState: 's' }]);
  });

  it('is followed by whatever the backend says to the answers', async () => {
    const error = { code: -32602, message: 'bad answer' };
    const reply = await fulfil(
      asking({ a: form('A') }),
      async () => accept(),
      async () => ({ kind: 'error', error }),
    );
    assert.deepEqual(reply, { kind: 'error', error });
  });
});

test('A call of a legacy client to a modern backend does not time out while its person thinks', async t => {
  const entry = { name: 'survey', ...fixtureCommand('servers/survey.mjs', '--era', 'modern') };
  const gateway = await startGateway(t, { backends: [{ ...entry, request_timeout_seconds: 0.5 }] });
  await gateway.gateway.whenSettled();
  const client = await gateway.client({ elicitation: {} });
  client.answers('elicitation/create', async () => {
    // Longer than the backend may be silent.
    await new Promise<void>(resolve => systemClock.schedule(1200, resolve));
    return { action: 'accept', content: {} };
  });
  const { result } = await client.callTool('survey__invite');
  assert.deepEqual(result.content, [{ type: 'text', text: '{"action":"accept","content":{}}' }]);
  const [asked] = client.received.filter(({ method }) => method === 'elicitation/create');
  assert.equal(asked?.params?.message, 'survey: Who is coming?');
});
