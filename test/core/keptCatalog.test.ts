import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../../src/core/base/clock.ts';
import { type BackendConfig, backendSchema } from '../../src/core/config/schema.ts';
import { KeptCatalog } from '../../src/core/keptCatalog.ts';
import type { Acquaintance } from '../../src/core/upstream/backend.ts';
import { type Lists, NO_LISTS } from '../../src/core/upstream/lists.ts';
import { FakeClock } from '../support/fakeClock.ts';

const CONFIG_FILE = '/home/somebody/backends.yaml';

/** A folder for the time of one test. */
function temporaryFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'switchyard-kept-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One run of a router on the folder, with the warnings it gives. */
async function run(directory: string, { configFile = CONFIG_FILE, clock = new FakeClock() as Clock } = {}) {
  const warnings: string[] = [];
  const ignore = () => {};
  const log = { debug: ignore, info: ignore, warning: (text: string) => warnings.push(text), error: ignore };
  return { kept: await KeptCatalog.open({ directory, configFile, clock, log }), warnings };
}

/** A run that keeps these lists of the backend "files" and ends; gives the file it leaves. */
async function runAndKeep(directory: string, lists: Lists): Promise<string> {
  const { kept, warnings } = await run(directory);
  kept.keep(backend(), offering(lists));
  await kept.flush();
  assert.deepEqual(warnings, []);
  return path.join(directory, onlyFile(directory));
}

function backend({ name = 'files', ...changes }: Partial<BackendConfig> = {}): BackendConfig {
  const { command, args, env, env_file, cwd, url, headers, type, source, ...rest } = backendSchema.parse({
    name,
    command: 'x',
  });
  const launch = { kind: 'stdio', command: 'npx', args: ['-y', 'files'], env: {}, cwd: undefined } as const;
  return { ...rest, namespace: name, request_timeout_seconds: 30, launch, ...changes };
}

function offering(lists: Lists): Acquaintance {
  return { lists, about: undefined };
}

function tools(...names: string[]): Lists {
  return { ...NO_LISTS, tools: names.map(name => ({ name })) };
}

function onlyFile(directory: string): string {
  const files = fs.readdirSync(directory);
  assert.equal(files.length, 1, `one file, not ${files}`);
  return String(files[0]);
}

/** For the time of one test a user whom permissions hold, as they do not hold root. */
function asOrdinaryUser(t: TestContext): void {
  if (process.geteuid?.() !== 0) return;
  process.seteuid?.(65534);
  t.after(() => process.seteuid?.(0));
}

