// Requests that nobody should send, each with the statuses that are right for it. A table is a function of a random source.
import type { Random } from '../../support/random.ts';
import { bytes, rest, targets, visitors } from './http.ts';
import { legacy, modern, sizes } from './messages.ts';
import type { Ground, Malformed, Table } from './parts.ts';

/** Each with its share of a hundred. */
const TABLES: readonly [number, Table][] = [
  [38, legacy],
  [18, modern],
  [14, visitors],
  [12, targets],
  [12, rest],
  [5, bytes],
  [1, sizes],
];

export function malformed(random: Random, ground: Ground, n: number): Malformed {
  let rest = random.between(0, 99);
  for (const [share, table] of TABLES) {
    if (rest < share) return table(random, ground, n);
    rest -= share;
  }
  return legacy(random, ground, n);
}
