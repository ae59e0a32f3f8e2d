// A client of one era and a backend of the other: through the router the client receives what the same backend, speaking the
// client’s era, would have told it itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isObject } from '../../src/core/base/json.ts';
import { BareHttpClient, type Message } from '../support/bareClient.ts';
import { BareModernClient, MODERN_VERSION } from '../support/bareModernClient.ts';
import { complaints, type Difference, unneeded } from './comparison.ts';
import { begin, takeAll } from './conversation.ts';
import { LEGACY_DIFFERENCES, MODERN_DIFFERENCES } from './differences.ts';
import { CAPABILITIES, LEGACY_STEPS } from './legacySteps.ts';
import { CAPABILITIES as MODERN_CAPABILITIES, MODERN_STEPS } from './modernSteps.ts';
import type { RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';
import { HEARD, type Params, type Step } from './steps.ts';

const meta = (name: string) => `io.modelcontextprotocol/${name}`;
const ROUTER: RouterKind = {
  named: 'stdio, with namespaces',
  transport: 'stdio',
  prefixing: true,
  session: 'shared',
  hasTwin: false,
};

/** Steps that only the legacy era has words for. */
const LEGACY_ALONE: readonly { readonly reason: string; readonly has: (step: Step) => boolean }[] = [
  {
    reason: 'tasks are of another kind in the modern era',
    has: ({ method, params, play }) => /task/i.test(JSON.stringify([method, params, play?.before, play?.after])),
  },
  {
    reason: 'a modern backend asks in its results, and nothing but input',
    has: ({ play }) => play?.before?.some(({ ask, method }) => ask && !INPUT.test(method)) === true,
  },
  {
    reason: 'a modern backend that has asked begins anew',
    has: ({ play }) => play?.before?.some(({ ask }) => ask) === true && (play.before.length ?? 0) > 1,
  },
  {
    reason: 'what a modern backend is not told, or has no words to say',
    has: ({ method, params, play }) =>
      method.startsWith('notifications/') ||
      (params as Params | undefined)?.name === 'heard' ||
      play?.after?.some(said => said.method === 'notifications/message') ||
      typeof (play?.result as Params | undefined)?._meta === 'string',
  },
];
const INPUT = /^(elicitation\/create|sampling\/createMessage|roots\/list)$/;

test('A legacy client receives from a modern backend what a legacy one would tell it', async t => {
  const steps = LEGACY_STEPS.filter(step => !LEGACY_ALONE.some(({ has }) => has(step)));
  const plain = new BareHttpClient(await startBackend(t, 'legacy'));
  await begin(plain);
  const expected = await takeAll(plain, steps);
  await plain.close();
  const { url, headers } = await startRouter(t, ROUTER, 'modern');
  const client = new BareHttpClient(url, headers);
  t.after(() => client.close());
  await begin(client);
  assert.deepEqual(await complaints(client, steps, expected, ROUTER, TO_LEGACY), []);
  assert.deepEqual(unneeded(TO_LEGACY.slice(LEGACY_DIFFERENCES.length), steps, expected, [ROUTER]), []);
});

test('A modern client receives from a legacy backend what a modern one would tell it', async t => {
  const steps = MODERN_STEPS.filter(
    step => !/inputResponses|inputRequests|requestState/.test(JSON.stringify([step.params, step.play])),
  );
  const plain = new BareModernClient(await startBackend(t, 'modern'), {}, MODERN_CAPABILITIES);
  const expected = await takeAll(plain, steps);
  await plain.close();
  const { url, headers } = await startRouter(t, ROUTER, 'legacy');
  const client = new BareModernClient(url, headers, MODERN_CAPABILITIES);
  t.after(() => client.close());
  assert.deepEqual(await complaints(client, steps, expected, ROUTER, TO_MODERN), []);
  assert.deepEqual(unneeded(TO_MODERN.slice(MODERN_DIFFERENCES.length), steps, expected, [ROUTER]), []);
});

const ENVELOPE = {
  [meta('protocolVersion')]: MODERN_VERSION,
  [meta('clientInfo')]: { name: 'bare-client', version: '1.0.0' },
  [meta('clientCapabilities')]: CAPABILITIES,
};

/** What the backend has heard of a request, within its answer. */
function heard(message: Message, change: (meta: Params) => Params): Message {
  const { _meta } = message.result ?? {};
  const told = _meta?.[HEARD];
  if (!told) return message;
  return {
    ...message,
    result: { ...message.result, _meta: { ..._meta, [HEARD]: { ...told, meta: change(told.meta) } } },
  };
}

/** The log level that the client has named by then. */
function levelAt(step: Step): unknown {
  const before = LEGACY_STEPS.slice(0, LEGACY_STEPS.indexOf(step));
  const named = before.findLast(({ method, isUnknown }) => method === 'logging/setLevel' && !isUnknown);
  return (named?.params as Params | undefined)?.level ?? 'info';
}

const TO_LEGACY: readonly Difference[] = [
  ...LEGACY_DIFFERENCES,
  {
    reason: 'a modern backend is told with each request who the client is and what it can do',
    of: (message, step) => heard(message, told => ({ ...told, ...ENVELOPE, [meta('logLevel')]: levelAt(step) })),
  },
  {
    reason: 'what a modern backend logs unless a client says otherwise is for the router to choose',
    of: (message, step) =>
      message.params?.level === 'debug' && levelAt(step) === 'info' && message.method === 'notifications/message'
        ? undefined
        : message,
  },
  {
    reason: 'legacy clients may refuse a whole list for one tool whose results are no objects',
    of: (message, { method }) => {
      if (method !== 'tools/list' || !message.result) return message;
      const tools = message.result.tools.map((tool: Params) => {
        const { outputSchema, ...rest } = tool;
        return outputSchema === undefined || isObject(outputSchema) ? tool : rest;
      });
      return { ...message, result: { ...message.result, tools } };
    },
  },
  {
    reason: 'in the legacy era structured content is an object: anything else is said as text',
    of: message => {
      const { structuredContent, ...result } = message.result ?? {};
      if (structuredContent === undefined || isObject(structuredContent)) return message;
      const content = [{ type: 'text', text: JSON.stringify(structuredContent) }];
      return { ...message, result: { ...result, content } };
    },
  },
  {
    reason: 'how a client subscribes is said in other words, which are answered otherwise',
    of: (message, { method }) =>
      /^resources\/(un)?subscribe$/.test(method) ? { jsonrpc: '2.0', id: 'any', result: {} } : message,
  },
  {
    reason: 'there are no words for a refusal to answer in the modern era: it ends the call',
    of: message => {
      const [answer] = message.result?._meta?.[HEARD]?.answers ?? [];
      return answer?.error ? { jsonrpc: '2.0', id: 'any', error: answer.error } : message;
    },
  },
];
const TO_MODERN: readonly Difference[] = [
  ...MODERN_DIFFERENCES,
  {
    reason: 'a legacy backend is told who the client is when it is connected, and that is the router',
    of: message =>
      heard(message, meta => Object.fromEntries(Object.entries(meta).filter(([key]) => !TOLD_ONCE.has(key)))),
  },
  {
    reason: 'a legacy backend does not say how long a resource holds',
    of: (message, { method, play }) => {
      const isSaid = (play?.result as Params | undefined)?.ttlMs !== undefined;
      return message.result && method === 'resources/read' && !isSaid
        ? { ...message, result: { ...message.result, ttlMs: 0, cacheScope: 'private' } }
        : message;
    },
  },
];
const TOLD_ONCE = new Set([...Object.keys(ENVELOPE), meta('logLevel')]);
