// deploy/Dockerfile, built and run for real: by buildah, on a base image that is made here.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import manifest from '../../package.json' with { type: 'json' };
import { eventually } from '../support/eventually.ts';
import { descendantsOf, isRunning } from '../support/processes.ts';
import { BUILD_SECRET, Buildah, type Contained, type ContainerOptions } from './buildah.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCKERFILE = join(ROOT, 'deploy/Dockerfile');
const BASE = 'localhost/base';
const IMAGE = 'localhost/multi-mcp';
const TOKEN = 'token-of-this-test';

/** One backend from the folder that is mounted, one as users have them, by npx. */
const BACKENDS = {
  backends: [
    { name: 'echo', command: 'node', args: ['/fixtures/servers/echo.mjs'] },
    { name: 'everything', command: 'npx', args: ['--no', 'mcp-server-everything'], cwd: '/fixtures' },
  ],
};

let buildah: Buildah;
/** The file system of the base image. */
let base: string;
/** Made from the image once, since each costs a copy. */
let container: string;
/** The image's own settings. */
let config: {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly StopSignal: string;
  readonly ExposedPorts: object;
  readonly Volumes: object;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Healthcheck: { readonly Test: readonly string[] };
};

before(async () => {
  buildah = await Buildah.open(console.log);
  base = await buildah.importBase(BASE, console.log);
  await buildah.build(IMAGE, DOCKERFILE, ROOT, BASE);
  ({ config } = await inspect(IMAGE));
  container = await buildah.run('from', '--pull-never', IMAGE);
});
after(() => buildah?.close());

test('the image runs the router as a user without rights, on the port and the file of the older container', () => {
  assert.deepEqual([...config.Entrypoint, ...config.Cmd], ['node', '/app/dist/cli.js', 'serve']);
  assert.equal(config.User, '1001:1001');
  assert.equal(config.StopSignal, 'SIGTERM');
  assert.deepEqual(Object.keys(config.ExposedPorts), ['8000/tcp']);
  assert.deepEqual(Object.keys(config.Volumes), ['/state']);
  for (const variable of ['MCP_HOST=0.0.0.0', 'MCP_PORT=8000', 'MCP_BACKENDS_CONFIG=/app/config/backends.yaml'])
    assert.ok(config.Env.includes(variable), variable);
  assert.equal(config.Labels['org.opencontainers.image.title'], 'MCP Switchyard');
});

test('the base of the image has the Node that the project pins', async () => {
  const dockerfile = await readFile(DOCKERFILE, 'utf8');
  const [, version] = /^ARG BASE_IMAGE=\S+\/node:([\d.]+)-/m.exec(dockerfile) ?? [];
  assert.equal(version, manifest.devDependencies.node);
});

test('the image adds the command line to its base and nothing else', async () => {
  const image = await buildah.run('mount', container);
  assert.deepEqual(await newIn('.', image, base), ['app', 'state']);
  assert.deepEqual((await readdir(join(image, 'app'))).sort(), ['LICENSE', 'dist', 'package.json']);
  for (const folder of ['root', 'etc', 'run', 'usr/local/bin']) assert.deepEqual(await newIn(folder, image, base), []);
});

