import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { admissibilityOf } from '../../../src/core/upstream/backendState.ts';

describe('A backend that was lost', () => {
  const circuit = { isReady: true, state: { kind: 'closed', failures: 1 } } as const;
  const lost = (retryAt: number | undefined) => {
    const failure = { code: 'needs-sign-in', message: 'needs sign-in' } as const;
    return admissibilityOf({ kind: 'failed', at: 1, wasReady: true, failure, retryAt }, circuit, 0, 0);
  };

  it('is waited for if it is tried again', () => {
    assert.deepEqual(lost(2), { kind: 'starting', reason: 'starting again' });
  });

  it('refuses calls at once, and says why, if it is not', () => {
    assert.deepEqual(lost(undefined), { kind: 'refused', reason: 'needs sign-in' });
  });
});
