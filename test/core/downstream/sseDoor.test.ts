import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { deferred, NEVER } from '../../../src/core/base/async.ts';
import type { Answer, Params } from '../../../src/core/base/peer.ts';
import type { ServingPorts } from '../../../src/core/downstream/dispatch.ts';
import type { Door } from '../../../src/core/downstream/door.ts';
import { Unread } from '../../../src/core/downstream/httpExchange.ts';
import { SessionRoom } from '../../../src/core/downstream/sessionTable.ts';
import { SseDoor } from '../../../src/core/downstream/sseDoor.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { INITIALIZE, responseTo, scriptedListener, scriptedPorts, TOKEN, toolCall, whole } from './scriptedListener.ts';

const READ_TOKEN = 'only-reads';
const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' };
const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** A listener with the door, and a client that can open its stream. */
async function scripted(t: TestContext, router: Partial<ServingPorts['router']> = {}) {
  const clock = new FakeClock();
  const options = scriptedPorts(router);
  const door = new SseDoor(clock, () => options);
  const tokens = [
    { role: 'admin', value: TOKEN },
    { role: 'read', value: READ_TOKEN },
  ] as const;
  const { listener, open, send, start } = await scriptedListener(t, { doors: [door], options: { tokens } });
  const stream = async () => {
    const response = await open('GET', {}, undefined, '/sse');
    t.after(() => response.destroy());
    const events = eventsOf(response);
    const [endpoint = ''] = /\/messages\S+/.exec(await events.next()) ?? [];
    const post = (body: unknown, headers?: Record<string, string>) => send('POST', headers, body, endpoint);
    /** The next message, parsed. */
    const message = async () => JSON.parse((await events.next()).replace('event: message\ndata: ', ''));
    return { response, endpoint, events, post, message };
  };
  /** A session that is told what belongs to no call. */
  const session = async () => {
    const opened = await stream();
    await opened.post(INITIALIZE);
    const answer = await opened.message();
    await opened.post(INITIALIZED);
    return { ...opened, answer };
  };
  return { listener, door, clock, clients: options.ports.clients, open, send, start, stream, session };
}

/** The events of a stream one by one, comments included, as they are. */
function eventsOf(response: IncomingMessage) {
  let text = '';
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  response.on('error', () => {}); // It closes then too.
  return {
    next: () =>
      eventually('an event', () => {
        const end = text.indexOf('\n\n');
        if (end < 0) return false;
        const event = text.slice(0, end);
        text = text.slice(end + 2);
        return event;
      }),
  };
}

