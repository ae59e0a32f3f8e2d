// What `serve` writes to stderr: for people, for programs, about requests, and never a secret.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { BareHttpClient } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { configFile, type Program, runCli, startCli, temporaryFolder } from './program.ts';

const ECHO = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };

suite('The log', () => {
  test('is lines for people: time, level, message; in colours where they are wanted', async t => {
    const plain = await startRouter(t, [ECHO]);
    await plain.program.reports(/^(\d{4}-\d\d-\d\dT[\d:.]+Z info: echo: ready: .*)$/m);
    assert.ok(!plain.program.stderr.includes('\x1b'));
    const coloured = await startRouter(t, [ECHO], [], { FORCE_COLOR: '1' });
    await coloured.program.reports(/(\[32minfo:.\[39m) echo: ready/);
  });

  test('may lose its reader: the router goes on, and ends as it should', async t => {
    const { program, client } = await startRouter(t, [ECHO]);
    program.child.stderr.destroy();
    // A backend ends, which is logged.
    await client.callTool('echo__crash', {});
    assert.ok((await client.toolNames()).includes('echo__echo'));
    program.child.kill('SIGTERM');
    assert.deepEqual(await once(program.child, 'exit'), [0, null]);
  });

  test('is an object a line where JSON is asked for, with the backend that it is about', async t => {
    const { program } = await startRouter(t, [ECHO], ['--log-format', 'json', '--log-level', 'DEBUG']);
    await program.reports(/(echo: ready)/);
    program.child.kill('SIGTERM');
    const { stderr } = await program.finished;
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    for (const { time, level, message } of lines) {
      assert.equal(new Date(time).toISOString(), time);
      assert.match(level, /^(debug|info|warning|error)$/);
      assert.equal(typeof message, 'string');
    }
    const ready = lines.find(({ level, message }) => level === 'info' && /^echo: ready/.test(message));
    assert.equal(ready?.backend, 'echo');
  });

  test('tells only what is at least as grave as asked for', async t => {
    const file = await configFile(t, { backends: [ECHO], unknown: 1 });
    const program = await startCli(t, ['serve', '--config', file, '--port', '0', '--log-level', 'CRITICAL']);
    await eventually('its children', () => program.reachDescendants(1));
    program.child.kill('SIGTERM');
    assert.equal((await program.finished).stderr, '');
  });

  test('has no line that a backend made up, and nothing that steers a terminal', async t => {
    const message = JSON.stringify('\x1b[31mred\x1b[0m \x07bell\n2026-01-01T00:00:00.000Z error: forged');
    const answer = `console.log(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(line).id, error: { code: -32000, message: ${message} } }))`;
    const script = `process.stdin.on('data', line => ${answer})`;
    const forger = { name: 'forger', command: process.execPath, args: ['-e', script] };
    const { program } = await startRouter(t, [forger], ['--log-level', 'debug']);
    await program.reports(/warning: forger: .*(red .bell)$/m);
    assert.match(program.stderr, /^ {2}2026-01-01T00:00:00.000Z error: forged/m);
    assert.ok(
      !/^2026-01-01/m.test(program.stderr) && !program.stderr.includes('\x1b') && !program.stderr.includes('\x07'),
    );
  });
});

suite('The access log', () => {
  test('has a line for each request, and no query', async t => {
    const { program, url, client } = await startRouter(t, [ECHO], ['--access-log', '--log-format', 'json']);
    await client.callTool('echo__echo', { text: 'body' });
    await fetch(new URL('/healthz?token=s3cret', url), { headers: { 'user-agent': 'probe/1.0' } });
    await fetch(new URL('/nowhere', url));
    const lines = await eventually('a line for each', () => {
      const found = accessLines(program);
      return ['/mcp', '/healthz', '/nowhere'].every(each => found.some(line => line.path === each)) && found;
    });
    const about = (wanted: string): Record<string, unknown> => {
      const { time: _, ms, ...rest } = lines.findLast(line => line.path === wanted) ?? assert.fail(wanted);
      assert.equal(typeof ms, 'number');
      return { ...rest, message: String(rest.message).replace(/\d+ ms/, 'N ms') };
    };
    const client127 = { level: 'info', client: '127.0.0.1' };
    assert.deepEqual(about('/healthz'), {
      ...client127,
      message: '127.0.0.1 GET /healthz 200 N ms read "probe/1.0"',
      method: 'GET',
      path: '/healthz',
      status: 200,
      role: 'read',
      user_agent: 'probe/1.0',
    });
    assert.equal(about('/nowhere').status, 404);
    const { role, session } = about('/mcp');
    assert.equal(role, 'admin');
    assert.match(String(session), /^[0-9a-f]{8}$/);
    assert.doesNotMatch(program.stderr, /s3cret|body/);
  });

  test('takes no line break and no quote from a client', async t => {
    const { program, url } = await startRouter(t, [], ['--access-log']);
    const { port } = new URL(url);
    // As no decent client would send it: bytes beyond ASCII, a quote, a tab.
    const raw =
      'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: a" 200 \x85\x9b31m\tb\r\nConnection: close\r\n\r\n';
    connect(Number(port), '127.0.0.1').end(Buffer.from(raw, 'latin1'));
    assert.match(await program.reports(/GET \/healthz (.*)/), /^200 \d+ ms read "a\? 200 \?\?31m\?b"$/);
    // A proxy is sent whole URLs, with all that is in them.
    request({ port, path: 'http://me:s3cret@127.0.0.1/healthz' })
      .on('response', each => each.resume())
      .end();
    await program.reports(/GET - (400)/);
    assert.doesNotMatch(program.stderr, /s3cret/);
  });

  test('says of a client that left that it was not answered', async t => {
    const { program, url } = await startRouter(t, [ECHO], ['--access-log']);
    const leaving = new BareHttpClient(url);
    await leaving.initialize();
    leaving.callTool('echo__slow', { label: 'a', steps: 1, stepMs: 3000 }).catch(() => {});
    const metrics = async () => (await fetch(new URL('/metrics', url))).text();
    await eventually('the call', async () => /^switchyard_backend_in_flight.* 1$/m.test(await metrics()));
    await leaving.close();
    await program.reports(/POST \/mcp (unanswered)/);
  });

  test('is for HTTP', async t => {
    const { exitCode, stderr } = await runCli(t, ['serve', '--config', await configFile(t, {}), '--access-log']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /--access-log is for HTTP/);
  });
});

test('No secret is logged, wherever it is, at any level', async t => {
  const folder = await temporaryFolder(t);
  const tokenFile = path.join(folder, 'tokens');
  await writeFile(tokenFile, 'admin s3cret-admin\nread s3cret-read\n');
  await writeFile(path.join(folder, '.env'), 'FROM_FILE=s3cret-env-file\n');
  const remote = new URL(await httpFixture(t, 'servers/echo.mjs'));
  const withSecrets = (port: string) => `http://s3cret-user:s3cret-password@127.0.0.1:${port}/mcp?key=s3cret-query`;
  const headers = { authorization: 'Bearer s3cret-header', 'x-key': `\${env:OURS}` };
  const file = await configFile(t, {
    backends: [
      { ...ECHO, env: { KEY: 's3cret-env', OTHER: `\${env:OURS}` }, env_file: path.join(folder, '.env') },
      { name: 'remote', url: `${remote.href}?key=s3cret-query`, headers },
      { name: 'known', url: withSecrets(remote.port), headers },
      { name: 'dead', url: withSecrets('9'), headers, type: 'http' },
      { name: 'deadsse', url: withSecrets('9'), headers, type: 'sse' },
      { name: 'lost', url: withSecrets(remote.port).replace('/mcp', '/elsewhere'), headers },
      { name: 'unsafe', url: 'http://s3cret-user:s3cret-password@[bad/mcp?key=s3cret-query' },
      { name: 'gone', command: 'no-such-command', args: ['--key', 's3cret-argument'], env: { KEY: 's3cret-env' } },
      { ...ECHO, name: 'unset', env: { KEY: `\${env:UNSET}s3cret-env` } },
      { ...ECHO, name: 'odd', env: { KEY: ['s3cret-env'] } },
    ],
  });
  const options = ['--auth-token-file', tokenFile, '--log-level', 'debug', '--access-log', '--persist'];
  const program = await startCli(t, ['serve', '--config', file, '--port', '0', ...options], {
    env: {
      OURS: 's3cret-variable',
      MCP_AUTH_TOKEN: 's3cret-token',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://s3cret-user:s3cret-password@127.0.0.1:9/?key=s3cret-query',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=s3cret-otel',
      OTEL_BSP_SCHEDULE_DELAY: '10',
      OTEL_EXPORTER_OTLP_TIMEOUT: '300',
    },
  });
  const url = new URL(await program.reports(/(http:\/\/127\S+\/mcp)/));
  const wrong = { authorization: 'Bearer s3cret-wrong' };
  await fetch(url, { method: 'POST', headers: wrong });
  await fetch(new URL('/mcp?token=s3cret-query', url), { headers: wrong });
  await fetch(new URL('/mcp_servers?token=s3cret-query', url), { headers: { authorization: 'Bearer s3cret-read' } });
  const admin = { authorization: 'Bearer s3cret-admin', 'content-type': 'application/json' };
  const added = { added: { url: withSecrets('9'), headers } };
  await fetch(new URL('/mcp_servers', url), {
    method: 'POST',
    headers: admin,
    body: JSON.stringify({ mcpServers: added }),
  });
  const client = new BareHttpClient(url.href, { authorization: 'Bearer s3cret-admin' });
  t.after(() => client.close());
  await client.initialize();
  await eventually('tools', async () => (await client.toolNames()).includes('remote__echo'));
  for (const name of ['echo__echo', 'remote__echo', 'dead__x'])
    await client.callTool(name, { text: 's3cret-argument' });
  await client.request('resources/read', { uri: 'echo://u:s3cret-password@h/?key=s3cret-query' });
  for (const told of [
    /(known): ready/,
    /(dead): /,
    /(deadsse): /,
    /(lost): /,
    /(gone): /,
    /(url) must be an http/,
    /(env.KEY) must be text/,
    /(Traces cannot)/,
    /GET \/(mcp) 401/,
  ])
    await program.reports(told);
  program.child.kill('SIGTERM');
  const { stderr } = await program.finished;
  const leaks = stderr.split('\n').filter(line => line.includes('s3cret'));
  assert.deepEqual(leaks, []);
});

async function startRouter(
  t: TestContext,
  backends: readonly object[],
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const file = await configFile(t, { backends });
  const program = await startCli(t, ['serve', '--config', file, '--port', '0', ...options], { env });
  const url = await program.reports(/(http:\/\/127[^\s"]+)/);
  const client = new BareHttpClient(url);
  t.after(() => client.close());
  await client.initialize();
  return { program, url, client };
}

/** The lines so far that are about requests. */
function accessLines({ stderr }: Program): Record<string, unknown>[] {
  const whole = stderr.slice(0, stderr.lastIndexOf('\n'));
  return whole
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(line => 'path' in line);
}
