// `serve` with a certificate.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type CertificateFiles, makeCertificate } from '../support/certificate.ts';
import { eventually } from '../support/eventually.ts';
import { connectTo, sendRaw } from '../support/rawHttp.ts';
import { configFile, runCli, startCli, temporaryFolder } from './program.ts';

/** A router with a certificate of its own, in files that the test may change. */
async function serveTls(t: TestContext) {
  const folder = await temporaryFolder(t);
  const first = await makeCertificate(folder, 'first');
  const files = { cert: path.join(folder, 'tls.crt'), key: path.join(folder, 'tls.key') };
  await install(first, files);
  const config = await configFile(t, { backends: [] });
  const tls = ['--tls-cert', files.cert, '--tls-key', files.key];
  const router = await startCli(t, ['serve', '--config', config, '--port', '0', ...tls]);
  const url = await router.reports(/(https:\S+)/);
  return { folder, files, router, url };
}

async function install(from: CertificateFiles, to: CertificateFiles): Promise<void> {
  await copyFile(from.cert, to.cert);
  await copyFile(from.key, to.key);
}

/** The name in the certificate that a new connection is shown. */
async function shownAt(url: string): Promise<string | undefined> {
  const socket = connectTls({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  const { CN } = subject;
  return Array.isArray(CN) ? CN[0] : CN;
}

/** One kept-alive connection to a router whose certificate is trusted. */
function client(t: TestContext, url: string, ca: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  t.after(() => agent.destroy());
  const sockets = new Set<TLSSocket>();
  const health = async () => {
    const outgoing = request(new URL('/healthz', url), { agent });
    outgoing.on('socket', socket => sockets.add(socket as TLSSocket)).end();
    const [response] = await once(outgoing, 'response');
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
  return { health, sockets };
}

suite('switchyard serve with a certificate', () => {
  test('ends though there is a connection that has not agreed on TLS', async t => {
    const { router, url } = await serveTls(t);
    const socket = connectTo(url).on('error', () => {});
    await once(socket, 'connect');
    const started = performance.now();
    router.child.kill('SIGTERM');
    assert.equal((await router.finished).exitCode, 0);
    assert.ok(performance.now() - started < 9000);
  });

  test('serves https alone', async t => {
    const { files, url } = await serveTls(t);
    const { health } = client(t, url, await readFile(files.cert, 'utf8'));
    assert.equal(await health(), 200);
    const plain = await sendRaw(url, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    assert.equal(plain.status, 0, 'it closes what does not speak TLS');
    assert.equal(await health(), 200);
  });

  test('shows a renewed certificate to new connections and keeps the old ones', async t => {
    const { folder, files, router, url } = await serveTls(t);
    const { health, sockets } = client(t, url, await readFile(files.cert, 'utf8'));
    await health();
    await install(await makeCertificate(folder, 'second'), files);
    await eventually('the second certificate', async () => (await shownAt(url)) === 'second');
    assert.match(router.stderr, /The TLS certificate was renewed/);
    assert.equal(await health(), 200);
    assert.equal(sockets.size, 1, 'on the connection that was there');
  });

  test('stays with its certificate when the new one is broken', async t => {
    const { folder, files, router, url } = await serveTls(t);
    const other = await makeCertificate(folder, 'other');
    await writeFile(files.cert, 'no certificate');
    await router.reports(/(The TLS certificate stays as it was: .*tls\.crt)/);
    assert.equal(await shownAt(url), 'first');
    router.stderr = '';
    await copyFile(other.cert, files.cert);
    await router.reports(/(The TLS certificate stays as it was: .*tls\.key)/);
    assert.equal(await shownAt(url), 'first');
    await copyFile(other.key, files.key);
    await eventually('the other certificate', async () => (await shownAt(url)) === 'other');
  });

  test('ends with 2 and the reason where the files cannot be used', async t => {
    const folder = await temporaryFolder(t);
    const [one, two] = [await makeCertificate(folder, 'one'), await makeCertificate(folder, 'two')];
    const text = path.join(folder, 'text');
    await writeFile(text, 'no PEM');
    const config = await configFile(t, { backends: [] });
    const cases: [string[], RegExp][] = [
      [['--tls-cert', one.cert], /TLS needs both files: --tls-cert .* --tls-key/],
      [['--tls-key', one.key], /TLS needs both files/],
      [['--tls-cert', `${folder}/nowhere`, '--tls-key', one.key], /The TLS certificate cannot be read: .*nowhere/],
      [['--tls-cert', one.cert, '--tls-key', folder], /The TLS key cannot be read: /],
      [['--tls-cert', text, '--tls-key', one.key], /TLS cannot be served with the certificate .*text and the key /],
      [['--tls-cert', one.cert, '--tls-key', text], /TLS cannot be served .* the key .*text: /],
      [['--tls-cert', one.cert, '--tls-key', two.key], /TLS cannot be served .*one\.crt .*two\.key: .*mismatch/],
    ];
    for (const [flags, reason] of cases) {
      const { exitCode, stderr } = await runCli(t, ['serve', '--config', config, '--port', '0', ...flags]);
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, reason);
      assert.doesNotMatch(stderr, /\n\s+at /, 'without a stack');
    }
  });
});
