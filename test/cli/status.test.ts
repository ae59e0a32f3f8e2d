// `status` as a program, on a server that answers as a router does, and on others.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { formatStatus, listAddress, type StatusReport } from '../../src/cli/status.ts';
import { PLAIN } from '../../src/cli/terminal.ts';
import { makeCertificate } from '../support/certificate.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { configFile, runCli, startCli, temporaryFolder } from './program.ts';

const HEALTHY = {
  name: 'memory',
  namespace: 'memory',
  state: 'ready',
  healthy: true,
  circuit_state: 'CLOSED',
  paused: false,
  tool_count: 9,
  in_flight: 1,
  latency_ms: 12.3,
  restarts: 0,
  error_count: 0,
  last_error: 'it failed last year',
};
const REPORT: StatusReport = {
  backends: [
    HEALTHY,
    {
      ...HEALTHY,
      name: 'db-1',
      namespace: 'db',
      state: 'failed',
      healthy: false,
      circuit_state: 'OPEN',
      tool_count: 0,
      latency_ms: null,
      restarts: 3,
      last_error: 'not found\n  on the PATH',
    },
    { ...HEALTHY, name: 'held', healthy: false, paused: true, circuit_state: 'OPEN', last_error: null },
    { ...HEALTHY, name: 'off', state: 'disabled', healthy: false, latency_ms: null, last_error: null },
  ],
  router: {
    name: 'switchyard',
    version: '1.2.3',
    uptime_seconds: 19_234,
    config_file: '/home/me/backends.yaml',
    draining: false,
    sessions: 1,
  },
  problems: [{ severity: 'warning', message: 'unknown key x', file: '/home/me/backends.yaml', line: 4, column: 5 }],
  config_error: null,
};

test('a status is a headline, a table, and the problems', () => {
  assert.equal(
    formatStatus(REPORT, PLAIN),
    `switchyard 1.2.3, up 5 h 20 min, 1 session, 1 of 3 healthy
/home/me/backends.yaml

NAME    NAMESPACE  STATE     HEALTH     CIRCUIT  TOOLS  IN FLIGHT  LATENCY  RESTARTS  LAST ERROR
memory  memory     ready     healthy    closed       9          1    12 ms         0
db-1    db         failed    unhealthy  open         0          1        -         3  not found on the PATH
held    memory     ready     -          paused       9          1    12 ms         0
off     memory     disabled  -          -            9          1        -         0

warning: /home/me/backends.yaml:4:5: unknown key x
`,
  );
});

test('a status says that the router stops, that the configuration is broken, and that there is nothing', () => {
  const router = { ...REPORT.router, draining: true, sessions: 0 };
  const text = formatStatus({ router, backends: [], problems: [], config_error: 'it is empty' }, PLAIN);
  assert.match(text, /^switchyard 1\.2\.3, stopping, 0 sessions.*\nIt has no backends\.\n\nerror: it is empty;/s);
});

test('a narrow terminal has the last error below its row', () => {
  const lines = formatStatus(REPORT, { ...PLAIN, width: 90 }).split('\n');
  assert.match(lines[5] ?? '', /^db-1 .* 3$/);
  assert.equal(lines[6], '    not found on the PATH');
});

test('a terminal of 80 columns has room for all but a namespace that is the name', () => {
  const text = formatStatus({ ...REPORT, backends: [HEALTHY] }, { ...PLAIN, width: 80 });
  assert.match(text, /^NAME +STATE +HEALTH +CIRCUIT +TOOLS +IN FLIGHT +LATENCY +RESTARTS/m);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
});

test('a router is asked at its base, whichever door is named', () => {
  for (const url of ['http://a:1', 'http://a:1/', 'http://a:1/mcp', 'http://a:1/sse', 'http://a:1/mcp_servers?x=1'])
    assert.equal(listAddress(url).href, 'http://a:1/mcp_servers');
  assert.equal(listAddress('https://a/tools/mcp').href, 'https://a/tools/mcp_servers');
});

