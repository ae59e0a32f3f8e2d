// Clients that others wrote, each by every way in: a router of its own on stdio, and one that runs, at `/mcp` and `/sse`, with its token.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { suite, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  Client,
  type ClientOptions,
  SSEClientTransport,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as SseTransportV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as StdioTransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpTransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { CLI, configFile, startCli, temporaryFolder } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';

const INSPECTOR = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
const CLIENT_INFO = { name: 'interop', version: '1.0.0' };
const CAPABILITIES = { elicitation: {}, sampling: {} };
const TOKEN = 'token-of-the-router';
const FORM_ANSWER = { action: 'accept' as const, content: {} };
const SAMPLE = { model: 'none', role: 'assistant' as const, content: { type: 'text' as const, text: 'sampled' } };

/** How a client gets to the router. */
type Way =
  | { readonly kind: 'stdio'; readonly command: string; readonly args: string[]; readonly env: Record<string, string> }
  | { readonly kind: '/mcp' | '/sse'; readonly url: URL; readonly headers: Record<string, string> };

/** What is asked of every client of an SDK, in words that both lines have. */
interface SdkClient {
  getServerVersion(): { name: string } | undefined;
  listTools(): Promise<{ tools: { name: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<{ messages: unknown[] }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  readResource(params: { uri: string }): Promise<{ contents: object[] }>;
  close(): Promise<void>;
}
type Call = (name: string, args: Record<string, unknown>, onprogress?: (step: object) => void) => Promise<object>;

for (const kind of ['stdio', '/mcp', '/sse'] as const) {
  suite(`By ${kind}, what the backends have, and what they ask, gets to`, () => {
    test('the MCP Inspector', async t => {
      await assertInspects(t, await openWay(t, kind));
    });

    test('a client on the v1 SDK', async t => {
      const client = new ClientV1(CLIENT_INFO, { capabilities: CAPABILITIES });
      client.setRequestHandler(ElicitRequestSchema, () => FORM_ANSWER);
      client.setRequestHandler(CreateMessageRequestSchema, () => SAMPLE);
      t.after(() => client.close());
      // The v1 line is not written for `exactOptionalPropertyTypes`, so its own transport does not match its own interface.
      await client.connect(transportV1(await openWay(t, kind)) as Parameters<typeof client.connect>[0]);
      await assertWorks(client, (name, args, onprogress) =>
        client.callTool({ name, arguments: args }, undefined, onprogress && { onprogress }),
      );
    });

    for (const [title, options] of [
      ['with its default options', {}],
      ['that negotiates the era', { versionNegotiation: { mode: 'auto' } }],
    ] satisfies [string, ClientOptions][])
      test(`a client on the v2 SDK ${title}`, async t => {
        const client = new Client(CLIENT_INFO, { ...options, capabilities: CAPABILITIES });
        client.setRequestHandler('elicitation/create', () => FORM_ANSWER);
        client.setRequestHandler('sampling/createMessage', () => SAMPLE);
        t.after(() => client.close());
        await client.connect(transportV2(await openWay(t, kind)));
        await assertWorks(client, (name, args, onprogress) =>
          client.callTool({ name, arguments: args }, onprogress && { onprogress }),
        );
      });
  });
}

async function openWay(t: TestContext, kind: Way['kind']): Promise<Way> {
  const config = await configFile(t, {
    backends: [
      { name: 'local', ...fixtureCommand('servers/echo.mjs') },
      { name: 'remote', url: await httpFixture(t, 'servers/echo.mjs', '--name', 'far') },
      // Over HTTP, where a question comes on the stream of its call: two calls are in flight when it asks.
      { name: 'asking', url: await httpFixture(t, 'servers/asking.mjs') },
    ],
  });
  const serve = ['serve', '--config', config];
  if (kind === 'stdio') return { kind, command: process.execPath, args: [CLI, ...serve], env: await environmentOf(t) };
  const router = await startCli(t, [...serve, '--port', '0'], { env: { MCP_AUTH_TOKEN: TOKEN } });
  const url = new URL(kind, await router.reports(/(http:\S+)/));
  return { kind, url, headers: { Authorization: `Bearer ${TOKEN}` } };
}

/** Where a program of this test finds neither the configuration nor the kept catalogues of the person who tests. */
async function environmentOf(t: TestContext): Promise<Record<string, string>> {
  const HOME = await temporaryFolder(t);
  const { PATH = '', SWITCHYARD_TEST_FILE = '' } = process.env;
  return { PATH, HOME, USERPROFILE: HOME, SWITCHYARD_TEST_FILE };
}

function transportV1(way: Way) {
  if (way.kind === 'stdio') return new StdioTransportV1({ ...way, stderr: 'ignore' });
  const options = { requestInit: { headers: way.headers } };
  return way.kind === '/mcp' ? new HttpTransportV1(way.url, options) : new SseTransportV1(way.url, options);
}

function transportV2(way: Way) {
  if (way.kind === 'stdio') return new StdioClientTransport({ ...way, stderr: 'ignore' });
  const options = { requestInit: { headers: way.headers } };
  return way.kind === '/mcp'
    ? new StreamableHTTPClientTransport(way.url, options)
    : new SSEClientTransport(way.url, options);
}

async function assertWorks(client: SdkClient, call: Call): Promise<void> {
  assert.equal(client.getServerVersion()?.name, 'switchyard');
  await eventually('the tools of all backends', async () => isOffered(await client.listTools()));
  for (const name of ['local__add', 'remote__add'])
    assert.partialDeepStrictEqual(await call(name, { a: 2, b: 40 }), { structuredContent: { sum: 42 } });

  const { prompts } = await client.listPrompts();
  assert.deepEqual(
    prompts.map(({ name }) => name),
    ['local__greet', 'remote__greet'],
  );
  const { messages } = await client.getPrompt({ name: 'remote__greet', arguments: { who: 'Ada' } });
  assert.deepEqual(messages, [{ role: 'user', content: { type: 'text', text: 'Greet Ada' } }]);

  const { resources } = await client.listResources();
  assert.deepEqual(
    resources.map(({ uri }) => uri),
    ['echo://readme', 'far://readme'],
  );
  const { contents } = await client.readResource({ uri: 'far://readme' });
  assert.partialDeepStrictEqual(contents, [{ uri: 'far://readme', text: 'Content of far://readme' }]);

  for (const [what, answer] of [
    ['form', FORM_ANSWER],
    ['sampling', SAMPLE],
  ] as const) {
    // It reports progress, and asks when it is let: so the progress cannot come together with the result, where the SDKs drop it.
    let asked: Promise<object> | undefined;
    const step = await new Promise<object>((resolve, reject) => {
      asked = call('asking__ask', { what, label: what }, resolve);
      asked.catch(reject);
    });
    assert.deepEqual(step, { progress: 0 });
    await call('asking__go', { label: what });
    assert.partialDeepStrictEqual(await asked, { structuredContent: { answer } });
  }
}

/** The Inspector makes a connection for each command, and answers no questions. */
async function assertInspects(t: TestContext, way: Way): Promise<void> {
  const env = await environmentOf(t);
  const target =
    way.kind === 'stdio'
      ? [way.command, ...way.args, '--']
      : [
          way.url.href,
          '--transport',
          way.kind === '/mcp' ? 'http' : 'sse',
          '--header',
          `Authorization: Bearer ${TOKEN}`,
        ];
  const inspect = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [INSPECTOR, '--cli', ...target, ...args], { env });
    return JSON.parse(stdout);
  };

  await eventually('the tools of all backends', async () => isOffered(await inspect('--method', 'tools/list')), 60_000);
  for (const name of ['local__add', 'remote__add']) {
    const result = await inspect('--method', 'tools/call', '--tool-name', name, '--tool-arg', 'a=2', 'b=40');
    assert.deepEqual(result.structuredContent, { sum: 42 });
  }
  const prompt = ['--prompt-name', 'remote__greet', '--prompt-args', 'who=Ada'];
  assert.equal((await inspect('--method', 'prompts/get', ...prompt)).messages[0].content.text, 'Greet Ada');
  const { contents } = await inspect('--method', 'resources/read', '--uri', 'far://readme');
  assert.equal(contents[0].text, 'Content of far://readme');
}

function isOffered({ tools }: { tools: { name: string }[] }): boolean {
  const names = tools.map(tool => tool.name);
  return ['local__echo', 'local__add', 'remote__echo', 'remote__add', 'asking__ask'].every(name =>
    names.includes(name),
  );
}
