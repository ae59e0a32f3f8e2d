// What is changed while running, and where it is afterwards.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Entry, nativeEntry } from '../../src/core/config/entry.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const { command, args } = fixtureCommand('servers/echo.mjs');
/** As other clients write it, with what means nothing here. */
const ENTRY = { type: 'stdio', command, args, env: { PORT: 8080 }, envFile: 'x.env', encoding: 'utf-8', port: 8100 };

/** The same backend `first` in each shape of a file, in the way people write them. */
const FILES: Readonly<Record<string, string>> = {
  'backends: in YAML': `# mine
backends:
  # the first
  - name: first   # first
    command: ${command}
    args: [${JSON.stringify(args[0])}]

routing: {}   # nothing
`,
  'mcpServers: in JSON': `${JSON.stringify({ mcpServers: { first: { command, args } } }, null, 4)}\n`,
  'servers: in JSON with comments': `{
  // mine
  "servers": {
    "first": { "command": ${JSON.stringify(command)}, "args": ${JSON.stringify(args)} } // the first
  },
  "inputs": [],
}
`,
  'mcpServers: in YAML': `mcpServers:
  first: # the first
    command: ${command}
    args: ${JSON.stringify(args)}
`,
};

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'switchyard-persistence-'));
  await writeFile(join(folder, 'x.env'), 'FROM_FILE=yes\n');
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function rest(gateway: TestGateway) {
  return async (method: string, path: string, body?: unknown) => {
    const response = await fetch(new URL(path, gateway.url), {
      method,
      headers: { ...gateway.headers, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
}

const namesOf = ({ gateway }: TestGateway) => gateway.snapshot().backends.map(({ name }) => name);

describe('With --persist, what is changed over HTTP is in the file', () => {
  for (const [shape, text] of Object.entries(FILES)) {
    it(`as ${shape}, touching nothing else, and runs again after a restart`, async t => {
      const folder = await folderFor(t);
      const before = await startGateway(t, text, { folder, persist: true });
      const send = rest(before);

      const added = await send('POST', '/mcp_servers', { mcpServers: { a: ENTRY, b: { command, args } } });
      assert.deepEqual(added, { status: 200, body: { message: "Added ['a', 'b']" } });
      assert.equal((await send('PATCH', '/mcp_servers/a', { priority: 3 })).status, 200);
      assert.equal((await send('PATCH', '/mcp_servers/b', { enabled: false, priority: 4 })).status, 200);
      const written = await readFile(before.configFile, 'utf8');
      for (const [comment] of text.matchAll(/(#|\/\/) .*/g))
        assert.ok(written.includes(comment), `${comment} in ${written}`);
      await before.gateway.stop();

      const after = await startGateway(t, written, { folder, persist: true });
      const sendAgain = rest(after);
      assert.deepEqual(after.gateway.snapshot().problems, []);
      assert.deepEqual(namesOf(after), ['first', 'a', 'b']);
      assert.equal((await after.reaches('a', 'ready')).priority, 3);
      const { enabled, priority } = after.backend('b');
      assert.deepEqual([enabled, priority], [false, 4]);
      assert.equal((await sendAgain('PATCH', '/mcp_servers/b', { enabled: true })).status, 200);
      await after.reaches('b', 'ready');

      for (const name of ['a', 'b']) assert.equal((await sendAgain('DELETE', `/mcp_servers/${name}`)).status, 200);
      assert.equal(await readFile(after.configFile, 'utf8'), text);
      assert.deepEqual(namesOf(after), ['first']);
      await after.gateway.stop();
    });

    it(`as ${shape}, but not what failed to start`, async t => {
      const folder = await folderFor(t);
      const gateway = await startGateway(t, text, { folder, persist: true });
      const failing = { command: process.execPath, args: ['--no-such-flag'] };
      const { status } = await rest(gateway)('POST', '/mcp_servers', { mcpServers: { failing } });
      assert.equal(status, 500);
      assert.equal(await readFile(gateway.configFile, 'utf8'), text);
    });
  }

  const empty: Readonly<Record<string, string>> = {
    'comments alone': `# my servers
backends:
  # - name: github
  #   url: https://api.example.com/mcp
routing:
  default_strategy: capability
`,
    'nothing at all': 'backends:\nserver: {}\n',
    'brackets over lines': 'mcpServers: {\n  }\n',
    'brackets with a comment': 'backends:\n  [\n    # nothing\n  ]\n',
    'brackets above a comment': 'backends: [ ]\n  # - name: github\n',
    'JSON with comments': '{"mcpServers": { // none yet\n  // "github": {}\n}}',
  };
  for (const [what, text] of Object.entries(empty)) {
    it(`and what failed to start leaves no trace where there was ${what}`, async t => {
      const gateway = await startGateway(t, text, { persist: true });
      const failing = { command: process.execPath, args: ['--no-such-flag'] };
      const { status } = await rest(gateway)('POST', '/mcp_servers', { mcpServers: { a: failing, b: failing } });
      assert.equal(status, 500);
      assert.equal(await readFile(gateway.configFile, 'utf8'), text);
    });
  }

  it('and what is still starting when the router stops stays there, and is said to be', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML'], { persist: true });
    const mcpServers = { hanging: fixtureCommand('servers/hanging.mjs'), ready: { command, args } };
    const answer = rest(gateway)('POST', '/mcp_servers', { mcpServers });
    await eventually('both to be added', () => namesOf(gateway).includes('ready'));
    await gateway.reaches('ready', 'ready');
    await gateway.gateway.stop();
    const body = { message: "Added ['hanging', 'ready']", starting: ['hanging'] };
    assert.deepEqual(await answer, { status: 200, body });
    assert.match(await readFile(gateway.configFile, 'utf8'), /name: hanging/);
  });

  it('without what is ignored, and one change after the other', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML'], { persist: true });
    const send = rest(gateway);
    const routes = [{ pattern: '*', wait: 1 }];
    const a = { command, args, tags: [1], routes };
    const added = await send('POST', '/mcp_servers', { mcpServers: { a } });
    assert.deepEqual(added.body.warnings, { a: ['unknown key tags', 'unknown key routes[0].wait'] });
    assert.doesNotMatch(await readFile(gateway.configFile, 'utf8'), /tags|wait/);
    const removed = await Promise.all([1, 2].map(() => send('DELETE', '/mcp_servers/a')));
    assert.deepEqual(
      removed.map(({ status }) => status),
      [200, 404],
    );
    const again = await Promise.all([1, 2].map(() => send('POST', '/mcp_servers', { mcpServers: { a } })));
    assert.deepEqual(again.map(({ status }) => status).toSorted(), [200, 500]);
  });

  it('and a large addition is one change of the file', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML'], { persist: true });
    const names = Array.from({ length: 1000 }, (_, index) => `b${index}`);
    const mcpServers = Object.fromEntries(names.map(name => [name, { command, args, auto_start: false }]));
    const started = performance.now();
    const { status } = await rest(gateway)('POST', '/mcp_servers', { mcpServers });
    assert.ok(performance.now() - started < 10_000);
    assert.equal(status, 200);
    assert.deepEqual(namesOf(gateway), ['first', ...names]);
  });

  it('and never makes the file larger than one that is read', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML'], { persist: true });
    const add = (name: string) =>
      rest(gateway)('POST', '/mcp_servers', {
        mcpServers: { [name]: { command, env: { A: 'x'.repeat(700_000) }, auto_start: false } },
      });
    assert.equal((await add('a')).status, 200);
    const { status, body } = await add('b');
    assert.equal(status, 500);
    assert.match(String(body.error), / was not changed\. It would be larger than 1 MiB\.$/);
    assert.deepEqual(namesOf(gateway), ['first', 'a']);
  });

  it('and a file that cannot be changed is said to be the reason', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML'], { persist: true });
    await writeFile(gateway.configFile, 'backends: [');
    await gateway.gateway.reload();
    const send = rest(gateway);
    for (const [method, path, body] of [
      ['POST', '/mcp_servers', { mcpServers: { a: { command, args } } }],
      ['PATCH', '/mcp_servers/first', { priority: 1 }],
      ['DELETE', '/mcp_servers/first', undefined],
    ] as const) {
      const answer = await send(method, path, body);
      assert.equal(answer.status, 500);
      assert.match(String(answer.body.error), / was not changed\. It has an error; correct it, or try again/, method);
    }
    assert.equal(await readFile(gateway.configFile, 'utf8'), 'backends: [');
    assert.equal(gateway.backend('first').priority, 10);
    await writeFile(gateway.configFile, FILES['backends: in YAML'] ?? '');
    assert.equal((await send('PATCH', '/mcp_servers/first', { priority: 1 })).status, 200, 'it is read again first');
  });

  it('and a file that an editor is about to write again is left alone', async t => {
    const text = FILES['backends: in YAML'] ?? '';
    const gateway = await startGateway(t, text, { persist: true });
    const add = () => rest(gateway)('POST', '/mcp_servers', { mcpServers: { a: { command, args } } });
    for (const half of ['', '# mine\n', 'routing: {}\n']) {
      await writeFile(gateway.configFile, half);
      const { status, body } = await add();
      assert.equal(status, 500, half);
      assert.match(String(body.error), /It has an error; correct it, or try again/);
      assert.equal(await readFile(gateway.configFile, 'utf8'), half);
    }
    await rm(gateway.configFile);
    const { status, body } = await add();
    assert.equal(status, 500);
    assert.match(String(body.error), /There is no such file any more/);
    await writeFile(gateway.configFile, text);
    assert.equal((await add()).status, 200);
    assert.deepEqual(namesOf(gateway), ['first', 'a']);
  });
});

describe('Without --persist, what is changed over HTTP', () => {
  it('outlives every reload, and no file has it', async t => {
    const text = FILES['backends: in YAML'] ?? '';
    const folder = await folderFor(t);
    const gateway = await startGateway(t, text, { folder });
    const send = rest(gateway);
    await send('POST', '/mcp_servers', { mcpServers: { a: ENTRY } });
    const pid = await gateway.pidOf('a');
    await send('PATCH', '/mcp_servers/a', { priority: 3 });
    await send('PATCH', '/mcp_servers/first', { enabled: false });
    assert.equal(await readFile(gateway.configFile, 'utf8'), text);

    await gateway.write(text.replace('routing: {}', 'routing: { request_timeout_seconds: 7 }'));
    await gateway.gateway.reload();
    assert.deepEqual(namesOf(gateway), ['first', 'a']);
    assert.deepEqual([gateway.backend('first').enabled, gateway.backend('a').priority], [false, 3]);
    assert.equal(await gateway.pidOf('a'), pid);
  });

  it('takes the place of what was removed, until the end of the run', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML']);
    const send = rest(gateway);
    assert.equal((await send('DELETE', '/mcp_servers/first')).status, 200);
    await send('POST', '/mcp_servers', { mcpServers: { first: { command, args, priority: 77 } } });
    assert.equal(gateway.backend('first').priority, 77);
    await gateway.gateway.reload();
    assert.equal(gateway.backend('first').priority, 77);
    await send('DELETE', '/mcp_servers/first');
    assert.deepEqual(namesOf(gateway), []);
  });

  it('gives way to what the file has by then', async t => {
    const gateway = await startGateway(t, 'backends: []');
    await rest(gateway)('POST', '/mcp_servers', { mcpServers: { first: { command, args, priority: 77 } } });
    await gateway.write(FILES['backends: in YAML']);
    await eventually('the file to be read', () => gateway.backend('first').priority === 10);
    assert.deepEqual(namesOf(gateway), ['first']);
    await rest(gateway)('DELETE', '/mcp_servers/first');
    assert.deepEqual(namesOf(gateway), []);
  });

  it('is forgotten of a backend that the file has lost, whatever the file later has under that name', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML']);
    await rest(gateway)('PATCH', '/mcp_servers/first', { priority: 77 });
    await rest(gateway)('DELETE', '/mcp_servers/first');
    await gateway.write('backends: []');
    await gateway.gateway.reload();
    await gateway.write(FILES['backends: in YAML']);
    await eventually('it to be back', () => namesOf(gateway).includes('first'));
    assert.equal(gateway.backend('first').priority, 10);
  });

  it('waits for the backend that it falls back to, where the file has lost it, and says so', async t => {
    const errors: string[] = [];
    const log = { debug() {}, info() {}, warning() {}, error: (line: string) => errors.push(line) };
    const gateway = await startGateway(t, FILES['backends: in YAML'], { log });
    const routes = [{ pattern: '*', strategy: 'fallback', fallback_to: 'first' }];
    await rest(gateway)('POST', '/mcp_servers', { mcpServers: { a: { command, args, routes } } });
    await gateway.write('backends: []');
    const { state } = await gateway.reaches('a', 'rejected');
    const message = 'added while running: fallback_to: there is no backend "first"';
    assert.deepEqual(state, { kind: 'rejected', problem: { message } });
    await gateway.gateway.reload();
    assert.deepEqual(errors, [`a: ${message}`], 'once');
    await gateway.write(FILES['backends: in YAML']);
    await gateway.reaches('a', 'ready');
  });

  it('may fall back to a backend of the file', async t => {
    const gateway = await startGateway(t, FILES['backends: in YAML']);
    const routes = [{ pattern: '*', strategy: 'fallback', fallback_to: 'first' }];
    const { status } = await rest(gateway)('POST', '/mcp_servers', { mcpServers: { a: { command, args, routes } } });
    assert.equal(status, 200);
    await gateway.gateway.reload();
    assert.equal(gateway.backend('a').state.kind, 'ready');
  });
});