suite('switchyard status', () => {
  test('shows a real router, for a token that may only read', async t => {
    const echo = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
    const backends = [echo, { ...echo, name: 'off', enabled: false }, { ...echo, name: 'wrong', priority: 'high' }];
    const file = await configFile(t, { backends });
    const tokens = { MCP_AUTH_TOKEN: 'change-it', MCP_READ_TOKEN: 'read-it' };
    const serve = ['serve', '--config', file, '--port', '0', '--log-level', 'debug'];
    const router = await startCli(t, serve, { env: tokens });
    const url = await router.reports(/(http:\S+)/);
    await router.reports(/(echo: ready)/);
    const env = { MCP_READ_TOKEN: tokens.MCP_READ_TOKEN };
    const { exitCode, stdout, stderr } = await runCli(t, ['status', '--url', url], { env });
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.match(stdout, /^switchyard \d+\.\d+\.\d+, up \d+ s, \d sessions?, 1 of 2 healthy\n.*backends\.yaml\n/);
    assert.match(stdout, /^echo +echo +ready +healthy +closed +11 +0 +- +0$/m);
    assert.match(stdout, /^off +off +disabled +- +- /m);
    assert.match(stdout, /^wrong +wrong +rejected +- .* its entry is wrong, see below$/m);
    assert.match(stdout, /^error: .*backends\.yaml:\d+:\d+: priority must be a number/m);
    const answered = await runCli(t, ['call', 'echo__echo', '{"text": "hello"}', '--url', url], { env });
    assert.deepEqual(answered, { exitCode: 0, stdout: 'hello\n', stderr: '' });
  });

  test('prints a table, or what the router said', async t => {
    const url = await serve(t, (request, response) => {
      assert.equal(request.headers.authorization, 'Bearer read-it');
      replyJson(response, { ...REPORT, extra: true });
    });
    const env = { MCP_READ_TOKEN: 'read-it' };
    const table = await runCli(t, ['status', '--url', `${url}/mcp`], { env });
    assert.deepEqual(table, { exitCode: 0, stdout: formatStatus(REPORT, PLAIN), stderr: '' });
    const json = await runCli(t, ['status', '--url', url, '--json'], { env });
    assert.deepEqual(JSON.parse(json.stdout), { ...REPORT, extra: true });
  });

  test('is coloured where that is asked for', async t => {
    const url = await serve(t, (_, response) => replyJson(response, REPORT));
    const coloured = await runCli(t, ['status', '--url', url], { env: { FORCE_COLOR: '1' } });
    assert.ok(coloured.stdout.includes('\u001b[31munhealthy\u001b[39m'), coloured.stdout);
    const plain = await runCli(t, ['status', '--url', url], { env: { NO_COLOR: '1' } });
    assert.equal(plain.stdout, formatStatus(REPORT, PLAIN));
  });

  test('speaks TLS to one whose authority is known', async t => {
    const files = await makeCertificate(await temporaryFolder(t), 'router');
    const identity = { key: await readFile(files.key), cert: await readFile(files.cert) };
    const server = createTlsServer(identity, (_, response) => replyJson(response, REPORT));
    const { port } = await listen(t, server);
    const url = `https://127.0.0.1:${port}`;
    const known = await runCli(t, ['status', '--url', url], { env: { NODE_EXTRA_CA_CERTS: files.cert } });
    assert.equal(known.exitCode, 0, known.stderr);
    const unknown = await runCli(t, ['status', '--url', url]);
    assert.equal(unknown.exitCode, 1);
    assert.match(unknown.stderr, /signed by nobody known here.*NODE_EXTRA_CA_CERTS/);
  });
});

/** What is there in place of a router, and what `status` and `call` say of it. */
const OTHERS: readonly (readonly [what: string, answer: RequestListener, status: RegExp, call: RegExp])[] = [
  ['that wants a token', answer(401), /asks for a token: put it in MCP_AUTH_TOKEN/, /asks for a token/],
  ['that forbids', answer(403), /refuses us \(403\)/, /refuses us \(403\)/],
  ['with nothing there', answer(404), /not where a Switchyard answers \(404\)/, /\(404\)\. Its address is like/],
  ['that fails', answer(502), /answers with HTTP 502/, /answers with HTTP 502/],
  [
    'that redirects',
    answer(302, { location: 'https://elsewhere.example.com/x' }),
    /redirects to https:\/\/elsewhere\.example\.com\/x\. If that is the router, name it/,
    /redirects to https:\/\/elsewhere/,
  ],
  ['of web pages', answer(200, { 'content-type': 'text/html' }, '<html>'), /no JSON/, /not answer as an MCP server/],
  [
    'of another kind of JSON',
    (_, response) => replyJson(response, { active_servers: ['a'] }),
    /does not answer as a Switchyard of this version/,
    /does not answer as an MCP server\. A router's address is like/,
  ],
];

suite('A server that is no router', () => {
  for (const [what, listener, status, call] of OTHERS)
    test(`one ${what} is said to be so, with what to do`, async t => {
      const url = await serve(t, listener);
      for (const [args, message] of [
        [['status'], status],
        [['call', 'a__b'], call],
      ] as const) {
        const { exitCode, stdout, stderr } = await runCli(t, [...args, '--url', url]);
        assert.deepEqual([exitCode, stdout], [1, '']);
        assert.match(stderr, message);
        assert.match(stderr, /^switchyard: http:\/\/127\.0\.0\.1:\d+.*\n$/);
      }
    });

  test('one that refuses the token that it is shown gets no second', async t => {
    const url = await serve(t, answer(401));
    const { stderr } = await runCli(t, ['status', '--url', url], { env: { MCP_AUTH_TOKEN: 'wrong-one' } });
    assert.match(stderr, /refuses the token: correct MCP_AUTH_TOKEN/);
    assert.doesNotMatch(stderr, /wrong-one/);
  });

  test('nobody at all is told from a name that is unknown and from one that speaks no TLS', async t => {
    const url = await serve(t, answer(404));
    const free = new URL(url);
    free.protocol = 'https:';
    const noTls = await runCli(t, ['status', '--url', free.href]);
    assert.match(noTls.stderr, /does not speak TLS\. Use http:\/\//);
    const gone = await serve(t, answer(404), true);
    for (const args of [['status'], ['call', 'a__b']]) {
      const { exitCode, stderr } = await runCli(t, [...args, '--url', gone]);
      assert.equal(exitCode, 1);
      assert.match(stderr, /cannot be reached: nothing listens there\. Start the router with "switchyard serve/);
    }
    const unknown = await runCli(t, ['status', '--url', 'http://nowhere.invalid']);
    assert.match(unknown.stderr, /the name nowhere\.invalid is not known/);
  });
});

function answer(status: number, headers: Record<string, string> = {}, body = ''): RequestListener {
  return (_: IncomingMessage, response: ServerResponse) => void response.writeHead(status, headers).end(body);
}

function replyJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** The address of a server that runs until the end of the test, or has ended already. */
async function serve(t: TestContext, listener: RequestListener, isGone = false): Promise<string> {
  const server = createServer(listener);
  const { port } = await listen(t, server);
  if (isGone) {
    server.close();
    await once(server, 'close');
  }
  return `http://127.0.0.1:${port}`;
}

async function listen(t: TestContext, server: Server & { closeAllConnections(): void }): Promise<AddressInfo> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address() as AddressInfo;
}
