import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { systemClock } from '../../../src/core/base/clock.ts';
import { NotSentError, StdioTransport } from '../../../src/core/upstream/stdioTransport.ts';
import { eventually } from '../../support/eventually.ts';
import { isRunning } from '../../support/processes.ts';

const PING: JSONRPCMessage = { jsonrpc: '2.0', id: 1, method: 'ping' };

/** A child that runs the given code, with everything it says on record. */
async function child(t: TestContext, code: string) {
  const launch = { command: process.execPath, args: ['-e', code], cwd: process.cwd(), env: process.env };
  const transport = new StdioTransport(launch, systemClock, new Set());
  const messages: JSONRPCMessage[] = [];
  const lines: string[] = [];
  transport.onmessage = message => messages.push(message);
  transport.online = line => lines.push(line);
  t.after(() => transport.close());
  await transport.start();
  return { transport, messages, lines };
}

/** The process id that a child told of. */
function pidIn(messages: readonly JSONRPCMessage[]): number {
  const [message] = messages;
  assert.ok(message && 'method' in message);
  return Number(message.params?.pid);
}

describe('StdioTransport', () => {
  it('reads messages however they are cut into chunks, and characters of several bytes', async t => {
    const { messages } = await child(
      t,
      `const bytes = Buffer.from('{"jsonrpc":"2.0","method":"a","params":{"text":"größe €"}}\\r\\n{"jsonrpc":"2.0","method":"b"}\\n');
       let at = 0;
       const next = () => { if (at < bytes.length) { process.stdout.write(bytes.subarray(at, at += 7)); setTimeout(next, 1); } };
       next();`,
    );
    await eventually('two messages', () => messages.length === 2);
    assert.deepEqual(messages, [
      { jsonrpc: '2.0', method: 'a', params: { text: 'größe €' } },
      { jsonrpc: '2.0', method: 'b' },
    ]);
  });

  it('takes lines that are no messages, and stderr, as log lines', async t => {
    const { messages, lines } = await child(
      t,
      `console.log('starting'); console.log('{"level":30}'); console.log('[]'); console.error('to stderr'); console.log('{"jsonrpc":"2.0","method":"a"}');`,
    );
    await eventually('everything', () => messages.length === 1 && lines.length === 4);
    assert.deepEqual(lines.toSorted(), ['[]', 'starting', 'to stderr', '{"level":30}']);
  });

  it('tells the exit code', async t => {
    const { transport } = await child(t, 'process.exit(7)');
    await eventually('the end', () => transport.childEnd);
    assert.deepEqual(transport.childEnd, { kind: 'exit', code: 7 });
  });

  it('says of a message to a dead process that it was not sent', async t => {
    const { transport } = await child(t, 'process.exit(0)');
    await eventually('the end', () => transport.childEnd);
    await assert.rejects(transport.send(PING), NotSentError);
  });

  it('sends no more to a process that does not read than may wait for it, until it reads', async t => {
    const { transport, messages } = await child(
      t,
      `console.log('{"jsonrpc":"2.0","method":"up"}');
       process.on('SIGUSR2', () => process.stdin.resume());
       setInterval(() => {}, 1000);`,
    );
    await eventually('the child', () => messages.length === 1);
    const large: JSONRPCMessage = {
      jsonrpc: '2.0',
      method: 'notifications/x',
      params: { text: 'x'.repeat(10_000_000) },
    };
    const waiting = Array.from({ length: 7 }, () => transport.send(large));
    const refused = assert.rejects(transport.send(PING), new NotSentError('the process does not read'));
    assert.ok(transport.pid);
    process.kill(transport.pid, 'SIGUSR2');
    await Promise.all([refused, ...waiting]);
    await transport.send(PING);
  });

  it('rejects the start of a command that does not exist, and tells why', async () => {
    const launch = { command: 'no-such-command-anywhere', args: [], cwd: process.cwd(), env: process.env };
    const transport = new StdioTransport(launch, systemClock, new Set());
    await assert.rejects(transport.start(), { code: 'ENOENT' });
    assert.equal(transport.childEnd?.kind, 'spawn-error');
    await transport.close();
  });

  it('ends a child that ignores SIGTERM, and the grandchild that holds its pipes', async t => {
    const { transport, messages } = await child(
      t,
      `process.on('SIGTERM', () => {});
       const grandchild = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
       console.log(JSON.stringify({ jsonrpc: '2.0', method: 'grandchild', params: { pid: grandchild.pid } }));
       setInterval(() => {}, 1000);`,
    );
    await eventually('the grandchild', () => messages.length === 1);
    const begun = Date.now();
    await transport.close();
    assert.ok(Date.now() - begun < 4000);
    assert.deepEqual(transport.childEnd, { kind: 'signal', signal: 'SIGKILL' });
    await eventually('its end', () => !isRunning(pidIn(messages)));
  });

  it('ends even if a grandchild left the process group and keeps the pipes open', async t => {
    const { transport, messages } = await child(
      t,
      `const grandchild = require('node:child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 8000)'], { stdio: 'inherit', detached: true });
       console.log(JSON.stringify({ jsonrpc: '2.0', method: 'grandchild', params: { pid: grandchild.pid } }));
       grandchild.unref();`,
    );
    await eventually('the end of the child', () => transport.childEnd);
    assert.deepEqual(transport.childEnd, { kind: 'exit', code: 0 });
    process.kill(pidIn(messages), 'SIGKILL');
  });

  it('keeps little of a line on stderr that never ends', async t => {
    const { lines } = await child(t, `process.stderr.write('x'.repeat(5_000_000) + '\\nend\\n')`);
    await eventually('the end', () => lines.includes('end'));
    assert.ok(lines.every(line => line.length <= 4096));
  });

  it('survives a taskkill that is not there, and calls none for a child that has ended', async t => {
    const { transport } = await child(t, 'process.stdin.resume()');
    const errors: string[] = [];
    transport.onerror = error => errors.push(error.message);
    const killOnWindows = () => {
      const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
      Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
      transport.kill();
      Object.defineProperty(process, 'platform', platform);
    };
    killOnWindows();
    await eventually('the error', () => errors.length === 1);
    assert.match(errors[0] ?? '', /taskkill/);
    await transport.close();
    killOnWindows();
    await once(spawn(process.execPath, ['-e', '']), 'close');
    assert.equal(errors.length, 1);
  });
});

describe('StdioTransport with a child that floods stdout', () => {
  it('logs little of it, and keeps the event loop free', async t => {
    const { transport, lines } = await child(
      t,
      `const y = 'y\\n'.repeat(30_000); const flood = () => process.stdout.write(y, flood); flood();`,
    );
    const begun = performance.now();
    let turns = 0;
    for (const end = Date.now() + 1500; Date.now() < end; turns++) await new Promise(resolve => setTimeout(resolve, 1));
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(turns > 50, `${turns} turns of the loop in ${seconds} s`);
    // So many a second, those of the second that it began and ended in included.
    assert.ok(lines.length < 502 * (seconds + 2), `${lines.length} lines in ${seconds} s`);
    assert.ok(lines.some(line => /lines were left out/.test(line)));
    transport.kill();
  });
});