for (const persist of [true, false]) {
  describe(`Backends that fall back to each other, ${persist ? 'with' : 'without'} --persist`, () => {
    const echo = (fallback_to?: string) => ({
      command,
      args,
      ...(fallback_to !== undefined && { routes: [{ pattern: '*', strategy: 'fallback', fallback_to }] }),
    });

    it('are not taken from each other', async t => {
      const text = JSON.stringify({ mcpServers: { a: echo('b'), b: echo() } });
      const gateway = await startGateway(t, text, { persist });
      const pid = await gateway.pidOf('a');
      const send = rest(gateway);
      const refused = { status: 500, body: { error: '"a" falls back to "b": change that first' } };
      assert.deepEqual(await send('DELETE', '/mcp_servers/b'), refused);
      assert.equal(await readFile(gateway.configFile, 'utf8'), text);
      assert.deepEqual([await gateway.pidOf('a'), namesOf(gateway)], [pid, ['a', 'b']]);
      for (const name of ['a', 'b']) assert.equal((await send('DELETE', `/mcp_servers/${name}`)).status, 200);
    });

    it('are added together, in any order', async t => {
      const gateway = await startGateway(t, { mcpServers: { a: echo() } }, { persist });
      const mcpServers = { d: echo('c'), b: echo('a'), c: echo('b') };
      const added = await rest(gateway)('POST', '/mcp_servers', { mcpServers });
      assert.deepEqual(added, { status: 200, body: { message: "Added ['d', 'b', 'c']" } });
      await gateway.gateway.reload();
      for (const name of ['a', 'b', 'c', 'd']) await gateway.reaches(name, 'ready');
    });

    it('are not added without those that they fall back to', async t => {
      const text = JSON.stringify({ mcpServers: {} });
      const gateway = await startGateway(t, text, { persist });
      const send = rest(gateway);
      const wrong = await send('POST', '/mcp_servers', { mcpServers: { c: echo('b'), b: echo('a'), a: {} } });
      const missing = 'fallback_to: the backend that it names was not added';
      const { a, ...others } = wrong.body.errors as Record<string, string>;
      assert.deepEqual([wrong.status, others], [500, { c: missing, b: missing }]);
      assert.ok(a);

      const failing = { command: process.execPath, args: ['--no-such-flag'] };
      const failed = await send('POST', '/mcp_servers', {
        mcpServers: { c: echo('b'), b: echo('a'), a: failing, d: echo() },
      });
      assert.deepEqual([failed.status, failed.body.message], [200, "Added ['d']"]);
      assert.deepEqual(Object.keys(failed.body.errors as object).toSorted(), ['a', 'b', 'c']);
      assert.deepEqual(namesOf(gateway), ['d']);
      assert.equal((await send('DELETE', '/mcp_servers/d')).status, 200);
      assert.equal(await readFile(gateway.configFile, 'utf8'), text);
    });

    it('stay where another addition has come to count on them, also when they fail to start', async t => {
      const folder = await folderFor(t);
      const gateway = await startGateway(t, { mcpServers: {} }, { persist, folder });
      const send = rest(gateway);
      const over = join(folder, 'over');
      const endsThen = `setInterval(() => require('fs').existsSync(${JSON.stringify(over)}) && process.exit(1), 10)`;
      const a = { command: process.execPath, args: ['-e', endsThen] };
      const failing = send('POST', '/mcp_servers', { mcpServers: { a } });
      await eventually('a to be started', () => namesOf(gateway).includes('a'));
      assert.equal((await send('POST', '/mcp_servers', { mcpServers: { b: echo('a') } })).status, 200);
      await writeFile(over, '');
      assert.deepEqual(await failing, { status: 200, body: { message: "Added ['a']" } });
      assert.deepEqual(namesOf(gateway), ['a', 'b']);
    });

    it('are not added where calls would go round in circles', async t => {
      const gateway = await startGateway(t, { mcpServers: { a: echo('b') } }, { persist });
      assert.equal(gateway.backend('a').state.kind, 'rejected');
      const circle = 'leads back to "b", so a call would never end';
      const inFile = await rest(gateway)('POST', '/mcp_servers', { mcpServers: { b: echo('a') } });
      assert.deepEqual([inFile.status, inFile.body.errors], [500, { b: `fallback_to: "a" ${circle}` }]);
      const among = await rest(gateway)('POST', '/mcp_servers', { mcpServers: { b: echo('c'), c: echo('b') } });
      assert.equal(among.status, 500);
      assert.equal((among.body.errors as Record<string, string>).b, `fallback_to: "c" ${circle}`);
      assert.deepEqual(namesOf(gateway), ['a']);
      assert.equal((await rest(gateway)('POST', '/mcp_servers', { mcpServers: { b: echo() } })).status, 200);
      await gateway.reaches('a', 'ready');
    });

    it('are taken one by one where they lead back to each other in the file', async t => {
      const text = JSON.stringify({ mcpServers: { a: echo('b'), b: echo('c'), c: echo('a') } });
      const gateway = await startGateway(t, text, { persist });
      const send = rest(gateway);
      const remove = async (name: string) => (await send('DELETE', `/mcp_servers/${name}`)).status;
      assert.deepEqual(
        [await remove('a'), await remove('c'), await remove('b'), await remove('c')],
        [500, 500, 200, 200],
      );
      assert.deepEqual([namesOf(gateway)], [['a']]);
    });
  });
}

describe('An entry of another client', () => {
  it('is said in our own words', () => {
    const native: Entry = nativeEntry('a', { ...ENTRY, disabled: true, cwd: null });
    assert.deepEqual(native, {
      name: 'a',
      command,
      args,
      env: { PORT: '8080' },
      env_file: 'x.env',
      enabled: false,
    });
    assert.deepEqual(nativeEntry('b', { type: 'streamable-http', url: 'https://x.test', headers: { a: 1 } }), {
      name: 'b',
      type: 'http',
      url: 'https://x.test',
      headers: { a: '1' },
    });
  });
});
