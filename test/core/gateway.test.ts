// The whole core on real backends: what happens to them when others fail, when they end, and when the configuration changes.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger, LogLevel } from '../../src/core/base/log.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture, startHttpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';
import { Ledger } from '../support/ledger.ts';
import { descendantsOf, isRunning } from '../support/processes.ts';

const echo = (name: string, ...args: string[]) => ({ name, ...fixtureCommand('servers/echo.mjs', ...args) });

/** A log, and a way to take the lines that came since. */
function collectedLog(): { log: Logger; take: () => string[] } {
  const lines: string[] = [];
  const at = (level: LogLevel) => (message: string) => void lines.push(`${level}: ${message}`);
  const log = { debug: at('debug'), info: at('info'), warning: at('warning'), error: at('error') };
  return { log, take: () => lines.splice(0) };
}

/** Longer than a backend waits before it is first started again, jitter included. */
const FIRST_RESTART_MS = 700;

describe('A resource that nobody lists', () => {
  const EVERYTHING = path.resolve('node_modules/@modelcontextprotocol/server-everything/dist/index.js');

  test('is looked for with a backend that is only starting', async t => {
    const gateway = await startGateway(t, { backends: [echo('one', '--name', 'late', '--delay', '300')] });
    const client = await gateway.client();
    const { result } = await client.request('resources/read', { uri: 'late://readme' });
    assert.equal(result?.contents[0].uri, 'late://readme');
  });

  test('is unknown by the URI that the client has named', async t => {
    const gateway = await startGateway(t, { backends: [echo('one'), echo('two')] });
    for (const name of ['one', 'two']) await gateway.reaches(name, 'ready');
    const client = await gateway.client();
    const uri = 'switchyard://two/nope://x';
    const { error } = await client.request('resources/read', { uri });
    assert.deepEqual([error?.code, error?.data], [-32002, { uri }]);
  });

  test('is unknown by its own code, whatever its only possible holder calls that', async t => {
    const gateway = await startGateway(t, {
      backends: [{ name: 'everything', command: process.execPath, args: [EVERYTHING] }],
    });
    await gateway.reaches('everything', 'ready');
    const client = await gateway.client();
    const uri = 'nope://x';
    const { error } = await client.request('resources/read', { uri });
    assert.deepEqual([error?.code, error?.data], [-32002, { uri }]);
    assert.match(error?.message ?? '', /nope:\/\/x not found/, 'as the server said it');
  });
});

