// `check` and `call` as programs, on real backends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { suite, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { fixtureCommand } from '../support/fixtures.ts';
import { Ledger } from '../support/ledger.ts';
import { CLI, configFile, NODES, needsOldestNode, runCli, startCli, temporaryFolder } from './program.ts';

const ECHO = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
const HANGING = { name: 'hanging', ...fixtureCommand('servers/hanging.mjs', '--stubborn') };
const CRASHING = { name: 'crashing', ...fixtureCommand('servers/crashing.mjs') };

test('there is the oldest Node that is supported', needsOldestNode);

for (const { node, title } of NODES) {
  suite(`The program ${title}`, () => {
    test('explains itself', async t => {
      const { exitCode, stdout, stderr } = await runCli(t, ['--help'], { node });
      assert.deepEqual([exitCode, stderr], [0, '']);
      assert.match(stdout, /Usage:\n {2}switchyard COMMAND/);
    });

    test('tells its version', async t => {
      const { exitCode, stdout } = await runCli(t, ['--version'], { node });
      assert.deepEqual([exitCode, stdout], [0, `${manifest.version}\n`]);
    });

    test('ends a mistake with 2, a message and no stack', async t => {
      assert.deepEqual(await runCli(t, ['check', '--jsn'], { node }), {
        exitCode: 2,
        stdout: '',
        stderr: 'switchyard: Unknown option "--jsn". Did you mean "--json"?\nSee "switchyard check --help".\n',
      });
    });

    test('checks a configuration in which everything is ready', async t => {
      const file = await configFile(t, { backends: [ECHO] });
      const { exitCode, stdout } = await runCli(t, ['check', '--config', file], { node });
      assert.equal(exitCode, 0, stdout);
      assert.match(stdout, /^NAME +STATE +TOOLS +MS +DETAIL\necho +ready +11 +\d+ +echo .* over stdio\n/);
      assert.match(stdout, /1 of 1 ready\.\n$/);
    });

    test('says nothing on stderr of a dozen backends', async t => {
      const backends = Array.from({ length: 12 }, (_, n) => ({ ...ECHO, name: `echo${n}` }));
      const file = await configFile(t, { backends });
      const { exitCode, stderr } = await runCli(t, ['check', '--config', file], { node });
      assert.deepEqual([exitCode, stderr], [0, '']);
    });

    test('calls a tool and prints its text', async t => {
      const file = await configFile(t, { backends: [ECHO] });
      const call = await runCli(t, ['call', 'echo__echo', '{"text": "hello"}', '--config', file], { node });
      assert.deepEqual(call, { exitCode: 0, stdout: 'hello\n', stderr: '' });
    });
  });
}

