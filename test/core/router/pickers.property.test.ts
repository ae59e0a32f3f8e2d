// One contract for every order among candidates: nobody twice, nobody invented, nobody lost; and what each promises.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PICKERS, type Pickable } from '../../../src/core/router/pickers.ts';
import { Random } from '../../support/random.ts';

const CASES = 3000;
const ORDERS = ['priority', 'round_robin', 'least_request'] as const;

interface Named extends Pickable {
  readonly name: string;
}

function candidatesIn(random: Random): Named[] {
  return Array.from({ length: random.between(0, 8) }, (_, n) => ({
    name: `backend-${n}`,
    priority: random.between(0, 3),
    inFlight: random.between(0, 4),
    lastTurn: random.between(0, 9),
  }));
}

const sorted = (candidates: readonly Named[]) => candidates.map(({ name }) => name).sort();

for (const order of ORDERS) {
  const pick = PICKERS[order];

  describe(`load_balancing: ${order}`, () => {
    it('never gives a candidate twice, invents one or loses one, and goes by priority first', () => {
      for (let seed = 1; seed <= CASES; seed += 1) {
        const random = new Random(seed);
        const candidates = candidatesIn(random);
        const before = structuredClone(candidates);
        const picked = pick(candidates);
        assert.deepEqual(sorted(picked), sorted(candidates), `seed ${seed}`);
        const priorities = picked.map(({ priority }) => priority);
        assert.deepEqual(
          priorities,
          priorities.toSorted((a, b) => a - b),
          `seed ${seed}`,
        );
        assert.deepEqual(candidates, before, `seed ${seed}: what it is given stays as it was`);
      }
    });

    it('keeps a sole candidate', () => {
      const sole = { name: 'sole', priority: 1, inFlight: 9, lastTurn: 7 };
      assert.deepEqual(pick([sole]), [sole]);
    });
  });
}

describe('among equals', () => {
  it('priority keeps the order of the file', () => {
    for (let seed = 1; seed <= CASES; seed += 1) {
      const candidates = candidatesIn(new Random(seed)).map(candidate => ({ ...candidate, priority: 1 }));
      assert.deepEqual(PICKERS.priority(candidates), candidates);
    }
  });

  it('round_robin gives each the first place equally often, whoever else has been given calls in between', () => {
    for (let seed = 1; seed <= CASES / 10; seed += 1) {
      const random = new Random(seed);
      const candidates = candidatesIn(random);
      const best = Math.min(...candidates.map(({ priority }) => priority));
      const equals = candidates.filter(({ priority }) => priority === best);
      const lastTurns = new Map<string, number>();
      const firsts = new Map<string, number>();
      let turn = 0;
      for (let call = 0; call < 5 * equals.length; call += 1) {
        const standing = candidates.map(each => ({ ...each, lastTurn: lastTurns.get(each.name) ?? 0 }));
        const name = PICKERS.round_robin(standing)[0]?.name ?? '';
        turn += random.between(1, 5);
        lastTurns.set(name, turn);
        firsts.set(name, (firsts.get(name) ?? 0) + 1);
      }
      assert.deepEqual([...firsts].sort(), equals.map(({ name }) => [name, 5]).sort(), `seed ${seed}`);
    }
  });

  it('least_request goes by calls in flight, then by the order of the file', () => {
    for (let seed = 1; seed <= CASES; seed += 1) {
      const candidates = candidatesIn(new Random(seed)).map(candidate => ({ ...candidate, priority: 1 }));
      const expected = [0, 1, 2, 3, 4].flatMap(inFlight => candidates.filter(each => each.inFlight === inFlight));
      assert.deepEqual(PICKERS.least_request(candidates), expected, `seed ${seed}`);
    }
  });
});