describe('Gateway with backends that fail', () => {
  test('calls nothing for a client that has left while the first list was waited for', async t => {
    const ledger = new Ledger(t);
    const gateway = await startGateway(t, {
      backends: [
        { name: 'db', ...fixtureCommand('servers/faulty.mjs', '--ledger', ledger.file) },
        { name: 'hanging', ...fixtureCommand('servers/hanging.mjs') },
      ],
    });
    const [leaving, staying] = [0, 1].map(() => new BareModernClient(gateway.url, gateway.headers));
    assert.ok(leaving && staying);
    const params = { name: 'db__act', arguments: { label: 'left' } };
    const left = leaving.request('tools/call', params);
    const answered = staying.request('tools/call', { ...params, arguments: { label: 'stayed' } });
    await sleep(50);
    await leaving.close();
    await assert.rejects(left);
    await answered;
    assert.deepEqual(
      ledger.entries.map(({ label }) => label),
      ['stayed'],
    );
  });

  test('reads and completes what the good ones have by a template, while one hangs that may have any name', async t => {
    const gateway = await startGateway(t, {
      backends: [
        echo('good'),
        { name: 'hanging', request_timeout_seconds: 8, ...fixtureCommand('servers/hanging.mjs') },
      ],
      routing: { enable_namespace_prefixing: false },
    });
    await gateway.reaches('good', 'ready');
    const client = await gateway.client();
    const begun = performance.now();
    const read = await client.request('resources/read', { uri: 'echo://items/1' });
    assert.equal(read.result?.contents[0].uri, 'echo://items/1');
    const ref = { type: 'ref/resource', uri: 'echo://items/{id}' };
    const completed = await client.request('completion/complete', { ref, argument: { name: 'id', value: 't' } });
    assert.ok(completed.result?.completion.values.length > 0);
    const took = performance.now() - begun;
    assert.ok(took < 6000, `${took} ms`);
  });

  test('lists and calls the good ones within 2 s of its start, beside a broken and a hanging one', async t => {
    const remote = await httpFixture(t, 'servers/echo.mjs');
    const start = performance.now();
    const gateway = await startGateway(t, {
      backends: [
        { name: 'hanging', ...fixtureCommand('servers/hanging.mjs') },
        echo('one'),
        { name: 'broken', ...fixtureCommand('servers/crashing.mjs') },
        echo('two'),
        { name: 'three', url: remote },
      ],
    });
    const client = await gateway.client();
    const expected = ['one__echo', 'two__echo', 'three__echo'];
    await eventually('the tools of the good backends', async () => {
      const names = await client.toolNames();
      return expected.every(name => names.includes(name));
    });
    assert.ok(performance.now() - start < 2000, `listed after ${Math.round(performance.now() - start)} ms`);

    for (const name of expected) {
      const { result } = await client.callTool(name, { text: name });
      assert.equal(result.content[0].text, name);
    }
    assert.equal(gateway.backend('hanging').state.kind, 'connecting');
    const { state } = await gateway.reaches('broken', 'failed');
    assert.equal(state.kind === 'failed' && state.failure.code, 'exited');
    assert.ok(gateway.gateway.backendLog('broken').some(line => line.includes('ACME_TOKEN is not set')));
  });

  test('starts a killed backend again, keeps its tools listed meanwhile, and leaves the others alone', async t => {
    const gateway = await startGateway(t, { backends: [echo('victim'), echo('bystander')] });
    const [victim, bystander] = [await gateway.pidOf('victim'), await gateway.pidOf('bystander')];
    const client = await gateway.client();

    process.kill(victim, 'SIGKILL');
    await gateway.reaches('victim', 'failed', 'connecting');
    assert.ok((await client.toolNames()).includes('victim__echo'));

    await eventually('a new process', async () => (await gateway.pidOf('victim')) !== victim);
    const { result } = await client.callTool('victim__echo', { text: 'back' });
    assert.equal(result.content[0].text, 'back');
    assert.equal(await gateway.pidOf('bystander'), bystander);
  });

  test('waits longer before each further start of a backend that keeps crashing', async t => {
    const gateway = await startGateway(t, {
      backends: [{ name: 'broken', ...fixtureCommand('servers/crashing.mjs') }],
    });
    const waits = new Map<number, number>();
    await eventually('two failures', () => {
      const { state } = gateway.backend('broken');
      if (state.kind === 'failed' && state.retryAt !== undefined) waits.set(state.at, state.retryAt - state.at);
      return waits.size === 2;
    });
    const [first = 0, second = 0] = waits.values();
    assert.ok(first >= 400 && first <= 600, `first wait ${first} ms`);
    assert.ok(second >= 800 && second <= 1200, `second wait ${second} ms`);
  });

  test('keeps the reason of a failed start while it tries again, and forgets the failures once it is ready', async t => {
    const flag = path.join(await mkdtemp(path.join(tmpdir(), 'switchyard-flag-')), 'flag');
    t.after(() => rm(path.dirname(flag), { recursive: true }));
    const { command, args } = fixtureCommand('servers/echo.mjs');
    const broken = {
      name: 'broken',
      command: 'sh',
      args: ['-c', `test -e ${flag} && exec "$@"; sleep 0.3; exit 3`, 'sh', command, ...args],
    };
    const gateway = await startGateway(t, { backends: [broken] });
    await gateway.reaches('broken', 'failed');
    const again = await gateway.reaches('broken', 'connecting');
    assert.match(again.lastError?.message ?? '', /code 3/);
    assert.ok(again.errorCount > 0);
    await writeFile(flag, '');
    assert.equal((await gateway.reaches('broken', 'ready')).errorCount, 0);
  });

  test('a check of one that is not connected waits for what its start comes to', async t => {
    const gateway = await startGateway(t, {
      backends: [
        { name: 'broken', ...fixtureCommand('servers/crashing.mjs') },
        { ...echo('idle'), auto_start: false },
      ],
    });
    await gateway.reaches('broken', 'failed');
    const reason = 'exited with code 3: Error: ACME_TOKEN is not set';
    assert.equal(await gateway.gateway.checkNow('broken'), reason);
    assert.equal(gateway.backend('idle').state.kind, 'idle');
    assert.equal(await gateway.gateway.checkNow('idle'), undefined);
    assert.equal(gateway.backend('idle').state.kind, 'ready');
    assert.equal(await gateway.gateway.checkNow('nobody'), undefined);
  });

  test('says that a backend which answers 401 needs sign-in', async t => {
    const url = await httpFixture(t, 'servers/unauthorized.mjs');
    const headers = { Authorization: 'Bearer expired' };
    const gateway = await startGateway(t, {
      backends: [
        { name: 'private', url },
        { name: 'refused', url, headers },
        { name: 'old', url, headers, type: 'sse' },
      ],
    });
    const failureOf = async (name: string) => {
      const { state } = await gateway.reaches(name, 'failed');
      return state.kind === 'failed' && state.failure;
    };
    const refused = { code: 'needs-sign-in', message: 'needs sign-in: the server refused the header (401)' };
    assert.deepEqual(await failureOf('private'), { code: 'needs-sign-in', message: 'needs sign-in: add a header' });
    assert.deepEqual(await failureOf('refused'), refused);
    assert.deepEqual(await failureOf('old'), refused);
  });

  test('reaches a server of the 2024 revision by falling back from Streamable HTTP to SSE', async t => {
    const url = await httpFixture(t, 'servers/sse.mjs');
    const gateway = await startGateway(t, { backends: [{ name: 'old', url }] });
    const { state } = await gateway.reaches('old', 'ready');
    assert.equal(state.kind === 'ready' && state.transport, 'sse');
    const { result } = await (await gateway.client()).callTool('old__echo', { text: 'hello' });
    assert.equal(result.content[0].text, 'hello');
  });

  test('opens a new session with a remote backend that was restarted and knows the old one no more', async t => {
    const first = await startHttpFixture('servers/echo.mjs');
    const gateway = await startGateway(t, { backends: [{ name: 'remote', url: first.url }] });
    await gateway.reaches('remote', 'ready');
    const client = await gateway.client();
    await first.close();
    const second = await startHttpFixture('servers/echo.mjs', { port: Number(new URL(first.url).port) });
    t.after(() => second.close());
    await eventually('an answer of the new server', async () => {
      const { result } = await client.callTool('remote__echo', { text: 'again' });
      return result?.content[0].text === 'again';
    });
  });

  test('reads past noise on stdout', async t => {
    const gateway = await startGateway(t, {
      backends: [{ name: 'noisy', ...fixtureCommand('servers/noisyStdout.mjs') }],
    });
    await gateway.reaches('noisy', 'ready');
    const ready = gateway.gateway.backendLog('noisy').filter(line => /ready: /.test(line));
    assert.match(ready.join(), /, 1 tool$/);
    const client = await gateway.client();
    for (const text of ['first', 'second', 'third']) {
      const { result } = await client.callTool('noisy__say', { text });
      assert.equal(result.content[0].text, text);
    }
  });

  test('ends everything on stop, even a server that ignores SIGTERM, and its child', async t => {
    const gateway = await startGateway(t, {
      backends: [echo('good'), { name: 'stubborn', ...fixtureCommand('servers/hanging.mjs', '--stubborn') }],
    });
    const good = await gateway.pidOf('good');
    const child = await eventually('the child of the stubborn server', () => {
      const line = gateway.gateway.backendLog('stubborn').find(logged => logged.includes('child '));
      return line !== undefined && Number(line.split('child ')[1]);
    });
    const start = performance.now();
    await gateway.gateway.stop();
    assert.ok(performance.now() - start < 9000);
    await eventually('the end of all processes', () => !isRunning(good) && !isRunning(child), 1000);
  });

  test('gives calls in flight the whole grace that the file says on stop, and ends within 9 s all the same', async t => {
    const gateway = await startGateway(t, {
      backends: [
        { name: 'slow', ...fixtureCommand('servers/faulty.mjs', '--wait', '7000') },
        { name: 'stubborn', ...fixtureCommand('servers/faulty.mjs', '--stubborn', '--orphan') },
      ],
      server: { drain_seconds: 8 },
    });
    const pids = [await gateway.pidOf('slow'), await gateway.pidOf('stubborn')];
    const client = await gateway.client();
    const [slow, hung] = [client.callTool('slow__act', { label: 'late' }), client.callTool('stubborn__hang')];
    await eventually('both calls in flight', () =>
      ['slow', 'stubborn'].every(name => gateway.backend(name).inFlight === 1),
    );
    const start = performance.now();
    await gateway.gateway.stop();
    const took = performance.now() - start;
    assert.ok(took >= 8000 && took < 9000, `${took} ms`);
    assert.match((await slow).result.content[0].text, /^late /);
    assert.equal((await hung).result.isError, true);
    await eventually('the end of all processes', () => !pids.some(isRunning));
  });

  test('ends everything at once on dispose, and starts nothing again', async t => {
    const gateway = await startGateway(t, {
      backends: [echo('good'), { name: 'stubborn', ...fixtureCommand('servers/hanging.mjs', '--stubborn') }],
    });
    const good = await gateway.pidOf('good');
    gateway.gateway.dispose();
    await eventually('the end of the process', () => !isRunning(good));
    await sleep(FIRST_RESTART_MS);
    assert.deepEqual(descendantsOf(process.pid), []);
  });

  test('starts nothing when a reload is under way while it stops', async t => {
    const gateway = await startGateway(t, { backends: [echo('before')] });
    await gateway.write({ backends: [echo('after')] });
    const reloading = gateway.gateway.reload();
    await gateway.gateway.stop();
    await reloading;
    // The watchdog has been sent home, and takes a moment to leave.
    await eventually('nothing to be left', () => descendantsOf(process.pid).length === 0);
  });
});

