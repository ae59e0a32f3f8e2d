import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { deferred, NEVER } from '../../../src/core/base/async.ts';
import type { Answer, Params } from '../../../src/core/base/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { scriptedListener, toolCall } from './scriptedListener.ts';

const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };

/** A session whose first call has arrived and waits for `answer`. */
async function sessionWithCall(t: TestContext) {
  const [asked, answer] = [deferred(), deferred<Answer>()];
  const callTool = () => {
    asked.resolve();
    return answer.promise;
  };
  const listener = await scriptedListener(t, { router: { callTool } });
  const session = await listener.begin();
  const response = listener.open('POST', session, toolCall(2));
  await asked.promise;
  return { ...listener, session, response, answer };
}

/** A session that has told it is initialized, so that it is told what belongs to no call. */
async function initializedSession(t: TestContext) {
  const listener = await scriptedListener(t);
  const session = await listener.begin();
  await listener.send('POST', session, INITIALIZED);
  assert.equal([...listener.clients].length, 1);
  return { ...listener, session };
}

/** The next `count` events of a stream, comments included, without the lines that are always the same. */
async function events(response: IncomingMessage, count: number): Promise<string[]> {
  const found: string[] = [];
  let rest = '';
  for await (const chunk of response.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    const parts = `${rest}${chunk}`.split('\n\n');
    rest = parts.pop() ?? '';
    found.push(...parts.map(part => part.replace('event: message\ndata: ', '')));
    if (found.length >= count) return found;
  }
  return found;
}

describe('HttpTransport', () => {
  it('makes the response of a call that takes 5 s an event stream, with signs of life until the answer', async t => {
    const { response, answer, clock } = await sessionWithCall(t);
    clock.advance(4999);
    let isOpen = false;
    void response.then(() => {
      isOpen = true;
    });
    await new Promise(setImmediate);
    assert.equal(isOpen, false);
    clock.advance(1);
    const stream = await response;
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    clock.advance(14_999);
    clock.advance(15_001);
    assert.deepEqual(await events(stream, 2), [': alive', ': alive']);
    answer.resolve({ kind: 'result', result: {} });
    assert.deepEqual(await events(stream, Number.POSITIVE_INFINITY), ['{"jsonrpc":"2.0","id":2,"result":{}}']);
  });

  it('answers a call that takes less as plain JSON, and leaves no timer behind', async t => {
    const { response, answer, clock } = await sessionWithCall(t);
    const before = clock.pending;
    clock.advance(4999);
    answer.resolve({ kind: 'result', result: {} });
    assert.equal((await response).headers['content-type'], 'application/json');
    assert.equal(clock.pending, before - 1);
  });

  it('gives signs of life on the GET stream until that closes', async t => {
    const { open, session, clock } = await initializedSession(t);
    const before = clock.pending;
    const stream = await open('GET', session);
    clock.advance(30_000);
    assert.deepEqual(await events(stream, 2), [': alive', ': alive']);
    stream.destroy();
    await eventually('its timer to go', () => clock.pending === before);
  });

  it('keeps what belongs to no call until the GET stream opens, at most the last 256', async t => {
    const { open, session, clients } = await initializedSession(t);
    for (let n = 1; n <= 300; n += 1) clients.broadcast(`notifications/n${n}`);
    const methods = (await events(await open('GET', session), 256)).map(data => JSON.parse(data).method);
    assert.deepEqual(
      methods,
      Array.from({ length: 256 }, (_, n) => `notifications/n${n + 45}`),
    );
  });

  it('ends the GET stream that another one replaces, and uses the new one', async t => {
    const { open, session, clients } = await initializedSession(t);
    const old = await open('GET', session);
    const ended = once(old.resume(), 'end');
    const current = await open('GET', session);
    await ended;
    clients.broadcast('notifications/tools/list_changed');
    assert.deepEqual(await events(current, 1), ['{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}']);
  });

  it('says so to whoever asks the client something that cannot be written', async t => {
    const { clients } = await initializedSession(t);
    let deep: Params = {};
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const [client] = [...clients];
    assert.ok(client);
    const asked = await client.request('odd/request', deep, NEVER);
    assert.equal(asked.kind, 'error');
  });
});
