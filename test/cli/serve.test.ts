// `serve` as a program: who may come in, and how it ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as openConnection } from 'node:net';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { deferred } from '../../src/core/base/async.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import {
  CLI,
  configFile,
  freePort,
  NODES,
  needsOldestNode,
  type Program,
  runCli,
  startCli,
  temporaryFolder,
} from './program.ts';

const ECHO = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
const STUBBORN = { name: 'stubborn', ...fixtureCommand('servers/hanging.mjs', '--stubborn') };
const CLIENT_INFO = { name: 'test', version: '1.0.0' };

test('there is the oldest Node that is supported', needsOldestNode);

for (const { node, title } of NODES) {
  suite(`switchyard serve ${title}`, () => {
    test('serves a client on stdio and ends when it closes', async t => {
      const file = await configFile(t, { backends: [ECHO] });
      const client = new Client(CLIENT_INFO);
      t.after(() => client.close());
      await client.connect(
        new StdioClientTransport({ command: node, args: [CLI, 'serve', '--config', file], stderr: 'ignore' }),
      );
      assert.equal(client.getServerVersion()?.name, 'switchyard');
      assert.deepEqual(await callEcho(client), [{ type: 'text', text: 'hello' }]);
    });

    test('serves clients on HTTP until SIGTERM', async t => {
      const file = await configFile(t, { backends: [ECHO] });
      const router = await startCli(t, ['serve', '--config', file, '--port', '0'], { node });
      const client = await connect(t, await addressOf(router));
      assert.deepEqual(await callEcho(client), [{ type: 'text', text: 'hello' }]);
      const pids = await router.reachDescendants(1);
      router.child.kill('SIGTERM');
      const { exitCode, stdout } = await router.finished;
      assert.deepEqual([exitCode, stdout], [0, '']);
      await router.assertGone(pids);
    });
  });
}

