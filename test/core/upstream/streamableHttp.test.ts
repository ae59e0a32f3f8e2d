// Our side of Streamable HTTP, against small real servers that say exactly what a test wants.
import assert from 'node:assert/strict';
import { getEventListeners, once, setMaxListeners } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '../../../src/core/base/clock.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/core/base/lineReader.ts';
import type { MessageOrigin } from '../../../src/core/base/peer.ts';
import { HttpError } from '../../../src/core/upstream/httpFetch.ts';
import { StreamableHttpTransport } from '../../../src/core/upstream/streamableHttp.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const EVENTS = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const MODERN = '2026-07-28';
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: what the test itself has sent
  readonly body: any;
}
type Handler = (response: ServerResponse, request: Received) => void;

/** A server, and a transport to it. `handle` may be replaced in the middle of a test. */
async function start(t: TestContext, handle: Handler, { headers = {}, clock = systemClock } = {}) {
  const requests: Received[] = [];
  const scene = { handle };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const received = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    requests.push(received);
    scene.handle(response, received);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://127.0.0.1:${port}/mcp`);
  const transport = new StreamableHttpTransport(url, headers, clock);
  const messages: { message: unknown; relatedRequestId: unknown }[] = [];
  const errors: Error[] = [];
  const ends: string[] = [];
  transport.onmessage = (message, origin?: MessageOrigin) =>
    messages.push({ message, relatedRequestId: origin?.relatedRequestId });
  transport.onerror = error => errors.push(error);
  transport.onclose = () => ends.push('closed');
  await transport.start();
  t.after(async () => {
    await transport.close();
    server.closeAllConnections();
    server.close();
  });
  const ask = (id: number, method = 'tools/call', params: Record<string, unknown> = {}, options = {}) =>
    transport.send(
      { jsonrpc: '2.0', id, method, params },
      { onRequestStreamEnd: () => ends.push(`stream ${id}`), ...options },
    );
  return Object.assign(scene, { transport, requests, messages, errors, ends, url, server, ask });
}

const result = (id: unknown, more: object = {}) => ({ jsonrpc: '2.0', id, result: { ...more } });
const event = (message: unknown, id?: string) =>
  `${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`;
const json = (response: ServerResponse, value: unknown, headers: object = {}, status = 200) =>
  response.writeHead(status, { ...JSON_TYPE, ...headers }).end(JSON.stringify(value));
const streaming = (response: ServerResponse, ...events: string[]) => {
  response.writeHead(200, EVENTS);
  response.write(events.join(''));
  return response;
};
const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' } as const;

