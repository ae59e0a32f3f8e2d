import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mergeRows } from '../../src/vscode/mergeRows.ts';
import type { Row } from '../../src/vscode/row.ts';

function row(id: string, parts: Partial<Row> = {}): Row {
  return {
    id,
    kind: 'backend',
    label: id,
    description: '',
    tooltip: '',
    icon: 'file',
    children: [],
    isExpanded: false,
    ...parts,
  };
}

/** What is drawn again when `after` takes the place of `before`, by id. */
function stale(before: Row[], after: Row[]) {
  const result = mergeRows(before, after).stale;
  return result === 'all' ? result : result.map(({ id }) => id);
}

describe('Rows merged into those that are shown', () => {
  it('stay the same objects, and say what the new ones say', () => {
    const inner = row('a/1', { color: 'red', line: 3 });
    const before = [row('a', { children: [inner] }), row('b')];
    const after = () => [row('b', { description: 'new' }), row('a', { children: [row('a/1', { tool: 'x' })] })];
    const { rows } = mergeRows(before, after());
    assert.deepEqual(rows, after());
    assert.equal(rows[0], before[1]);
    assert.equal(rows[1], before[0]);
    assert.equal(rows[1]?.children[0], inner);
  });

  it('are drawn again where they differ, and nowhere else', () => {
    const tree = (description: string, other = '') => [
      row('a', { children: [row('a/1', { description }), row('a/2')] }),
      row('b', { description: other }),
    ];
    assert.deepEqual(stale(tree('x'), tree('x')), []);
    assert.deepEqual(stale(tree('x'), tree('y')), ['a/1']);
    assert.deepEqual(stale(tree('x'), tree('y', 'z')), ['a/1', 'b']);
  });

  it('are drawn again with all below them where other rows are below them, or in another order', () => {
    const tree = (...ids: string[]) => [row('a', { children: ids.map(id => row(id)) }), row('b')];
    assert.deepEqual(stale(tree('1', '2'), tree('1')), ['a']);
    assert.deepEqual(stale(tree('1'), tree('1', '2')), ['a']);
    assert.deepEqual(stale(tree('1', '2'), tree('2', '1')), ['a']);
  });

  it('are all drawn again where the top level has others, or another order', () => {
    assert.equal(stale([], [row('a')]), 'all');
    assert.equal(stale([row('a'), row('b')], [row('b'), row('a')]), 'all');
    assert.equal(stale([row('a'), row('b')], [row('a')]), 'all');
  });
});