describe('KeptCatalog', () => {
  test('gives the next run every item exactly as it was, with all that no schema knows', async t => {
    const directory = temporaryFolder(t);
    const odd = JSON.parse(
      '{"name":"größe €","_meta":{"a":[1,null,{"b":1e300}]},"__proto__":{"x":1},"inputSchema":true}',
    );
    const lists: Lists = {
      tools: [odd, { name: '2' }, { name: '1' }],
      prompts: [{ name: 'prompt', arguments: [] }],
      resources: [{ uri: 'file:///a', size: 5 }],
      templates: [{ uriTemplate: 'file:///{path}' }],
    };
    await runAndKeep(directory, lists);
    const { kept, warnings } = await run(directory);
    assert.deepEqual(kept.kept(backend())?.lists, lists);
    assert.equal(JSON.stringify(kept.kept(backend())?.lists), JSON.stringify(lists));
    assert.deepEqual(warnings, []);
  });

  test('gives nothing for a backend that is launched in another way, and its lists whatever else changed', async t => {
    const directory = temporaryFolder(t);
    await runAndKeep(directory, tools('read'));
    const { kept } = await run(directory);
    const { launch } = backend();
    assert.ok(launch.kind === 'stdio');
    const env = { TOKEN: 'other' };
    assert.equal(kept.kept(backend({ launch: { ...launch, env } }))?.lists, undefined);
    assert.equal(kept.kept(backend({ protocol: 'legacy' }))?.lists, undefined);
    assert.equal(kept.kept(backend({ session: 'per_client' }))?.lists, undefined);
    assert.equal(kept.kept(backend({ name: 'other' }))?.lists, undefined);
    assert.deepEqual(kept.kept(backend({ priority: 3, namespace: 'n' }))?.lists, tools('read'));
  });

  test('warns once of what cannot be written, and writes again what can be', async t => {
    const directory = temporaryFolder(t);
    const { kept, warnings } = await run(directory);
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000));
    kept.keep(backend(), offering({ ...NO_LISTS, tools: [{ name: 'deep', deep }] }));
    await kept.flush();
    await kept.flush();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /^The tools of this run cannot be kept for the next: /);
    kept.keep(backend(), offering(tools('read')));
    await kept.flush();
    assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('read'));
  });

  test('writes no secret, and nothing that others may read', async t => {
    const directory = path.join(temporaryFolder(t), 'state', 'switchyard');
    const { kept } = await run(directory);
    const launch = { kind: 'stdio', command: 'x', args: [], env: { TOKEN: 'secret-7' }, cwd: undefined } as const;
    kept.keep(backend({ launch }), offering(tools('read')));
    await kept.flush();
    const file = path.join(directory, onlyFile(directory));
    assert.doesNotMatch(fs.readFileSync(file, 'utf8'), /secret-7/);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(fs.statSync(directory).mode & 0o777, 0o700);
  });

  test('forgets the backends that are not retained, and only those', async t => {
    const directory = temporaryFolder(t);
    const first = await run(directory);
    for (const name of ['a', 'b', '__proto__']) first.kept.keep(backend({ name }), offering(tools(name)));
    first.kept.retain(['a', '__proto__', 'never-kept']);
    await first.kept.flush();
    const { kept } = await run(directory);
    assert.deepEqual(
      ['a', 'b', '__proto__'].map(name => kept.kept(backend({ name }))?.lists),
      [tools('a'), undefined, tools('__proto__')],
    );
  });

  test('has one file for each configuration file', async t => {
    const directory = temporaryFolder(t);
    await runAndKeep(directory, tools('read'));
    const { kept, warnings } = await run(directory, { configFile: '/another/backends.yaml' });
    assert.equal(kept.kept(backend())?.lists, undefined);
    kept.keep(backend(), offering(tools('other')));
    await kept.flush();
    assert.equal(fs.readdirSync(directory).length, 2);
    assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('read'));
    assert.deepEqual(warnings, []);
  });

  describe('when it finds a file that it cannot use', () => {
    const damages: Readonly<Record<string, (text: string) => string | Buffer>> = {
      'an empty one': () => '',
      'a truncated one': text => text.slice(0, -40),
      'one of zeros, as a power cut leaves them': text => Buffer.alloc(text.length),
      'bytes that are no text': () => Buffer.from([0xff, 0xfe, 0x00, 0xd8]),
      'other JSON': () => '{"mcpServers":{}}',
      'a JSON null': () => 'null',
      'one of another version': text => text.replace('"version":1', '"version":2'),
      'one of another configuration file': text => text.replace(CONFIG_FILE, '/home/else/backends.yaml'),
      'one with a tool that has no name': text => text.replace('"name":"read"', '"name":7'),
      'one with a list that is none': text => text.replace('"prompts":[]', '"prompts":{}'),
    };
    for (const [what, damage] of Object.entries(damages)) {
      test(`sets aside ${what}, says so, and works`, async t => {
        const directory = temporaryFolder(t);
        const file = await runAndKeep(directory, tools('read'));
        const whole = fs.readFileSync(file, 'utf8');
        const damaged = damage(whole);
        assert.notEqual(damaged, whole);
        fs.writeFileSync(file, damaged);

        const { kept, warnings } = await run(directory);
        assert.equal(kept.kept(backend())?.lists, undefined);
        assert.equal(warnings.length, 1);
        assert.ok(warnings[0]?.includes(file), warnings[0]);
        assert.deepEqual(fs.readFileSync(`${file}.set-aside`), Buffer.from(damaged));
        kept.keep(backend(), offering(tools('write')));
        await kept.flush();
        assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('write'));
      });
    }

    test('sets aside one that it may not read', async t => {
      asOrdinaryUser(t);
      const directory = temporaryFolder(t);
      const file = await runAndKeep(directory, tools('read'));
      fs.chmodSync(file, 0);
      const { kept, warnings } = await run(directory);
      assert.equal(kept.kept(backend())?.lists, undefined);
      assert.match(String(warnings), /EACCES/);
      assert.deepEqual(fs.readdirSync(directory), [`${path.basename(file)}.set-aside`]);
    });

    test('sets aside a folder of its name', async t => {
      const directory = temporaryFolder(t);
      const file = await runAndKeep(directory, tools('read'));
      fs.rmSync(file);
      fs.mkdirSync(file);
      const { kept, warnings } = await run(directory);
      assert.match(String(warnings), /EISDIR/);
      kept.keep(backend(), offering(tools('write')));
      await kept.flush();
      assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('write'));
    });
  });

  describe('when its folder is of no use', () => {
    test('works without one that is a file, after one warning', async t => {
      const directory = path.join(temporaryFolder(t), 'file');
      fs.writeFileSync(directory, 'not a folder');
      const { kept, warnings } = await run(directory);
      kept.keep(backend(), offering(tools('read')));
      await kept.flush();
      assert.deepEqual(kept.kept(backend())?.lists, tools('read'));
      assert.equal(warnings.length, 1, String(warnings));
      assert.match(String(warnings), /ENOTDIR/);
      assert.equal(fs.readFileSync(directory, 'utf8'), 'not a folder');
    });

    test('reads from a read-only one, says once that it cannot write, and writes as soon as it may', async t => {
      asOrdinaryUser(t);
      const directory = temporaryFolder(t);
      await runAndKeep(directory, tools('read'));
      fs.chmodSync(directory, 0o500);
      const { kept, warnings } = await run(directory);
      assert.deepEqual(kept.kept(backend())?.lists, tools('read'));
      kept.keep(backend(), offering(tools('write')));
      await kept.flush();
      kept.keep(backend(), offering(tools('write', 'again')));
      await kept.flush();
      assert.equal(warnings.length, 1, String(warnings));
      assert.match(String(warnings), /EACCES/);
      fs.chmodSync(directory, 0o700);
      await kept.flush();
      assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('write', 'again'));
      onlyFile(directory);
    });

    test('leaves nothing behind where the file cannot be replaced', async t => {
      const directory = temporaryFolder(t);
      const file = await runAndKeep(directory, tools('read'));
      const { kept, warnings } = await run(directory);
      fs.rmSync(file);
      fs.mkdirSync(file);
      kept.keep(backend(), offering(tools('write')));
      await kept.flush();
      assert.equal(onlyFile(directory), path.basename(file));
      assert.equal(warnings.length, 1);
    });

    test('makes it again when it was deleted', async t => {
      const directory = path.join(temporaryFolder(t), 'state');
      const { kept, warnings } = await run(directory);
      kept.keep(backend(), offering(tools('read')));
      await kept.flush();
      fs.rmSync(directory, { recursive: true });
      kept.keep(backend(), offering(tools('write')));
      await kept.flush();
      assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('write'));
      assert.deepEqual(warnings, []);
    });
  });

  describe('writing', () => {
    test('waits half a second for more to keep, and no longer', async t => {
      const directory = temporaryFolder(t);
      const clock = new FakeClock();
      const { kept } = await run(directory, { clock });
      for (let at = 0; at < 400; at += 100) {
        kept.keep(backend(), offering(tools(`read_${at}`)));
        clock.advance(100);
      }
      assert.equal(clock.pending, 1);
      assert.deepEqual(fs.readdirSync(directory), []);
      clock.advance(100);
      assert.equal(clock.pending, 0);
      // Nothing is pending any more, so this only waits for the write that the clock began.
      await kept.flush();
      assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('read_300'));
    });

    test('writes nothing when nothing was kept since, and leaves no timer', async t => {
      const directory = temporaryFolder(t);
      const clock = new FakeClock();
      const { kept } = await run(directory, { clock });
      await kept.flush();
      assert.deepEqual(fs.readdirSync(directory), []);
      kept.keep(backend(), offering(tools('read')));
      await kept.flush();
      assert.equal(clock.pending, 0);
      const { ino } = fs.statSync(path.join(directory, onlyFile(directory)));
      kept.retain(['files']);
      await kept.flush();
      assert.equal(fs.statSync(path.join(directory, onlyFile(directory))).ino, ino);
    });

    test('loses nothing that is kept while it writes', async t => {
      const directory = temporaryFolder(t);
      const clock = new FakeClock();
      const { kept } = await run(directory, { clock });
      kept.keep(backend({ name: 'a' }), offering(many(2000)));
      const writing = kept.flush();
      await Promise.resolve();
      kept.keep(backend({ name: 'b' }), offering(tools('b')));
      await writing;
      assert.equal(
        (await run(directory)).kept.kept(backend({ name: 'b' }))?.lists,
        undefined,
        'it came too late for this',
      );
      clock.advance(500);
      await kept.flush();
      const next = await run(directory);
      assert.equal(next.kept.kept(backend({ name: 'a' }))?.lists?.tools.length, 2000);
      assert.deepEqual(next.kept.kept(backend({ name: 'b' }))?.lists, tools('b'));
    });

    test('ends with what was kept last, however long the write before it takes', async t => {
      const directory = temporaryFolder(t);
      const { kept } = await run(directory);
      kept.keep(backend(), offering(many(5000)));
      const first = kept.flush();
      await Promise.resolve();
      kept.keep(backend(), offering(tools('read')));
      await Promise.all([first, kept.flush()]);
      assert.deepEqual((await run(directory)).kept.kept(backend())?.lists, tools('read'));
    });

    test('keeps 5,000 tools at the price of making them JSON, once for many changes', async t => {
      const directory = temporaryFolder(t);
      const clock = new FakeClock();
      const { kept } = await run(directory, { clock });
      const lists = many(5000);
      const keeping = milliseconds(() => {
        for (let change = 0; change < 100; change++) kept.keep(backend(), offering(lists));
      });
      const writing = milliseconds(() => JSON.stringify(lists));
      assert.ok(keeping < 20 * writing + 50, `100 changes took ${keeping} ms, once making it JSON ${writing} ms`);
      assert.equal(clock.pending, 1);
      await kept.flush();
      const begun = performance.now();
      const next = await run(directory);
      const reading = performance.now() - begun;
      const parsing = milliseconds(() => JSON.parse(JSON.stringify(lists)));
      assert.ok(reading < 10 * parsing + 50, `reading took ${reading} ms, writing and parsing it ${parsing} ms`);
      assert.deepEqual(next.kept.kept(backend())?.lists, lists);
      t.diagnostic(`5,000 tools: 100 changes ${keeping.toFixed(1)} ms, reading ${reading.toFixed(1)} ms`);
    });

    test('never shows half a file to anybody, while two processes write it', async t => {
      const directory = temporaryFolder(t);
      const writers = ['a', 'b'].map(name => startWriter(t, directory, name));
      const ended = Promise.all(writers.map(writer => once(writer, 'exit')));
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      await Promise.race(writers.map(writer => once(writer.stdout, 'data')));
      let reads = 0;
      while (!isOver) {
        const { kept, warnings } = await run(directory);
        assert.deepEqual(warnings, []);
        const found = ['a', 'b'].map(name => kept.kept(backend({ name }))?.lists?.tools.length);
        assert.ok(found.includes(1000), `each version is one that somebody wrote, not ${found}`);
        reads++;
      }
      assert.deepEqual(await ended, [
        [0, null],
        [0, null],
      ]);
      assert.ok(reads > 10, `read ${reads} times`);
      onlyFile(directory);
    });
  });
});

