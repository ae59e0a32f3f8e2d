// The same conversation, once with a backend itself and once with it through the router: what the client receives is the
// same, but for names and URIs and for the few DIFFERENCES that are listed here, each with its reason.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type BareClient, BareHttpClient } from '../support/bareClient.ts';
import { complaints, type Difference, unneeded } from './comparison.ts';
import { type Received, takeAll } from './conversation.ts';
import { LOGGER, MERGED, UNWANTED_PROGRESS } from './differences.ts';
import { ANSWERS, CAPABILITIES, LEGACY_STEPS } from './legacySteps.ts';
import { BACKEND, type RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';
import { type Params, tokenOf } from './steps.ts';

const PLAIN: RouterKind = { named: 'without namespaces', prefixing: false, session: 'shared', hasTwin: false };
const ROUTERS: readonly RouterKind[] = [
  PLAIN,
  { ...PLAIN, named: 'with namespaces', prefixing: true },
  { ...PLAIN, named: 'with a connection of its own', prefixing: true, session: 'per_client' },
  { ...PLAIN, named: 'beside another backend with the same names and URIs', prefixing: true, hasTwin: true },
];

for (const router of ROUTERS) {
  test(`A client receives through the router what it receives directly (stdio, ${router.named})`, async t => {
    const expected = await direct(t);
    const { url, headers } = await startRouter(t, router, 'stdio', 'legacy');
    const client = new BareHttpClient(url, headers);
    t.after(() => client.close());
    await begin(client);
    assert.deepEqual(await complaints(client, LEGACY_STEPS, expected, router, DIFFERENCES), []);
  });
}

test('Each of the differences is one', async t => {
  assert.deepEqual(unneeded(DIFFERENCES, LEGACY_STEPS, await direct(t), ROUTERS), []);
});

const DIFFERENCES: readonly Difference[] = [
  MERGED,
  LOGGER,
  UNWANTED_PROGRESS,
  {
    reason: 'whoever asks the user says who it is',
    of: message => {
      if (message.id === undefined || message.method === undefined) return message;
      const { params = {} } = message;
      const isElicitation = message.method === 'elicitation/create';
      return {
        ...message,
        params: {
          ...params,
          ...(isElicitation && { message: `${BACKEND}: ${params.message}` }),
          _meta: { ...(params._meta as Params), 'switchyard/backend': BACKEND },
        },
      };
    },
  },
  {
    reason: 'a ping asks for the other end of the connection, and that is the router',
    of: message => (message.method === 'ping' ? undefined : message),
  },
  {
    reason: 'the catalog is one for all clients: what a connection of one client’s own lists later is not in it',
    of: (message, { isNew, method }, { session }) => {
      if (session === 'shared') return message;
      if (message.method?.endsWith('/list_changed')) return undefined;
      if (isNew) return { jsonrpc: '2.0', id: 'any', error: { code: -32602, message: '' } };
      if (method !== 'tools/list' || !message.result) return message;
      const tools = message.result.tools.filter(({ name }: Params) => !String(name).startsWith('grown_'));
      return { ...message, result: { ...message.result, tools } };
    },
  },
];

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

async function begin(client: BareClient): Promise<void> {
  for (const [method, answering] of Object.entries(ANSWERS)) {
    client.answers(method, async params => {
      const progressToken = tokenOf(params);
      if (progressToken !== undefined) await client.notify('notifications/progress', { progressToken, progress: 0.5 });
      return answering(params);
    });
  }
  await client.initialize(CAPABILITIES);
  if (client instanceof BareHttpClient) await client.listen();
}
