import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CircuitBreaker,
  type CircuitOptions,
  type Permit,
  type Verdict,
} from '../../../src/core/health/circuitBreaker.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const TIMEOUT = 60_000;

/** A breaker, with the kinds of the states it went through. */
function arrange(options: Partial<CircuitOptions> = {}) {
  const clock = new FakeClock();
  const all = { failureThreshold: 2, timeoutMs: TIMEOUT, halfOpenAttempts: 2, ...options };
  const kinds: string[] = ['closed'];
  const breaker = new CircuitBreaker(all, clock, () => {
    if (breaker.state.kind !== kinds.at(-1)) kinds.push(breaker.state.kind);
  });
  const admitted = (): Permit => breaker.acquire() ?? assert.fail('refused');
  const call = (...verdicts: Verdict[]) => {
    for (const verdict of verdicts) admitted().settle(verdict);
  };
  const untilHalfOpen = () => {
    call('failure', 'failure');
    clock.advance(TIMEOUT);
    return admitted();
  };
  return { breaker, clock, options: all, kinds, admitted, call, untilHalfOpen };
}

describe('CircuitBreaker', () => {
  test('opens after the threshold of failures in a row, and says until when', () => {
    const { breaker, clock, call } = arrange();
    clock.advance(5);
    call('failure', 'success', 'failure', 'ignored');
    assert.deepEqual(breaker.state, { kind: 'closed', failures: 1 });
    call('failure');
    assert.deepEqual(breaker.state, { kind: 'open', until: 5 + TIMEOUT, failures: 2 });
  });

  test('goes round: opened by failures, again by a probe that fails, closed by probes that succeed', () => {
    const { clock, kinds, call, admitted } = arrange();
    call('failure', 'failure');
    clock.advance(TIMEOUT);
    call('success', 'failure');
    clock.advance(TIMEOUT);
    const [first, second] = [admitted(), admitted()];
    first.settle('success');
    second.settle('success');
    assert.deepEqual(kinds, ['closed', 'open', 'half-open', 'open', 'half-open', 'closed']);
  });

  test('refuses calls to the last millisecond of its time, and stays open until a permit is asked for', () => {
    const { breaker, clock, call } = arrange();
    call('failure', 'failure');
    clock.advance(TIMEOUT - 1);
    assert.deepEqual([breaker.isReady, breaker.acquire()], [false, undefined]);
    clock.advance(1);
    assert.deepEqual([breaker.isReady, breaker.state.kind], [true, 'open']);
    assert.ok(breaker.acquire());
    assert.deepEqual(breaker.state, { kind: 'half-open', inFlight: 1, successes: 0 });
  });

  test('lets no more than its attempts through while half-open, those that succeeded included', () => {
    const { breaker, admitted, untilHalfOpen } = arrange();
    const first = untilHalfOpen();
    admitted();
    assert.equal(breaker.acquire(), undefined);
    first.settle('success');
    assert.deepEqual(breaker.state, { kind: 'half-open', inFlight: 1, successes: 1 });
    assert.equal(breaker.acquire(), undefined);
  });

  test('gives the place of an ignored call to the next', () => {
    const { breaker, admitted, untilHalfOpen } = arrange();
    const first = untilHalfOpen();
    admitted();
    first.settle('ignored');
    assert.deepEqual(breaker.state, { kind: 'half-open', inFlight: 1, successes: 0 });
    assert.equal(breaker.isReady, true);
  });

  test('is not closed by a slow call admitted before it opened', () => {
    const { breaker, clock, admitted, call, kinds } = arrange({ halfOpenAttempts: 1 });
    const slow = admitted();
    call('failure', 'failure');
    clock.advance(TIMEOUT);
    admitted();
    slow.settle('success');
    assert.deepEqual(breaker.state, { kind: 'half-open', inFlight: 1, successes: 0 });
    assert.deepEqual(kinds, ['closed', 'open', 'half-open']);
  });

  test('is not opened by a slow probe of an earlier half-open time', () => {
    const { breaker, clock, admitted, call, untilHalfOpen } = arrange();
    const slow = untilHalfOpen();
    admitted().settle('failure');
    clock.advance(TIMEOUT);
    call('success');
    slow.settle('failure');
    assert.deepEqual(breaker.state, { kind: 'half-open', inFlight: 0, successes: 1 });
  });

  test('counts a permit that is settled twice once', () => {
    const { breaker, admitted } = arrange();
    const permit = admitted();
    permit.settle('failure');
    permit.settle('failure');
    assert.deepEqual(breaker.state, { kind: 'closed', failures: 1 });
  });

  test('is held open by the user until resumed, whatever the time and the calls in flight', () => {
    const { breaker, clock, admitted, kinds } = arrange({ failureThreshold: 1 });
    const slow = admitted();
    breaker.hold();
    clock.advance(10 * TIMEOUT);
    assert.deepEqual([breaker.isReady, breaker.acquire()], [false, undefined]);
    breaker.release();
    slow.settle('failure');
    assert.deepEqual(kinds, ['closed', 'held-open', 'closed']);
  });

  test('is not closed by resuming what was not paused', () => {
    const { breaker, call } = arrange();
    call('failure', 'failure');
    breaker.release();
    assert.equal(breaker.state.kind, 'open');
  });

  test('counts anew after a reset, without the calls in flight', () => {
    const { breaker, admitted, call } = arrange();
    const slow = admitted();
    call('failure');
    breaker.reset();
    slow.settle('failure');
    assert.deepEqual(breaker.state, { kind: 'closed', failures: 0 });
    breaker.hold();
    breaker.reset();
    assert.equal(breaker.isReady, true);
  });

  test('takes a changed configuration for what comes next, and is not stuck when it asks for fewer successes', () => {
    const { breaker, options, call, untilHalfOpen } = arrange();
    untilHalfOpen().settle('success');
    breaker.reconfigure({ ...options, halfOpenAttempts: 1, failureThreshold: 1, timeoutMs: 7 });
    assert.deepEqual(breaker.state, { kind: 'closed', failures: 0 });
    call('failure');
    breaker.reconfigure(options);
    assert.deepEqual(breaker.state, { kind: 'open', until: TIMEOUT + 7, failures: 1 });
  });
});
