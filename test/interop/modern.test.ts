// The same conversation in the modern era (2026-07-28), once with a backend itself and once with it through the router.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { mapMembers } from '../../src/core/base/json.ts';
import { BareModernClient, MODERN_VERSION } from '../support/bareModernClient.ts';
import { complaints, type Difference, unneeded } from './comparison.ts';
import { type Received, takeAll } from './conversation.ts';
import { LOGGER, MERGED, UNWANTED_PROGRESS } from './differences.ts';
import { CAPABILITIES, MODERN_STEPS } from './modernSteps.ts';
import { BACKEND, type RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';
import { LIST_KEYS, type Params } from './steps.ts';

const PLAIN: RouterKind = { named: 'without namespaces', prefixing: false, session: 'shared', hasTwin: false };
const ROUTERS: readonly RouterKind[] = [PLAIN, { ...PLAIN, named: 'with namespaces', prefixing: true }];
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

for (const transport of ['stdio'] as const) {
  for (const router of ROUTERS) {
    test(`A modern client receives from a modern backend what it receives directly (${transport}, ${router.named})`, async t => {
      const expected = await direct(t);
      const { url, headers } = await startRouter(t, router, transport, 'modern');
      const client = new BareModernClient(url, headers, CAPABILITIES);
      t.after(() => client.close());
      assert.deepEqual(await complaints(client, MODERN_STEPS, expected, router, DIFFERENCES), []);
    });
  }
}

test('Each of the differences in the modern era is one', async t => {
  assert.deepEqual(unneeded(DIFFERENCES, MODERN_STEPS, await direct(t), ROUTERS), []);
});

const DIFFERENCES: readonly Difference[] = [
  MERGED,
  LOGGER,
  UNWANTED_PROGRESS,
  {
    reason: 'a result says who gives it, and that is the router',
    of: (message, { kind }) => {
      if (!message.result || kind === 'list') return message;
      const { _meta } = message.result;
      const serverInfo = { name: 'switchyard', title: 'Switchyard', version: '0.0.0' };
      return { ...message, result: { ...message.result, _meta: { ..._meta, [SERVER_INFO]: serverInfo } } };
    },
  },
  {
    reason: 'a list is merged of backends that come and go: nobody can say how long it holds',
    of: (message, { kind, method }) =>
      message.result && kind === 'request' && (LIST_KEYS[method] || method === 'server/discover')
        ? { ...message, result: { ...message.result, ttlMs: 0, cacheScope: 'private' } }
        : message,
  },
  {
    reason: 'who is introduced is the router: with all that some backend may ever have, and its instructions',
    of: (message, { method }) => {
      if (method !== 'server/discover') return message;
      const { tasks: _, ...capabilities } = message.result.capabilities;
      const instructions = `## ${BACKEND}\n\n${message.result.instructions}`;
      return {
        ...message,
        result: { ...message.result, supportedVersions: [MODERN_VERSION], capabilities, instructions },
      };
    },
  },
  {
    reason: 'how a tool runs as a task is of the legacy era alone',
    of: (message, { method }) => {
      if (method !== 'tools/list') return message;
      const tools = message.result?.tools?.map(({ execution: _, ...tool }: Params) => tool);
      return tools ? { ...message, result: { ...message.result, tools } } : message;
    },
  },
  {
    reason: 'whoever asks the user says who it is',
    of: message => {
      const asked = message.result?.inputRequests;
      if (!asked) return message;
      const inputRequests = mapMembers(asked, question => signed(question as Params));
      return { ...message, result: { ...message.result, inputRequests } };
    },
  },
  {
    reason: 'the state of a call says whose it is',
    of: message =>
      message.result?.requestState === undefined
        ? message
        : {
            ...message,
            result: { ...message.result, requestState: `${BACKEND}:${message.result.requestState}` },
          },
  },
];

function signed({ method, params, ...rest }: Params): Params {
  const { message, _meta, ...others } = (params ?? {}) as Params;
  return {
    ...rest,
    method,
    params: {
      ...others,
      ...(method === 'elicitation/create' && { message: `${BACKEND}: ${message}` }),
      _meta: { ...(_meta as Params), 'switchyard/backend': BACKEND },
    },
  };
}

let conversation: Promise<readonly Received[]> | undefined;

/** The conversation without a router, held once. */
function direct(t: TestContext): Promise<readonly Received[]> {
  conversation ??= (async () => {
    const client = new BareModernClient(await startBackend(t, 'modern'), {}, CAPABILITIES);
    const all = await takeAll(client, MODERN_STEPS);
    await client.close();
    return all;
  })();
  return conversation;
}
