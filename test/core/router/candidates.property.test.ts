// Who may be asked for a tool, and in which order, in thousands of random configurations. A failure names its seed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Selection, type Surroundings, selectForTool, type Turns } from '../../../src/core/router/candidates.ts';
import { buildCatalog } from '../../../src/core/router/catalog.ts';
import { NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';
import { Random } from '../../support/random.ts';

const WORLDS = 3000;
const TOOLS = ['query', 'query_all', 'drop', 'Query'] as const;
const NAMESPACES = ['db', 'files', 'web'] as const;

interface World extends Surroundings {
  readonly turns: Turns;
  readonly names: string[];
}

function worldIn(random: Random): World {
  const count = random.between(1, 6);
  const nameOf = () => `backend-${random.between(0, count - 1)}`;
  const some = <T>(items: readonly T[], share = 0.5) => items.filter(() => random.next() < share);
  const entries = Array.from({ length: count }, (_, n) => {
    const routes = Array.from({ length: random.between(0, 2) }, () => {
      const strategy = random.pick(['path', 'capability', 'fallback']);
      const fallback = strategy === 'fallback' && random.next() < 0.8 ? { fallback_to: nameOf() } : {};
      return { pattern: random.pick(['*', 'query*', 'drop', 'hidden_*']), strategy, ...fallback };
    });
    const hasListed = random.next() < 0.85;
    const tools = some(TOOLS, 0.6).map(name => ({ name, inputSchema: {} }));
    return {
      name: `backend-${n}`,
      namespace: random.pick(NAMESPACES),
      priority: random.between(0, 2),
      routes,
      tools: { exclude: some(['drop', 'query_*'], 0.2) },
      ...(hasListed && { lists: { ...NO_LISTS, tools } }),
    };
  });
  const routing = routingOf({
    load_balancing: random.pick(['priority', 'round_robin', 'least_request']),
    enable_namespace_prefixing: random.next() < 0.8,
    default_strategy: random.pick(['path', 'capability', 'fallback']),
  });
  const backends = backendsOf(entries);
  const catalog = buildCatalog(backends, routing);
  const names = [
    ...catalog.tools.keys(),
    'db__hidden_tool',
    'files.hidden_tool',
    'hidden_tool',
    'db__unheard',
    'nobody__query',
  ];
  const turns = new WeakMap(backends.map(backend => [backend, random.between(0, 100)]));
  return { backends, catalog, routing, turns, names };
}

function forEachSelection(check: (selection: Selection, world: World) => void): void {
  let found = 0;
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const world = worldIn(new Random(seed));
    for (const name of world.names) {
      const selection = selectForTool(name, world, world.turns);
      if (!selection) continue;
      found += 1;
      try {
        check(selection, world);
      } catch (error) {
        throw new Error(`seed ${seed}, "${name}"`, { cause: error });
      }
    }
  }
  assert.ok(found > WORLDS, `${found} selections are enough to look at`);
}

const isExcluded = (patterns: readonly string[], tool: string) =>
  patterns.some(pattern => (pattern === 'query_*' ? tool.startsWith('query_') : pattern === tool));

describe('the candidates for a tool', () => {
  it('come at most once, and are configured backends', () => {
    forEachSelection(({ candidates }, { backends }) => {
      const chosen = candidates.map(({ backend }) => backend);
      assert.equal(new Set(chosen).size, chosen.length);
      assert.ok(chosen.every(backend => backends.includes(backend)));
    });
  });

  it('are of its pool, or stand in for one that falls back to them', () => {
    forEachSelection(({ candidates, pool }, { backends }) => {
      for (const { backend, standsInFor } of candidates) {
        if (standsInFor === undefined) assert.ok(pool.includes(backend));
        else {
          const head = backends.find(({ name }) => name === standsInFor);
          assert.ok(head?.config.routes.some(({ fallback_to }) => fallback_to === backend.name));
        }
      }
    });
  });

  it('list the tool, match it by a route, or have never listed; and never leave it out', () => {
    forEachSelection(({ candidates, ownName }) => {
      for (const { backend, originalName } of candidates) {
        assert.equal(originalName, ownName);
        const lists = backend.lists.tools.some(({ name }) => name === ownName);
        const { routes } = backend.config;
        const matches = routes.some(({ strategy }) => strategy === 'path' || strategy === 'fallback');
        assert.ok(lists || matches || !backend.hasListed);
        assert.equal(isExcluded(backend.config.tools.exclude, ownName), false);
      }
    });
  });

  it('of the pool stand in the order of priority, and stand-ins behind the one that falls back to them', () => {
    forEachSelection(({ candidates }) => {
      const heads = candidates.filter(({ standsInFor }) => standsInFor === undefined);
      const priorities = heads.map(({ backend }) => backend.config.priority);
      assert.deepEqual(
        priorities,
        priorities.toSorted((a, b) => a - b),
      );
      for (const [at, { standsInFor }] of candidates.entries()) {
        // Those between, if any, stood in for it before or cannot serve the tool.
        const earlier = candidates.slice(0, at);
        if (standsInFor !== undefined) assert.ok(earlier.length > 0 && earlier[0]?.standsInFor === undefined);
      }
    });
  });

  it('leave nobody of the pool out who lists the tool and offers it', () => {
    forEachSelection(({ candidates, pool, ownName, isListed }) => {
      const listing = pool.filter(({ lists }) => lists.tools.some(({ name }) => name === ownName));
      const offering = listing.filter(({ config }) => !isExcluded(config.tools.exclude, ownName));
      const chosen = candidates.map(({ backend }) => backend);
      if (isListed) assert.ok(offering.every(backend => chosen.includes(backend)));
    });
  });
});