describe('What is posted', () => {
  test('comes in the order of the notifications, but a cancellation or an answer at once', async t => {
    const held: ServerResponse[] = [];
    const { transport, ask, requests } = await start(t, (response, { body }) => {
      if (body.method === 'first') held.push(response);
      else if (body.id !== undefined && body.method) json(response, result(body.id));
      else response.writeHead(202).end();
    });
    const notify = (method: string) => transport.send({ jsonrpc: '2.0', method });
    const all = [notify('first'), notify('second'), ask(1), notify('notifications/cancelled')];
    all.push(transport.send({ jsonrpc: '2.0', id: 7, result: {} }));
    const posted = () => requests.map(({ body }) => body.method ?? 'an answer');
    await eventually('what waits for nothing', () => posted().length === 3);
    assert.deepEqual(posted().toSorted(), ['an answer', 'first', 'notifications/cancelled']);
    for (const response of held) response.writeHead(202).end();
    await Promise.all(all);
    assert.deepEqual(posted().slice(3), ['second', 'tools/call']);
  });

  test('waits once for a notification that the server never takes, which ends after half a minute', async t => {
    const clock = new FakeClock();
    let hungUp = false;
    const { transport, ask, requests } = await start(
      t,
      (response, { body }) => {
        if (body.method === 'first') response.on('close', () => (hungUp = true));
        else if (body.id !== undefined) json(response, result(body.id));
        else response.writeHead(202).end();
      },
      { clock },
    );
    const notify = (method: string) => transport.send({ jsonrpc: '2.0', method });
    const first = assert.rejects(notify('first'), { name: 'AbortError' });
    const waiting = [notify('second'), ask(1)];
    await eventually('the first', () => requests.length === 1 && clock.pending === 3);
    clock.advance(1000);
    await Promise.all(waiting);
    const later = [ask(2), notify('third'), ask(3)];
    await eventually('what waits no more', () => requests.length === 6);
    await Promise.all(later);
    clock.advance(28_999);
    assert.deepEqual([hungUp, clock.pending], [false, 1]);
    clock.advance(1);
    await first;
    await eventually('the end', () => hungUp);
  });

  test('asks for both kinds of answer, with the headers of the configuration', async t => {
    const { ask, requests } = await start(t, (response, { body }) => json(response, result(body.id)), {
      headers: { Authorization: 'Bearer x', Accept: 'text/html' },
    });
    await ask(1);
    assert.equal(requests[0]?.headers.accept, 'application/json, text/event-stream');
    assert.equal(requests[0]?.headers['content-type'], 'application/json');
    assert.equal(requests[0]?.headers.authorization, 'Bearer x');
    assert.equal(requests[0]?.headers['mcp-session-id'], undefined);
    assert.equal(requests[0]?.headers['mcp-method'], undefined);
  });

  test('bears the session of the initialize answer and the version once they are known', async t => {
    const { transport, ask, requests } = await start(t, (response, { body }) =>
      json(response, result(body.id), { 'mcp-session-id': body.method === 'initialize' ? 'mine' : 'another' }),
    );
    await ask(1, 'initialize');
    transport.setProtocolVersion('2025-11-25');
    await ask(2);
    await ask(3);
    assert.equal(transport.sessionId, 'mine');
    assert.deepEqual(
      requests.map(({ headers }) => [headers['mcp-session-id'], headers['mcp-protocol-version']]),
      [
        [undefined, undefined],
        ['mine', '2025-11-25'],
        ['mine', '2025-11-25'],
      ],
    );
  });

  test('in the modern era repeats its body in headers, and bears those of its own', async t => {
    const { ask, requests } = await start(t, (response, { body }) => json(response, result(body.id)));
    const _meta = { [VERSION_KEY]: MODERN };
    await ask(1, 'tools/call', { name: 'größe', _meta }, { headers: { 'Mcp-Param-Region': 'eu' } });
    await ask(2, 'resources/read', { uri: 'a:b', _meta });
    await ask(3, 'tools/list', { _meta });
    const told = ['mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-param-region'];
    assert.deepEqual(
      requests.map(({ headers }) => told.map(name => headers[name])),
      [
        [MODERN, 'tools/call', '=?base64?Z3LDtsOfZQ==?=', 'eu'],
        [MODERN, 'resources/read', 'a:b', undefined],
        [MODERN, 'tools/list', undefined, undefined],
      ],
    );
  });
});

