import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildCatalog, definitionFor, type Entry } from '../../../src/core/router/catalog.ts';
import { type Lists, NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';

const tools = (...names: string[]) => ({ tools: names.map(name => ({ name, inputSchema: {} })) });

function catalogOf(entries: Record<string, unknown>[], offers: Record<string, Partial<Lists>>, routing = {}) {
  const backends = entries.map(entry => ({ ...entry, lists: { ...NO_LISTS, ...offers[String(entry.name)] } }));
  return buildCatalog(backendsOf(backends), routingOf(routing));
}

/** name → backends in the order they are tried */
const shape = (entries: ReadonlyMap<string, Entry>) =>
  Object.fromEntries(
    Array.from(entries, ([name, { candidates }]) => [name, candidates.map(({ backend }) => backend.name).join(' ')]),
  );

describe('catalog', () => {
  it('keeps the order of the file, then that of each backend', () => {
    const { tools: merged } = catalogOf([{ name: 'b' }, { name: 'a' }], { a: tools('z', 'y'), b: tools('q', 'p') });
    assert.deepEqual([...merged.keys()], ['b__q', 'b__p', 'a__z', 'a__y']);
  });

  it('makes backends of one namespace candidates of one name, by priority', () => {
    const entries = [
      { name: 'second', namespace: 'db', priority: 20 },
      { name: 'first', namespace: 'db', priority: 10 },
      { name: 'other', namespace: 'other' },
    ];
    const catalog = catalogOf(entries, { first: tools('q'), second: tools('q', 'extra'), other: tools('q') });
    assert.deepEqual(shape(catalog.tools), { db__q: 'first second', db__extra: 'second', other__q: 'other' });
  });

  it('takes the definition of the first candidate, unaltered but for the name', () => {
    const definition = {
      name: 'q',
      inputSchema: { type: 'object' },
      annotations: { readOnlyHint: true },
      icons: [{ src: 'x' }],
      _meta: { a: 1 },
      unknown: [1],
    };
    const entries = [
      { name: 'late', namespace: 'db', priority: 5 },
      { name: 'early', namespace: 'db', priority: 1 },
    ];
    const { tools: merged } = catalogOf(entries, { late: tools('q'), early: { tools: [definition] } });
    assert.deepEqual(merged.get('db__q')?.definition, { ...definition, name: 'db__q' });
  });

  it('shares one pool of names among all backends without prefixing', () => {
    const catalog = catalogOf(
      [{ name: 'a' }, { name: 'b' }],
      { a: tools('q'), b: tools('q', 'r') },
      { enable_namespace_prefixing: false },
    );
    assert.deepEqual(shape(catalog.tools), { q: 'a b', r: 'b' });
  });

  it('leaves out, and renames, what the configuration says', () => {
    const filter = { include: ['q*', 'drop'], exclude: ['drop'], rename: { q1: 'first' } };
    const catalog = catalogOf([{ name: 'a', tools: filter }], { a: tools('q1', 'q2', 'drop', 'other') });
    assert.deepEqual([...catalog.tools.keys()], ['a__first', 'a__q2']);
    assert.equal(catalog.tools.get('a__first')?.candidates[0]?.originalName, 'q1');
  });

  it('counts a backend that lists a tool twice once', () => {
    assert.deepEqual(shape(catalogOf([{ name: 'a' }], { a: tools('q', 'q') }).tools), { a__q: 'a' });
  });

  it('knows tools by the spellings of older systems', () => {
    const { toolAliases } = catalogOf([{ name: 'server', namespace: 'ns' }], { server: tools('a.b') });
    const [exposed] = new Set(toolAliases.values());
    assert.deepEqual(
      ['ns.a.b', 'ns::a.b', 'server::a.b'].map(alias => toolAliases.get(alias)),
      Array(3).fill(exposed),
    );
  });

  it('knows prompts by them too', () => {
    const { promptAliases } = catalogOf([{ name: 'server', namespace: 'ns' }], {
      server: { prompts: [{ name: 'p' }] },
    });
    assert.deepEqual(
      [...promptAliases],
      ['ns.p', 'ns::p', 'server::p'].map(alias => [alias, 'ns__p']),
    );
  });

  it('takes the namespace in lower case as well, in which it is shown', () => {
    const { toolAliases } = catalogOf([{ name: 'server', namespace: 'Ns' }], { server: tools('a.b', 'Q') });
    assert.deepEqual(
      ['ns.a.b', 'ns::Q', 'Ns.a.b', 'Ns::Q'].map(alias => toolAliases.get(alias)?.slice(0, -7)),
      ['ns__a_b', 'ns__Q', 'ns__a_b', 'ns__Q'],
    );
  });

  it("takes a namespace for itself where another's backend bears its name", () => {
    const entries = [
      { name: 'db', namespace: 'files' },
      { name: 'other', namespace: 'db' },
    ];
    const { toolAliases } = catalogOf(entries, { db: tools('q', 'only'), other: tools('q') });
    assert.deepEqual(
      ['db.q', 'db::q', 'db::only'].map(alias => toolAliases.get(alias)),
      ['db__q', 'db__q', 'files__only'],
    );
  });

  it('keeps URIs while they are unique in their namespace, and rewrites the later of two namespaces', () => {
    const file = { resources: [{ uri: 'file:///a', name: 'A' }] };
    const entries = [{ name: 'one' }, { name: 'two' }, { name: 'replica', namespace: 'one' }];
    const { resources } = catalogOf(entries, { one: file, two: file, replica: file });
    assert.deepEqual(shape(resources), { 'file:///a': 'one replica', 'switchyard://two/file:///a': 'two' });
    assert.deepEqual(resources.get('switchyard://two/file:///a')?.definition, {
      uri: 'switchyard://two/file:///a',
      name: 'A',
    });
  });

  it('keeps the URIs of namespaces apart whose tools are kept apart', () => {
    const file = { resources: [{ uri: 'file:///a', name: 'A' }], templates: [{ uriTemplate: 'x:{a}', name: 'X' }] };
    const entries = [
      { name: 'one', namespace: 'a_b' },
      { name: 'two', namespace: 'a__b' },
      { name: 'three', namespace: 'A_B' },
    ];
    const { resources, templates } = catalogOf(entries, { one: file, two: file, three: file });
    assert.deepEqual(shape(resources), { 'file:///a': 'one three', 'switchyard://a__b/file:///a': 'two' });
    assert.deepEqual(shape(templates), { 'x:{a}': 'one three', 'switchyard://a__b/x:{a}': 'two' });
  });
});

describe('A definition', () => {
  const schemas = [{ type: 'object' }, { type: 'array' }, { type: 'string' }, { anyOf: [] }, true, null];
  const listed = schemas.map((outputSchema, n) => ({
    name: `t${n}`,
    inputSchema: { type: 'object' },
    outputSchema,
    execution: { taskSupport: 'optional' },
    odd: 1,
  }));
  const definitions = (era: 'legacy' | 'modern', client: 'legacy' | 'modern') => {
    const about = { era, serverInfo: { name: 's', version: '1' }, capabilities: {}, instructions: undefined };
    const backends = backendsOf([{ name: 'b', lists: { ...NO_LISTS, tools: listed }, about }]);
    const { tools } = buildCatalog(backends, routingOf({}));
    return Array.from(tools.values(), entry => definitionFor(client, entry));
  };
  const named = listed.map(tool => ({ ...tool, name: `b__${tool.name}` }));

  it('of a modern backend has no output schema but of objects for a legacy client', () => {
    assert.deepEqual(
      definitions('modern', 'legacy'),
      named.map(({ outputSchema, ...tool }, n) => (n === 0 ? { ...tool, outputSchema } : tool)),
    );
  });

  it('of a legacy backend is what it is for a legacy client', () => {
    assert.deepEqual(definitions('legacy', 'legacy'), named);
  });

  it('is without what is said of tasks for a modern client, and otherwise what it is', () => {
    for (const era of ['legacy', 'modern'] as const)
      assert.deepEqual(
        definitions(era, 'modern'),
        named.map(({ execution, ...tool }) => tool),
      );
  });
});
