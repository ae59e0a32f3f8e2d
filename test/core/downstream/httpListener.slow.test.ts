// Clients that take their time, with our connections and memory.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer } from '../../../src/core/base/peer.ts';
import { eventually } from '../../support/eventually.ts';
import { connectTo } from '../../support/rawHttp.ts';
import { INITIALIZE, scriptedListener, TOKEN, toolCall } from './scriptedListener.ts';

const MEGABYTE = 1024 * 1024;
const MINUTE = 60_000;
/** Of one kind each, so that whoever is cut off is so for that. */
const PATIENCE = {
  headers: { headersMs: 600, requestMs: MINUTE, stalledMs: MINUTE },
  // Looked for four times as often as headers are to come.
  request: { headersMs: 1500, requestMs: 1500, stalledMs: MINUTE },
  stalled: { headersMs: MINUTE, requestMs: MINUTE, stalledMs: 600 },
};

/** Listens with little patience of one kind. */
const listen = (t: TestContext, kind: keyof typeof PATIENCE) =>
  scriptedListener(t, { options: { patience: PATIENCE[kind] } });

/** What a connection is told until it is cut; it writes a byte of what is left every 50 ms. */
async function trickle(t: TestContext, url: string, head: string, rest: string): Promise<string> {
  const socket = connectTo(url);
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  socket.on('error', () => {}); // It is cut while it writes.
  socket.write(head);
  let at = 0;
  const timer = setInterval(() => socket.write(rest[at++ % rest.length] ?? ''), 50);
  t.after(() => {
    clearInterval(timer);
    socket.destroy();
  });
  await once(socket, 'close');
  clearInterval(timer);
  return received;
}

function headOf(method: string, headers: Readonly<Record<string, string>>): string {
  const all = { host: 'localhost', authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} /mcp HTTP/1.1\r\n${lines.join('')}\r\n`;
}

function closed(socket: Socket): Promise<unknown> {
  socket.on('error', () => {});
  return once(socket, 'close');
}

describe('A slow client', () => {
  it('is cut off when its headers do not end', async t => {
    const { listener } = await listen(t, 'headers');
    assert.match(
      await trickle(t, listener.url, 'POST /mcp HTTP/1.1\r\nhost: localhost\r\nx: ', 'x'),
      /^HTTP\/1\.1 408 /,
    );
  });

  it('is cut off when its body does not end', async t => {
    const { listener, begin } = await listen(t, 'request');
    const head = headOf('POST', { ...(await begin()), 'content-length': '1000' });
    assert.match(await trickle(t, listener.url, head, ' '), /^HTTP\/1\.1 408 /);
  });

  it('is cut off when it says nothing at all', async t => {
    const { listener } = await listen(t, 'stalled');
    await closed(connectTo(listener.url).resume());
  });

  it('is cut off when it stops reading, before its stream costs everybody memory', async t => {
    const { listener, begin, send, clients } = await scriptedListener(t);
    const session = await begin();
    await send('POST', session, { jsonrpc: '2.0', method: 'notifications/initialized' });
    await send('POST', session, { jsonrpc: '2.0', id: 2, method: 'tools/list' });
    const socket = connectTo(listener.url);
    t.after(() => socket.destroy());
    const gone = closed(socket);
    socket.write(headOf('GET', session));
    await once(socket, 'readable'); // The headers; nothing is read after them.
    const sent = 120;
    for (let n = 0; n < sent; n++) {
      clients.broadcast(`notifications/${'x'.repeat(MEGABYTE)}`);
      await nextTurn();
    }
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    await gone;
    assert.ok(received > 0 && received < 40 * MEGABYTE, `${received} of ${sent} MB`);
  });

  it('gives its stream back when it only half closes its connection', async t => {
    const { listener, begin, clock } = await listen(t, 'stalled');
    const session = await begin();
    const socket = connectTo(listener.url);
    socket.end(headOf('GET', session));
    await closed(socket.resume());
    clock.advance(7 * 60_000);
    await eventually('the end of the session', () => listener.sessionCount === 0);
  });
});

describe('Sessions that are begun and never used', () => {
  it('are gone after five minutes, thousands at once', async t => {
    const [asked, answer] = [deferred(), deferred<Answer>()];
    const callTool = () => {
      asked.resolve();
      return answer.promise;
    };
    const { listener, begin, send, clock } = await scriptedListener(t, { router: { callTool } });
    for (let n = 0; n < 100; n++) await Promise.all(Array.from({ length: 20 }, () => begin()));
    const call = send('POST', await begin(), toolCall(2));
    await asked.promise;
    assert.equal(listener.sessionCount, 2001);
    clock.advance(4 * 60_000);
    assert.equal(listener.sessionCount, 2001);
    clock.advance(2 * 60_000);
    await eventually('the end of all but one', () => listener.sessionCount === 1);
    answer.resolve({ kind: 'result', result: {} });
    assert.equal((await call).status, 200);
    assert.equal((await send('POST', {}, INITIALIZE)).status, 200);
  });
});