function many(count: number): Lists {
  const properties = Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => [`p${index}`, { type: 'string', description: 'An argument of the tool.' }]),
  );
  const inputSchema = { type: 'object', properties };
  return {
    ...NO_LISTS,
    tools: Array.from({ length: count }, (_, index) => ({
      name: `tool_${index}`,
      description: 'Does it.',
      inputSchema,
    })),
  };
}

function milliseconds(action: () => void): number {
  const begun = performance.now();
  action();
  return performance.now() - begun;
}

/** A process that writes 60 times, and says when it has first written. */
function startWriter(t: TestContext, directory: string, name: string) {
  const module = pathToFileURL(path.resolve(import.meta.dirname, '../../src/core/keptCatalog.ts'));
  const code = `
    import { KeptCatalog } from ${JSON.stringify(module)};
    const clock = { now: () => 0, schedule: () => ({ dispose() {} }) };
    const log = { warning(text) { console.error(text); process.exitCode = 1; } };
    const options = { directory: ${JSON.stringify(directory)}, configFile: ${JSON.stringify(CONFIG_FILE)}, clock, log };
    const kept = await KeptCatalog.open(options);
    const tools = Array.from({ length: 1000 }, (_, index) => ({ name: 'tool_' + index, description: 'x'.repeat(500) }));
    for (let count = 0; count < 60; count++) {
      kept.keep(${JSON.stringify(backend({ name }))}, { lists: { tools, prompts: [], resources: [], templates: [] } });
      await kept.flush();
      if (count === 0) console.log('written');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}
