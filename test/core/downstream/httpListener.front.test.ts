// What every request meets before a door opens, and what HTTP itself can bring.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer } from '../../../src/core/base/peer.ts';
import type { Door } from '../../../src/core/downstream/door.ts';
import type { AnsweredRequest } from '../../../src/core/downstream/httpListener.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';
import { connectTo, requestBytes, sendRaw } from '../../support/rawHttp.ts';
import { INITIALIZE, scriptedListener, TOKEN, toolCall, whole } from './scriptedListener.ts';

const PING = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' });
const FROM_PAGE = { origin: 'http://localhost:5173' };

/** A door that says which path and query came to it. */
function echoing(paths: readonly string[], more: Partial<Door> = {}): Door {
  return {
    paths,
    visit: ({ response, path, query, role }) => void response.end(`${role} ${path} ${query}`),
    ...more,
  };
}

describe('The HTTP front', () => {
  it('opens the door of the path, with or without a slash at the end, and what is below where the door says so', async t => {
    const doors = [echoing(['/exact']), echoing(['/tree', '/tree/'])];
    const { send } = await scriptedListener(t, { doors });
    const answers: Record<string, string> = {};
    for (const path of [
      '/exact',
      '/exact/',
      '/exact/x',
      '/exact?a=?b&c',
      '/tree',
      '/tree/x/y',
      '/trees',
      '/%zz',
      '/mcp/x',
    ]) {
      const { status, body } = await send('GET', {}, undefined, path);
      answers[path] = status === 200 ? body : `${status}`;
    }
    assert.deepEqual(answers, {
      '/exact': 'admin /exact ',
      '/exact/': 'admin /exact/ ',
      '/exact/x': '404',
      '/exact?a=?b&c': 'admin /exact a=%3Fb&c=',
      '/tree': 'admin /tree ',
      '/tree/x/y': 'admin /tree/x/y ',
      '/trees': '404',
      '/%zz': '404',
      '/mcp/x': '404',
    });
    assert.equal((await send('POST', {}, INITIALIZE, '/mcp/')).status, 200);
  });

  it('says what a token is for, and when to come again', async t => {
    const { open, clock } = await scriptedListener(t);
    const refused = async (authorization: string) => {
      const response = await open('POST', { authorization }, INITIALIZE);
      const { status, body } = await whole(response);
      const { 'www-authenticate': challenge, 'retry-after': after } = response.headers;
      return [status, challenge, after, JSON.parse(body).jsonrpc];
    };
    for (let n = 0; n < 20; n++) assert.deepEqual(await refused('Bearer guess'), [401, 'Bearer', undefined, '2.0']);
    assert.deepEqual(await refused('Bearer guess'), [429, undefined, '60', '2.0']);
    clock.advance(20_000);
    assert.deepEqual(await refused('Bearer guess'), [429, undefined, '40', '2.0']);
    assert.equal(
      (await whole(await open('POST', {}, INITIALIZE))).status,
      200,
      'the right one comes from this machine',
    );
    clock.advance(40_000);
    assert.deepEqual(await refused('Bearer guess'), [401, 'Bearer', undefined, '2.0']);
  });

  it('tells pages of allowed origins what they may send and read, before they show a token', async t => {
    const { open } = await scriptedListener(t, { options: { allowedOrigins: ['https://page.test'] } });
    const asked = {
      origin: 'https://page.test',
      authorization: '',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,mcp-session-id',
    };
    const preflight = await open('OPTIONS', asked);
    assert.deepEqual(
      [
        preflight.statusCode,
        preflight.headers['access-control-allow-origin'],
        preflight.headers['access-control-allow-methods'],
        preflight.headers['access-control-allow-headers'],
        preflight.headers.vary,
        (await whole(preflight)).body,
      ],
      [204, 'https://page.test', 'GET, POST, PATCH, DELETE', 'authorization,mcp-session-id', 'origin', ''],
    );
    const foreign = await open('OPTIONS', { ...asked, origin: 'https://evil.test' });
    assert.deepEqual([foreign.statusCode, foreign.headers['access-control-allow-origin']], [403, undefined]);
    await whole(foreign);
    for (const [headers, status] of [
      [FROM_PAGE, 200],
      [{ ...FROM_PAGE, authorization: 'Bearer wrong' }, 401],
    ] as const) {
      const response = await open('POST', headers, INITIALIZE);
      assert.equal((await whole(response)).status, status);
      assert.equal(response.headers['access-control-allow-origin'], FROM_PAGE.origin, 'the page may read the answer');
      assert.match(String(response.headers['access-control-expose-headers']), /mcp-session-id/);
    }
    const plain = await open('OPTIONS', { 'access-control-request-method': 'POST' });
    assert.equal((await whole(plain)).status, 405, 'no page asks');
    const fromNobody = await open('POST', {}, INITIALIZE);
    await whole(fromNobody);
    assert.equal(fromNobody.headers['access-control-allow-origin'], undefined);
  });

  it('answers 500 where a door fails, and goes on', async t => {
    const fail = () => {
      throw new Error('it does not open');
    };
    const { send } = await scriptedListener(t, { doors: [echoing(['/broken'], { visit: fail })] });
    const { status, body } = await send('GET', {}, undefined, '/broken');
    assert.deepEqual([status, JSON.parse(body)], [500, { error: 'Internal error' }]);
    assert.equal((await send('POST', {}, INITIALIZE)).status, 200);
  });

  it('tells of every request that is over, with what it was allowed', async t => {
    const told: AnsweredRequest[] = [];
    const answer = deferred<Answer>();
    const { send, start, begin } = await scriptedListener(t, {
      options: { onAnswered: each => void told.push(each) },
      router: { callTool: () => answer.promise },
    });
    const session = await begin();
    await send('POST', { authorization: 'Bearer wrong' }, INITIALIZE);
    await send('GET', {}, undefined, '/nowhere');
    const left = start('POST', session, '/mcp').on('error', () => {});
    left.end(JSON.stringify(toolCall(3)));
    await once(left, 'finish');
    left.destroy();
    await eventually('all four', () => told.length === 4);
    assert.deepEqual(
      told.map(({ status, role }) => [status, role]),
      [
        [200, 'admin'],
        [401, undefined],
        [404, undefined],
        [0, 'admin'],
      ],
    );
    answer.resolve({ kind: 'result', result: {} });
  });
});

