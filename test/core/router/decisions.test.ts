import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecisionRecord } from '../../../src/core/router/decisions.ts';
import { FakeClock } from '../../support/fakeClock.ts';

test('A decision keeps the beginning of names and messages, which may be as long as a whole request', () => {
  const long = 'x'.repeat(1_000_000);
  const record = new DecisionRecord('tools/call', long, new FakeClock());
  record.attempted('a', 0, { kind: 'rejected', error: { code: -32602, message: long } });
  record.attempted('b', 0, { kind: 'failed', sent: true, failure: { code: 'http', message: long } });
  const kept = record.concluded('rejected');
  assert.equal(kept.name, `${'x'.repeat(500)}…`);
  assert.ok(JSON.stringify(kept).length < 2000);
  assert.ok(record.explanation.length < 2000);
});
