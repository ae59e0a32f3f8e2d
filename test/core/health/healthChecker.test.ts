import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { deferred } from '../../../src/core/base/async.ts';
import type { Clock } from '../../../src/core/base/clock.ts';
import { HealthChecker, type HealthCheckerPorts } from '../../../src/core/health/healthChecker.ts';
import { FakeClock } from '../../support/fakeClock.ts';

/** All times of these tests are in seconds. The first check is due at 12, then every 30. */
function arrange(ports: Partial<HealthCheckerPorts> = {}) {
  const clock = new FakeClock();
  const checkedAt: number[] = [];
  /** What the test changes while the time passes. */
  const world = { interval: 30, probeAt: undefined as number | undefined, provedAt: Number.NEGATIVE_INFINITY };
  const checker = new HealthChecker({
    clock,
    random: () => 0.6,
    intervalMs: () => world.interval * 1000,
    probeAt: () => (world.probeAt === undefined ? undefined : world.probeAt * 1000),
    lastProof: () => world.provedAt * 1000,
    ...ports,
    check: async () => {
      checkedAt.push(clock.now() / 1000);
      await ports.check?.();
    },
  });
  /** Lets the time pass until `second`. */
  const until = async (second: number) => {
    while (clock.now() < second * 1000) {
      clock.advance(1000);
      await turnOfTheLoop();
    }
  };
  return { checker, clock, checkedAt, world, until };
}

describe('HealthChecker', () => {
  test('checks every interval, the first time after a random part of it', async () => {
    const { checkedAt, until } = arrange();
    await until(100);
    assert.deepEqual(checkedAt, [12, 42, 72]);
  });

  test('spreads the first checks of backends that start together over the interval', async () => {
    const parts = [0, 0.3, 0.5, 0.9];
    const all = parts.map(part => arrange({ random: () => part }));
    await Promise.all(all.map(({ until }) => until(30)));
    assert.deepEqual(
      all.map(({ checkedAt }) => checkedAt),
      [[30], [21], [15], [3]],
    );
  });

  test('leaves out a check while calls prove the same, and comes back an interval after they end', async () => {
    const { checkedAt, world, until } = arrange();
    world.provedAt = -17;
    await until(13);
    world.provedAt = 13;
    await until(110);
    assert.deepEqual(checkedAt, [72, 102]);
  });

  test('is not kept from the next check by a check that counts as proof itself', async () => {
    const { checkedAt, world, until } = arrange({
      check: async () => {
        world.provedAt = checkedAt.at(-1) ?? 0;
      },
    });
    await until(80);
    assert.deepEqual(checkedAt, [12, 42, 72]);
  });

  test('makes one check at a time, and rests for an interval after a slow one', async () => {
    const slow = deferred();
    const { checker, checkedAt, until } = arrange({ check: () => slow.promise });
    await until(100);
    checker.touch();
    await until(101);
    assert.deepEqual(checkedAt, [12]);
    slow.resolve();
    await until(140);
    assert.deepEqual(checkedAt, [12, 132]);
  });

  test("probes once when an open circuit's time is up, not before, whatever calls have proved", async () => {
    const { checker, checkedAt, world, until } = arrange();
    await until(20);
    world.provedAt = 20;
    world.probeAt = 80;
    checker.touch();
    await until(70);
    assert.deepEqual(checkedAt, [12]);
    world.provedAt = 70;
    await until(100);
    assert.deepEqual(checkedAt, [12, 80]);
  });

  test('probes again when the probe has opened the circuit anew', async () => {
    const { checkedAt, world, until } = arrange({
      check: async () => {
        world.probeAt = (checkedAt.at(-1) ?? 0) + 5;
      },
    });
    await until(30);
    assert.deepEqual(checkedAt, [12, 17, 22, 27]);
  });

  test('waits for the interval after a probe that could not be made', async () => {
    const { checker, checkedAt, world, until } = arrange();
    world.probeAt = 5;
    checker.touch();
    await until(40);
    assert.deepEqual(checkedAt, [5, 35]);
  });

  test('goes back to the interval when the circuit is closed before its time is up', async () => {
    const { checker, checkedAt, world, until } = arrange();
    world.probeAt = 80;
    checker.touch();
    await until(8);
    world.probeAt = undefined;
    checker.touch();
    await until(20);
    assert.deepEqual(checkedAt, [12]);
  });

  test('makes up at once for a check that fell due while the circuit was open', async () => {
    const { checker, checkedAt, world, until } = arrange();
    world.probeAt = 90;
    checker.touch();
    await until(50);
    world.probeAt = undefined;
    checker.touch();
    await until(60);
    assert.deepEqual(checkedAt, [50]);
  });

  test('does not probe too soon when a timer fires early', async () => {
    const clock = new FakeClock();
    const early: Clock = {
      now: () => clock.now(),
      schedule: (ms, action) => clock.schedule(ms > 1 ? ms - 1 : ms, action),
    };
    const probedAt: number[] = [];
    new HealthChecker({
      clock: early,
      intervalMs: () => 30_000,
      probeAt: () => 5000,
      lastProof: () => 0,
      check: async () => void probedAt.push(clock.now()),
    });
    clock.advance(4999);
    await turnOfTheLoop();
    clock.advance(1);
    await turnOfTheLoop();
    assert.deepEqual(probedAt, [5000]);
  });

  test('takes a changed interval at once', async () => {
    const { checker, checkedAt, world, until } = arrange();
    await until(15);
    world.interval = 5;
    checker.touch();
    await until(30);
    assert.deepEqual(checkedAt, [12, 17, 22, 27]);
  });

  test('leaves no timer behind, also when it is disposed while it checks', async () => {
    const slow = deferred();
    const waiting = arrange();
    const checking = arrange({ check: () => slow.promise });
    await checking.until(20);
    for (const { checker } of [waiting, checking]) checker.dispose();
    slow.resolve();
    await turnOfTheLoop();
    for (const { checker } of [waiting, checking]) checker.touch();
    assert.deepEqual([waiting.clock.pending, checking.clock.pending], [0, 0]);
  });
});
