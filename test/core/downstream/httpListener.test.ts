import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

const TOKEN = 'secret';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly session: string | undefined;
  readonly body: string;
}

/** A listener with one backend, and a way to send it anything. */
async function listener(t: TestContext, missingTokenStatus?: 401 | 404) {
  const { gateway } = await startGateway(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
  await gateway.whenSettled();
  const options = { host: '127.0.0.1', port: 0, token: TOKEN, allowedHosts: ['switchyard.test'] };
  const { url, close } = await gateway
    .listenHttp({ ...options, ...(missingTokenStatus && { missingTokenStatus }) })
    .then(each => ({ url: each.url, close: () => each.close() }));
  t.after(close);

  const open = async (method: string, headers: Record<string, string>, body?: unknown, path = '/mcp') => {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const outgoing = request(new URL(path, url), {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    outgoing.end(body === undefined ? undefined : text);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  };
  const send = async (
    method: string,
    headers: Record<string, string> = {},
    body?: unknown,
    path?: string,
  ): Promise<Reply> => {
    const response = await open(method, headers, body, path);
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const session = response.headers['mcp-session-id'];
    return {
      status: response.statusCode ?? 0,
      type: response.headers['content-type'],
      session: typeof session === 'string' ? session : undefined,
      body: text,
    };
  };
  const begin = async () => {
    const { session } = await send('POST', {}, INITIALIZE);
    assert.ok(session);
    return { 'mcp-session-id': session };
  };
  return { open, send, begin };
}

describe('HttpListener', () => {
  it('lets nobody in without the token', async t => {
    const { send } = await listener(t);
    assert.equal((await send('POST', { authorization: 'Bearer wrong' }, INITIALIZE)).status, 401);
    assert.equal((await send('POST', { authorization: '' }, INITIALIZE)).status, 401);
    assert.equal((await send('POST', {}, INITIALIZE)).status, 200);
  });

  it('answers 404 in place of 401 where a client would take that for a sign-in', async t => {
    const { send } = await listener(t, 404);
    assert.equal((await send('POST', { authorization: 'Bearer wrong' }, INITIALIZE)).status, 404);
  });

  it('refuses foreign hosts and origins, before anything else', async t => {
    const { send } = await listener(t);
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
    const { send, begin } = await listener(t);
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
    const { send, begin } = await listener(t);
    const session = await begin();
    const batch = await send('POST', session, [
      { jsonrpc: '2.0', id: 'a', method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 'b', method: 'ping' },
    ]);
    assert.deepEqual(batch.body.match(/"id":"."/g)?.toSorted(), ['"id":"a"', '"id":"b"']);
    assert.equal((await send('POST', session, { jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
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
    const { open, send, begin } = await listener(t);
    const session = await begin();
    const stream = await open('GET', session);
    assert.equal(stream.headers['content-type'], 'text/event-stream');
    const ended = once(stream.resume(), 'end');
    assert.equal((await send('DELETE', session)).status, 200);
    await ended;
    assert.equal((await send('POST', session, { jsonrpc: '2.0', id: 2, method: 'ping' })).status, 404);
  });
});
