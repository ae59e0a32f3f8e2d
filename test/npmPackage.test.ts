// The package as npm installs it: what it holds, and that it runs without a build, a dependency or a registry.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import manifest from '../package.json' with { type: 'json' };
import { configFile, NODES, needsOldestNode } from './cli/program.ts';
import { eventually } from './support/eventually.ts';
import { fixtureCommand } from './support/fixtures.ts';

const run = promisify(execFile);
const isWindows = process.platform === 'win32';
/** The oldest Node that the machine has. */
const node = NODES.at(-1)?.node ?? process.execPath;
const env = { ...process.env, PATH: [path.dirname(node), process.env.PATH].join(path.delimiter) };

/** By which what a test leaves behind is found. */
const MARK = process.env.SWITCHYARD_TEST_FILE ?? '';

let folder = '';
let packed: { readonly filename: string; readonly files: readonly { readonly path: string }[] };

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'switchyard-npm-'));
  // Without scripts: the bundles are there, and other tests are running them.
  packed = JSON.parse(
    await npm(
      ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
      path.resolve(import.meta.dirname, '..'),
    ),
  )[0];
  await npm(['init', '--yes'], folder);
  await npm(['install', '--offline', '--no-audit', '--no-fund', `./${packed.filename}`], folder);
});
after(() => rm(folder, { recursive: true, force: true }));

test('there is the oldest Node that is supported', needsOldestNode);

test('the npm package holds the bundles and their company, and is under 0.8 MB', async t => {
  const names = packed.files.map(({ path }) => path).filter(name => !/^dist\/[\w-]+\.js$/.test(name));
  assert.deepEqual(names.sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'config/backends.schema.json',
    'package.json',
  ]);
  const { size } = await stat(path.join(folder, packed.filename));
  t.diagnostic(`npm package: ${(size / 1_000_000).toFixed(2)} MB`);
  assert.ok(size < 800_000, `${size} bytes`);
});

test('the npm package needs no other one, and builds nothing where it is installed', async () => {
  const { dependencies } = JSON.parse(await npm(['ls', '--all', '--json'], folder));
  assert.deepEqual(Object.keys(dependencies), [manifest.name]);
  assert.equal(dependencies[manifest.name].dependencies, undefined);
  const atInstall = ['preinstall', 'install', 'postinstall', 'prepare'];
  assert.deepEqual(
    Object.keys(manifest.scripts).filter(name => atInstall.includes(name)),
    [],
  );
});

for (const name of ['switchyard', manifest.name])
  test(`npx finds the program as ${name}`, async () => {
    const { stdout } = await run('npx', ['--offline', '--no-install', name, '--version'], {
      cwd: folder,
      env,
      shell: isWindows,
    });
    assert.equal(stdout, `${manifest.version}\n`);
  });

test('the installed program serves a client on stdio', async t => {
  const file = await configFile(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
  const client = new Client({ name: 'test', version: '1.0.0' });
  t.after(() => client.close());
  const command = path.join(folder, 'node_modules', '.bin', isWindows ? 'switchyard.cmd' : 'switchyard');
  const environment = { PATH: env.PATH, HOME: folder, XDG_STATE_HOME: folder, SWITCHYARD_TEST_FILE: MARK };
  await client.connect(
    new StdioClientTransport({ command, args: ['serve', '--config', file], env: environment, stderr: 'ignore' }),
  );
  await eventually('the tools of echo', async () =>
    (await client.listTools()).tools.some(({ name }) => name === 'echo__echo'),
  );
  const { content } = await client.callTool({ name: 'echo__echo', arguments: { text: 'hello' } });
  assert.deepEqual(content, [{ type: 'text', text: 'hello' }]);
});

async function npm(args: readonly string[], cwd: string): Promise<string> {
  return (await run('npm', args, { cwd, env, shell: isWindows })).stdout;
}