describe('SseDoor', () => {
  it('names first where to POST, in a stream that no proxy holds back', async t => {
    const { open } = await scripted(t);
    const response = await open('GET', {}, undefined, '/sse');
    t.after(() => response.destroy());
    const { 'content-type': type, 'cache-control': cache, 'x-accel-buffering': buffering } = response.headers;
    assert.deepEqual(
      [response.statusCode, type, cache, buffering],
      [200, 'text/event-stream', 'no-cache, no-transform', 'no'],
    );
    const first = await eventsOf(response).next();
    assert.match(first, new RegExp(`^event: endpoint\\ndata: /messages/\\?sessionId=${UUID}$`));
  });

  it('takes what is POSTed with 202, and answers on the stream', async t => {
    const { session } = await scripted(t);
    const { answer, post, events } = await session();
    assert.equal(answer.result.serverInfo.name, 'switchyard');
    const { status, body } = await post({ jsonrpc: '2.0', id: 'a', method: 'ping' });
    assert.deepEqual([status, body], [202, 'Accepted']);
    assert.equal(await events.next(), 'event: message\ndata: {"jsonrpc":"2.0","id":"a","result":{}}');
  });

  it('passes on what no schema knows, whole, both ways', async t => {
    const params = JSON.parse(
      '{"name":"x","arguments":{"__proto__":{"a":1},"ü\u2028":"𝄞"},"_meta":{"a/b":[null]},"odd":{}}',
    );
    const result = JSON.parse(
      '{"content":[{"type":"odd","x":1}],"__proto__":{"b":2},"text":"a\\n\\ndata: b\\r\u2028𝄞"}',
    );
    const got: Params[] = [];
    const callTool: ServingPorts['router']['callTool'] = async call => {
      got.push(call.params);
      return { kind: 'result', result };
    };
    const { session } = await scripted(t, { callTool });
    const { post, message } = await session();
    assert.equal((await post({ ...toolCall(2), params })).status, 202);
    assert.deepEqual(await message(), { jsonrpc: '2.0', id: 2, result });
    assert.deepEqual(got, [params]);
  });

  it('takes and sends messages of many megabytes', async t => {
    const callTool: ServingPorts['router']['callTool'] = async ({ params }) => ({ kind: 'result', result: params });
    const { session } = await scripted(t, { callTool });
    const { post, message } = await session();
    const params = { name: 'x', arguments: { text: 'ä'.repeat(8 * 1024 * 1024) } };
    assert.equal((await post({ ...toolCall(2), params })).status, 202);
    assert.deepEqual((await message()).result, params);
  });

  it('takes and answers a batch message by message', async t => {
    const { session } = await scripted(t);
    const { post, message } = await session();
    assert.equal((await post([toolCall(2), INITIALIZED, toolCall(3)])).status, 202);
    assert.deepEqual([(await message()).id, (await message()).id], [2, 3]);
  });

  it('tells whoever called that an answer cannot be written', async t => {
    let deep: Params = {};
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const { session } = await scripted(t, { callTool: async () => ({ kind: 'result', result: deep }) });
    const { post, message } = await session();
    await post(toolCall(2));
    const { id, error } = await message();
    assert.equal(id, 2);
    assert.match(error.message, /cannot be written/);
    await post({ jsonrpc: '2.0', id: 3, method: 'ping' });
    assert.equal((await message()).id, 3);
  });

  it('says what is wrong with a request', async t => {
    const { send, start, session } = await scripted(t);
    const { post, endpoint } = await session();
    const ping = { jsonrpc: '2.0', id: 7, method: 'ping' };
    const unknown = '/messages/?sessionId=00000000-0000-4000-8000-000000000000';
    const plain = { 'content-type': 'text/plain' };
    const tooLong = { 'content-length': String(65 * 1024 * 1024) };
    for (const [reply, status, code] of [
      [await send('POST', {}, ping, '/messages/'), 400, -32000],
      [await send('POST', {}, ping, '/messages'), 400, -32000],
      [await send('POST', {}, ping, unknown), 404, -32001],
      [await post(ping, plain), 415, -32000],
      [await post('{'), 400, -32700],
      [await post({ id: 7 }), 400, -32600],
      [await post([]), 400, -32600],
      [await send('POST', {}, INITIALIZE, '/sse'), 405, -32000],
      [await send('GET', {}, undefined, endpoint), 405, -32000],
    ] as const) {
      assert.deepEqual([reply.status, JSON.parse(reply.body).error.code], [status, code], reply.body);
    }
    for (const [path, status] of [
      [endpoint, 413],
      [unknown, 404],
      ['/messages/', 400],
    ] as const) {
      const large = start('POST', tooLong, path);
      large.flushHeaders();
      const refused = await responseTo(large);
      assert.equal(refused.statusCode, status);
      large.on('error', () => {}).destroy();
    }
  });

  it('shows a session to nobody with a token of another role', async t => {
    const { session } = await scripted(t);
    const { post } = await session();
    const { status } = await post({ jsonrpc: '2.0', id: 7, method: 'ping' }, { authorization: `Bearer ${READ_TOKEN}` });
    assert.equal(status, 404);
    assert.equal((await post({ jsonrpc: '2.0', id: 7, method: 'ping' })).status, 202);
  });

  it('gives signs of life on the stream until that closes', async t => {
    const { session, clock } = await scripted(t);
    const before = clock.pending;
    const { events, response } = await session();
    clock.advance(30_000);
    assert.deepEqual([await events.next(), await events.next()], [': alive', ': alive']);
    response.destroy();
    await eventually('its timer to go', () => clock.pending === before);
  });

  it('ends a session with its stream, and cancels what it asked', async t => {
    const asked = deferred<AbortSignal>();
    const callTool: ServingPorts['router']['callTool'] = ({ signal }) => {
      asked.resolve(signal);
      return new Promise(() => {});
    };
    const { session, door, clients } = await scripted(t, { callTool });
    let changes = 0;
    door.sessions.onDidChange(() => {
      changes += 1;
    });
    const { post, response } = await session();
    await post(toolCall(2));
    const signal = await asked.promise;
    assert.deepEqual([door.sessions.size, changes, [...clients].length], [1, 1, 1]);
    response.destroy();
    await eventually('the end of the session', () => door.sessions.size === 0);
    assert.deepEqual([changes, [...clients].length, signal.aborted], [2, 0, true]);
    assert.equal((await post(toolCall(3))).status, 404);
  });

  it('forgets a call that is cancelled: nothing comes for it any more', async t => {
    const [asked, answer] = [deferred(), deferred<Answer>()];
    const callTool = () => {
      asked.resolve();
      return answer.promise;
    };
    const { session } = await scripted(t, { callTool });
    const { post, message } = await session();
    await post(toolCall(2));
    await asked.promise;
    await post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } });
    answer.resolve({ kind: 'result', result: {} });
    await post({ jsonrpc: '2.0', id: 3, method: 'ping' });
    assert.equal((await message()).id, 3);
  });

  it('takes nothing new while it drains, and lets what is in flight end', async t => {
    const [asked, answer] = [deferred(), deferred<Answer>()];
    const callTool: ServingPorts['router']['callTool'] = async ({ caller, signal }) => {
      asked.resolve();
      const said = await caller.request('roots/list', {}, signal);
      await answer.promise;
      return said;
    };
    const { session, listener, open } = await scripted(t, { callTool });
    const { post, message, response } = await session();
    await post(toolCall(2));
    await asked.promise;
    const { id } = await message();
    listener.drain();
    const opened = await open('GET', {}, undefined, '/sse');
    assert.deepEqual([opened.statusCode, opened.headers['retry-after']], [503, '1']);
    assert.match((await whole(opened)).body, /stopping/);
    assert.equal((await post(toolCall(3))).status, 503);
    assert.equal((await post({ jsonrpc: '2.0', id, result: { roots: [] } })).status, 202);
    answer.resolve({ kind: 'result', result: {} });
    assert.deepEqual(await message(), { jsonrpc: '2.0', id: 2, result: { roots: [] } });
    const ended = once(response, 'end');
    await listener.close();
    await ended;
  });

  it('begins no more sessions than there is room for at all doors together', async t => {
    const room = new SessionRoom(2);
    const door = new SseDoor(new FakeClock(), () => scriptedPorts(), room);
    const { open, send, begin } = await scriptedListener(t, { doors: [door], room });
    const refused = async (response: IncomingMessage) => {
      const { status, body } = await whole(response);
      return [status, response.headers['retry-after'], JSON.parse(body).error.message];
    };
    const full = 'Too many sessions are open, 2: end those that are not needed, or try again in a minute';
    const first = await begin();
    const stream = await open('GET', {}, undefined, '/sse');
    await eventually('both', () => room.taken === 2);
    assert.deepEqual(await refused(await open('GET', {}, undefined, '/sse')), [503, '60', full]);
    assert.deepEqual(await refused(await open('POST', {}, INITIALIZE)), [503, '60', full]);
    assert.equal((await send('DELETE', first)).status, 200);
    await begin();
    assert.equal(room.taken, 2);
    stream.destroy();
    await eventually('the end of one', () => room.taken === 1);
    await begin();
  });

  it('keeps no session for a client that leaves before its stream is open', async t => {
    const door = new SseDoor(new FakeClock(), () => scriptedPorts());
    const visited = deferred<void | Promise<void>>();
    const leaving: Door = {
      paths: door.paths,
      visit: visit => {
        visited.resolve(door.visit(visit));
        visit.response.destroy();
      },
    };
    const { start } = await scriptedListener(t, { doors: [leaving] });
    const request = start('GET', {}, '/sse').on('error', () => {});
    request.end();
    await visited.promise;
    await eventually('the end of what began', () => door.sessions.size === 0);
  });

  it('cuts off a client that does not read', async t => {
    const { session, clients, door } = await scripted(t);
    const { response } = await session();
    await eventually('its joining', () => [...clients].length === 1);
    response.pause();
    const [client] = [...clients];
    const text = 'x'.repeat(4 * 1024 * 1024);
    for (let n = 0; n < 40 && door.sessions.size > 0; n += 1) {
      client?.notify('notifications/odd', { text });
      await new Promise(setImmediate);
    }
    await eventually('its end', () => door.sessions.size === 0);
  });

  it('cuts off first who has the most unread, when all together have too much', async t => {
    const unread = new Unread(24 * 1024 * 1024);
    const options = scriptedPorts();
    const door = new SseDoor(new FakeClock(), () => options, new SessionRoom(), unread);
    const { open, send } = await scriptedListener(t, { doors: [door] });
    const session = async () => {
      const response = await open('GET', {}, undefined, '/sse');
      t.after(() => response.destroy());
      const [endpoint = ''] = /\/messages\S+/.exec(await eventsOf(response).next()) ?? [];
      response.pause();
      await send('POST', {}, INITIALIZE, endpoint);
      await send('POST', {}, INITIALIZED, endpoint);
    };
    for (let n = 0; n < 3; n += 1) await session();
    const [most, ...others] = await eventually('all', () => {
      const clients = [...options.ports.clients];
      return clients.length === 3 && clients;
    });
    const fill = async (client: typeof most, megabytes: number) => {
      client?.notify('notifications/odd', { text: 'x'.repeat(megabytes * 1024 * 1024) });
      await new Promise(setImmediate);
    };
    await fill(most, 12);
    await fill(others[0], 8);
    assert.equal(door.sessions.size, 3);
    await fill(others[1], 8);
    await eventually('the end of one', () => door.sessions.size === 2);
    assert.deepEqual([...options.ports.clients], others);
  });

  it('leaves out a notification that cannot be written, and says so to whoever asks the client something', async t => {
    let deep: Params = {};
    for (let depth = 0; depth < 100_000; depth += 1) deep = { deep };
    const { session, clients } = await scripted(t);
    const { message } = await session();
    const [client] = await eventually('its joining', () => [...clients].length === 1 && [...clients]);
    client?.notify('notifications/odd', deep);
    const asked = await client?.request('odd/request', deep, NEVER);
    assert.equal(asked?.kind, 'error');
    client?.notify('notifications/even', {});
    assert.equal((await message()).method, 'notifications/even');
  });
});
