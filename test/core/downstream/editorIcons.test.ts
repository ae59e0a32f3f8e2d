import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { EditorIcons, type IconOrigin } from '../../../src/core/downstream/editorIcons.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const PNG = Buffer.from('\x89PNG\r\n\x1a\n and so on', 'latin1');
const dataUri = (type: string, bytes: Buffer) => `data:${type};base64,${bytes.toString('base64')}`;
const STDIO: IconOrigin = { kind: 'stdio' };

let clock: FakeClock;
let icons: EditorIcons;
let lines: string[];
let changes: number;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  changes = 0;
  const log = { debug: (line: string) => void lines.push(line), info() {}, warning() {}, error() {} };
  icons = new EditorIcons(clock, log);
  icons.onDidLoad(() => changes++);
});
afterEach(() => icons.dispose());

/** Asks for an icon, waits until it is there, and gives it. */
async function loaded(origin: IconOrigin, src: string): Promise<string | undefined> {
  assert.equal(icons.icon(origin, src), undefined);
  return eventually(`the icon ${src}`, () => icons.icon(origin, src));
}

/** Asks for an icon, and waits until it is known why it cannot be had. */
async function refused(origin: IconOrigin, src: string): Promise<string | undefined> {
  const before = lines.length;
  assert.equal(icons.icon(origin, src), undefined);
  const line = await eventually(`why there is no ${src}`, () => lines[before]);
  assert.equal(icons.icon(origin, src), undefined);
  return line;
}

describe('icons of a backend that is a process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-icons-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Buffer | string): string => {
    writeFileSync(join(folder, name), bytes);
    return pathToFileURL(join(folder, name)).href;
  };

  it('are read from the files that it names', async () => {
    assert.equal(await loaded(STDIO, file('a b.png', PNG)), dataUri('image/png', PNG));
  });

  it('are what their bytes are', async () => {
    for (const [type, head] of [
      ['image/jpeg', '\xff\xd8\xff\xe0'],
      ['image/gif', 'GIF89a'],
      ['image/webp', 'RIFF\x10\x00\x00\x00WEBPVP8 '],
    ] as const) {
      const bytes = Buffer.from(head, 'latin1');
      assert.equal(await loaded(STDIO, `${file('named.png', bytes)}?${type}`), dataUri(type, bytes));
    }
  });

  it('are never anything but images, and never large', async () => {
    assert.match((await refused(STDIO, file('secret.png', 'password: 12345'))) ?? '', /not an image/);
    assert.match((await refused(STDIO, file('logo.svg', '<svg/>'))) ?? '', /not an image/);
    assert.match((await refused(STDIO, file('big.png', Buffer.concat([PNG, Buffer.alloc(65_536)])))) ?? '', /64 kB/);
    assert.match((await refused(STDIO, pathToFileURL(folder).href)) ?? '', /not a file/);
    assert.match((await refused(STDIO, pathToFileURL(join(folder, 'none.png')).href)) ?? '', /ENOENT/);
  });

  it('are not waited for in a pipe', {
    skip: process.platform === 'win32' && 'no named pipes in folders',
  }, async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    assert.match((await refused(STDIO, pathToFileURL(join(folder, 'pipe')).href)) ?? '', /not a file/);
  });

  it('are not fetched from anywhere else', async () => {
    for (const src of [
      'https://example.com/a.png',
      'file://host/share/a.png',
      'file:////host/share/a.png',
      'file:///%5C%5Chost/share/a.png',
      'relative.png',
      '',
    ])
      assert.equal(icons.icon(STDIO, src), undefined);
    await nextTurn();
    assert.deepEqual([clock.pending, lines], [0, []], 'nothing is loaded');
  });

  it('are announced once when several are there', async () => {
    const sources = ['1', '2', '3'].map(name => file(name, PNG));
    for (const src of sources) icons.icon(STDIO, src);
    for (const src of sources) await eventually('the icons', () => icons.icon(STDIO, src));
    assert.equal(changes, 0);
    clock.advance(1000);
    assert.equal(changes, 1);
    for (const src of sources) icons.icon(STDIO, src);
    clock.advance(1000);
    assert.equal(changes, 1);
  });
});

describe('icons of a remote backend', () => {
  let requests: string[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let own: string;
  const server = createServer((request, response) => {
    requests.push(`${request.url}`);
    answer(request, response);
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(async () => {
    requests = [];
    answer = (_, response) => response.end(PNG);
    if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
    own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  const remote = (): IconOrigin => ({ kind: 'remote', url: `${own}/mcp` });

  it('are fetched from its own origin, once', async () => {
    assert.equal(await loaded(remote(), `${own}/icon`), dataUri('image/png', PNG));
    assert.equal(icons.icon(remote(), `${own}/icon`), dataUri('image/png', PNG));
    assert.deepEqual(requests, ['/icon']);
  });

  it('are neither files of this machine nor of another origin', async () => {
    const elsewhere: IconOrigin = { kind: 'remote', url: 'https://mcp.example.com/mcp' };
    for (const src of ['file:///etc/hostname', `${own}/icon`, 'ftp://mcp.example.com/a.png'])
      assert.equal(icons.icon(elsewhere, src), undefined);
    const secure: IconOrigin = { kind: 'remote', url: `${own.replace('http:', 'https:')}/mcp` };
    assert.equal(icons.icon(secure, `${own}/icon`), undefined);
    assert.equal(icons.icon({ kind: 'remote', url: 'no url' }, `${own}/icon`), undefined);
    await nextTurn();
    assert.deepEqual([clock.pending, lines], [0, []], 'nothing is loaded');
  });

  it('are not followed through a redirect', async () => {
    answer = (request, response) => {
      if (request.url !== '/moved') return response.end(PNG);
      return response.writeHead(302, { location: `${own}/internal` }).end();
    };
    await refused(remote(), `${own}/moved`);
    assert.deepEqual(requests, ['/moved']);
  });

  it('are given up when they grow too large, or take too long', async () => {
    answer = (_, response) => void response.write(Buffer.alloc(70_000));
    assert.match((await refused(remote(), `${own}/endless`)) ?? '', /64 kB/);
    answer = (_, response) => void response.write(PNG);
    assert.equal(icons.icon(remote(), `${own}/slow`), undefined);
    await eventually('the request', () => requests.includes('/slow'));
    clock.advance(10_000);
    assert.match((await eventually('why there is none', () => lines[1])) ?? '', /timed out/);
  });

  it('are asked for again some time after a failure', async () => {
    answer = (_, response) => response.writeHead(503).end();
    assert.match((await refused(remote(), `${own}/icon`)) ?? '', /503/);
    answer = (_, response) => response.end(PNG);
    clock.advance(600_000);
    assert.equal(await loaded(remote(), `${own}/icon`), dataUri('image/png', PNG));
    assert.equal(requests.length, 2);
  });

  it('are not fetched without end', async () => {
    for (let at = 0; at < 600; at++) icons.icon(remote(), `${own}/${at}`);
    await eventually('the last of them', () => requests.includes('/499'));
    await eventually('the end of the loads', () => clock.pending === 1);
    assert.equal(requests.length, 500);
  });

  it('are neither awaited nor announced once disposed', async () => {
    answer = () => {};
    icons.icon(remote(), `${own}/slow`);
    await eventually('the request', () => requests.includes('/slow'));
    icons.dispose();
    await eventually('the end of the load', () => clock.pending === 0);
    assert.deepEqual([lines, changes], [[], 0]);
    assert.equal(icons.icon(remote(), `${own}/other`), undefined);
    assert.equal(clock.pending, 0);
  });
});