describe('An answer', () => {
  const odd = {
    content: 7,
    _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't', more: 1 } },
    unknown: ['ü'],
  };

  for (const kind of ['JSON', 'a stream'] as const) {
    test(`in ${kind} is handed on as it is, with the request on whose stream it came`, async t => {
      const before = { jsonrpc: '2.0', method: 'notifications/message', params: { _meta: 'no object' } };
      const { ask, messages, errors } = await start(t, (response, { body }) => {
        if (kind === 'JSON') json(response, result(body.id, odd));
        else streaming(response, event(before), ': alive\n\n', event(result(body.id, odd))).end();
      });
      await ask(7);
      await eventually('the answer', () => messages.length === (kind === 'JSON' ? 1 : 2));
      const expected = [...(kind === 'JSON' ? [] : [before]), result(7, odd)];
      assert.deepEqual(
        messages,
        expected.map(message => ({ message, relatedRequestId: 7 })),
      );
      assert.deepEqual(errors, []);
    });
  }

  test('may be a batch', async t => {
    const notification = { jsonrpc: '2.0', method: 'notifications/x' };
    const { ask, messages } = await start(t, (response, { body }) => json(response, [notification, result(body.id)]));
    await ask(1);
    assert.deepEqual(
      messages.map(({ message }) => message),
      [notification, result(1)],
    );
  });

  test('that is malformed is handed on at once, on a stream that stays open', async t => {
    const malformed = { jsonrpc: '2.0', id: 1, result: 'no object' };
    const { ask, messages, ends } = await start(t, response => void streaming(response, event(malformed)));
    await ask(1);
    await eventually('the answer', () => messages.length === 1);
    assert.deepEqual([messages[0]?.message, ends], [malformed, []]);
  });

  for (const [what, body, headers] of [
    ['of another kind', '<html>', { 'content-type': 'text/html' }],
    ['that is not JSON', '{', JSON_TYPE],
    ['that is null', 'null', JSON_TYPE],
    ['to another request', '{"jsonrpc":"2.0","id":99,"result":{}}', JSON_TYPE],
  ] as const) {
    test(`${what} fails the request`, async t => {
      const { ask } = await start(t, response => response.writeHead(200, headers).end(body));
      await assert.rejects(ask(1), Error);
    });
  }

  test('on a stream that ends without it is told to be missing', async t => {
    const { ask, ends, requests } = await start(t, response => streaming(response, ': nothing\n\n').end());
    await ask(1);
    await eventually('the end', () => ends.length === 1);
    assert.deepEqual([ends, requests.length], [['stream 1'], 1]);
  });

  for (const kind of ['JSON', 'a stream'] as const) {
    test(`in ${kind} that is longer than a message may be is told, and no memory is spent on it`, async t => {
      const { ask, errors, ends } = await start(t, response => {
        response.writeHead(200, kind === 'JSON' ? JSON_TYPE : EVENTS);
        if (kind !== 'JSON') response.write('id: 1\ndata: ');
        const piece = 'x'.repeat(1024 * 1024);
        const write = () => {
          for (let more = true; more && !response.destroyed; ) more = response.write(piece);
        };
        response.on('drain', write);
        write();
      });
      if (kind === 'JSON') {
        await assert.rejects(ask(1), new RegExp(`exceeded ${MAX_MESSAGE_BYTES} bytes`));
      } else {
        await ask(1);
        await eventually('the end', () => ends.length === 1, 20_000);
        assert.match(errors[0]?.message ?? '', new RegExp(`exceeded ${MAX_MESSAGE_BYTES} bytes`));
      }
    });
  }

  test('in pieces that cut characters and lines is put together', async t => {
    const { ask, messages } = await start(t, async (response, { body }) => {
      response.writeHead(200, EVENTS);
      for (const byte of Buffer.from(`\u{feff}data: ${JSON.stringify(result(body.id, { text: '🦔 ü' }))}\r\n\r\n`)) {
        response.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      response.end();
    });
    await ask(1);
    await eventually('the answer', () => messages.length === 1);
    assert.deepEqual(messages[0]?.message, result(1, { text: '🦔 ü' }));
  });

  test('that is broken JSON on a stream is an error, and what follows is read', async t => {
    const { ask, messages, errors } = await start(t, (response, { body }) =>
      streaming(response, 'data: {\n\n', 'data: 7\n\n', event(result(body.id))).end(),
    );
    await ask(1);
    await eventually('the answer', () => messages.length === 1);
    assert.equal(errors.length, 2);
  });
});

