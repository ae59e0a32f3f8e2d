import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, RATIO_LIMIT } from './bench.ts';

test(`A call to a stdio backend costs at most ${RATIO_LIMIT} times the two bare hops`, async () => {
  const { ratiosToStdio } = await bench({ node: process.execPath, rounds: 10, calls: 200 });
  // The best round: anything else on the machine only ever makes a round worse.
  const best = Math.min(...ratiosToStdio);
  assert.ok(best <= RATIO_LIMIT, `ratios of the rounds: ${ratiosToStdio.map(ratio => ratio.toFixed(2)).join(' ')}`);
});
