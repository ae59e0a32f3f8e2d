import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { didYouMean, nearest } from '../../../src/core/base/nearest.ts';

const TOOLS = ['read_file', 'read_files', 'write_file', 'list_directory', 'search', 'move'];

describe('The nearest names', () => {
  for (const [word, ...expected] of [
    ['raed_file', 'read_file', 'read_files'],
    ['ReadFile', 'read_file', 'read_files'],
    ['rite_file', 'write_file'],
    ['list', 'list_directory'],
    ['serach', 'search'],
    ['mvoe', 'move'],
    ['moved', 'move'],
    ['ove', 'move'],
    ['delete'],
    [''],
  ] as const)
    test(`to "${word}" are ${expected.join(', ') || 'none'}`, () => {
      assert.deepEqual(nearest(word, TOOLS), expected);
    });

  test('are found among many that are much longer or shorter', () => {
    const others = Array.from({ length: 10_000 }, (_, n) =>
      n % 2 === 0 ? `${n}` : `tool_number_${n}_with_a_long_name`,
    );
    assert.deepEqual(nearest('serach_page', [...others, 'search_page']), ['search_page']);
  });

  test('are looked for among the first 2,000 that are as long as the wrong one', () => {
    let taken = 0;
    const many = function* () {
      for (; taken < 10_000; taken++) yield `tool_number_${taken}`;
    };
    assert.deepEqual(nearest('tool_number_0x', many(), 1), ['tool_number_0']);
    assert.ok(taken < 2_100, `${taken} were compared`);
  });

  test('become a question', () => {
    assert.equal(didYouMean('serach', TOOLS), '; did you mean "search"?');
    assert.equal(didYouMean('delete', TOOLS), '');
  });
});
