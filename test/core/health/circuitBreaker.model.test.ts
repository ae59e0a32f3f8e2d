// The breaker against a model that keeps no counters: it remembers every verdict of a state, and reads them all anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CircuitBreaker,
  type CircuitOptions,
  type CircuitState,
  type Permit,
  type Verdict,
} from '../../../src/core/health/circuitBreaker.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { Random } from '../../support/random.ts';

const SEQUENCES = 5000;

/** A call that was let through: in which stretch of time between two changes, and what became of it. */
interface Call {
  readonly stretch: number;
  verdict?: Verdict;
}

class Model {
  private readonly clock: FakeClock;
  private options: CircuitOptions;
  private kind: CircuitState['kind'] = 'closed';
  private stretch = 0;
  /** In the order in which they ended; those in flight are in none. */
  private ended: Call[] = [];
  private calls: Call[] = [];
  private opened = { until: 0, failures: 0 };

  constructor(options: CircuitOptions, clock: FakeClock) {
    this.options = options;
    this.clock = clock;
  }

  get state(): CircuitState {
    const { kind, opened } = this;
    if (kind === 'closed') return { kind, failures: this.failuresInARow() };
    if (kind === 'open') return { kind, ...opened };
    if (kind === 'held-open') return { kind };
    return { kind, inFlight: this.inFlight(), successes: this.successes() };
  }

  get isReady(): boolean {
    if (this.kind === 'half-open') return this.inFlight() + this.successes() < this.options.halfOpenAttempts;
    return this.kind === 'closed' || (this.kind === 'open' && this.clock.now() >= this.opened.until);
  }

  acquire(): Call | undefined {
    if (!this.isReady) return undefined;
    if (this.kind === 'open') this.become('half-open');
    const call = { stretch: this.stretch };
    this.calls.push(call);
    return call;
  }

  settle(call: Call, verdict: Verdict): void {
    if (call.verdict || call.stretch !== this.stretch) return;
    call.verdict = verdict;
    this.ended.push(call);
    const isTooMuch = this.kind === 'half-open' || this.failuresInARow() >= this.options.failureThreshold;
    if (verdict === 'failure' && isTooMuch) this.open();
    else this.closeIfWell();
  }

  /** As a call that is let through whatever the number of those in flight, and fails at once. */
  fail(): void {
    if (this.kind === 'open' && this.isReady) this.become('half-open');
    if (this.kind !== 'closed' && this.kind !== 'half-open') return;
    const call = { stretch: this.stretch };
    this.calls.push(call);
    this.settle(call, 'failure');
  }

  become(kind: CircuitState['kind']): void {
    this.kind = kind;
    this.stretch += 1;
    this.ended = [];
    this.calls = [];
  }

  hold(): void {
    if (this.kind !== 'held-open') this.become('held-open');
  }

  release(): void {
    if (this.kind === 'held-open') this.become('closed');
  }

  reset(): void {
    this.become('closed');
  }

  reconfigure(options: CircuitOptions): void {
    this.options = options;
    this.closeIfWell();
  }

  private open(): void {
    const failures = this.kind === 'closed' ? this.failuresInARow() : 1;
    this.opened = { until: this.clock.now() + this.options.timeoutMs, failures };
    this.become('open');
  }

  private closeIfWell(): void {
    if (this.kind === 'half-open' && this.successes() >= this.options.halfOpenAttempts) this.become('closed');
  }

  private failuresInARow(): number {
    const verdicts = this.ended.map(({ verdict }) => verdict).filter(verdict => verdict !== 'ignored');
    return verdicts.length - 1 - verdicts.lastIndexOf('success');
  }

  private inFlight(): number {
    return this.calls.length - this.ended.length;
  }

  private successes(): number {
    return this.ended.filter(({ verdict }) => verdict === 'success').length;
  }
}

test('CircuitBreaker does what the model does, whatever the order of calls, results, time and the user', () => {
  const transitions = new Set<string>();
  for (let seed = 1; seed <= SEQUENCES; seed += 1) play(seed, transitions);
  assert.deepEqual([...transitions].sort(), [
    'closed → held-open',
    'closed → open',
    'half-open → closed',
    'half-open → held-open',
    'half-open → open',
    'held-open → closed',
    'open → closed',
    'open → half-open',
    'open → held-open',
  ]);
});

/** One random sequence; those of small seeds are short, so the first that fails is easy to follow. */
function play(seed: number, transitions: Set<string>): void {
  const random = new Random(seed);
  const randomOptions = (): CircuitOptions => ({
    failureThreshold: random.between(1, 4),
    timeoutMs: random.between(1, 5),
    halfOpenAttempts: random.between(1, 4),
  });

  const options = randomOptions();
  const steps = [`options ${JSON.stringify(options)}`];
  const clock = new FakeClock();
  let announced: CircuitState | undefined;
  const breaker = new CircuitBreaker(options, clock, () => {
    announced = breaker.state;
  });
  const model = new Model(options, clock);
  /** All that were ever given: also those of the past, and those settled already, are settled again. */
  const given: { readonly permit: Permit; readonly call: Call }[] = [];

  const acquire = () => {
    steps.push('acquire');
    const permit = breaker.acquire();
    const call = model.acquire();
    assert.equal(permit !== undefined, call !== undefined, `permit after ${steps.join(', ')} (seed ${seed})`);
    if (permit && call) given.push({ permit, call });
  };
  const settle = () => {
    // Half the time any that was ever given: late results are the point.
    const index = random.between(random.pick([0, Math.max(0, given.length - 3)]), given.length - 1);
    const late = given[index];
    if (!late) return;
    const verdict = random.pick<Verdict>(['success', 'success', 'failure', 'failure', 'failure', 'ignored']);
    steps.push(`settle #${index} ${verdict}`);
    late.permit.settle(verdict);
    model.settle(late.call, verdict);
  };
  const fail = () => {
    steps.push('fail');
    breaker.fail();
    model.fail();
  };
  const advance = () => {
    const ms = random.between(1, 4);
    steps.push(`advance ${ms}`);
    clock.advance(ms);
  };
  const byUser = () => {
    const act = random.pick<'hold' | 'release' | 'reset'>(['hold', 'release', 'release', 'reset']);
    steps.push(act);
    breaker[act]();
    model[act]();
  };
  const reconfigure = () => {
    const changed = randomOptions();
    steps.push(`reconfigure ${JSON.stringify(changed)}`);
    breaker.reconfigure(changed);
    model.reconfigure(changed);
  };

  for (let left = 5 + Math.floor(seed / 50); left > 0; left -= 1) {
    const before = breaker.state;
    const isTraffic = random.next() < 0.93;
    random.pick(isTraffic ? [acquire, acquire, settle, settle, advance] : [byUser, reconfigure, fail])();
    const story = `after ${steps.join(', ')} (seed ${seed})`;
    assert.deepEqual(breaker.state, model.state, `state ${story}`);
    assert.equal(breaker.isReady, model.isReady, `isReady ${story}`);
    assert.deepEqual(announced ?? { kind: 'closed', failures: 0 }, breaker.state, `announced ${story}`);
    if (before.kind !== breaker.state.kind) transitions.add(`${before.kind} → ${breaker.state.kind}`);
  }
}
