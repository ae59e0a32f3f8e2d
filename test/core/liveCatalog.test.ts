import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseConfig } from '../../src/core/config/load.ts';
import { LiveCatalog } from '../../src/core/liveCatalog.ts';
import { NO_LISTS } from '../../src/core/upstream/lists.ts';
import { backendsOf } from '../support/backends.ts';
import { FakeClock } from '../support/fakeClock.ts';

it('What clients are offered is hashed once a change, however many ask', () => {
  let hashed = 0;
  const toJSON = () => {
    hashed += 1;
    return {};
  };
  const offering = (...names: string[]) => {
    const tools = names.map(name => ({ name, inputSchema: { toJSON } }));
    return backendsOf([{ name: 'one', lists: { ...NO_LISTS, tools } }]);
  };
  const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const loaded = parseConfig('{"backends": [], "server": {"management_tools": "off"}}', 'backends.json', options);
  assert.ok(loaded.ok);
  const { config } = loaded;
  const clock = new FakeClock();
  const told: string[] = [];
  let backends = offering('a');
  const catalog = new LiveCatalog({
    clock,
    config: () => config,
    backends: () => backends,
    broadcast: method => void told.push(method),
  });

  catalog.changed();
  clock.advance(1000);
  const before = catalog.digests;
  assert.deepEqual([catalog.digests, hashed, told], [before, 1, ['notifications/tools/list_changed']]);

  backends = offering('b');
  catalog.changed();
  assert.notEqual(catalog.digests.tools, before.tools);
  clock.advance(1000);
  assert.deepEqual([hashed, told.length], [2, 2]);
  catalog.dispose();
});