test('the image knows nothing of the secrets that it was built with', async () => {
  assert.ok(!(await buildah.run('inspect', '--type=image', IMAGE)).includes(BUILD_SECRET));
  const app = join(await buildah.run('mount', container), 'app');
  for (const entry of await readdir(app, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    assert.ok(!(await readFile(join(entry.parentPath, entry.name))).includes(BUILD_SECRET), entry.name);
  }
});

test('a container without a token does not start to serve', async () => {
  const { group } = await start([]);
  assert.equal(await group.ended, 2);
  assert.match(
    group.output.join('\n'),
    /Others can reach 0\.0\.0\.0.*--auth-token-file or MCP_AUTH_TOKEN, or say --no-auth/,
  );
});

test('a container serves with a read-only file system, to those with the token, until SIGTERM', async t => {
  const settings = await settingsFolder();
  const router = await start(['--port', '0', '--auth-token-file', '/run/secrets/token'], {
    // Not on all addresses of the machine that runs the test.
    env: { MCP_HOST: '127.0.0.1' },
    volumes: [
      `${settings}:/app/config:ro`,
      `${settings}/token:/run/secrets/token:ro`,
      `${ROOT}/test/servers:/fixtures/servers:ro`,
      `${ROOT}/node_modules:/fixtures/node_modules:ro`,
    ],
  });
  const url = await addressOf(router);
  await assert.rejects(buildah.enter(router.pid, 'touch', '/app/anything'), /Read-only file system/);

  await eventually('the router is ready', async () => (await fetch(new URL('/readyz', url))).ok, 60_000);
  assert.equal((await fetch(new URL('/healthz', url))).status, 200);
  assert.equal((await fetch(url, { method: 'POST' })).status, 401);

  const client = new Client({ name: 'test', version: '1.0.0' });
  t.after(() => client.close());
  const requestInit = { headers: { Authorization: `Bearer ${TOKEN}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  for (const [name, args] of [
    ['echo__echo', { text: 'hello' }],
    ['everything__echo', { message: 'hello' }],
  ] as const) {
    const { content } = await client.callTool({ name, arguments: args });
    assert.match(JSON.stringify(content), /hello/, name);
  }
  await eventually('what was learnt of the backends is kept', async () => {
    const state = await readdir(`/proc/${router.pid}/root/state`, { recursive: true });
    return state.some(file => file.startsWith('switchyard/'));
  });

  assert.equal(await checkHealth(new URL(url).port), 0);
  const backends = descendantsOf(router.pid);
  const asked = performance.now();
  process.kill(router.pid, 'SIGTERM');
  assert.equal(await router.group.ended, 0);
  t.diagnostic(`SIGTERM to the end: ${Math.round(performance.now() - asked)} ms`);
  assert.ok(performance.now() - asked < 9000);
  await eventually('the end of its backends', () => !backends.some(isRunning));
  assert.notEqual(await checkHealth(new URL(url).port), 0);
});

if (process.env.SWITCHYARD_TEST_LONG === '1') {
  test('the same sources make the same layers', async () => {
    await buildah.build('localhost/again', DOCKERFILE, ROOT, BASE);
    // The rest of it names the container that buildah worked in.
    const [first, second] = [await inspect(IMAGE), await inspect('localhost/again')].map(({ rootfs }) => rootfs);
    assert.deepEqual(second, first);
  });
}

/** What an image is, as Docker sees it. */
async function inspect(image: string): Promise<{ readonly config: typeof config; readonly rootfs: object }> {
  return JSON.parse(await buildah.run('inspect', '--type=image', image)).Docker;
}

/** Starts the image with these arguments behind its own. */
function start(args: readonly string[], options: ContainerOptions = {}): Promise<Contained> {
  return buildah.start(container, [...config.Entrypoint, ...config.Cmd, ...args], options);
}

/** What the image has for finding out whether it is healthy, run beside it: its exit code. */
async function checkHealth(port: string): Promise<number | null> {
  const [kind, ...command] = config.Healthcheck.Test;
  assert.equal(kind, 'CMD');
  const { group } = await buildah.start(container, command, { env: { MCP_PORT: port } });
  return group.ended;
}

async function addressOf({ group, pid }: Contained): Promise<string> {
  return eventually('the address', () => {
    const output = group.output.join('\n');
    if (!isRunning(pid)) throw new Error(`it ended: ${output}`);
    return /Serving \S+ at (\S+)/.exec(output)?.[1];
  });
}

async function settingsFolder(): Promise<string> {
  const folder = await mkdtemp(join(buildah.folder, 'settings-'));
  await writeFile(join(folder, 'backends.yaml'), JSON.stringify(BACKENDS));
  await writeFile(join(folder, 'token'), TOKEN);
  await chmod(folder, 0o755);
  return folder;
}

/** What a folder of one file system holds that it does not hold in the other. */
async function newIn(folder: string, ours: string, theirs: string): Promise<string[]> {
  const known = new Set(await readdir(join(theirs, folder)));
  return (await readdir(join(ours, folder))).filter(name => !known.has(name)).sort();
}
