import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer } from '../../../src/core/base/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';
import { clientOf, INITIALIZE, responseTo, scriptedListener, TOKEN, toolCall, whole } from './scriptedListener.ts';

const MEGABYTE = 1024 * 1024;

/** A gateway's listener with one backend, and a way to send it anything. */
async function listener(t: TestContext) {
  const { gateway } = await startGateway(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
  await gateway.whenSettled();
  const { url } = await gateway.listenHttp({
    clients: 'any',
    host: '127.0.0.1',
    port: 0,
    tokens: [{ role: 'admin', value: TOKEN }],
  });
  return clientOf(url);
}

describe('HttpListener', () => {
  it('lets nobody in without the token', async t => {
    const { send } = await scriptedListener(t);
    const statusOf = async (authorization: string) => (await send('POST', { authorization }, INITIALIZE)).status;
    assert.deepEqual(
      [await statusOf('Bearer wrong'), await statusOf(''), await statusOf('Bearer '), await statusOf(TOKEN)],
      [401, 401, 401, 401],
    );
    assert.deepEqual([await statusOf(`Bearer ${TOKEN}`), await statusOf(`bearer ${TOKEN}`)], [200, 200]);
  });

  it('answers 404 in place of 401 where a client would take that for a sign-in', async t => {
    const { send } = await scriptedListener(t, { options: { missingTokenStatus: 404 } });
    assert.equal((await send('POST', { authorization: 'Bearer wrong' }, INITIALIZE)).status, 404);
  });

  it('refuses foreign hosts and origins, before anything else', async t => {
    const { send } = await scriptedListener(t, { options: { allowedHosts: ['switchyard.test'] } });
    const statusOf = async (headers: Record<string, string>) => (await send('POST', headers, INITIALIZE)).status;
    assert.deepEqual(
      [
        await statusOf({ host: 'evil.test' }),
        await statusOf({ host: 'evil.test', authorization: '' }),
        await statusOf({ origin: 'https://evil.test' }),
        await statusOf({ origin: 'null' }),
        await statusOf({ origin: 'http://localhost.evil.test' }),
        await statusOf({ host: 'localhost:1' }),
        await statusOf({ host: 'switchyard.test:80' }),
        await statusOf({ origin: 'http://localhost:5173' }),
        await statusOf({ origin: 'http://[::1]:1' }),
      ],
      [403, 403, 403, 403, 403, 200, 200, 200, 200],
    );
  });

  it('says what is wrong with a request', async t => {
    const { send, begin } = await scriptedListener(t);
    const session = await begin();
    const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
    const unknown = { 'mcp-session-id': 'unknown' };
    assert.deepEqual(
      [
        await send('POST', {}, ping),
        await send('POST', unknown, ping),
        await send('GET'),
        await send('GET', unknown),
        await send('DELETE', unknown),
        await send('PUT', session),
        await send('POST', session, '{"jsonrpc":'),
        await send('POST', session, { id: 1, method: 'ping' }),
        await send('POST', session, []),
        await send('POST', { ...session, 'content-type': 'text/plain' }, ping),
        await send('POST', { ...session, 'mcp-protocol-version': '1999-01-01' }, ping),
        await send('POST', session, ping, '/elsewhere'),
        await send('POST', session, ping),
        await send('POST', session, ping, '/'),
      ].map(({ status }) => status),
      [400, 404, 400, 404, 404, 405, 400, 400, 400, 415, 400, 404, 200, 200],
    );
  });

  it('answers a lone answer as JSON, and with anything before it as an event stream', async t => {
    const { send, begin } = await listener(t);
    const session = await begin();
    const call = (id: number, name: string, args: object, meta = {}) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: args, ...meta },
    });
    const plain = await send('POST', session, call(2, 'echo__echo', { text: 'hi' }));
    assert.equal(plain.type, 'application/json');
    assert.equal(JSON.parse(plain.body).result.content[0].text, 'hi');
    const slow = call(3, 'echo__slow', { label: 'x', steps: 2, stepMs: 5 }, { _meta: { progressToken: 7 } });
    const streamed = await send('POST', session, slow);
    assert.equal(streamed.type, 'text/event-stream');
    const messages = streamed.body
      .split('\n')
      .flatMap(line => (line.startsWith('data: ') ? [JSON.parse(line.slice(6))] : []));
    assert.deepEqual(
      messages.map(({ id, params }) => id ?? params.progressToken),
      [7, 7, 3],
    );
  });

  it('answers a batch, and takes notifications with 202', async t => {
    const { send, begin } = await scriptedListener(t);
    const session = await begin();
    const batch = await send('POST', session, [
      { jsonrpc: '2.0', id: 'a', method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 'b', method: 'ping' },
    ]);
    assert.deepEqual(batch.body.match(/"id":"."/g)?.toSorted(), ['"id":"a"', '"id":"b"']);
    assert.equal((await send('POST', session, { jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
  });

  it('refuses a batch of more than 100 messages before it looks at any', async t => {
    const { send, begin } = await scriptedListener(t);
    const session = await begin();
    const batch = (length: number) => Array.from({ length }, () => ({ jsonrpc: '2.0', method: 'notifications/odd' }));
    assert.equal((await send('POST', session, batch(100))).status, 202);
    for (const body of [batch(101), Array.from({ length: 101 }, () => 1)]) {
      const refused = await send('POST', session, body);
      const { id, error } = JSON.parse(refused.body);
      assert.deepEqual([refused.status, id, error.code], [400, null, -32600]);
      assert.equal(error.message, 'Invalid request: a batch has at most 100 messages, and this one has 101');
    }
  });

  it('answers before a large body comes where the session is unknown', async t => {
    const { start } = await scriptedListener(t);
    const outgoing = start('POST', { 'mcp-session-id': 'unknown', 'content-length': `${2 * MEGABYTE}` }, '/mcp');
    outgoing.on('error', () => {}).flushHeaders();
    const response = await responseTo(outgoing);
    assert.equal((await whole(response)).status, 404);
    outgoing.destroy();
  });

  it('ends the response of a call that was cancelled', async t => {
    const { open, send, begin } = await listener(t);
    const session = await begin();
    const params = {
      name: 'echo__slow',
      arguments: { label: 'x', steps: 1000, stepMs: 50 },
      _meta: { progressToken: 1 },
    };
    const response = await open('POST', session, { jsonrpc: '2.0', id: 9, method: 'tools/call', params });
    const ended = once(response.resume(), 'end');
    await send('POST', session, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } });
    await ended;
  });

  it('ends the session and its stream on DELETE', async t => {
    const { open, send, begin } = await scriptedListener(t);
    const session = await begin();
    const stream = await open('GET', session);
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    const ended = once(stream.resume(), 'end');
    assert.equal((await send('DELETE', session)).status, 200);
    await ended;
    assert.equal((await send('POST', session, { jsonrpc: '2.0', id: 2, method: 'ping' })).status, 404);
  });

  it('refuses what is not a message of MCP, with its id where it has one', async t => {
    const { send, begin } = await scriptedListener(t);
    const session = await begin();
    const bodies = [
      toolCall(2, { params: [] }),
      toolCall('3', { params: null }),
      toolCall(1.5),
      toolCall(4, { params: { name: 'x', _meta: { progressToken: null } } }),
      toolCall(5, { extra: true }),
      toolCall(null),
      [toolCall(6), toolCall(7, { params: [] })],
    ];
    const replies = await Promise.all(bodies.map(body => send('POST', session, body)));
    assert.deepEqual(
      replies.map(({ status, body }) => [status, JSON.parse(body).error.code, JSON.parse(body).id]),
      [2, '3', 1.5, 4, 5, null, null].map(id => [400, -32600, id]),
    );
  });

  it('refuses an id that another request of the session has, until that is answered', async t => {
    const [asked, answer] = [deferred(), deferred<Answer>()];
    const callTool = () => {
      asked.resolve();
      return answer.promise;
    };
    const { send, begin } = await scriptedListener(t, { router: { callTool } });
    const [session, another] = [await begin(), await begin()];
    const first = send('POST', session, toolCall(2));
    await asked.promise;
    for (const [body, id] of [
      [toolCall(2), 2],
      [[toolCall('a'), toolCall(2)], 2],
      [[toolCall('b'), toolCall('b')], 'b'],
    ] as const) {
      const refused = await send('POST', session, body);
      const { error, ...message } = JSON.parse(refused.body);
      assert.deepEqual([refused.status, error.code, message.id], [400, -32600, id]);
      assert.match(error.message, /^Invalid request: the id .* is that of another request/);
    }
    const elsewhere = send('POST', another, toolCall(2));
    answer.resolve({ kind: 'result', result: { fine: true } });
    for (const { body } of [await first, await elsewhere, await send('POST', session, toolCall(2))]) {
      assert.deepEqual(JSON.parse(body), { jsonrpc: '2.0', id: 2, result: { fine: true } });
    }
  });

  it('begins no session for an initialize that is malformed or only a notification', async t => {
    const { send, listener } = await scriptedListener(t);
    const { id: _, ...notification } = INITIALIZE;
    assert.equal((await send('POST', {}, notification)).status, 400);
    const malformed = await send('POST', {}, { ...INITIALIZE, params: { protocolVersion: 7 } });
    const { id, error } = JSON.parse(malformed.body);
    assert.deepEqual([id, error.code, malformed.session], [1, -32602, undefined]);
    assert.match(error.message, /^Invalid params: initialize needs protocolVersion, /);
    assert.equal(listener.sessionCount, 0);
  });

  it('ends a session that has had nothing open for five minutes', async t => {
    const answer = deferred<Answer>();
    const asked = deferred();
    const callTool = () => {
      asked.resolve();
      return answer.promise;
    };
    const { open, send, begin, listener, clock } = await scriptedListener(t, { router: { callTool } });
    const [streaming, calling, talking] = [await begin(), await begin(), await begin(), await begin()];
    const minutes = (count: number) => clock.advance(count * 60_000);
    const statusOf = async (session: Record<string, string>) =>
      (await send('POST', session, { jsonrpc: '2.0', id: 9, method: 'ping' })).status;

    const stream = await open('GET', streaming);
    const call = open('POST', calling, toolCall(2));
    await asked.promise;
    minutes(3);
    await send('POST', talking, { jsonrpc: '2.0', method: 'notifications/roots/list_changed' });
    minutes(3);
    assert.equal(listener.sessionCount, 3, 'the silent one has ended');
    minutes(3);
    assert.equal(listener.sessionCount, 2, 'only what is open has stayed');

    stream.destroy();
    answer.resolve({ kind: 'result', result: {} });
    await whole(await call);
    await eventually('only the timer of the listener to be left', () => clock.pending === 1);
    minutes(4);
    assert.equal(listener.sessionCount, 2, 'the time runs from when they were last open');
    minutes(2);
    assert.equal(listener.sessionCount, 0);
    assert.deepEqual([await statusOf(streaming), await statusOf(calling)], [404, 404]);
  });

  it('answers a body that is too large before it has come, and closes the connection', async t => {
    const { start, begin, clock } = await scriptedListener(t);
    const outgoing = start('POST', { ...(await begin()), 'content-length': `${65 * MEGABYTE}` }, '/mcp');
    outgoing.flushHeaders();
    const response = await responseTo(outgoing);
    const closed = once(response.socket, 'close');
    const { status, connection } = await whole(response);
    assert.deepEqual([status, connection], [413, 'close']);
    clock.advance(2000);
    await closed;
  });

  it('answers a body that turns out to be too large, however much of it still comes', async t => {
    const { start, begin } = await scriptedListener(t);
    const session = await begin();
    for (let round = 0; round < 5; round += 1) {
      const outgoing = start('POST', session, '/mcp');
      const answered = responseTo(outgoing);
      for (let sent = 0; sent < 80; sent += 1) outgoing.write(Buffer.alloc(MEGABYTE, ' '));
      outgoing.end();
      const response = await answered;
      const closed = once(response.socket, 'close');
      assert.equal((await whole(response)).status, 413);
      await closed;
    }
  });
});