describe('An HTTP error', () => {
  const error = (id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no', data: { x: 1 } } });

  test('has its status and when to come again', async t => {
    const { ask } = await start(t, response => response.writeHead(503, { 'retry-after': '3' }).end('x'));
    await assert.rejects(ask(1), thrown => {
      assert.ok(thrown instanceof HttpError);
      assert.deepEqual([thrown.status, thrown.message], [503, 'the server answered HTTP 503 (Retry-After: 3)']);
      return true;
    });
  });

  test('is the JSON-RPC error in its body that answers the request, in either era', async t => {
    const { ask, messages } = await start(t, (response, { body }) => json(response, error(body.id), {}, 404));
    await ask(1, 'tools/call', { _meta: { [VERSION_KEY]: MODERN } });
    await ask(2, 'initialize');
    await ask(3);
    assert.deepEqual(
      messages.map(({ message }) => message),
      [error(1), error(2), error(3)],
    );
  });

  test('is only that if its body is about something else, or it is a 401 or a 5xx', async t => {
    const scene = await start(t, response => json(response, error(null), {}, 400));
    await assert.rejects(scene.ask(1, 'initialize'), { name: 'HttpError', status: 400 });
    scene.handle = (response, { body }) => json(response, error(body.id), {}, 401);
    await assert.rejects(scene.ask(3), { name: 'HttpError', status: 401 });
    scene.handle = (response, { body }) => json(response, error(body.id), {}, 500);
    await assert.rejects(scene.ask(2, 'initialize'), { name: 'HttpError', status: 500 });
    assert.deepEqual(scene.messages, []);
  });

  test('of the network is what fetch threw', async t => {
    const { ask, server } = await start(t, () => {});
    server.close();
    await assert.rejects(ask(1), TypeError);
  });
});

describe('A request of a session', () => {
  const error = (id: unknown, code = -32000) => ({ jsonrpc: '2.0', id, error: { code, message: 'no' } });
  const inSession = async (t: TestContext, handle: Handler, clock = systemClock) => {
    const scene = await start(
      t,
      (response, { body }) => json(response, result(body.id), { 'mcp-session-id': 'mine' }),
      { clock },
    );
    await scene.ask(1, 'initialize');
    scene.requests.length = scene.messages.length = 0;
    scene.handle = handle;
    return scene;
  };
  const LOST = { name: 'SessionLostError' };

  for (const [what, handle, asked] of [
    ['404', response => response.writeHead(404).end('x'), ['tools/call']],
    ['400', response => json(response, error(null), {}, 400), ['tools/call', 'ping']],
    [
      '400 and an error that bears its id',
      (response, { body }) => json(response, error(body.id), {}, 400),
      ['tools/call', 'ping'],
    ],
    [
      '400, and its check 404',
      (response, { body }) => response.writeHead(body.method === 'ping' ? 404 : 400).end(),
      ['tools/call', 'ping'],
    ],
  ] as readonly (readonly [string, Handler, string[]])[])
    test(`that is answered ${what} has lost it`, async t => {
      const { ask, requests, messages } = await inSession(t, handle);
      await assert.rejects(ask(2), LOST);
      assert.deepEqual(
        requests.map(({ body, headers }) => [body.method, headers['mcp-session-id']]),
        asked.map(method => [method, 'mine']),
      );
      assert.deepEqual(messages, []);
    });

  for (const status of [400, 404, 422])
    test(`has lost it if it is a ping that is answered ${status}`, async t => {
      const { ask, requests } = await inSession(t, (response, { body }) => json(response, error(body.id), {}, status));
      await assert.rejects(ask(2, 'ping'), LOST);
      assert.equal(requests.length, 1);
    });

  for (const [what, pong] of [
    ['answered', (response, { body }) => json(response, result(body.id))],
    ['answered on a stream', (response, { body }) => streaming(response, event(result(body.id)))],
    ['not known', (response, { body }) => json(response, error(body.id, -32601), {}, 404)],
    ['not known, and told without its id', response => json(response, error(null, -32601), {}, 400)],
    ['one too many', response => response.writeHead(429).end()],
    ['not answered', response => response.destroy()],
  ] as readonly (readonly [string, Handler])[])
    test(`that is answered 400 has not where a ping is ${what}: it is a bad one`, async t => {
      const scene = await inSession(t, (response, request) =>
        request.body.method === 'ping'
          ? pong(response, request)
          : json(response, error(request.body.id, -32602), {}, 400),
      );
      await scene.ask(2);
      assert.deepEqual(
        scene.messages.map(({ message }) => message),
        [error(2, -32602)],
      );
    });

  /** Answers all but pings, with 400; gives those who wait for a ping. */
  const silentOnPings = async (t: TestContext, clock: Clock) => {
    const pings: ServerResponse[] = [];
    const handle: Handler = (response, { body }) =>
      body.method === 'ping' ? pings.push(response) : json(response, error(body.id, -32602), {}, 400);
    return Object.assign(await inSession(t, handle, clock), { pings });
  };

  test('that is answered 400 has not where a ping is left open: it is told to be a bad one after five seconds', async t => {
    const clock = new FakeClock();
    const { ask, messages, pings } = await silentOnPings(t, clock);
    const asked = ask(2);
    await eventually('the ping', () => pings.length === 1);
    assert.equal(clock.pending, 1);
    clock.advance(5000);
    await eventually('the end of the ping', () => pings[0]?.closed);
    await asked;
    assert.deepEqual(
      messages.map(({ message }) => message),
      [error(2, -32602)],
    );
    assert.equal(clock.pending, 0);
  });

  for (const how of ['by its signal', 'by notifications/cancelled'] as const)
    test(`that is given up ${how} while a ping is left open ends the ping`, async t => {
      const clock = new FakeClock();
      const { ask, transport, pings } = await silentOnPings(t, clock);
      const abort = new AbortController();
      const asked = ask(2, 'tools/call', {}, { requestSignal: abort.signal });
      await eventually('the ping', () => pings.length === 1);
      if (how === 'by its signal') abort.abort();
      else {
        const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } } as const;
        await assert.rejects(transport.send(cancelled), { status: 400 });
        clock.advance(1000);
      }
      await eventually('the end of the ping', () => pings[0]?.closed);
      await asked;
      assert.equal(clock.pending, 0);
    });

  for (const status of [401, 403, 409, 429, 500])
    test(`that is answered ${status} has not, and nothing more is asked`, async t => {
      const { ask, requests } = await inSession(t, response => response.writeHead(status).end());
      await assert.rejects(ask(2), { name: 'HttpError', status });
      assert.equal(requests.length, 1);
    });
});