describe('HTTP in its odd forms', () => {
  /** Sends bytes with the token and a session, and gives the status. */
  const rawListener = async (t: TestContext) => {
    const { listener, begin } = await scriptedListener(t);
    const authorization = ['authorization', `Bearer ${TOKEN}`] as const;
    const session = Object.entries(await begin());
    const usual = [authorization, ['content-type', 'application/json'] as const, ...session] as const;
    const host = ['host', 'localhost'] as const;
    const post = (...headers: (readonly [string, string])[]) => [...usual, host, ...headers];
    const statusOf = async (bytes: string | Buffer) => (await sendRaw(listener.url, bytes)).status;
    return { listener, usual, host, post, statusOf };
  };
  const headText = (headers: readonly (readonly [string, string])[]) =>
    headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');

  it('wants one Host header, and a target in absolute form for that same host', async t => {
    const { usual, host, post, statusOf } = await rawListener(t);
    const evil = ['host', 'evil.test'] as const;
    const statuses = await Promise.all([
      statusOf(requestBytes('POST', '/mcp', usual, PING)),
      statusOf(requestBytes('POST', '/mcp', [...usual, host, evil], PING)),
      statusOf(requestBytes('POST', '/mcp', [...usual, evil, host], PING)),
      statusOf(requestBytes('POST', 'http://localhost/mcp', post(), PING)),
      statusOf(requestBytes('POST', 'http://localhost', post(), PING)),
      statusOf(requestBytes('POST', 'http://evil.test/mcp', post(), PING)),
      statusOf(requestBytes('POST', 'http://localhost/mcp', [...usual, evil], PING)),
      statusOf(requestBytes('POST', 'http://evil.test/mcp', [...usual, evil], PING)),
      statusOf(requestBytes('OPTIONS', '*', post())),
      statusOf(requestBytes('CONNECT', 'localhost:443', [host])),
    ]);
    assert.deepEqual(statuses, [400, 400, 400, 200, 200, 400, 400, 403, 404, 405]);
  });

  it('outlives clients that reset the connection after CONNECT', async t => {
    const { listener } = await rawListener(t);
    for (let n = 0; n < 300; n++) {
      const socket = connectTo(listener.url).on('error', () => {});
      await once(socket, 'connect');
      socket.write('CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', () => socket.resetAndDestroy());
    }
    const { status } = await sendRaw(listener.url, requestBytes('GET', '/nowhere', [['host', 'localhost']]));
    assert.equal(status, 404);
  });

  it('answers HTTP/1.0, whole streams included, and ends the connection', async t => {
    const { post, listener } = await rawListener(t);
    const head = `POST /mcp HTTP/1.0\r\n${headText(post(['content-length', `${PING.length}`]))}\r\n`;
    const { status, headers, body } = await sendRaw(listener.url, head + PING);
    assert.deepEqual([status, headers.connection, JSON.parse(body).id], [200, 'close', 2]);
    const stream = await sendRaw(listener.url, `GET /mcp HTTP/1.0\r\n${headText(post())}\r\n`);
    assert.deepEqual([stream.status, stream.headers['transfer-encoding']], [200, undefined]);
  });

  it('takes a body in chunks, and after 100 Continue', async t => {
    const { post, statusOf } = await rawListener(t);
    const chunked = headText(post(['transfer-encoding', 'chunked'], ['connection', 'close']));
    const chunks = PING.split('').map(letter => `1\r\n${letter}\r\n`);
    assert.equal(await statusOf(`POST /mcp HTTP/1.1\r\n${chunked}\r\n${chunks.join('')}0\r\n\r\n`), 200);
    assert.equal(await statusOf(requestBytes('POST', '/mcp', post(['expect', '100-continue']), PING)), 200);
    assert.equal(await statusOf(requestBytes('POST', '/mcp', post(['expect', 'a miracle']), PING)), 417);
  });

  it('refuses a body that is encoded, or no UTF-8, rather than guess', async t => {
    const { post, statusOf, listener } = await rawListener(t);
    const zipped = requestBytes('POST', '/mcp', post(['content-encoding', 'gzip']), gzipSync(PING));
    const { status, headers } = await sendRaw(listener.url, zipped);
    assert.deepEqual([status, headers['accept-encoding']], [415, 'identity']);
    const plain = requestBytes('POST', '/mcp', post(['content-encoding', 'identity']), PING);
    assert.equal(await statusOf(plain), 200);
    const broken = Buffer.from(PING.replace('ping', 'p\u{e9}ng'), 'latin1');
    assert.equal(await statusOf(requestBytes('POST', '/mcp', post(), broken)), 400);
  });

  it('answers what is no HTTP with 400 or 431, and keeps serving', async t => {
    const { listener, post, host, statusOf } = await rawListener(t);
    const head = headText(post());
    const broken = {
      garbage: '\x00\x01\x02garbage\r\n\r\n',
      'two lengths': `POST /mcp HTTP/1.1\r\n${head}content-length: 1\r\ncontent-length: 2\r\n\r\nab`,
      'a length and chunks': `POST /mcp HTTP/1.1\r\n${head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      'a folded header': `POST /mcp HTTP/1.1\r\n${head}x: a\r\n b\r\n\r\n`,
      'a control character': `GET /mcp HTTP/1.1\r\n${head}x: a\x00b\r\n\r\n`,
      'a negative length': `POST /mcp HTTP/1.1\r\n${head}content-length: -1\r\n\r\n`,
      'a chunk of no length': `POST /mcp HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\nzz\r\n`,
    };
    const statuses: Record<string, number> = {};
    for (const [name, bytes] of Object.entries(broken)) statuses[name] = await statusOf(bytes);
    assert.deepEqual(statuses, Object.fromEntries(Object.keys(broken).map(name => [name, 400])));
    assert.equal(await statusOf(requestBytes('GET', '/mcp', [host, ['x-big', 'x'.repeat(20_000)]])), 431);
    assert.equal(await statusOf(requestBytes('POST', '/mcp', post(), PING)), 200);
    assert.equal(listener.sessionCount, 1);
  });

  it('answers what is whole of a pipeline that goes on with garbage', async t => {
    const { listener, post } = await rawListener(t);
    const head = `POST /mcp HTTP/1.1\r\n${headText(post(['content-length', `${PING.length}`]))}\r\n`;
    const socket = connectTo(listener.url);
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    const closed = once(socket, 'close');
    socket.write(`${head}${PING}${head}${PING}`);
    await eventually('two answers', () => received.match(/"id":2/g)?.length === 2);
    socket.write('garbage garbage\r\n\r\n');
    await closed;
    assert.match(received, /HTTP\/1\.1 400 Bad Request\r\n/);
  });
});

describe('The probes', () => {
  const probe = async (url: string, target: string, method = 'GET', headers = {}) => {
    const response = await fetch(new URL(target, url), { method, headers });
    return [response.status, await response.text()];
  };

  it('are open to those without a token, but not to foreign hosts and origins', async t => {
    const { url } = await startGateway(t, { backends: [] });
    const [ok, ready] = ['{"status":"ok"}', '{"status":"ready"}'];
    assert.deepEqual(await probe(url, '/healthz'), [200, ok]);
    assert.deepEqual(await probe(url, '/readyz/'), [200, ready]);
    assert.deepEqual(await probe(url, '/healthz', 'HEAD'), [200, '']);
    assert.deepEqual((await probe(url, '/healthz', 'POST'))[0], 405);
    assert.deepEqual((await probe(url, '/healthz', 'GET', { origin: 'https://evil.test' }))[0], 403);
    const evil = requestBytes('GET', '/healthz', [['host', 'evil.test']]);
    assert.equal((await sendRaw(url, evil)).status, 403);
  });

  it('are not ready until every backend that starts by itself has answered or failed, or is known from before', async t => {
    const folder = await mkdtemp(path.join(tmpdir(), 'switchyard-probes-'));
    t.after(() => rm(folder, { recursive: true }));
    const hangs = path.join(folder, 'hangs');
    const known = { name: 'known', ...fixtureCommand('servers/faulty.mjs', '--hang-while', hangs) };
    const stateDirectory = path.join(folder, 'state');
    await t.test('the run before', async t => {
      const first = await startGateway(t, { backends: [known] }, { folder, stateDirectory });
      await eventually('readiness', async () => (await probe(first.url, '/readyz'))[0] === 200);
      await first.reaches('known', 'ready');
    });

    await writeFile(hangs, '');
    const failing = { name: 'failing', command: 'no-such-command' };
    const later = { name: 'later', auto_start: false, ...fixtureCommand('servers/hanging.mjs') };
    const off = { name: 'off', enabled: false, ...fixtureCommand('servers/hanging.mjs') };
    const slow = { name: 'slow', start_timeout_seconds: 60, ...fixtureCommand('servers/hanging.mjs') };
    const backends = [known, failing, later, off];
    const router = await startGateway(t, { backends: [...backends, slow] }, { folder, stateDirectory });
    await eventually(
      'the failure of one',
      async () => (await probe(router.url, '/readyz'))[1] === '{"status":"starting","awaited":1}',
    );
    assert.equal((await probe(router.url, '/readyz'))[0], 503);
    assert.equal((await probe(router.url, '/healthz'))[0], 200);
    await router.write({ backends });
    await router.gateway.reload();
    assert.equal((await probe(router.url, '/readyz'))[0], 200);
    // All others can be used as before.
    await router.write({ backends: [...backends, slow] });
    await router.gateway.reload();
    assert.equal((await probe(router.url, '/readyz'))[0], 200);
  });

  it('are not ready while the router stops, but alive', async t => {
    const backends = [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }];
    const router = await startGateway(t, { backends });
    const { url, gateway } = router;
    const client = await router.client();
    await eventually('the tools', async () => (await client.toolNames()).includes('echo__slow'));
    const call = client.callTool('echo__slow', { label: 'a', steps: 1, stepMs: 1000 });
    await eventually('the call', () => gateway.snapshot().backends[0]?.inFlight === 1);
    const stopped = gateway.stop();
    assert.deepEqual(await probe(url, '/readyz'), [503, '{"status":"draining"}']);
    const alive = await fetch(new URL('/healthz', url));
    assert.deepEqual([alive.status, alive.headers.get('connection')], [200, 'close']);
    assert.equal((await call).result.content[0].text, 'a done');
    await stopped;
  });
});
