// What holds of exposed names whatever backends call their tools, in thousands of random worlds. A failure names its seed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildCatalog } from '../../../src/core/router/catalog.ts';
import { exposedNames, MAX_EXPOSED_NAME } from '../../../src/core/router/toolNames.ts';
import { NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';
import { Random } from '../../support/random.ts';

const WORLDS = 3000;
const OPTIONS = { prefixing: true, separator: '__' } as const;

const STEMS = [
  'query',
  'Query',
  'QUERY',
  'a',
  'A',
  'a.b',
  'a_b',
  'a__b',
  'a b',
  'größe',
  '工具',
  'x',
  '_',
  '__',
  '-',
  'ns/tool',
  '',
] as const;
const NAMESPACES = ['db', 'DB', 'd.b', 'd_b', 'git-hub', 'a', 'a_', 'a__b', 'x'.repeat(40), 'y'.repeat(64)] as const;

function nameIn(random: Random): string {
  const parts = Array.from({ length: random.between(1, 3) }, () => random.pick(STEMS));
  const long = random.next() < 0.2 ? 'z'.repeat(random.between(20, 90)) : '';
  return `${parts.join(random.pick(['', '_', '.', '-']))}${long}` || 'empty';
}

/** Namespace → the tools of its only backend. */
function worldIn(random: Random): Map<string, string[]> {
  const world = new Map<string, string[]>();
  for (let n = random.between(1, 4); n > 0; n -= 1) {
    const namespace = random.pick(NAMESPACES);
    world.set(namespace, [...new Set(Array.from({ length: random.between(1, 12) }, () => nameIn(random)))]);
  }
  return world;
}

function forEachWorld(check: (world: Map<string, string[]>, random: Random) => void): void {
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const random = new Random(seed);
    const world = worldIn(random);
    try {
      check(world, random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify([...world])}`, { cause: error });
    }
  }
}

describe('exposed names', () => {
  it('have only letters, digits, "_" and "-", and fit', () => {
    forEachWorld(world => {
      for (const [namespace, originals] of world) {
        for (const name of exposedNames(namespace, originals, OPTIONS).values()) {
          assert.match(name, /^[A-Za-z0-9_-]+$/);
          assert.ok(name.length <= MAX_EXPOSED_NAME, name);
        }
      }
    });
  });

  it('are unique within a backend, in any case', () => {
    forEachWorld(world => {
      for (const [namespace, originals] of world) {
        const names = [...exposedNames(namespace, originals, OPTIONS).values()].map(name => name.toLowerCase());
        assert.equal(names.length, originals.length);
        assert.equal(new Set(names).size, names.length, names.join(' '));
      }
    });
  });

  it('do not depend on the order of the list, and only on names that differ in nothing but case', () => {
    forEachWorld((world, random) => {
      for (const [namespace, originals] of world) {
        const names = exposedNames(namespace, originals, OPTIONS);
        const shuffled = originals.toSorted(() => random.next() - 0.5);
        assert.deepEqual(new Map([...exposedNames(namespace, shuffled, OPTIONS)].sort()), new Map([...names].sort()));
        for (const original of originals) {
          const alike = originals.filter(other => other.toLowerCase() === original.toLowerCase());
          assert.equal(exposedNames(namespace, alike, OPTIONS).get(original), names.get(original));
        }
      }
    });
  });

  it('stay the same when other backends come and go, and lead back to their tool', () => {
    forEachWorld((world, random) => {
      // A backend's namespace is sanitised before it gets here.
      const offers = [...world].map(([namespace, tools], n) => ({
        name: `backend-${n}`,
        namespace: namespace.replace(/[^A-Za-z0-9_-]/g, '_'),
        lists: { ...NO_LISTS, tools: tools.map(name => ({ name, inputSchema: {} })) },
      }));
      const firsts = offers.filter(
        ({ namespace }, at) =>
          offers.findIndex(other => other.namespace.toLowerCase() === namespace.toLowerCase()) === at,
      );
      const tools = (shown: typeof offers) => buildCatalog(backendsOf(shown), routingOf({})).tools;
      const all = tools(firsts);
      for (const { exposedName, candidates } of all.values()) {
        assert.equal(all.get(exposedName)?.candidates.length, 1);
        const [candidate] = candidates;
        const offer = firsts.find(({ name }) => name === candidate?.backend.name);
        assert.ok(offer?.lists.tools.some(({ name }) => name === candidate?.originalName));
      }
      assert.equal(
        all.size,
        firsts.reduce((sum, { lists }) => sum + lists.tools.length, 0),
        'no tool is hidden behind another',
      );
      const some = firsts.filter(() => random.next() < 0.5);
      const namesOf = (catalog: typeof all, backend: string) =>
        [...catalog.values()].flatMap(({ exposedName, candidates: [first] }) =>
          first?.backend.name === backend ? [[first.originalName, exposedName]] : [],
        );
      const fewer = tools(some);
      for (const { name } of some) assert.deepEqual(namesOf(fewer, name), namesOf(all, name));
    });
  });
});
