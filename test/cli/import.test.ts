// `import` as a program: what it adds, what it leaves, and what it says.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { runCli, temporaryFolder } from './program.ts';

const CURSOR = JSON.stringify({
  mcpServers: {
    memory: { command: 'npx', args: ['-y', 'memory-mcp'], env: { API_TOKEN: 'very-secret' } },
    'my docs': { url: 'https://example.com/mcp', disabled: true },
  },
});

suite('switchyard import', () => {
  test('makes a readable file that is for nobody else', async t => {
    const cwd = await folderWith(t, { 'mcp.json': CURSOR });
    const { exitCode, stdout, stderr } = await runCli(t, ['import', 'mcp.json'], { cwd });
    assert.deepEqual([exitCode, stderr], [0, '']);
    assert.match(
      stdout,
      /^NAME +RESULT +FROM +NOTES\nmemory +imported +mcp\.json +env\.API_TOKEN: a secret in plain text/,
    );
    assert.match(stdout, /^my-docs +imported +mcp\.json +"my docs" is called "my-docs" here$/m);
    assert.match(stdout, /2 of 2 imported to .*backends\.yaml\.\nNext: switchyard check\n$/);
    assert.doesNotMatch(stdout, /very-secret/);
    const file = path.join(cwd, 'backends.yaml');
    assert.equal(
      await readFile(file, 'utf8'),
      `# The backends of MCP Switchyard. "switchyard check" tries them, "switchyard serve" runs them.

backends:
  - name: memory
    command: npx
    args: [-y, memory-mcp]
    env:
      API_TOKEN: very-secret
  - name: my-docs
    url: https://example.com/mcp
    enabled: false
`,
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  test('adds to a file and leaves every other byte, and does nothing the second time', async t => {
    const own =
      '# mine\nbackends:\n  - name: db # the first\n    command: db\n\nrouting: {load_balancing: round_robin}\n';
    const cwd = await folderWith(t, { 'mcp.json': CURSOR, 'own.yaml': own });
    const once = await runCli(t, ['import', 'mcp.json', '--to', 'own.yaml'], { cwd });
    assert.equal(once.exitCode, 0, once.stderr);
    assert.match(once.stdout, /\nNext: switchyard check --config own\.yaml\n$/);
    const after = await readFile(path.join(cwd, 'own.yaml'), 'utf8');
    const added = after.slice(own.indexOf('\nrouting'), after.indexOf('\nrouting'));
    assert.equal(after.replace(added, ''), own);
    assert.match(added, /name: memory/);
    const again = await runCli(t, ['import', 'mcp.json', '--to', 'own.yaml'], { cwd });
    assert.equal(again.exitCode, 0);
    assert.match(again.stdout, /^memory +already there/m);
    assert.match(again.stdout, /\nNothing new: 2 already there\.\n$/);
    assert.equal(await readFile(path.join(cwd, 'own.yaml'), 'utf8'), after);
  });

  test('overwrites nothing, says why, and is 1', async t => {
    const own = 'backends:\n  - name: memory\n    command: another\n';
    const cwd = await folderWith(t, { 'mcp.json': CURSOR, 'backends.yaml': own });
    const { exitCode, stdout } = await runCli(t, ['import', 'mcp.json', '--json'], { cwd });
    assert.equal(exitCode, 1);
    const { entries } = JSON.parse(stdout);
    assert.deepEqual(
      entries.map(({ name, result }: Record<string, unknown>) => [name, result]),
      [
        ['memory', 'not imported'],
        ['my-docs', 'imported'],
      ],
    );
    assert.match(entries[0].notes[0], /^backends\.yaml has another "memory": rename/);
    assert.ok((await readFile(path.join(cwd, 'backends.yaml'), 'utf8')).startsWith(own));
  });

  test('imports the others beside a file that cannot be used, names it, and is 2', async t => {
    const cwd = await folderWith(t, { 'mcp.json': CURSOR, 'broken.json': '{', 'other.json': '{"a": 1}' });
    const files = ['broken.json', 'other.json', 'nowhere.json', '.', 'mcp.json'];
    const { exitCode, stdout, stderr } = await runCli(t, ['import', ...files], { cwd });
    assert.equal(exitCode, 2);
    assert.match(stderr, /^switchyard: broken\.json:1:\d+: .*JSON/m);
    assert.match(stderr, /^switchyard: other\.json has no servers in a shape that is known/m);
    assert.match(stderr, /^switchyard: nowhere\.json: there is no such file$/m);
    assert.match(stderr, /^switchyard: \.: this is a directory, not a file$/m);
    assert.match(stdout, /2 of 2 imported/);
  });

  test('writes to stdout on request, with the table beside it', async t => {
    const cwd = await folderWith(t, { 'mcp.json': CURSOR });
    const { exitCode, stdout, stderr } = await runCli(t, ['import', 'mcp.json', '--to', '-'], { cwd });
    assert.equal(exitCode, 0);
    assert.match(stdout, /^# .*\n\nbackends:\n {2}- name: memory\n/);
    assert.match(stderr, /^NAME +RESULT/);
  });

  test('makes no file where nothing can be imported', async t => {
    const cwd = await folderWith(t, { 'mcp.json': '{"mcpServers": {"a": {}}}' });
    const { exitCode, stdout } = await runCli(t, ['import', 'mcp.json'], { cwd });
    assert.equal(exitCode, 1);
    assert.match(stdout, /^a +not imported +mcp\.json +it has neither a command nor a url$/m);
    assert.match(stdout, /\nNothing new: 1 not imported\.\n$/);
    assert.ok(!existsSync(path.join(cwd, 'backends.yaml')));
  });

  test('says all that is wrong with an entry, as "check" would, and leaves out what means nothing', async t => {
    const bad = { command: 'npx', args: 'x', routes: [{ strategy: 'best' }] };
    const good = { command: 'npx', routes: [{ pattern: '*', wait: 1 }] };
    const cwd = await folderWith(t, { 'mcp.json': JSON.stringify({ mcpServers: { bad, good } }) });
    const { exitCode, stdout } = await runCli(t, ['import', 'mcp.json', '--json'], { cwd });
    assert.equal(exitCode, 1);
    assert.deepEqual(
      JSON.parse(stdout).entries.map(({ result, notes }: Record<string, unknown>) => [result, notes]),
      [
        [
          'not imported',
          [
            'args must be a list, not text; routes[0].pattern is missing; routes[0].strategy must be "path", "capability" or "fallback"',
          ],
        ],
        ['imported', ['unknown key routes[0].wait']],
      ],
    );
    assert.doesNotMatch(await readFile(path.join(cwd, 'backends.yaml'), 'utf8'), /wait/);
  });

  test('leaves a broken target alone, and is 2', async t => {
    const cwd = await folderWith(t, { 'mcp.json': CURSOR, 'backends.yaml': 'backends: [}' });
    const { exitCode, stderr } = await runCli(t, ['import', 'mcp.json'], { cwd });
    assert.equal(exitCode, 2);
    assert.match(stderr, /backends\.yaml was not changed\. It has an error/);
    assert.equal(await readFile(path.join(cwd, 'backends.yaml'), 'utf8'), 'backends: [}');
  });
});

async function folderWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  return folder;
}