describe('A redirect', () => {
  test('is followed within the origin, with method, body and headers', async t => {
    const { ask, requests, messages } = await start(
      t,
      (response, { url, body }) =>
        url === '/mcp' ? response.writeHead(308, { location: '/there' }).end() : json(response, result(body.id)),
      { headers: { authorization: 'Bearer x' } },
    );
    await ask(1);
    assert.deepEqual(
      [requests[1]?.url, requests[1]?.body.id, requests[1]?.headers.authorization, messages.length],
      ['/there', 1, 'Bearer x', 1],
    );
  });

  test('to elsewhere, that loses the body, or that never ends, is an error', async t => {
    const other = await start(t, response => response.end());
    const away = `${other.url.href}?secret`;
    const scene = await start(t, response => response.writeHead(307, { location: away }).end());
    const told = `it points to ${other.url.href}, which is not followed`;
    await assert.rejects(scene.ask(1), { message: `the server answered HTTP 307 (${told})` });
    assert.deepEqual(other.requests, []);
    scene.handle = (response, { url, body }) =>
      url === '/mcp' ? response.writeHead(302, { location: '/there' }).end() : json(response, result(body?.id));
    await assert.rejects(scene.ask(2), { status: 302 });
    scene.handle = response => response.writeHead(307, { location: '/mcp' }).end();
    await assert.rejects(scene.ask(3), { status: 307 });
  });
});

