import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findTool } from '../../../src/core/router/candidates.ts';
import { buildCatalog } from '../../../src/core/router/catalog.ts';
import { NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

const page = { ui: { resourceUri: 'ui://page' } };
const inputSchema = { type: 'object' };

/** backend → its tools and their `_meta` */
function catalogOf(offers: Record<string, Record<string, object>>, entries: Record<string, object> = {}) {
  const backends = Object.entries(offers).map(([name, tools]) => ({
    name,
    ...entries[name],
    lists: {
      ...NO_LISTS,
      tools: Object.entries(tools).map(([name, meta]) => ({ name, inputSchema, _meta: { ...meta } })),
    },
  }));
  return buildCatalog(backendsOf(backends), routingOf({}));
}

const pageTools = (...args: Parameters<typeof catalogOf>) => Object.fromEntries(catalogOf(...args).pageTools);

describe('the tools that pages of MCP Apps call', () => {
  it('are those of a backend with a page, by their own names', () => {
    const catalog = catalogOf({ clock: { show: page, tick: {} }, other: { tock: {} } });
    assert.deepEqual(Object.fromEntries(catalog.pageTools), { show: 'clock__show', tick: 'clock__tick' });
    assert.equal(findTool(catalog, 'tick')?.exposedName, 'clock__tick');
    assert.equal(findTool(catalog, 'tock'), undefined);
  });

  it('are also known where a page is named as before the `ui` object', () => {
    assert.deepEqual(pageTools({ clock: { show: { 'ui/resourceUri': 'ui://page' } } }), { show: 'clock__show' });
  });

  it('are not those that are for the model alone', () => {
    const forModel = { ui: { ...page.ui, visibility: ['model'] } };
    const forPages = { ui: { visibility: ['app'] } };
    assert.deepEqual(pageTools({ clock: { show: forModel, tick: forPages } }), { tick: 'clock__tick' });
  });

  it('are by the name that the backend knows, whatever it is renamed to', () => {
    const renamed = { tools: { rename: { tick: 'next' } } };
    const expected = { show: 'clock__show', tick: 'clock__next' };
    assert.deepEqual(pageTools({ clock: { show: page, tick: {} } }, { clock: renamed }), expected);
  });

  it('are nobody’s where pages of two namespaces could mean them, and one where two are replicas', () => {
    const both = { clock: { show: page, tick: {} }, metronome: { beat: page, tick: {} } };
    assert.deepEqual(pageTools(both), { show: 'clock__show', beat: 'metronome__beat' });
    assert.deepEqual(pageTools(both, { metronome: { namespace: 'clock' } }), {
      show: 'clock__show',
      tick: 'clock__tick',
      beat: 'clock__beat',
    });
  });

  it('give way to a tool that clients know by that name', () => {
    assert.deepEqual(pageTools({ a: { show: page, b__q: {} }, b: { q: {} } }), { show: 'a__show' });
  });
});

it('a page is read and calls a tool by its own name, which it is listed by to nobody; other own names stay unknown', async t => {
  const gateway = await startGateway(t, {
    backends: [
      { name: 'clock', ...fixtureCommand('servers/clock.mjs') },
      { name: 'echo', ...fixtureCommand('servers/echo.mjs') },
    ],
  });
  await gateway.gateway.whenSettled();
  const client = await gateway.client();
  const shown = (await client.list('tools')).find(({ name }) => name === 'clock__show');
  assert.ok(shown);
  const { ui } = shown._meta as typeof page;
  const { result } = await client.request('resources/read', { uri: ui.resourceUri });
  assert.match(result.contents[0].text, /name: 'tell'/);
  assert.equal((await client.callTool('tell')).result.content[0].text, 'It is five past twelve');
  const names = await client.toolNames();
  assert.deepEqual([names.includes('clock__tell'), names.includes('tell')], [true, false]);
  for (const name of ['echo', 'pid', 'nowhere']) assert.equal((await client.callTool(name)).error?.code, -32602, name);
});
