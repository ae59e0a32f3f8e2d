// The same conversation, once with a backend itself and once with it through the router: what the client receives is the
// same, but for names and URIs and for the few differences that are listed, each with its reason.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { BareHttpClient, BareSseClient, BareStreamClient } from '../support/bareClient.ts';
import { complaints, unneeded } from './comparison.ts';
import { begin, type Received, takeAll } from './conversation.ts';
import { LEGACY_DIFFERENCES } from './differences.ts';
import { LEGACY_STEPS } from './legacySteps.ts';
import type { RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';

const PLAIN: RouterKind = {
  named: 'stdio, without namespaces',
  transport: 'stdio',
  prefixing: false,
  session: 'shared',
  hasTwin: false,
};
const ROUTERS: readonly RouterKind[] = (['stdio', 'HTTP', 'SSE'] as const).flatMap(transport => {
  const plain: RouterKind = { ...PLAIN, named: `${transport}, without namespaces`, transport };
  return [
    plain,
    { ...plain, named: `${transport}, with namespaces`, prefixing: true },
    { ...plain, named: `${transport}, with a connection of its own`, prefixing: true, session: 'per_client' },
    {
      ...plain,
      named: `${transport}, beside another backend with the same names and URIs`,
      prefixing: true,
      hasTwin: true,
    },
  ];
});

for (const router of ROUTERS) {
  test(`A client receives through the router what it receives directly (${router.named})`, async t => {
    const expected = await direct(t);
    const { url, headers } = await startRouter(t, router, 'legacy');
    const client = new BareHttpClient(url, headers);
    t.after(() => client.close());
    await begin(client);
    assert.deepEqual(await complaints(client, LEGACY_STEPS, expected, router, LEGACY_DIFFERENCES), []);
  });
}

test('A client of /sse receives through the router what it receives directly', async t => {
  const expected = await direct(t);
  const { url, headers } = await startRouter(t, PLAIN, 'legacy');
  const client = await BareSseClient.connect(new URL('/sse', url).href, headers);
  t.after(() => client.close());
  await begin(client);
  assert.deepEqual(await complaints(client, LEGACY_STEPS, expected, PLAIN, LEGACY_DIFFERENCES), []);
});

test('A client on stdio receives through the router what it receives directly', async t => {
  const expected = await direct(t);
  const { gateway } = await startRouter(t, PLAIN, 'legacy');
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = gateway.serveStdio(input, output);
  const client = new BareStreamClient(output, input);
  await begin(client);
  assert.deepEqual(await complaints(client, LEGACY_STEPS, expected, PLAIN, LEGACY_DIFFERENCES), []);
  await client.close();
  await served;
});

test('Each of the differences is one', async t => {
  assert.deepEqual(unneeded(LEGACY_DIFFERENCES, LEGACY_STEPS, await direct(t), ROUTERS), []);
});

let conversation: Promise<readonly Received[]> | undefined;

/** The conversation without a router, held once. */
function direct(t: TestContext): Promise<readonly Received[]> {
  conversation ??= (async () => {
    const client = new BareHttpClient(await startBackend(t, 'legacy'));
    await begin(client);
    const all = await takeAll(client, LEGACY_STEPS);
    await client.close();
    return all;
  })();
  return conversation;
}