describe('A stream of a request that ends too soon', () => {
  test('is taken up where it ended, when the server wants', async t => {
    const clock = new FakeClock();
    const { ask, requests, messages, ends } = await start(
      t,
      (response, { method, body }) => {
        if (method === 'POST') streaming(response, 'id: a1\nretry: 700\ndata:\n\n').end();
        else if (requests.length === 2) streaming(response, event({ jsonrpc: '2.0', method: 'n' }, 'a2')).end();
        else streaming(response, event(result(1), 'a3')).end(body);
      },
      { clock },
    );
    await ask(1);
    for (const [at, lastEventId] of [
      [2, 'a1'],
      [3, 'a2'],
    ] as const) {
      await eventually('the pause', () => clock.pending === 1);
      clock.advance(699);
      assert.equal(requests.length, at - 1);
      clock.advance(1);
      await eventually('the next request', () => requests.length === at);
      assert.deepEqual(
        [requests.at(-1)?.method, requests.at(-1)?.headers['last-event-id'], requests.at(-1)?.headers.accept],
        ['GET', lastEventId, 'text/event-stream'],
      );
    }
    await eventually('the answer', () => messages.length === 2);
    assert.deepEqual(messages.at(-1), { message: result(1), relatedRequestId: 1 });
    await eventually('the end', () => ends.length === 1);
    assert.equal(clock.pending, 0);
  });

  test('is taken up when it broke, too', async t => {
    const clock = new FakeClock();
    const { ask, messages, errors } = await start(
      t,
      (response, { method }) => {
        if (method === 'GET') streaming(response, event(result(1))).end();
        else streaming(response, event({ jsonrpc: '2.0', method: 'n' }, 'a1'));
        if (method === 'POST') setImmediate(() => response.socket?.resetAndDestroy());
      },
      { clock },
    );
    await ask(1);
    await eventually('the pause', () => clock.pending === 1);
    clock.advance(2000);
    await eventually('the answer', () => messages.some(({ message }) => (message as { id?: number }).id === 1));
    assert.equal(errors.length, 1);
  });

  for (const [what, handle] of [
    ['is refused', (response: ServerResponse) => response.writeHead(404).end()],
    ['is not offered', (response: ServerResponse) => response.writeHead(405).end()],
    ['fails for long', (response: ServerResponse) => response.writeHead(500).end()],
  ] as const) {
    test(`is told to have ended if taking it up ${what}`, async t => {
      const clock = new FakeClock();
      const { ask, ends } = await start(
        t,
        (response, { method }) =>
          method === 'POST' ? streaming(response, 'id: 1\ndata:\n\n').end() : handle(response),
        { clock },
      );
      await ask(1);
      await eventually('the end', () => {
        clock.advance(60_000);
        return ends.length === 1;
      });
      assert.deepEqual(ends, ['stream 1']);
    });
  }

  test('is not taken up for a request that was given up, or answered elsewhere', async t => {
    const clock = new FakeClock();
    const { transport, ask, requests, ends } = await start(
      t,
      (response, { body }) => {
        if (body.method === 'tools/call') streaming(response, 'id: 1\ndata:\n\n').end();
        else if (body.method === 'ping') json(response, [result(2), result(body.id)]);
        else response.writeHead(202).end();
      },
      { clock },
    );
    await ask(1);
    await ask(2);
    await eventually('the pauses', () => clock.pending === 2);
    await transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await ask(3, 'ping');
    clock.advance(60_000);
    await eventually('the ends', () => ends.length === 2);
    assert.deepEqual(
      requests.filter(({ method }) => method === 'GET'),
      [],
    );
  });
});

