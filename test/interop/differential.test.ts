// The same conversation, once with a backend itself and once with it through the router: what the client receives is the
// same, but for names and URIs and for the few differences that are listed, each with its reason.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { isObject } from '../../src/core/base/json.ts';
import { BareHttpClient, BareSseClient, BareStreamClient } from '../support/bareClient.ts';
import { complaints, type Difference, unneeded } from './comparison.ts';
import { begin, type Received, takeAll } from './conversation.ts';
import { LEGACY_DIFFERENCES } from './differences.ts';
import { LEGACY_STEPS } from './legacySteps.ts';
import type { RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';
import { HEARD, type Params } from './steps.ts';

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
  const differences = [...LEGACY_DIFFERENCES, OF_STDIO_CLIENTS];
  assert.deepEqual(await complaints(client, LEGACY_STEPS, expected, PLAIN, differences), []);
  assert.deepEqual(unneeded([OF_STDIO_CLIENTS], LEGACY_STEPS, expected, [PLAIN]), []);
  await client.close();
  await served;
});

test('Each of the differences is one', async t => {
  assert.deepEqual(unneeded(LEGACY_DIFFERENCES, LEGACY_STEPS, await direct(t), ROUTERS), []);
});

const OF_STDIO_CLIENTS: Difference = {
  reason: 'the SDK reads what comes on stdio by a schema, in which params and their `_meta` have no member `__proto__`',
  of: message => {
    const { _meta, structuredContent } = message.result ?? {};
    const told = _meta?.[HEARD];
    const heard = structuredContent?.heard;
    if (!told && !heard) return message;
    const result = {
      ...message.result,
      ...(told && { _meta: { ..._meta, [HEARD]: { ...withoutProto(told), meta: withoutProto(told.meta) } } }),
      ...(heard && { structuredContent: { heard: heard.map(withProtolessParams) } }),
    };
    return { ...message, result };
  },
};

function withProtolessParams(said: Params): Params {
  return { ...said, ...(isObject(said.params) && { params: withoutProto(said.params) }) };
}

function withoutProto(object: Params): Params {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== '__proto__'));
}

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