describe('Gateway.reload', () => {
  test('touches only the backends that changed', async t => {
    const gateway = await startGateway(t, {
      backends: [echo('same'), echo('preferred'), echo('changed'), echo('removed')],
    });
    const same = await gateway.pidOf('same');
    const preferred = await gateway.pidOf('preferred');
    const changed = await gateway.pidOf('changed');
    const removed = await gateway.pidOf('removed');

    await gateway.write({
      backends: [echo('same'), { ...echo('preferred'), priority: 1 }, echo('changed', '--tools', '1'), echo('added')],
    });
    const report = await gateway.gateway.reload();
    const updated = ['preferred', 'changed'];
    assert.deepEqual(report, { added: ['added'], removed: ['removed'], updated, errors: [] });

    await gateway.reaches('added', 'ready');
    assert.equal(await gateway.pidOf('same'), same);
    assert.equal(gateway.backend('preferred').priority, 1);
    assert.equal(await gateway.pidOf('preferred'), preferred, 'a priority needs no restart');
    assert.notEqual(await gateway.pidOf('changed'), changed);
    await eventually('the end of the removed backend', () => !isRunning(removed));
    const names = await (await gateway.client()).toolNames();
    assert.ok(names.includes('changed__tool_001') && names.includes('added__echo') && !names.includes('removed__echo'));
  });

  test('knows how many tools a backend has, also where its `tools:` leaves all of them out', async t => {
    const gateway = await startGateway(t, {
      backends: [echo('whole'), { ...echo('bare'), tools: { include: ['nope'] } }],
    });
    const whole = await gateway.reaches('whole', 'ready');
    const bare = await gateway.reaches('bare', 'ready');
    assert.deepEqual([bare.tools.length, bare.listedToolCount], [0, whole.tools.length]);
    assert.equal(whole.listedToolCount, whole.tools.length);
  });

  test('lets a call that waits for a backend wait for the one that takes its place', async t => {
    const gateway = await startGateway(t, { backends: [echo('one')] });
    await gateway.reaches('one', 'ready');
    const client = await gateway.client();
    await gateway.write({ backends: [{ name: 'one', ...fixtureCommand('servers/hanging.mjs') }] });
    await gateway.gateway.reload();
    await gateway.reaches('one', 'connecting');
    const { answer } = client.start('tools/call', { name: 'one__echo', arguments: { text: 'patient' } });
    await client.request('ping');
    await gateway.write({ backends: [echo('one', '--delay', '100')] });
    await gateway.gateway.reload();
    assert.equal((await answer).result.content[0].text, 'patient');
  });

  test('applies a changed interval of checks and age of lists to what runs, at once', async t => {
    const ledger = new Ledger(t);
    const config = (seconds: number) => ({
      backends: [
        {
          name: 'one',
          ...fixtureCommand('servers/counted.mjs', ledger.file, './echo.mjs'),
          health_check: { interval_seconds: seconds },
        },
      ],
      routing: { capability_cache_ttl_seconds: seconds },
    });
    const gateway = await startGateway(t, config(3600));
    await gateway.reaches('one', 'ready');
    const count = (method: string) => ledger.entries.filter(({ label }) => label === method).length;
    const [pings, lists] = [count('ping'), count('tools/list')];
    await gateway.write(config(1));
    await gateway.gateway.reload();
    await eventually('a check', () => count('ping') > pings);
    await eventually('the lists to be read again', () => count('tools/list') > lists);
    assert.equal(count('start'), 1);
  });

  test('changes nothing when the file is broken, and says so until it is whole again', async t => {
    const good = { backends: [echo('steady')] };
    const gateway = await startGateway(t, good);
    const pid = await gateway.pidOf('steady');

    await gateway.write('backends:\n  - name: steady\n   command: [');
    const report = await gateway.gateway.reload();
    assert.equal(report.errors.length > 0, true);
    assert.notEqual(gateway.gateway.snapshot().configError, undefined);
    assert.equal(await gateway.pidOf('steady'), pid);

    await gateway.write(good);
    await gateway.gateway.reload();
    assert.equal(gateway.gateway.snapshot().configError, undefined);
    assert.equal(await gateway.pidOf('steady'), pid);
  });

  test('names the backends that are in error, and applies the others', async t => {
    const gateway = await startGateway(t, { backends: [] });
    await gateway.write({ backends: [echo('good'), { name: 'bad' }] });
    const { added, errors } = await gateway.gateway.reload();
    assert.deepEqual(added, ['good']);
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), /:\d+:\d+: has neither command, url nor source$/);
  });

  test('makes it known that the file is broken, though nothing that runs has changed', async t => {
    const { gateway, configFile } = await startGateway(t, { backends: [] });
    const nextChange = () =>
      new Promise<string | undefined>(resolve => {
        const subscription = gateway.onDidChange(() => {
          subscription.dispose();
          resolve(gateway.snapshot().configError);
        });
      });
    const settled = nextChange();
    await gateway.reload();
    assert.equal(await settled, undefined);

    const told = nextChange();
    await writeFile(configFile, 'backends: [');
    assert.match(String(await Promise.race([told, sleep(5_000, 'nothing', { ref: false })])), /is not valid YAML/);
  });

  test('tells the log that the file is broken, that it is whole again, and what else than backends has changed', async t => {
    const { log, take } = collectedLog();
    const config = { backends: [echo('steady')] };
    const gateway = await startGateway(t, config, { log });
    const { configFile } = gateway;
    await gateway.reaches('steady', 'ready');
    const linesAfter = async (written: unknown, level = 'info') => {
      await gateway.write(written);
      await gateway.gateway.reload();
      return take().filter(line => line.startsWith(level));
    };
    const [reason, consequence, ...more] = await linesAfter('backends: [', 'error');
    assert.match(reason ?? '', /is not valid YAML/);
    assert.equal(consequence, `error: ${configFile} is not in use: what was read before still runs`);
    // Its own watch of the file may read it too, and reading it again brings no news.
    const again = await gateway.gateway.reload();
    assert.equal(again.errors.length, 1);
    assert.deepEqual([...more, ...take()], []);
    assert.deepEqual(await linesAfter(config), [`info: ${configFile} can be read again`]);
    assert.deepEqual(await linesAfter({ ...config, routing: { load_balancing: 'round_robin' } }), [
      'info: Configuration applied (routing)',
    ]);
    assert.deepEqual(await linesAfter({ ...config, server: { drain_seconds: 1 } }), [
      'info: Configuration applied (routing; server)',
    ]);
  });

  test('happens by itself when the file changes', async t => {
    const gateway = await startGateway(t, { backends: [echo('first')] });
    const pid = await gateway.pidOf('first');
    const client = await gateway.client();
    await client.listen();

    await gateway.write({ backends: [echo('first'), echo('second')] });
    await eventually('the tools of the second backend', async () =>
      (await client.toolNames()).includes('second__echo'),
    );
    await client.notifications('notifications/tools/list_changed');
    assert.equal(await gateway.pidOf('first'), pid);
  });
});

