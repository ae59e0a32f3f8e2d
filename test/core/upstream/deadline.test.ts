import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Deadline } from '../../../src/core/upstream/deadline.ts';
import { FakeClock } from '../../support/fakeClock.ts';

function deadline(quietMs: number, maxMs: number) {
  const clock = new FakeClock();
  const expired: number[] = [];
  return { clock, expired, deadline: new Deadline(clock, quietMs, maxMs, () => expired.push(clock.now())) };
}

describe('Deadline', () => {
  it('expires once, when the quiet time is over', () => {
    const { clock, expired } = deadline(100, 1000);
    clock.advance(99);
    assert.deepEqual(expired, []);
    clock.advance(5000);
    assert.deepEqual(expired, [100]);
  });

  it('is restarted by progress, but never past the maximum', () => {
    const { clock, expired, deadline: subject } = deadline(100, 250);
    for (let i = 0; i < 10; i++) {
      clock.advance(50);
      subject.restart();
    }
    assert.deepEqual(expired, [250]);
  });

  it('stands still while paused, and starts anew after the last of nested pauses', () => {
    const { clock, expired, deadline: subject } = deadline(100, 10_000);
    const outer = subject.pause();
    const inner = subject.pause();
    clock.advance(500);
    inner.dispose();
    inner.dispose();
    clock.advance(500);
    assert.deepEqual(expired, []);
    outer.dispose();
    clock.advance(99);
    assert.deepEqual(expired, []);
    clock.advance(1);
    assert.deepEqual(expired, [1100]);
  });

  it('reaches its maximum even while paused', () => {
    const { clock, expired, deadline: subject } = deadline(100, 300);
    subject.pause();
    clock.advance(1000);
    assert.deepEqual(expired, [300]);
  });

  it('leaves no timer behind', () => {
    const { clock, deadline: subject } = deadline(100, 300);
    subject.restart();
    subject.dispose();
    assert.equal(clock.pending, 0);
  });
});
