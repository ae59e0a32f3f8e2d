// Clients of both SDK lines over HTTP+SSE: whatever a session has comes on the one stream.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { Client, SSEClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const CLIENT_INFO = { name: 'interop', version: '1.0.0' };
const CAPABILITIES = { elicitation: {} };
/** Theirs, before they open a stream again that has ended. */
const RECONNECT_MS = 20_000;

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { readonly progress: number }) => void;
}

/** What the two lines have in common, once they are connected. */
interface Connected {
  readonly serverName: string | undefined;
  /** What the user was asked, each answered with `accept`. */
  readonly asked: readonly string[];
  /** How often the list of tools was said to have changed. */
  readonly changes: () => number;
  toolNames(): Promise<string[]>;
  callTool(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<object>;
  close(): Promise<void>;
}

type Connect = (url: URL, requestInit: RequestInit) => Promise<Connected>;

async function connectV1(url: URL, requestInit: RequestInit): Promise<Connected> {
  const client = new ClientV1(CLIENT_INFO, { capabilities: CAPABILITIES });
  const asked: string[] = [];
  let changes = 0;
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return { action: 'accept' as const, content: {} };
  });
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    changes += 1;
  });
  await client.connect(new TransportV1(url, { requestInit }));
  return {
    serverName: client.getServerVersion()?.name,
    asked,
    changes: () => changes,
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: (name, args, options) => client.callTool({ name, arguments: args }, undefined, options),
    close: () => client.close(),
  };
}

async function connectV2(url: URL, requestInit: RequestInit, mode: 'legacy' | 'auto'): Promise<Connected> {
  const client = new Client(CLIENT_INFO, { capabilities: CAPABILITIES, versionNegotiation: { mode } });
  const asked: string[] = [];
  let changes = 0;
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.message);
    return { action: 'accept' as const, content: {} };
  });
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    changes += 1;
  });
  await client.connect(new SSEClientTransport(url, { requestInit }));
  return {
    serverName: client.getServerVersion()?.name,
    asked,
    changes: () => changes,
    toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: (name, args, options) => client.callTool({ name, arguments: args }, options),
    close: () => client.close(),
  };
}

const CLIENTS: readonly (readonly [string, Connect])[] = [
  ['on the v1 SDK', connectV1],
  ['on the v2 SDK', (url, init) => connectV2(url, init, 'legacy')],
  ['on the v2 SDK that negotiates the era', (url, init) => connectV2(url, init, 'auto')],
];

for (const [title, connect] of CLIENTS) {
  suite(`a client ${title}, over /sse`, () => {
    test('lists and calls, with progress', async t => {
      const { client } = await connected(t, connect, 'echo');
      assert.equal(client.serverName, 'switchyard');
      assert.ok((await client.toolNames()).includes('echo__slow'));
      const seen: number[] = [];
      const args = { label: 'a', steps: 3, stepMs: 100 };
      const result = await client.callTool('echo__slow', args, { onprogress: ({ progress }) => seen.push(progress) });
      assert.deepEqual(result, { content: [{ type: 'text', text: 'a done' }] });
      // Of what comes in one chunk with the answer, the SDK drops the progress.
      assert.ok(seen.length > 0);
      assert.deepEqual(seen, [1, 2, 3].slice(0, seen.length));
    });

    test('cancels a call at the backend', async t => {
      const { client } = await connected(t, connect, 'echo');
      const abort = new AbortController();
      const options = { signal: abort.signal, onprogress: () => abort.abort('enough') };
      await assert.rejects(client.callTool('echo__slow', { label: 'b', steps: 600, stepMs: 50 }, options));
      await eventually('the cancellation to arrive', async () =>
        JSON.stringify(await client.callTool('echo__cancelled', {})).includes('b'),
      );
    });

    test('is asked by a backend during a call', async t => {
      const { client } = await connected(t, connect, 'asking');
      const result = await client.callTool('asking__ask', { what: 'form', label: 'Which?', waits: false });
      assert.partialDeepStrictEqual(result, { structuredContent: { answer: { action: 'accept' } } });
      assert.deepEqual(client.asked, ['asking: Which?']);
    });

    test('is told of new tools', async t => {
      const { client } = await connected(t, connect, 'changing', 'changingTools');
      assert.deepEqual((await client.toolNames()).filter(isGrown), []);
      await client.callTool('changing__grow', { count: 1 });
      await eventually('the news', () => client.changes() > 0);
      await eventually('the new tool', async () => (await client.toolNames()).some(isGrown));
    });

    test('finds its way back when the listener was gone for a while', async t => {
      const { client, router } = await connected(t, connect, 'echo');
      const { port } = router.listener;
      await router.listener.close();
      const tokens = [{ role: 'admin', value: router.token } as const];
      const again = await router.gateway.listenHttp({ clients: 'any', host: '127.0.0.1', port, tokens });
      await eventually('its new stream', () => again.sessionCount === 1, RECONNECT_MS);
      // It may not have read yet where to POST now.
      const call = () => client.callTool('echo__add', { a: 2, b: 40 }).catch(() => undefined);
      assert.partialDeepStrictEqual(await eventually('a call', call), { structuredContent: { sum: 42 } });
    });
  });
}

test('a session ends when its client closes', async t => {
  const { client, router } = await connected(t, connectV1, 'echo');
  assert.equal(router.listener.sessionCount, 1);
  await client.close();
  await eventually('the end of the session', () => router.listener.sessionCount === 0);
});

/** A client of a router before one backend, which is ready. */
async function connected(
  t: TestContext,
  connect: Connect,
  name: string,
  fixture = name,
): Promise<{ client: Connected; router: TestGateway }> {
  const router = await startGateway(t, {
    backends: [{ name, ...fixtureCommand(`servers/${fixture}.mjs`) }],
  });
  await router.gateway.whenSettled();
  const client = await connect(new URL('/sse', router.url), { headers: router.headers });
  t.after(() => client.close());
  return { client, router };
}

function isGrown(name: string): boolean {
  return name.includes('grown');
}
