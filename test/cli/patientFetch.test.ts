import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFetchPatient } from '../../src/cli/patientFetch.ts';

const DISPATCHER = Symbol.for('undici.globalDispatcher.1');
/** Its clock ticks once a second. */
const LIMIT_MS = 500;
const SILENCE_MS = 3000;

test('A patient fetch waits for an answer, and for the rest of it, longer than that of Node would', async t => {
  const server = createServer(async (request, response) => {
    if (request.url === '/rest') response.write('a beginning and ');
    await sleep(SILENCE_MS);
    response.end('an end');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const read = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();

  await fetch('data:,');
  const globals = globalThis as { [DISPATCHER]?: object };
  const Agent = globals[DISPATCHER]?.constructor as new (limits: object) => object;
  // As Node's own, whose limits are 300 s.
  globals[DISPATCHER] = new Agent({ bodyTimeout: LIMIT_MS, headersTimeout: LIMIT_MS });
  await Promise.all(['/', '/rest'].map(path => assert.rejects(read(path), path)));

  await makeFetchPatient();
  assert.deepEqual(await Promise.all(['/', '/rest'].map(read)), ['an end', 'a beginning and an end']);
});