describe('Gateway', () => {
  for (const [persist, end] of [
    [false, ' (not kept in the file)'],
    [true, ''],
  ] as const)
    test(`tells the log what was changed while it runs${end}`, async t => {
      const { log, take } = collectedLog();
      const { gateway } = await startGateway(t, { backends: [echo('first')] }, { log, persist });
      await gateway.addBackends([echo('a'), echo('b')], 5000);
      await gateway.addBackends([{ name: 'bad', command: process.execPath, args: ['--no-such-flag'] }], 5000);
      await gateway.updateBackend('a', { priority: 3, enabled: false });
      await gateway.removeBackend('b');
      await gateway.removeBackend('nobody');
      assert.deepEqual(
        take().filter(line => /^info: (Added|Removed|Changed)/.test(line)),
        [
          'Added a, b',
          'Added bad',
          'Removed bad again, as it failed to start',
          'Changed a: priority 3, enabled false',
          'Removed b',
        ].map(line => `info: ${line}${end}`),
      );
    });

  test('gives backends their environment, and its own working directory where they name none', async t => {
    const gateway = await startGateway(t, {
      backends: [
        { ...echo('here'), env: { GREETING: 'hello' } },
        { ...echo('there'), cwd: '/' },
      ],
    });
    const client = await gateway.client();
    await gateway.gateway.whenSettled();
    const textOf = async (name: string, args = {}) => (await client.callTool(name, args)).result.content[0].text;
    assert.equal(await textOf('here__env', { name: 'GREETING' }), 'hello');
    assert.equal(await textOf('here__env', { name: 'PATH' }), process.env.PATH);
    assert.equal(`${await textOf('here__cwd')}/backends.yaml`, gateway.configFile);
    assert.equal(await textOf('there__cwd'), '/');
  });

  test('sends the headers of a remote backend, and never the token of its own clients', async t => {
    const url = await httpFixture(t, 'servers/echo.mjs');
    const gateway = await startGateway(t, { backends: [{ name: 'remote', url, headers: { 'X-Api-Key': 'secret' } }] });
    await gateway.reaches('remote', 'ready');
    const { result } = await (await gateway.client()).callTool('remote__headers');
    const headers = JSON.parse(result.content[0].text);
    assert.equal(headers['x-api-key'], 'secret');
    assert.equal(headers.authorization, undefined);
  });

  test('serves a client on stdio', async t => {
    const gateway = await startGateway(t, { backends: [echo('local')] });
    await gateway.reaches('local', 'ready');
    const [input, output] = [new PassThrough(), new PassThrough()];
    const served = gateway.gateway.serveStdio(input, output);
    const clientInfo = { name: 'test', version: '1.0.0' };
    const requests = [
      { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/call', params: { name: 'local__echo', arguments: { text: 'hello' } } },
    ];
    for (const request of requests) input.write(`${JSON.stringify({ jsonrpc: '2.0', ...request })}\n`);

    let written = '';
    output.on('data', chunk => {
      written += chunk;
    });
    const answers = await eventually('two answers', () => {
      const found = written.split('\n').filter(line => line.includes('"result"'));
      return found.length === 2 && found.map(line => JSON.parse(line));
    });
    assert.equal(answers[0].result.protocolVersion, '2025-06-18');
    assert.deepEqual(answers[1].result.content, [{ type: 'text', text: 'hello' }]);
    input.end();
    await served;
  });

  test('callTool tells an answer, an unknown tool and a JSON-RPC error apart', async t => {
    const gateway = await startGateway(t, {
      backends: [echo('local'), { name: 'rich', ...fixtureCommand('servers/rich.mjs') }],
    });
    await gateway.gateway.whenSettled();
    const call = (name: string, args = {}) => gateway.gateway.callTool(name, args, new AbortController().signal);

    const failed = await call('local__fail', { message: 'its own error' });
    assert.ok(failed.kind === 'answered');
    assert.equal(failed.result.isError, true);
    const unknown = await call('local__ekko');
    assert.ok(unknown.kind === 'unknown');
    assert.match(unknown.message, /local__echo/, 'names the tool that was probably meant');
    const rejected = await call('rich__protocolError');
    assert.deepEqual(rejected, { kind: 'rejected', code: -31999, message: 'Custom code' });
  });

  test('shows a call while it runs', async t => {
    const gateway = await startGateway(t, { backends: [{ ...echo('local'), health_check: { enabled: false } }] });
    await gateway.gateway.whenSettled();
    const shown: number[] = [];
    gateway.gateway.onDidChange(() => shown.push(gateway.backend('local').inFlight));
    await eventually('the news of its start', () => shown.length > 0);
    const abort = new AbortController();
    const call = gateway.gateway.callTool('local__slow', { label: 'a', steps: 1, stepMs: 60_000 }, abort.signal);
    await eventually('the call is shown', () => shown.at(-1) === 1);
    abort.abort();
    await call;
    await eventually('its end is shown', () => shown.at(-1) === 0);
  });

  test('tries an entry without touching what runs', async t => {
    const gateway = await startGateway(t, { backends: [echo('local')] });
    const pid = await gateway.pidOf('local');
    const { signal } = new AbortController();

    const good = await gateway.gateway.try(echo('candidate', '--tools', '150'), signal);
    assert.ok(good.ok);
    assert.ok(good.tools.includes('tool_001') && good.tools.includes('tool_150'), 'all pages were read');
    const bad = await gateway.gateway.try({ name: 'candidate', ...fixtureCommand('servers/crashing.mjs') }, signal);
    assert.ok(!bad.ok);
    assert.equal(bad.message, 'exited with code 3: Error: ACME_TOKEN is not set');
    assert.deepEqual(bad.stderrTail, ['Starting up', 'Error: ACME_TOKEN is not set']);

    assert.deepEqual(
      gateway.gateway.snapshot().backends.map(backend => backend.name),
      ['local'],
    );
    assert.equal(await gateway.pidOf('local'), pid);
  });
});
