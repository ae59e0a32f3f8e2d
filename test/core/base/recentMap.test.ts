import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RecentMap } from '../../../src/core/base/recentMap.ts';

it('A recent map forgets what was set longest ago, and takes what is set again for new', () => {
  const map = new RecentMap<string, number>(2);
  map.set('a', 1).set('b', 2).set('a', 3).set('c', 4);
  assert.deepEqual(
    [...map],
    [
      ['a', 3],
      ['c', 4],
    ],
  );
});