suite('switchyard serve on stdio', () => {
  test('writes the protocol to stdout and nothing else', async t => {
    const file = await configFile(t, { backends: [ECHO, { ...ECHO, name: 'broken', command: 'no-such-command' }] });
    const program = await startCli(t, ['serve', '--config', file, '--log-level', 'debug']);
    const clientInfo = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT_INFO };
    program.child.stdin.write(
      `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: clientInfo })}\n`,
    );
    await eventually('an answer', () => program.stdout.includes('\n'));
    await program.reports(/(no-such-command)/);
    program.child.stdin.end();
    const { exitCode, stdout } = await program.finished;
    assert.equal(exitCode, 0);
    for (const line of stdout.trimEnd().split('\n')) assert.equal(JSON.parse(line).jsonrpc, '2.0');
  });

  test('answers all that a script asks before it says no more', async t => {
    const file = await configFile(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
    const program = await startCli(t, ['serve', '--config', file]);
    const clientInfo = { name: 'script', version: '1' };
    const messages = [
      { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/list' },
      { id: 3, method: 'tools/call', params: { name: 'echo__echo', arguments: { text: 'hello' } } },
    ];
    program.child.stdin.end(messages.map(message => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
    const { exitCode, stdout } = await program.finished;
    const answers = stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]));
    assert.equal(exitCode, 0);
    assert.equal(answers.find(({ id }) => id === 3)?.result.content[0].text, 'hello');
    assert.deepEqual(
      answers
        .map(({ id }) => id)
        .filter(Boolean)
        .sort(),
      [1, 2, 3],
    );
  });

  test('refuses what is asked while it stops, and says why', async t => {
    const file = await configFile(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
    const program = await startCli(t, ['serve', '--config', file]);
    const send = (message: object) => program.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    const clientInfo = { name: 'client', version: '1' };
    send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
    send({ method: 'notifications/initialized' });
    const slow = { name: 'echo__slow', arguments: { label: 'a', steps: 10, stepMs: 200 }, _meta: { progressToken: 1 } };
    send({ id: 2, method: 'tools/call', params: slow });
    await eventually('its first step', () => program.stdout.includes('notifications/progress'));
    program.child.kill('SIGTERM');
    await program.reports(/(Stopping)/);
    send({ id: 3, method: 'tools/call', params: { name: 'echo__echo', arguments: { text: 'late' } } });
    const { exitCode, stdout } = await program.finished;
    assert.equal(exitCode, 0);
    const answers = stdout.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]));
    assert.equal(answers.find(({ id }) => id === 2)?.result.content[0].text, 'a done');
    assert.match(answers.find(({ id }) => id === 3)?.error.message, /^The router is stopping/);
  });

  test('ends when its client no longer reads', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const program = await startCli(t, ['serve', '--config', file]);
    const pids = await program.reachDescendants(1);
    program.child.stdout.destroy();
    program.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`);
    assert.deepEqual(await once(program.child, 'exit'), [0, null]);
    await program.assertGone(pids);
  });

  test('ends on SIGTERM with the client still there', async t => {
    const file = await configFile(t, { backends: [STUBBORN] });
    const program = await startCli(t, ['serve', '--config', file]);
    const pids = await program.reachDescendants(2);
    program.child.kill('SIGTERM');
    assert.equal((await program.finished).exitCode, 0);
    await program.assertGone(pids);
  });

  for (const option of ['--no-auth', '--allow-host=a'])
    test(`refuses ${option}, which is for HTTP`, async t => {
      const file = await configFile(t, { backends: [] });
      const { exitCode, stderr } = await runCli(t, ['serve', '--config', file, option]);
      assert.equal(exitCode, 2);
      assert.match(stderr, /add --transport http/);
    });
});

suite('switchyard serve on HTTP', () => {
  test('takes an address on stdio too, as the older system did, and says that it means nothing there', async t => {
    const file = await configFile(t, { backends: [] });
    const router = await startCli(t, ['serve', '--transport', 'stdio', '--host', 'h', '--port', '1', '--config', file]);
    await router.reports(/(--host and --port mean nothing on stdio)/);
    router.child.stdin.end();
    assert.equal((await router.finished).exitCode, 0);
  });

  test('keeps its own tokens from the backends', async t => {
    const env = { MCP_AUTH_TOKEN: 'a-token-of-the-router', MCP_READ_TOKEN: 'another', OTHER: 'theirs' };
    const file = await configFile(t, { backends: [ECHO] });
    const router = await startCli(t, ['serve', '--config', file, '--port', '0'], { env });
    const client = await connect(t, await addressOf(router), env.MCP_AUTH_TOKEN);
    const seen = async (name: string) =>
      (await client.callTool({ name: 'echo__env', arguments: { name } })).content as { text: string }[];
    await eventually('the tools', async () =>
      (await client.listTools()).tools.some(({ name }) => name === 'echo__env'),
    );
    const texts = await Promise.all(Object.keys(env).map(async name => (await seen(name))[0]?.text));
    assert.deepEqual(texts, ['', '', 'theirs']);
  });

  for (const line of ['read', 'admin', 'read  '])
    test(`takes no "${line}" without a token for a token`, async t => {
      const tokens = path.join(await temporaryFolder(t), 'tokens');
      await writeFile(tokens, `admin a-token-of-the-router\n${line}\n`);
      const file = await configFile(t, { backends: [] });
      const args = ['serve', '--config', file, '--port', '0', '--auth-token-file', tokens];
      const { exitCode, stderr } = await runCli(t, args);
      assert.equal(exitCode, 2);
      assert.match(stderr, /tokens:2: a line is one token/);
    });

  test('warns of a token that can be guessed', async t => {
    const file = await configFile(t, { backends: [] });
    const router = await startCli(t, ['serve', '--config', file, '--port', '0'], { env: { MCP_AUTH_TOKEN: 'short' } });
    await router.reports(/(fewer than 16 characters)/);
  });

  for (const [what, begin] of [
    ['a client that keeps its end open after CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n'],
    ['a client that has not said a word', ''],
  ] as const)
    test(`ends though there is ${what}`, async t => {
      const file = await configFile(t, { backends: [] });
      const router = await startCli(t, ['serve', '--config', file, '--port', '0']);
      const { port } = new URL(await addressOf(router));
      const socket = openConnection({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
      t.after(() => socket.destroy());
      socket.on('error', () => {}).resume();
      await once(socket, 'connect');
      if (begin !== '') {
        socket.write(begin);
        await once(socket, 'end');
      }
      const started = performance.now();
      router.child.kill('SIGTERM');
      assert.equal((await router.finished).exitCode, 0);
      assert.ok(performance.now() - started < 9000);
    });

  test('is what MCP_PORT asks for, and a flag overrides it', async t => {
    const file = await configFile(t, { backends: [] });
    const env = { MCP_PORT: String(await freePort()), MCP_BACKENDS_CONFIG: file, MCP_SERVER_NAME: 'mine' };
    const router = await startCli(t, ['serve'], { env });
    const client = await connect(t, await addressOf(router));
    assert.equal(client.getServerVersion()?.name, 'mine');
    const stdio = await startCli(t, ['serve', '--transport', 'stdio'], { env });
    await stdio.reports(/(on stdio)/);
    stdio.child.stdin.end();
    assert.equal((await stdio.finished).exitCode, 0);
  });

  test('says where clients of --transport sse connect, and serves them there and at /mcp', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const router = await startCli(t, ['serve', '--config', file, '--transport', 'sse', '--port', '0']);
    const url = new URL(await addressOf(router));
    assert.equal(url.pathname, '/sse');
    const client = new Client(CLIENT_INFO);
    t.after(() => client.close());
    await client.connect(new SSEClientTransport(url));
    assert.deepEqual(await callEcho(client), [{ type: 'text', text: 'hello' }]);
    assert.deepEqual(await callEcho(await connect(t, new URL('/mcp', url).href)), [{ type: 'text', text: 'hello' }]);
    const slow = { name: 'echo__slow', arguments: { label: 'a', steps: 2, stepMs: 400 } };
    const isRunning = deferred();
    const call = client.callTool(slow, { onprogress: () => isRunning.resolve() });
    await isRunning.promise;
    router.child.kill('SIGTERM');
    assert.deepEqual((await call).content, [{ type: 'text', text: 'a done' }]);
    assert.equal((await router.finished).exitCode, 0);
  });

  test('asks for the token of the file', async t => {
    const file = await configFile(t, { backends: [] });
    const tokenFile = path.join(await temporaryFolder(t), 'token');
    await writeFile(tokenFile, 'from-file\n');
    const router = await startCli(t, ['serve', '--config', file, '--port', '0', '--auth-token-file', tokenFile], {
      env: { MCP_AUTH_TOKEN: 'from-variable' },
    });
    const url = await addressOf(router);
    const statusWith = async (token: string) =>
      (await fetch(url, { method: 'POST', body: '{}', headers: headersWith(token) })).status;
    assert.deepEqual([await statusWith('from-variable'), await statusWith('from-file')], [401, 400]);
    await connect(t, url, 'from-file');
  });

  test('refuses an address that others can reach, unless there is a token or --no-auth', async t => {
    const file = await configFile(t, { backends: [] });
    const serve = ['serve', '--config', file, '--port', '0', '--host', '0.0.0.0'];
    const { exitCode, stderr } = await runCli(t, serve);
    assert.equal(exitCode, 2);
    assert.match(stderr, /0\.0\.0\.0.*--auth-token-file.*MCP_AUTH_TOKEN.*--no-auth/s);
  });

  test('says which token file cannot be used', async t => {
    const file = await configFile(t, { backends: [] });
    const folder = await temporaryFolder(t);
    await writeFile(path.join(folder, 'empty'), '\n');
    for (const [name, message] of [
      ['nowhere', /token file cannot be read: .*nowhere/],
      ['empty', /token file .*empty is empty/],
    ] as const) {
      const serve = ['serve', '--config', file, '--port', '0', '--auth-token-file', path.join(folder, name)];
      const { exitCode, stderr } = await runCli(t, serve);
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
    }
  });

  test('is 1 when the port is taken', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const first = await startCli(t, ['serve', '--config', file, '--port', '0']);
    const { port } = new URL(await addressOf(first));
    const { exitCode, stderr } = await runCli(t, ['serve', '--config', file, '--port', port]);
    assert.equal(exitCode, 1);
    assert.ok(stderr.includes(`127.0.0.1:${port}`), stderr);
  });

  test('is 2 for a broken configuration, and serves the rest of one with a broken backend', async t => {
    const broken = await runCli(t, ['serve', '--config', await configFile(t, 'backends: 5'), '--port', '0']);
    assert.equal(broken.exitCode, 2);
    assert.match(broken.stderr, /backends\.yaml:1:/);

    const file = await configFile(t, { backends: [{ ...ECHO, name: 'wrong', priority: -1 }, ECHO] });
    const router = await startCli(t, ['serve', '--config', file, '--port', '0']);
    await router.reports(/(backends\.yaml:\d+:\d+: .*priority)/);
    assert.deepEqual(await callEcho(await connect(t, await addressOf(router))), [{ type: 'text', text: 'hello' }]);
  });

  test('lets a call in flight finish at the first signal', async t => {
    const { router, call, pids } = await withCallInFlight(t, 800);
    router.child.kill('SIGTERM');
    assert.deepEqual((await call).content, [{ type: 'text', text: 'a done' }]);
    assert.equal((await router.finished).exitCode, 0);
    await router.assertGone(pids);
  });

  test('ends at once at the second signal', async t => {
    const { router, client, call, pids } = await withCallInFlight(t, 30_000);
    const refused = assert.rejects(call);
    router.child.kill('SIGTERM');
    await router.reports(/(Stopping)/);
    router.child.kill('SIGTERM');
    assert.equal((await router.finished).exitCode, 143);
    await router.assertGone(pids);
    await client.close();
    await refused;
  });
});

async function withCallInFlight(t: TestContext, stepMs: number) {
  const file = await configFile(t, { backends: [ECHO, STUBBORN] });
  const router = await startCli(t, ['serve', '--config', file, '--port', '0']);
  const client = await connect(t, await addressOf(router));
  await callEcho(client);
  const pids = await router.reachDescendants(3);
  const call = client.callTool({ name: 'echo__slow', arguments: { label: 'a', steps: 1, stepMs } });
  await callEcho(client); // Requests of a session are read in order: the slow one is on its way.
  return { router, client, call, pids };
}

function headersWith(token: string | undefined): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}

async function addressOf(router: Program): Promise<string> {
  return router.reports(/(http:\S+)/);
}

async function connect(t: TestContext, url: string, token?: string): Promise<Client> {
  const client = new Client(CLIENT_INFO);
  t.after(() => client.close());
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: headersWith(token) } }),
  );
  return client;
}

async function callEcho(client: Client) {
  await eventually('the tools of echo', async () =>
    (await client.listTools()).tools.some(({ name }) => name === 'echo__echo'),
  );
  const { content } = await client.callTool({ name: 'echo__echo', arguments: { text: 'hello' } });
  return content;
}