describe('The stream that belongs to no request', () => {
  const accepting =
    (handleGet: Handler): Handler =>
    (response, request) =>
      request.method === 'GET' ? handleGet(response, request) : response.writeHead(202).end();

  test('is opened when the server has accepted that we are initialized', async t => {
    const said = { jsonrpc: '2.0', id: 'q', method: 'roots/list' };
    const { transport, messages, requests } = await start(
      t,
      accepting(response => void streaming(response, event(said))),
    );
    await transport.send({ jsonrpc: '2.0', method: 'notifications/other' });
    assert.equal(requests.length, 1);
    await transport.send(INITIALIZED);
    await eventually('the message', () => messages.length === 1);
    assert.deepEqual(messages, [{ message: said, relatedRequestId: undefined }]);
  });

  for (const status of [405, 404, 400]) {
    test(`is not asked for again where it is answered ${status}`, async t => {
      const clock = new FakeClock();
      const { transport, requests, errors } = await start(
        t,
        accepting(response => response.writeHead(status).end()),
        { clock },
      );
      await transport.send(INITIALIZED);
      await eventually('the GET', () => requests.length === 2);
      // The answer to this comes after that to the GET.
      await transport.send({ jsonrpc: '2.0', method: 'notifications/other' });
      await sleep(50);
      assert.deepEqual([clock.pending, errors], [0, []]);
    });
  }

  test('is opened again after the server was gone for long, where it ended', async t => {
    const clock = new FakeClock();
    const scene = await start(
      t,
      accepting(response => streaming(response, event({ jsonrpc: '2.0', method: 'first' }, 'e1')).end()),
      { clock },
    );
    await scene.transport.send(INITIALIZED);
    await eventually('the first', () => scene.messages.length === 1);
    scene.handle = response => response.writeHead(404).end();
    for (let n = 3; n < 15; n++) {
      await eventually('the pause', () => clock.pending === 1);
      clock.advance(60_000);
      await eventually('the attempt', () => scene.requests.length >= n);
    }
    scene.handle = response => void streaming(response, event({ jsonrpc: '2.0', method: 'second' }));
    await eventually('the second', () => {
      clock.advance(60_000);
      return scene.messages.length === 2;
    });
    assert.equal(scene.requests.at(-1)?.headers['last-event-id'], 'e1');
    assert.deepEqual(scene.errors, []);
  });

  test('tells of a gap when it is open again, and not before', async t => {
    const clock = new FakeClock();
    const scene = await start(
      t,
      accepting(response => streaming(response, event({ jsonrpc: '2.0', method: 'n' })).end()),
      { clock },
    );
    let gaps = 0;
    scene.transport.ongap = () => {
      gaps += 1;
    };
    await scene.transport.send(INITIALIZED);
    await eventually('the first end', () => clock.pending === 1);
    scene.handle = response => response.writeHead(503).end();
    clock.advance(60_000);
    await eventually('the refusal', () => scene.requests.length === 3 && clock.pending === 1);
    assert.equal(gaps, 0);
    scene.handle = response => void streaming(response, event({ jsonrpc: '2.0', method: 'n' }));
    clock.advance(60_000);
    await eventually('the second message', () => scene.messages.length === 2);
    assert.equal(gaps, 1);
  });

  test('is waited for longer and longer while it fails', async t => {
    const clock = new FakeClock();
    const { transport, requests } = await start(
      t,
      accepting(response => response.socket?.destroy()),
      { clock },
    );
    await transport.send(INITIALIZED);
    const waits: number[] = [];
    for (let n = 2; n < 12; n++) {
      await eventually('the pause', () => requests.length === n && clock.pending === 1);
      const since = clock.now();
      while (clock.pending > 0) clock.advance(100);
      waits.push(clock.now() - since);
    }
    assert.ok((waits[0] ?? 0) <= 1300, `${waits}`);
    assert.ok((waits.at(-1) ?? 0) >= 40_000 && (waits.at(-1) ?? 0) <= 60_100, `${waits}`);
  });
});

