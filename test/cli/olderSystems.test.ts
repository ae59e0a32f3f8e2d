// What people did with the two older systems, done here: their files, commands, variables, URLs and clients, unchanged. Where
// they said something in so many bytes, those are what is compared.
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { CLI, freePort, startCli, temporaryFolder } from './program.ts';

const CLIENT = { name: 'older-client', version: '1.0.0' };
const everyday = (name: string) => fixtureCommand('servers/everyday.mjs', name);
const MCP_JSON = { mcpServers: { weather: everyday('weather'), calculator: everyday('calculator') } };

suite('An mcp.json, as multi-mcp ran it', () => {
  test('is served on stdio, and its tools answer to their older names', async t => {
    const folder = await folderWith(t, { 'mcp.json': MCP_JSON });
    const client = new Client(CLIENT);
    t.after(() => client.close());
    const args = [CLI, 'serve', '--transport', 'stdio', '--config', './mcp.json', '--log-level', 'INFO'];
    await client.connect(new StdioClientTransport({ command: process.execPath, args, cwd: folder, stderr: 'ignore' }));
    await whenListed(client, 'weather__get_forecast', 'calculator__add');
    assert.equal(await textOf(client, 'calculator::add', { a: 10, b: 5 }), '15');
    assert.equal(await textOf(client, 'weather::get_forecast', { city: 'Oslo' }), 'Oslo: sunny, 21 °C');
  });

  test('is served over SSE: list, add unit_converter, list its tools, call one, delete it, 404 for it', async t => {
    const folder = await folderWith(t, { 'mcp.json': MCP_JSON });
    const router = await startCli(t, ['serve', '--transport', 'sse', '--port', '0'], { cwd: folder });
    const sse = new URL(await router.reports(/(http:\S+\/sse)$/m));
    const ask = async (method: string, at: string, body?: unknown) => {
      const headers = { 'content-type': 'application/json' };
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await fetch(new URL(at, sse), init);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    /** The members that the older system had; ours stand beside them. */
    const older = async (method: string, at: string, body?: unknown) => {
      const answer = await ask(method, at, body);
      const OLDER = ['active_servers', 'message', 'error', 'tools'];
      const known = Object.fromEntries(Object.entries(answer.body).filter(([name]) => OLDER.includes(name)));
      return `${answer.status} ${JSON.stringify(known)}`;
    };
    const tools = { weather: ['get_forecast'], calculator: ['add'] };
    await eventually(
      'both backends',
      async () => (await older('GET', '/mcp_tools')) === `200 ${JSON.stringify({ tools })}`,
    );

    assert.equal(await older('GET', '/mcp_servers'), '200 {"active_servers":["weather","calculator"]}');
    assert.equal(
      await older('POST', '/mcp_servers', { mcpServers: { unit_converter: everyday('unit_converter') } }),
      `200 {"message":"Added ['unit_converter']"}`,
    );
    assert.equal(
      await older('GET', '/mcp_servers'),
      '200 {"active_servers":["weather","calculator","unit_converter"]}',
    );
    assert.equal(
      await older('GET', '/mcp_tools'),
      '200 {"tools":{"weather":["get_forecast"],"calculator":["add"],"unit_converter":["celsius_to_fahrenheit"]}}',
    );

    const client = new ClientV1(CLIENT);
    t.after(() => client.close());
    await client.connect(new SSEClientTransport(sse));
    const call = { name: 'unit_converter::celsius_to_fahrenheit', arguments: { celsius: 100 } };
    assert.deepEqual((await client.callTool(call)).content, [{ type: 'text', text: '212' }]);

    assert.equal(
      await older('DELETE', '/mcp_servers/unit_converter'),
      `200 {"message":"Client 'unit_converter' removed successfully"}`,
    );
    assert.equal(
      await older('DELETE', '/mcp_servers/unit_converter'),
      `404 {"error":"No client named 'unit_converter'"}`,
    );
    assert.equal(await older('GET', '/mcp_servers'), '200 {"active_servers":["weather","calculator"]}');
    assert.equal(await older('POST', '/mcp_servers', {}), `400 {"error":"Missing 'mcpServers' in payload"}`);
    assert.equal(await older('POST', '/mcp_servers', { mcpServers: {} }), '500 {"error":"No clients were created"}');
    assert.equal(await older('DELETE', '/mcp_servers/'), '400 {"error":"Missing client name in path"}');
    assert.equal(await older('PUT', '/mcp_servers'), '405 {"error":"Unsupported method: PUT"}');
    await client.close();
    router.child.kill('SIGTERM');
    assert.equal((await router.finished).exitCode, 0);
  });

  test('a server that fails has its error in place of its tools', async t => {
    const broken = { ...everyday('weather'), args: ['-e', 'process.exit(3)'] };
    const folder = await folderWith(t, { 'mcp.json': { mcpServers: { ...MCP_JSON.mcpServers, broken } } });
    const router = await startCli(t, ['serve', '--transport', 'sse', '--port', '0'], { cwd: folder });
    const sse = await router.reports(/(http:\S+\/sse)$/m);
    const tools = await eventually('the error and the others', async () => {
      const told = (await (await fetch(new URL('/mcp_tools', sse))).json()) as { tools: Record<string, unknown> };
      return Object.values(told.tools).every(each => String(each) !== '') && told.tools;
    });
    assert.deepEqual([tools.weather, tools.calculator], [['get_forecast'], ['add']]);
    assert.match(String(tools.broken), /^❌ Error: .*exited with code 3/);
  });
});

suite('A backends.yaml and its environment, as mcp-router ran them', () => {
  const ECHO = { name: 'echo', namespace: 'echo', ...fixtureCommand('servers/echo.mjs') };

  test('MCP_BACKENDS_CONFIG, MCP_HOST, MCP_PORT and MCP_SERVER_NAME: the file, the address and the name', async t => {
    const folder = await folderWith(t, { 'elsewhere/file.yaml': { backends: [ECHO] } });
    const port = await freePort();
    const env = {
      MCP_BACKENDS_CONFIG: 'elsewhere/file.yaml',
      MCP_HOST: '127.0.0.2',
      MCP_PORT: String(port),
      MCP_SERVER_NAME: 'my-router',
    };
    const router = await startCli(t, ['serve'], { cwd: folder, env });
    assert.equal(await router.reports(/(http:\S+)/), `http://127.0.0.2:${port}/mcp`);
    const client = await connected(t, `http://127.0.0.2:${port}/mcp`);
    assert.equal(client.getServerVersion()?.name, 'my-router');
    await whenListed(client, 'echo__echo');
    assert.equal(await textOf(client, 'echo.echo', { text: 'by its older name' }), 'by its older name');
  });

  for (const env of [{}, { MCP_PORT: '0' }])
    test(`${JSON.stringify(env)} is stdio`, async t => {
      const folder = await folderWith(t, { 'config/backends.yaml': { backends: [ECHO] } });
      const router = await startCli(t, ['serve'], { cwd: folder, env });
      assert.match(await router.reports(/(Serving .*)/), /on stdio$/);
      router.child.stdin.end();
      assert.equal((await router.finished).exitCode, 0);
    });

  test('MCP_AUTH_TOKEN: nobody else comes in', async t => {
    const { url } = await served(t, [ECHO], { MCP_AUTH_TOKEN: 'secret' });
    await assert.rejects(connected(t, url));
    await connected(t, url, 'secret');
  });

  test('MCP_ENABLE_NAMESPACES: bare names', async t => {
    const { client } = await served(t, [ECHO], { MCP_ENABLE_NAMESPACES: 'False' });
    await whenListed(client(), 'echo', 'add');
  });

  test('MCP_DEFAULT_STRATEGY: the strategy of a backend without routes', async t => {
    const strategyWith = async (env: Record<string, string>) => {
      const { client } = await served(t, [ECHO], env);
      await whenListed(client(), 'echo__echo');
      const told = await jsonOf(client(), 'explain_route', { tool_name: 'echo__echo' });
      return (told as { candidates: { strategy: string }[] }).candidates.map(({ strategy }) => strategy);
    };
    assert.deepEqual(await strategyWith({}), ['capability']);
    assert.deepEqual(await strategyWith({ MCP_DEFAULT_STRATEGY: 'path' }), ['path']);
  });

  test('MCP_CACHE_TTL: how old a list may be', async t => {
    const { backend, notes } = await counted(t);
    const lists = async () => (await notes()).filter(note => note.startsWith('tools/list')).length;
    await served(t, [backend], { MCP_CACHE_TTL: '1' });
    await eventually('the list to be read again, and again', async () => (await lists()) >= 3);
  });

  test('MCP_REQUEST_TIMEOUT: how long a call may be silent', async t => {
    const faulty = { name: 'faulty', ...fixtureCommand('servers/faulty.mjs') };
    const { client } = await served(t, [faulty], { MCP_REQUEST_TIMEOUT: '1', MCP_MAX_RETRIES: '1' });
    await whenListed(client(), 'faulty__hang');
    assert.match(await textOf(client(), 'faulty__hang', {}), /no answer for 1 s/);
  });

  test('MCP_MAX_RETRIES, MCP_RETRY_BACKOFF and MCP_MAX_BACKOFF: attempts in all, and the waits between them', async t => {
    const url = await httpFixture(t, 'servers/faulty.mjs');
    const waitsWith = async (env: Record<string, string>) => {
      const { client } = await served(t, [{ name: 'faulty', url, circuit_breaker: { failure_threshold: 99 } }], env);
      await whenListed(client(), 'faulty__http_500');
      await textOf(client(), 'faulty__http_500', {});
      const [call] = (await jsonOf(client(), 'recent_calls', { limit: 1 })) as {
        attempts: { at: string; ms: number }[];
      }[];
      const attempts = call?.attempts ?? [];
      return attempts.slice(1).map(({ at }, index) => {
        const before = attempts[index];
        return Date.parse(at) - Date.parse(before?.at ?? '') - (before?.ms ?? 0);
      });
    };
    const [, capped = 0, ...more] = await waitsWith({
      MCP_MAX_RETRIES: '3',
      MCP_RETRY_BACKOFF: '20',
      MCP_MAX_BACKOFF: '0.2',
    });
    assert.deepEqual(more, []);
    assert.ok(capped >= 150 && capped < 5000, `0.2 s and not 10: ${capped} ms`);
    const [first = 0, second = 0] = await waitsWith({ MCP_MAX_RETRIES: '3', MCP_RETRY_BACKOFF: '1' });
    assert.ok(first >= 790 && second >= 790, `at least 1 s each, less 20 %: ${first} and ${second} ms`);
    const [, doubled = 0] = await waitsWith({ MCP_MAX_RETRIES: '3', MCP_RETRY_BACKOFF: '2' });
    assert.ok(doubled >= 1590, `twice the first: ${doubled} ms`);
  });

  test('MCP_HEALTH_CHECK_INTERVAL: how often an idle backend is asked how it is', async t => {
    const { backend, notes } = await counted(t);
    await served(t, [backend], { MCP_HEALTH_CHECK_INTERVAL: '1' });
    await eventually('two checks', async () => (await notes()).filter(note => note.startsWith('ping')).length >= 2);
  });

  test('MCP_HEALTH_CHECK_TIMEOUT: how long it may take to answer', async t => {
    // Stopped, it takes what comes and says nothing.
    const env = { MCP_HEALTH_CHECK_INTERVAL: '1', MCP_HEALTH_CHECK_TIMEOUT: '1' };
    const { router, client } = await served(t, [{ ...ECHO, circuit_breaker: { failure_threshold: 1 } }], env);
    await whenListed(client(), 'echo__pid');
    const pid = Number(await textOf(client(), 'echo__pid', {}));
    process.kill(pid, 'SIGSTOP');
    t.after(() => router.child.kill('SIGKILL'));
    const health = await eventually('a failed check', async () => {
      const told = (await jsonOf(client(), 'get_backend_health', { backend_name: 'echo' })) as Record<string, unknown>;
      return told.circuit_state === 'OPEN' && told;
    });
    process.kill(pid, 'SIGCONT');
    assert.match(String(health.last_error), /1 s/);
  });

  test('a variable that cannot be read is named', async t => {
    const folder = await folderWith(t, { 'backends.yaml': { backends: [ECHO] } });
    const router = await startCli(t, ['serve'], { cwd: folder, env: { MCP_ENABLE_NAMESPACES: 'perhaps' } });
    const { exitCode, stderr } = await router.finished;
    assert.equal(exitCode, 2);
    assert.match(stderr, /MCP_ENABLE_NAMESPACES/);
  });
});

/** A router on a free port, and a client of it. */
async function served(t: TestContext, backends: readonly unknown[], env: Readonly<Record<string, string>>) {
  const folder = await folderWith(t, { 'backends.yaml': { backends } });
  const router = await startCli(t, ['serve', '--port', '0'], { cwd: folder, env });
  const url = await router.reports(/(http:\S+)/);
  const client = env.MCP_AUTH_TOKEN === undefined ? await connected(t, url) : undefined;
  return {
    router,
    url,
    client: () => {
      assert.ok(client);
      return client;
    },
  };
}

/** A backend that notes what it is asked. */
async function counted(t: TestContext) {
  const ledger = path.join(await temporaryFolder(t), 'ledger');
  const backend = { name: 'counted', ...fixtureCommand('servers/counted.mjs', ledger, './echo.mjs') };
  return { backend, notes: async () => (await readFile(ledger, 'utf8').catch(() => '')).split('\n') };
}

async function folderWith(t: TestContext, files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), JSON.stringify(content, undefined, 2));
  }
  return folder;
}

async function connected(t: TestContext, url: string, token?: string): Promise<Client> {
  const client = new Client(CLIENT);
  t.after(() => client.close());
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

async function whenListed(client: Client, ...names: string[]): Promise<void> {
  await eventually(`${names} to be listed`, async () => {
    const listed = (await client.listTools()).tools.map(({ name }) => name);
    return names.every(name => listed.includes(name));
  });
}

async function textOf(client: Client, name: string, args: Record<string, unknown>): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  const [first] = content as { text: string }[];
  return first?.text ?? '';
}

async function jsonOf(client: Client, name: string, args: Record<string, unknown>): Promise<unknown> {
  return JSON.parse(await textOf(client, name, args));
}
