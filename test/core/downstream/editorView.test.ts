import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/core/base/clock.ts';
import { EditorView } from '../../../src/core/downstream/editorView.ts';
import { buildCatalog } from '../../../src/core/router/catalog.ts';
import { NO_LISTS } from '../../../src/core/upstream/lists.ts';
import { backendsOf, routingOf } from '../../support/backends.ts';

test('what VS Code would not take is told once, however often the catalog changes, and again where the reason is another', t => {
  const told: string[] = [];
  const log = { debug() {}, info() {}, warning: (line: string) => told.push(line), error() {} };
  const view = new EditorView(systemClock, log);
  t.after(() => view.dispose());
  const present = (type: string) => {
    const inputSchema = { type: 'object', properties: { when: { type } } };
    const backends = backendsOf([{ name: 'b', lists: { ...NO_LISTS, tools: [{ name: 'plan', inputSchema }] } }]);
    return view.present(buildCatalog(backends, routingOf({})), 'tools');
  };
  assert.deepEqual([present('date'), present('date'), present('date')], [[], [], []]);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /would not take the tool b__plan, .*"date"/);
  assert.deepEqual([present('time'), told.length], [[], 2]);
});
