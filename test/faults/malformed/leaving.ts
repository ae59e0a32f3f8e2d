// Clients that leave when it suits them: in the middle of what they say, after it, or in the middle of what they are told.
import type { Random } from '../../support/random.ts';
import { connectTo, requestBytes } from '../../support/rawHttp.ts';
import { type Ground, type Header, HOST, post } from './parts.ts';

export interface Leaving {
  readonly what: string;
  /** What it says before. */
  readonly bytes: Buffer;
  /** With a reset, or by ending what it says, whereupon the router is to end the connection. */
  readonly how: 'reset' | 'half-close';
  /** Milliseconds after all was said, or at the first byte of the answer. */
  readonly when: number | 'answered';
}

export function leaving(random: Random, ground: Ground, n: number): Leaving {
  const whole = requested(random, ground, n);
  const headEnd = whole.indexOf('\r\n\r\n') + 4;
  const how = random.pick<Leaving['how']>(['reset', 'half-close']);
  const soon = random.next() < 0.5 ? 0 : random.between(1, 30);
  const [what, bytes, when] = random.pick<readonly [string, Buffer, Leaving['when']]>([
    ['in its headers', whole.subarray(0, random.between(0, headEnd - 1)), soon],
    ['in its body', whole.subarray(0, random.between(headEnd, whole.length - 1)), soon],
    ['after its request', whole, soon],
    ['in the answer', whole, 'answered'],
    ['after CONNECT', connectRequest(random, ground), random.pick<Leaving['when']>([soon, 'answered'])],
  ]);
  return { what: `leaving ${what}, by ${how}`, bytes, how, when };
}

/** Rejects if the connection does not end within `timeoutMs`. */
export function leave(url: string, { bytes, how, when }: Leaving, timeoutMs: number): Promise<void> {
  const socket = connectTo(url);
  const go = () => (how === 'reset' ? socket.resetAndDestroy() : socket.end());
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`still connected after ${timeoutMs} ms`));
    }, timeoutMs);
    socket.on('error', () => {}); // It closes then too.
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    if (when === 'answered') socket.once('data', go);
    socket.resume();
    socket.write(bytes, () => {
      if (when === 0) go();
      else if (when !== 'answered') setTimeout(go, when);
    });
  });
}

/** A good one with a body; its answer is short, long, a stream, or slow. */
function requested(random: Random, ground: Ground, n: number): Buffer {
  const headers: readonly Header[] = [HOST, ['authorization', `Bearer ${ground.token}`]];
  const call = (name: string, args: object, _meta = {}) => {
    const body = { jsonrpc: '2.0', id: `leaving-${n}`, method: 'tools/call', params: { name, arguments: args, _meta } };
    return post('/mcp', [['mcp-session-id', ground.session]], body, ground);
  };
  return random.pick([
    () => call('echo__echo', { text: 'x'.repeat(random.between(0, 2000)) }),
    () => call('echo__big', { bytes: 1_000_000 }),
    () => call('echo__slow', { label: `leaving-${n}`, steps: 5, stepMs: 10 }, { progressToken: n }),
    () => requestBytes('GET', '/sse', headers, ' '),
    () => requestBytes('GET', random.pick(['/metrics', '/mcp_servers', '/healthz', '/nowhere']), headers, ' '),
  ])();
}

function connectRequest(random: Random, { token }: Ground): Buffer {
  const authorization = random.pick(['', `authorization: Bearer ${token}\r\n`]);
  const more = 'x'.repeat(random.pick([0, 1, 50_000]));
  return Buffer.from(`CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n${authorization}\r\n${more}`);
}
