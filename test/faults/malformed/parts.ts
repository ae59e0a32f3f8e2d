// What malformed requests are made of.
import type { Random } from '../../support/random.ts';
import { requestBytes } from '../../support/rawHttp.ts';

export interface Malformed {
  readonly what: string;
  readonly bytes: Buffer;
  /** 0: the connection is closed without an answer. */
  readonly right: readonly number[];
}

/** What is true of the router that they are for. */
export interface Ground {
  readonly token: string;
  /** Of a client of the legacy era, that stays. */
  readonly session: string;
}

export type Header = readonly [string, string];
export type Table = (random: Random, ground: Ground, n: number) => Malformed;

export const JSON_TYPE: Header = ['content-type', 'application/json'];
export const HOST: Header = ['host', 'localhost'];

/** What no schema expects. */
export function odd(random: Random, depth = 0): unknown {
  const deeper = () => (depth > 3 ? null : odd(random, depth + 1));
  return random.pick([
    () => null,
    () => true,
    () => random.pick([0, -1, 1.5, 2 ** 53, -1e308, 1e21]),
    () => random.pick(['', ' ', '\u0000', '\ud800', '../../etc/passwd', '$(id)', 'x'.repeat(random.between(1, 3000))]),
    () => [],
    () => [deeper(), deeper()],
    () => ({}),
    () => ({ [random.pick(['name', 'uri', 'id', 'toString', ''])]: deeper() }),
    () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  ])();
}

export function post(path: string, headers: readonly Header[], body: unknown, { token }: Ground): Buffer {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return requestBytes('POST', path, [HOST, ['authorization', `Bearer ${token}`], JSON_TYPE, ...headers], text);
}