suite('switchyard check', () => {
  test('is 1 when some are not ready, and says why', async t => {
    const backends = [
      ECHO,
      { ...HANGING, start_timeout_seconds: 1 },
      CRASHING,
      { name: 'missing', command: 'no-such-command' },
      { ...ECHO, name: 'lazy', auto_start: false },
      { ...ECHO, name: 'off', enabled: false },
    ];
    const file = await configFile(t, { backends });
    const { exitCode, stdout } = await runCli(t, ['check', '--json', '--config', file]);
    const report = JSON.parse(stdout);
    assert.equal(exitCode, 1);
    assert.equal(report.config, file);
    assert.deepEqual(
      report.backends.map(({ name, state, tools }: Record<string, unknown>) => [name, state, tools]),
      [
        ['echo', 'ready', 11],
        ['hanging', 'failed', 0],
        ['crashing', 'failed', 0],
        ['missing', 'failed', 0],
        ['lazy', 'ready', 11],
        ['off', 'disabled', 0],
      ],
    );
    assert.match(report.backends[2].detail, /ACME_TOKEN is not set/);
    assert.match(report.backends[3].detail, /no-such-command/);
  });

  test('connects each backend once, however long it waits for another', async t => {
    const ledger = new Ledger(t);
    const backends = [
      { ...HANGING, start_timeout_seconds: 2 },
      { name: 'crashing', ...fixtureCommand('servers/counted.mjs', ledger.file, './crashing.mjs') },
    ];
    const { exitCode, stdout } = await runCli(t, ['check', '--config', await configFile(t, { backends })]);
    assert.equal(exitCode, 1, stdout);
    assert.equal(ledger.entries.filter(({ label }) => label === 'start').length, 1);
  });

  test('connects the others of a configuration with a wrong backend, and is 2', async t => {
    const file = await configFile(t, { backends: [ECHO, { ...ECHO, name: 'wrong', priority: 'high' }] });
    const { exitCode, stdout } = await runCli(t, ['check', '--config', file]);
    assert.equal(exitCode, 2, stdout);
    assert.match(stdout, /^echo +ready/m);
    assert.match(stdout, /^wrong +rejected/m);
    assert.match(stdout, /^error: .*backends\.yaml:\d+:\d+: .*priority/m);
  });

  test('says why there is no answer over HTTP', async t => {
    const server = createServer(socket => socket.end('220 mail.example.com ESMTP\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    const file = await configFile(t, { backends: [{ name: 'mail', url }] });
    const { exitCode, stdout } = await runCli(t, ['check', '--config', file]);
    assert.equal(exitCode, 1);
    assert.match(stdout, /^mail +failed .*HTTP\/1\.1 protocol/m);
  });

  test('is 0 with a warning', async t => {
    const file = await configFile(t, { backends: [{ ...ECHO, prioritty: 1 }] });
    const { exitCode, stdout } = await runCli(t, ['check', '--config', file]);
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /^warning: .*prioritty.*priority/m);
  });

  for (const [what, text] of [
    ['an empty file', ''],
    ['a file that is no YAML', 'backends: [}'],
    ['a wrong global value', '{"backends": [], "routing": {"default_strategy": "smart"}}'],
  ] as const)
    test(`is 2 for ${what}`, async t => {
      const file = await configFile(t, text);
      const { exitCode, stdout } = await runCli(t, ['check', '--config', file]);
      assert.equal(exitCode, 2, stdout);
      assert.match(stdout, /^error: .*backends\.yaml/m);
      assert.match(stdout, /backends\.yaml: cannot be used\.\n$/);
    });

  test('is 2 for a file that is missing, and where there is none at all', async t => {
    const cwd = await temporaryFolder(t);
    const missing = await runCli(t, ['check', '--config', 'nowhere.yaml'], { cwd });
    assert.equal(missing.exitCode, 2);
    assert.match(missing.stdout, /nowhere\.yaml/);
    const none = await runCli(t, ['check'], { cwd });
    assert.equal(none.exitCode, 2);
    assert.ok(none.stderr.includes(path.join(cwd, 'config', 'backends.yaml')), none.stderr);
  });

  test('is 2 for a variable that cannot be read, and names it', async t => {
    const file = await configFile(t, { backends: [] });
    const env = { MCP_BACKENDS_CONFIG: file };
    assert.equal((await runCli(t, ['check'], { env })).exitCode, 0);
    const { exitCode, stderr } = await runCli(t, ['check'], { env: { ...env, MCP_MAX_RETRIES: 'many' } });
    assert.equal(exitCode, 2);
    assert.match(stderr, /MCP_MAX_RETRIES/);
  });

  test('leaves nothing running when it is interrupted', async t => {
    const file = await configFile(t, { backends: [HANGING] });
    const program = await startCli(t, ['check', '--config', file]);
    const pids = await program.reachDescendants(2);
    program.child.kill('SIGINT');
    assert.equal((await program.finished).exitCode, 130);
    await program.assertGone(pids);
  });
});

suite('switchyard call', () => {
  test('does not wait for a backend that hangs', async t => {
    const file = await configFile(t, { backends: [HANGING, ECHO] });
    const { exitCode, stdout } = await runCli(t, ['call', 'echo__add', '{"a": 2, "b": 3}', '--json', '--config', file]);
    assert.equal(exitCode, 0);
    assert.deepEqual(JSON.parse(stdout).structuredContent, { sum: 5 });
  });

  test('is 1 when the tool fails, with its words on stderr', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const call = await runCli(t, ['call', 'echo__fail', '{"message": "no luck"}', '--config', file]);
    assert.deepEqual(call, { exitCode: 1, stdout: '', stderr: 'no luck\n' });
  });

  test('is 1 for a tool that no backend has, with near names', async t => {
    const file = await configFile(t, { backends: [ECHO, CRASHING] });
    const { exitCode, stdout, stderr } = await runCli(t, ['call', 'echo__ecko', '--config', file]);
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(stderr, /echo__ecko.*echo__echo/s);
  });

  test('waits for no backend that the tool is not of, and not for ever for one that a mistyped name may mean', async t => {
    const lazy = { ...ECHO, name: 'lazy', auto_start: false };
    const file = await configFile(t, { backends: [lazy, HANGING, { name: 'gone', command: 'no-such-command' }] });
    const callOf = async (...args: string[]) => {
      const begun = performance.now();
      const called = await runCli(t, ['call', ...args, '--config', file]);
      return { ...called, ms: performance.now() - begun };
    };
    const calls = await Promise.all([
      callOf('lazy__echo', '{"text": "hello"}'),
      callOf('list_backends'),
      callOf('gone__x'),
      callOf('nope'),
    ]);
    assert.deepEqual(
      calls.map(({ exitCode }) => exitCode),
      [0, 0, 1, 1],
    );
    assert.equal(calls[0]?.stdout, 'hello\n');
    // A backend may take 60 s to start.
    for (const { ms } of calls) assert.ok(ms < 30_000, `${ms} ms`);
  });

  test("calls the router's own tools too, as far as the configuration has them", async t => {
    const callWith = async (server: object, ...args: string[]) => {
      const file = await configFile(t, { backends: [ECHO], server });
      return runCli(t, ['call', ...args, '--config', file]);
    };
    const list = await callWith({}, 'list_backends');
    assert.equal(list.exitCode, 0, list.stderr);
    assert.deepEqual(
      JSON.parse(list.stdout).map(({ name, healthy }: Record<string, unknown>) => [name, healthy]),
      [['echo', true]],
    );
    const none = await callWith({}, 'get_backend_health', '{"backend_name": "eco"}');
    assert.deepEqual([none.exitCode, none.stderr], [1, 'Backend not found: eco\n']);
    const off = await callWith({ management_tools: 'off' }, 'list_backends');
    assert.deepEqual([off.exitCode, off.stderr], [1, 'switchyard: Unknown tool: list_backends\n']);
  });

  test('is 2 for a broken configuration', async t => {
    const file = await configFile(t, 'backends: 5');
    const { exitCode, stderr } = await runCli(t, ['call', 'echo__echo', '--config', file]);
    assert.equal(exitCode, 2);
    assert.match(stderr, /^error: .*backends\.yaml:1:/);
  });

  test('asks a running router by the address that it tells, whichever door that is', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const router = await startCli(t, ['serve', '--config', file, '--transport', 'sse', '--port', '0']);
    const sse = await router.reports(/(http:\S+\/sse)/);
    await router.reports(/(echo: ready)/);
    for (const url of [sse, new URL('/mcp_servers', sse).href, new URL('/mcp', sse).href, new URL('/', sse).href]) {
      const answered = await runCli(t, ['call', 'echo__echo', '{"text": "over there"}', '--url', url]);
      assert.deepEqual(answered, { exitCode: 0, stdout: 'over there\n', stderr: '' }, url);
    }
  });

  test('asks a running router, with its token', async t => {
    const file = await configFile(t, { backends: [ECHO] });
    const env = { MCP_AUTH_TOKEN: 'secret' };
    const router = await startCli(t, ['serve', '--config', file, '--port', '0', '--log-level', 'debug'], { env });
    const url = await router.reports(/(http:\S+)/);
    await router.reports(/(echo: ready)/);
    const answered = await runCli(t, ['call', 'echo__echo', '{"text": "over there"}', '--url', url], { env });
    assert.deepEqual(answered, { exitCode: 0, stdout: 'over there\n', stderr: '' });
    const status = await runCli(t, ['status', '--url', url, '--json'], { env });
    assert.equal(JSON.parse(status.stdout).router.sessions, 0, 'the call has ended its session');
    const refused = await runCli(t, ['call', 'echo__echo', '--url', url]);
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /401|token|unauthorized/i);
    router.child.kill('SIGTERM');
    assert.equal((await router.finished).exitCode, 0);
    const unreachable = await runCli(t, ['call', 'echo__echo', '--url', url]);
    assert.equal(unreachable.exitCode, 1);
    assert.ok(unreachable.stderr.includes(url), unreachable.stderr);
  });
});

test('the program is executable by itself', async () => {
  const { access, constants } = await import('node:fs/promises');
  await access(CLI, constants.X_OK);
});
