import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StdioTransport } from '../../../src/core/downstream/stdioTransport.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const GRACE_MS = 5000;

type Sent = Parameters<StdioTransport['send']>[0];

async function started() {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const clock = new FakeClock();
  const transport = new StdioTransport(input, output, clock, () => GRACE_MS);
  const received: unknown[] = [];
  const errors: string[] = [];
  let closed = 0;
  transport.onmessage = message => received.push(message);
  transport.onerror = error => errors.push(error.message);
  transport.onclose = () => {
    closed += 1;
  };
  await transport.start();
  /** The messages that have been written since it was last asked. */
  const written = async () => {
    await nextTurn();
    const text: string = output.read()?.toString() ?? '';
    assert.match(text, /^(.+\n)*$/);
    return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line)]));
  };
  return { input, output, transport, clock, received, errors, written, closed: () => closed };
}

describe('A client on stdio', () => {
  it('is understood whole, however its lines come', async () => {
    const { input, received, errors } = await started();
    const params = '{"ü":"🚂\u2028","_meta":{"__proto__":{"kept":1},"progressToken":"p"}}';
    const request = Buffer.from(`{"jsonrpc":"2.0","id":"a","method":"x","params":${params}}\r\n`);
    for (const byte of request) input.write(Buffer.of(byte));
    input.write(`${request}${request}[{"jsonrpc":"2.0","method":"y"},{"jsonrpc":"2.0","id":1,"result":{}}]\n{"half`);
    await nextTurn();
    const whole = { jsonrpc: '2.0', id: 'a', method: 'x', params: JSON.parse(params) };
    const batch = [
      { jsonrpc: '2.0', method: 'y' },
      { jsonrpc: '2.0', id: 1, result: {} },
    ];
    assert.deepEqual(received, [whole, whole, whole, ...batch]);
    assert.deepEqual(errors, []);
  });

  it('is told of a request that is none, and of nothing else that is not taken', async () => {
    const { input, received, errors, written } = await started();
    const refused = ['{"id":2,"method":"x"}', '{"jsonrpc":"2.0","id":"b","method":"x","params":{"_meta":null}}'];
    const silent = ['', 'noise', '{"jsonrpc":"2.0","id":3,"error":"no"}', '{"jsonrpc":"2.0","method":"x","params":1}'];
    input.write(`${[...refused, ...silent].join('\n')}\n`);
    await nextTurn();
    assert.deepEqual(
      (await written()).map(({ id, error }) => [id, error.code]),
      [
        [2, -32600],
        ['b', -32600],
      ],
    );
    assert.deepEqual([received, errors.length], [[], refused.length + silent.length]);
  });

  it('has no request of a batch left unanswered for what else is in it', async () => {
    const { input, received, written } = await started();
    const requests = Array.from({ length: 101 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'x' }));
    const none = { id: 'none', method: 'x' };
    input.write(`${JSON.stringify([none, 1, ...requests])}\n`);
    await nextTurn();
    assert.deepEqual(received, requests);
    assert.deepEqual(
      (await written()).map(({ id }) => id),
      ['none'],
    );
  });

  it('is told where an answer cannot be written', async () => {
    const { transport, written } = await started();
    let deep = {};
    for (let level = 0; level < 100_000; level++) deep = { deep };
    await transport.send({ jsonrpc: '2.0', id: 1, result: deep } as Sent);
    // Who asks the client something is told that it was not asked.
    await assert.rejects(transport.send({ jsonrpc: '2.0', id: 2, method: 'x', params: deep } as Sent), /JSON/);
    const [{ id, error }, ...others] = await written();
    assert.deepEqual([id, error.code, others], [1, -32603, []]);
  });

  for (const [how, leave] of [
    ['says no more', ({ input }) => input.end()],
    ['is gone', ({ input }) => input.destroy()],
    ['reads no more', ({ output }) => output.destroy(new Error('EPIPE'))],
    ['is told no more', ({ output }) => output.destroy()],
  ] as [string, (streams: { input: PassThrough; output: PassThrough }) => void][])
    it(`has left when it ${how}, which is told once`, async () => {
      const { transport, closed, ...streams } = await started();
      leave(streams);
      await nextTurn();
      assert.equal(closed(), 1);
      await transport.close();
      streams.output.emit('error', new Error('late'));
      assert.equal(closed(), 1);
      await assert.rejects(transport.send({ jsonrpc: '2.0', method: 'x' }), /closed/);
    });

  it('that asks and says no more is answered before its end', async () => {
    const { input, transport, written, closed } = await started();
    input.end('{"jsonrpc":"2.0","id":1,"method":"x"}\n{"jsonrpc":"2.0","id":"b","method":"y"}\n');
    await nextTurn();
    await transport.send({ jsonrpc: '2.0', id: 'b', result: {} });
    assert.equal(closed(), 0);
    await transport.send({ jsonrpc: '2.0', id: 1, result: {} });
    assert.equal(closed(), 1);
    assert.deepEqual(
      (await written()).map(({ id }) => id),
      ['b', 1],
    );
  });

  it('that says no more is not waited for where nothing can be answered any more, nor for ever', async () => {
    const over = await started();
    const cancelled = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}';
    const listening = '{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}';
    over.input.end(`{"jsonrpc":"2.0","id":1,"method":"x"}\n${cancelled}\n${listening}\n`);
    await nextTurn();
    assert.equal(over.closed(), 1);

    const hanging = await started();
    hanging.input.end('{"jsonrpc":"2.0","id":1,"method":"x"}\n');
    await nextTurn();
    hanging.clock.advance(GRACE_MS - 1);
    assert.equal(hanging.closed(), 0);
    hanging.clock.advance(1);
    assert.equal(hanging.closed(), 1);
  });

  it('may have left before it is served', async () => {
    const input = new PassThrough();
    input.end().resume();
    await nextTurn();
    const transport = new StdioTransport(input, new PassThrough(), new FakeClock(), () => GRACE_MS);
    const left = new Promise<void>(resolve => {
      transport.onclose = resolve;
    });
    await transport.start();
    await left;
  });
});
