// Clients that others wrote: each lists and calls, with the token that the listener asks for.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const INSPECTOR = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
const CLIENT_INFO = { name: 'interop', version: '1.0.0' };

for (const [door, transport] of [
  ['/mcp', 'http'],
  ['/sse', 'sse'],
] as const) {
  test(`the MCP Inspector lists and calls through ${door}`, async t => {
    const { url, token } = await twoBackends(t);
    const home = await mkdtemp(path.join(tmpdir(), 'switchyard-inspector-'));
    t.after(() => rm(home, { recursive: true }));
    const inspect = async (...args: string[]) => {
      const to = [new URL(door, url).href, '--transport', transport, '--header', `Authorization: Bearer ${token}`];
      const env = { ...process.env, HOME: home, USERPROFILE: home };
      const { stdout } = await promisify(execFile)(process.execPath, [INSPECTOR, '--cli', ...to, ...args], { env });
      return JSON.parse(stdout);
    };

    assertOffered(await inspect('--method', 'tools/list'));
    for (const name of ['local__add', 'remote__add']) {
      const result = await inspect('--method', 'tools/call', '--tool-name', name, '--tool-arg', 'a=2', 'b=40');
      assert.deepEqual(result.structuredContent, { sum: 42 });
    }
  });
}

test('a client on the v1 SDK lists and calls through /mcp', async t => {
  const { url, headers } = await twoBackends(t);
  const client = new ClientV1(CLIENT_INFO);
  t.after(() => client.close());
  // The v1 line is not written for `exactOptionalPropertyTypes`, so its own transport does not match its own interface.
  type Transport = Parameters<typeof client.connect>[0];
  await client.connect(new TransportV1(new URL(url), { requestInit: { headers } }) as Transport);
  await assertListsAndCalls(client);
});

for (const [name, options] of [
  ['with its default options', {}],
  ['that negotiates the era', { versionNegotiation: { mode: 'auto' } }],
] satisfies [string, ClientOptions][]) {
  test(`a client on the v2 SDK ${name} lists and calls through /mcp`, async t => {
    const { url, headers } = await twoBackends(t);
    const client = new Client(CLIENT_INFO, options);
    t.after(() => client.close());
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    await assertListsAndCalls(client);
  });
}

async function twoBackends(t: TestContext): Promise<TestGateway> {
  const gateway = await startGateway(t, {
    backends: [
      { name: 'local', ...fixtureCommand('servers/echo.mjs') },
      { name: 'remote', url: await httpFixture(t, 'servers/echo.mjs') },
    ],
  });
  await gateway.gateway.whenSettled();
  return gateway;
}

/** What the two SDK lines have in common. */
interface SdkClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<object>;
  getServerVersion(): { name: string } | undefined;
}

async function assertListsAndCalls(client: SdkClient): Promise<void> {
  assert.equal(client.getServerVersion()?.name, 'switchyard');
  assertOffered(await client.listTools());
  const { prompts } = await client.listPrompts();
  assert.deepEqual(
    prompts.map(prompt => prompt.name),
    ['local__greet', 'remote__greet'],
  );
  for (const name of ['local__add', 'remote__add']) {
    const result = await client.callTool({ name, arguments: { a: 2, b: 40 } });
    assert.partialDeepStrictEqual(result, { structuredContent: { sum: 42 } });
  }
}

function assertOffered({ tools }: { tools: { name: string }[] }): void {
  const names = tools.map(tool => tool.name);
  for (const expected of ['local__echo', 'local__add', 'remote__echo', 'remote__add']) {
    assert.ok(names.includes(expected), `${expected} is among ${names.join(', ')}`);
  }
}