describe('What is broken off', () => {
  test('by its signal ends its HTTP request, and nothing more is said of it', async t => {
    let isGone = false;
    const { ask, ends, errors } = await start(t, response => {
      streaming(response, ': open\n\n').on('close', () => {
        isGone = true;
      });
    });
    const abort = new AbortController();
    await ask(1, 'tools/call', {}, { requestSignal: abort.signal });
    abort.abort('enough');
    await eventually('the end of the HTTP request', () => isGone);
    assert.deepEqual([ends, errors], [[], []]);
    await assert.rejects(ask(2, 'tools/call', {}, { requestSignal: abort.signal }), { name: 'AbortError' });
  });

  test('by notifications/cancelled is heard out for a moment, and then its HTTP request ends', async t => {
    const clock = new FakeClock();
    const open = new Map<number, ServerResponse>();
    const { transport, ask, messages, errors } = await start(
      t,
      (response, { body }) => {
        if (body.method === 'tools/call') {
          open.set(
            body.id,
            response.on('close', () => open.delete(body.id)),
          );
          streaming(response, ': open\n\n');
        } else response.writeHead(202).end();
      },
      { clock },
    );
    await ask(1);
    await ask(2);
    await transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    open.get(1)?.write(event({ jsonrpc: '2.0', method: 'last words' }));
    await eventually('the last words', () => messages.length === 1);
    clock.advance(1000);
    await eventually('the end of the HTTP request', () => open.size === 1);
    assert.deepEqual([[...open.keys()], errors, clock.pending], [[2], [], 0]);
  });

  test('by notifications/cancelled leaves no timer where the server ends the stream by itself', async t => {
    const clock = new FakeClock();
    let stream: ServerResponse | undefined;
    const { transport, ask, ends } = await start(
      t,
      (response, { body }) => {
        if (body.method === 'tools/call') stream = streaming(response, ': open\n\n');
        else response.writeHead(202).end();
      },
      { clock },
    );
    await ask(1);
    await transport.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    stream?.end();
    await eventually('the end', () => ends.length === 1);
    await eventually('the end of the timer', () => clock.pending === 0);
  });

  test('by the end of the transport ends everything, in whatever state it is', async t => {
    const clock = new FakeClock();
    const open = new Set<ServerResponse>();
    const { transport, ask, ends, errors } = await start(
      t,
      (response, { body }) => {
        open.add(response.on('close', () => open.delete(response)));
        if (body?.method === INITIALIZED.method) response.writeHead(202).end();
        else if (body === undefined || body.id === 1) streaming(response, ': open\n\n');
        else if (body.id === 2) streaming(response, 'id: 1\ndata:\n\n').end();
      },
      { clock },
    );
    await transport.send(INITIALIZED);
    await ask(1);
    await ask(2);
    const unanswered = assert.rejects(ask(3), { name: 'AbortError' });
    await eventually('the pause', () => clock.pending === 1 && open.size === 3);
    await transport.close();
    await transport.close();
    await unanswered;
    await eventually('the end of all', () => open.size === 0 && clock.pending === 0);
    assert.deepEqual([ends, errors], [['closed'], []]);
    await assert.rejects(ask(4), /closed/);
  });

  test('many times by the same signal holds on to nothing, and causes no warning', async t => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    t.after(() => process.off('warning', onWarning));
    const { ask, messages } = await start(t, (response, { body }) =>
      body.method === 'ping' ? json(response, result(body.id)) : streaming(response, event(result(body.id))).end(),
    );
    const { signal } = new AbortController();
    setMaxListeners(0, signal);
    for (let n = 0; n < 30; n++) await ask(n, 'ping', {}, { requestSignal: signal });
    await Promise.all(Array.from({ length: 30 }, (_, n) => ask(100 + n, 'tools/call', {}, { requestSignal: signal })));
    await eventually('the answers', () => messages.length === 60);
    await eventually('the ends', () => getEventListeners(signal, 'abort').length === 0);
    assert.deepEqual(warnings, []);
  });
});

describe('Leave', () => {
  const opening: Handler = (response, { method, body }) =>
    method === 'DELETE' ? response.writeHead(200).end() : json(response, result(body.id), { 'mcp-session-id': 'mine' });

  test('is taken of a session, once', async t => {
    const { transport, ask, requests } = await start(t, opening);
    await transport.terminateSession();
    assert.equal(requests.length, 0);
    await ask(1, 'initialize');
    await transport.terminateSession();
    await transport.terminateSession();
    assert.deepEqual(
      requests.map(({ method, headers }) => [method, headers['mcp-session-id']]),
      [
        ['POST', undefined],
        ['DELETE', 'mine'],
      ],
    );
  });

  test('that a server does not take is no error if it says so', async t => {
    const scene = await start(t, opening);
    await scene.ask(1, 'initialize');
    scene.handle = response => response.writeHead(500).end();
    await assert.rejects(scene.transport.terminateSession(), { status: 500 });
    assert.equal(scene.errors.length, 1);
    scene.handle = response => response.writeHead(405).end();
    await scene.transport.terminateSession();
  });
});
