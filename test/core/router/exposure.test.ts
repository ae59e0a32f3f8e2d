import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildCatalog } from '../../../src/core/router/catalog.ts';
import { Exposure, exposedTaskId, originalTask } from '../../../src/core/router/exposure.ts';
import { type Lists, NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

/** Backends by name, with what they list. */
function exposed(lists: Record<string, Partial<Lists>>, more: Record<string, object> = {}) {
  const names = Object.keys(lists);
  const backends = backendsOf(names.map(name => ({ name, lists: { ...NO_LISTS, ...lists[name] }, ...more[name] })));
  const catalog = buildCatalog(backends, routingOf({}));
  const exposure = new Exposure(() => catalog);
  const of = (name: string) => backends[names.indexOf(name)] ?? assert.fail(`no backend ${name}`);
  /** A link that a backend gives out, as clients see it. */
  const link = (name: string, uri: string) =>
    exposure.result(of(name), { content: [{ type: 'resource_link', uri, name: 'l' }] }).content;
  const uri = (name: string, original: string) => (link(name, original) as { uri: string }[])[0]?.uri;
  return { exposure, of, uri };
}

const resources = (...uris: string[]) => ({ resources: uris.map(uri => ({ uri, name: uri })) });
const templates = (...patterns: string[]) => ({
  templates: patterns.map(uriTemplate => ({ uriTemplate, name: uriTemplate })),
});

describe('The URI of a resource', () => {
  it('stays while it is unique; where two list the same, the later one’s is rewritten wherever it occurs', () => {
    const { exposure, of, uri } = exposed({ a: resources('file:///x'), b: resources('file:///x', 'file:///y') });
    assert.deepEqual(
      [uri('a', 'file:///x'), uri('b', 'file:///x'), uri('b', 'file:///y')],
      ['file:///x', 'switchyard://b/file:///x', 'file:///y'],
    );
    assert.deepEqual(exposure.params(of('b'), 'notifications/resources/updated', { uri: 'file:///x', odd: 1 }), {
      uri: 'switchyard://b/file:///x',
      odd: 1,
    });
  });

  it('is that of all who share a namespace', () => {
    const common = { namespace: 'db' };
    const { uri } = exposed({ a: resources('file:///x'), b: resources('file:///x') }, { a: common, b: common });
    assert.equal(uri('b', 'file:///x'), 'file:///x');
  });

  it('is that of the template that it is one of', () => {
    const { uri } = exposed({ a: templates('x://items/{id}'), b: templates('x://items/{id}', 'x://others/{id}') });
    assert.deepEqual(
      [uri('a', 'x://items/7'), uri('b', 'x://items/7'), uri('b', 'x://others/7')],
      ['x://items/7', 'switchyard://b/x://items/7', 'x://others/7'],
    );
  });

  it('that nobody lists is the first one’s who gives it out, and is remembered as that', () => {
    const { exposure, uri } = exposed({ a: {}, b: {} });
    assert.equal(uri('a', 'mem:1'), 'mem:1');
    assert.equal(uri('b', 'mem:1'), 'switchyard://b/mem:1');
    assert.equal(uri('a', 'mem:1'), 'mem:1');
    assert.equal(uri('b', 'mem:2'), 'mem:2');
    assert.deepEqual(exposure.unlisted('mem:1'), { namespace: 'a', original: 'mem:1' });
    assert.deepEqual(exposure.unlisted('mem:2'), { namespace: 'b', original: 'mem:2' });
    assert.deepEqual(exposure.unlisted('switchyard://b/mem:1'), { namespace: 'b', original: 'mem:1' });
    assert.equal(exposure.unlisted('mem:3'), undefined);
  });

  it('that is a page of the web stays, whoever gives it out, unless it is a listed resource or one of a template', () => {
    const { uri } = exposed({
      a: resources('https://listed.example/'),
      b: { ...resources('https://listed.example/'), ...templates('http://of.example/{id}') },
      c: templates('http://of.example/{id}'),
    });
    for (const name of ['a', 'b', 'c']) assert.equal(uri(name, 'HTTPS://page.example/x'), 'HTTPS://page.example/x');
    assert.deepEqual(
      [uri('b', 'https://listed.example/'), uri('c', 'http://of.example/1')],
      ['switchyard://b/https://listed.example/', 'switchyard://c/http://of.example/1'],
    );
  });

  it('that nobody lists is forgotten when ten thousand others have come after it, the last used last', () => {
    const { exposure, uri } = exposed({ a: {} });
    uri('a', 'mem:used');
    for (let n = 0; n < 9_999; n++) uri('a', `mem:${n}`);
    uri('a', 'mem:used');
    uri('a', 'mem:last');
    assert.deepEqual(
      ['mem:used', 'mem:0', 'mem:1', 'mem:last'].map(each => exposure.unlisted(each)?.namespace),
      ['a', undefined, 'a', 'a'],
    );
  });

  it('that a tool points to is that of whose tool it is', () => {
    const tool = { name: 't', inputSchema: {}, _meta: { ui: { resourceUri: 'ui://chart' } } };
    const { exposure, uri } = exposed({ a: { tools: [tool] }, b: { tools: [tool] } });
    assert.deepEqual(exposure.unlisted('ui://chart'), { namespace: 'a', original: 'ui://chart' });
    assert.deepEqual([uri('a', 'ui://chart'), uri('b', 'ui://chart')], ['ui://chart', 'switchyard://b/ui://chart']);
  });

  it('comes back as the client has asked for it', () => {
    const { exposure, of } = exposed({ a: resources('file:///x'), b: resources('file:///x') });
    const contents = [{ uri: 'file:///x' }, { uri: 'other:1' }];
    const asked = { original: 'file:///x', uri: 'switchyard://b/file:/x' };
    assert.deepEqual(exposure.result(of('b'), { contents }, asked).contents, [
      { uri: 'switchyard://b/file:/x' },
      { uri: 'other:1' },
    ]);
  });
});

describe('A URI as a client spells it', () => {
  const { exposure } = exposed({
    a: resources('file:///a b/ü', 'x://h/p?q=1&r=ä', 'file:///c', 'x://one/a', 'x://one//a', 'x://pct/100%'),
    b: resources('file:///c'),
  });

  for (const [spelled, listed] of [
    ['file:///a%20b/%C3%BC', 'file:///a b/ü'],
    ['FILE:/a b/ü', 'file:///a b/ü'],
    ['x://h/p?q%3D1%26r%3D%C3%A4', 'x://h/p?q=1&r=ä'],
    ['x:/h/p?q=1&r=ä', 'x://h/p?q=1&r=ä'],
    ['switchyard://b/file:/c', 'switchyard://b/file:///c'],
    ['switchyard://b/file%3A/c', 'switchyard://b/file:///c'],
    ['x://pct/100%25', 'x://pct/100%'],
    ['x://pct/100%', 'x://pct/100%'],
    ['x://one//a', 'x://one//a'],
    ['x://one/a/', 'x://one/a/'],
    ['x://nowhere', 'x://nowhere'],
  ] as const)
    it(`${spelled} is ${listed}`, () => assert.equal(exposure.listedAs(spelled), listed));
});

describe('An unlisted URI of a namespace', () => {
  const { exposure } = exposed({ a: {}, b: {} });
  for (const [spelled, original] of [
    ['switchyard://b/mem:1', 'mem:1'],
    ['switchyard://b/x://h/p', 'x://h/p'],
    ['switchyard://b/x:/h/p', 'x://h/p'],
    ['switchyard://b/file:///etc/x', 'file:///etc/x'],
    ['switchyard://b/file://host/x', 'file://host/x'],
    ['switchyard://b/file:/etc/x', 'file:///etc/x'],
    ['switchyard://b/a\nb', 'a\nb'],
  ] as const)
    it(`${JSON.stringify(spelled)} is ${JSON.stringify(original)}`, () =>
      assert.deepEqual(exposure.unlisted(spelled), { namespace: 'b', original }));
});

it('maps the ids of tasks there and back', () => {
  const { of } = exposed({ 'my-b': {} });
  for (const id of ['7', 'a/b', '', '\u0000']) {
    const exposedId = exposedTaskId(of('my-b'), id);
    assert.deepEqual(originalTask(exposedId), { backend: 'my-b', taskId: id });
  }
  assert.equal(originalTask('none'), undefined);
});

it('brings a URI that nobody lists to the backend of its namespace, as clients spell it', async t => {
  const entry = fixtureCommand('servers/echo.mjs', '--name', 'same');
  const gateway = await startGateway(t, {
    backends: [
      { name: 'one', ...entry },
      { name: 'two', ...entry },
    ],
  });
  await gateway.gateway.whenSettled();
  const client = await gateway.client();
  for (const uri of ['switchyard://two/same://secret', 'switchyard://two/same:/secret']) {
    const { result } = await client.request('resources/read', { uri });
    assert.deepEqual(result.contents[0], { uri, mimeType: 'text/plain', text: 'Content of same://secret' });
  }
  for (const uri of ['same://secret', 'switchyard://three/same://secret'])
    assert.equal((await client.request('resources/read', { uri })).error?.code, -32002);
});
