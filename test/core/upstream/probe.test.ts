// The health endpoint of a remote backend, on real servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/core/base/clock.ts';
import { probe } from '../../../src/core/upstream/probe.ts';

async function server(t: TestContext, listener: RequestListener): Promise<string> {
  const http = createServer(listener).listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

/** What a check of a backend at `base` finds at its endpoint. */
async function checked(base: string, endpoint: string, timeout_seconds = 5): Promise<string> {
  const connection = { request: () => assert.fail('it was pinged') };
  const launch = { kind: 'remote', url: `${base}/mcp`, headers: { 'x-key': 'secret' }, type: 'http' } as const;
  const health_check = { enabled: true, interval_seconds: 30, timeout_seconds, endpoint };
  const outcome = await probe(connection, { launch, health_check }, systemClock);
  return outcome.kind === 'failed' ? `${outcome.failure.code}: ${outcome.failure.message}` : outcome.kind;
}

describe('The check of a health endpoint', () => {
  test('goes by the HTTP status', async t => {
    const base = await server(t, ({ url }, response) => response.writeHead(Number(url?.slice(1))).end('fine'));
    assert.deepEqual(await Promise.all(['/200', '/204', '/500', '/404'].map(path => checked(base, path))), [
      'answered',
      'answered',
      'http: /500 answered HTTP 500',
      'refused: /404 answered HTTP 404',
    ]);
  });

  test('says when there is no answer, and when there is nobody', async t => {
    const silent = await server(t, () => {});
    assert.equal(await checked(silent, '/health', 0.05), 'request-timeout: /health did not answer within 0.05 s');
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, 'close');
    assert.equal(await checked(`http://127.0.0.1:${port}`, '/health'), 'http: /health cannot be reached');
  });

  test('sends the configured headers to their own server alone', async t => {
    const told: (string | undefined)[] = [];
    const listener: RequestListener = ({ headers, url }, response) => {
      told.push(`${url} ${headers['x-key'] ?? 'nothing'}`);
      response.end();
    };
    const elsewhere = await server(t, listener);
    const base = await server(t, (request, response) => {
      if (request.url === '/away') response.writeHead(302, { location: elsewhere }).end();
      else if (request.url === '/moved') response.writeHead(302, { location: '/health' }).end();
      else listener(request, response);
    });
    const found = await Promise.all(['/moved', '/away', `${elsewhere}/other`].map(path => checked(base, path)));
    assert.deepEqual(found, ['answered', 'http: /away answered HTTP 302', 'answered']);
    assert.deepEqual(told.sort(), ['/health secret', '/other nothing']);
  });
});
