import type { Clock } from '../base/clock.ts';

// closed ──failureThreshold failures in a row──► open ──timeoutMs, then a permit is asked for──► half-open
// half-open ──halfOpenAttempts successes──► closed
// half-open ──one failure──► open
// any of them ──hold──► held-open ──release──► closed
// any of them ──reset──► closed
export type CircuitState =
  /** Calls pass; `failures` in a row so far. */
  | { readonly kind: 'closed'; readonly failures: number }
  /** Calls are refused until `until`, in milliseconds since the epoch; `failures` opened it. */
  | { readonly kind: 'open'; readonly until: number; readonly failures: number }
  /** A few calls try whether it is well again. */
  | { readonly kind: 'half-open'; readonly inFlight: number; readonly successes: number }
  /** Calls are refused until the user resumes. */
  | { readonly kind: 'held-open' };

/** What a call says about its backend; `ignored`: nothing, for example because it was cancelled. */
export type Verdict = 'success' | 'failure' | 'ignored';

/** Leave for one call. Whoever got it settles it, however the call ends: in half-open it holds one of few places. */
export interface Permit {
  /** Counts only if the breaker never left the state that the permit was given in; settling twice is harmless. */
  settle(verdict: Verdict): void;
}

export interface CircuitOptions {
  /** Failures in a row that open a closed circuit; at least 1. */
  readonly failureThreshold: number;
  /** How long it stays open, in milliseconds. */
  readonly timeoutMs: number;
  /** Calls let through while half-open, and successes that close it; at least 1. */
  readonly halfOpenAttempts: number;
}

const CLOSED: CircuitState = { kind: 'closed', failures: 0 };

/** Keeps calls away from a backend that fails. It has no timers: time is compared when it is asked. */
export class CircuitBreaker {
  private options: CircuitOptions;
  private readonly clock: Clock;
  private readonly onChange: () => void;
  private current: CircuitState = CLOSED;
  /** Those given in the present state and not settled yet. */
  private readonly permits = new Set<Permit>();

  /** `onChange` is called after every change of the state, its counts included. */
  constructor(options: CircuitOptions, clock: Clock, onChange: () => void) {
    this.options = options;
    this.clock = clock;
    this.onChange = onChange;
  }

  get state(): CircuitState {
    return this.current;
  }

  /** Whether `acquire` would give a permit now. */
  get isReady(): boolean {
    const { current, options } = this;
    return (
      current.kind === 'closed' ||
      (current.kind === 'open' && this.clock.now() >= current.until) ||
      (current.kind === 'half-open' && current.inFlight + current.successes < options.halfOpenAttempts)
    );
  }

  /** @returns undefined if calls are refused now */
  acquire(): Permit | undefined {
    if (!this.isReady) return undefined;
    const { current } = this;
    if (current.kind === 'open') this.enter({ kind: 'half-open', inFlight: 1, successes: 0 });
    if (current.kind === 'half-open') this.update({ ...current, inFlight: current.inFlight + 1 });
    const permit: Permit = {
      settle: verdict => {
        if (this.permits.delete(permit)) this.count(verdict);
      },
    };
    this.permits.add(permit);
    return permit;
  }

  /** Counts a failure that is no call's: the connection itself is gone. It needs no permit, and an open circuit no news. */
  fail(): void {
    if (this.current.kind === 'open' && this.isReady) this.open(1);
    else this.count('failure');
  }

  /** Refuses calls until `release` or `reset`. */
  hold(): void {
    this.enter({ kind: 'held-open' });
  }

  /** Ends a `hold`; otherwise does nothing. */
  release(): void {
    if (this.current.kind === 'held-open') this.enter(CLOSED);
  }

  /** Lets calls pass and counts anew, whatever the state; calls in flight no longer count. */
  reset(): void {
    this.enter(CLOSED);
  }

  /** Applies to what comes next; a circuit that is open stays so until its time is up. */
  reconfigure(options: CircuitOptions): void {
    this.options = options;
    const { current } = this;
    // With its places all used up, no further call could close it.
    if (current.kind === 'half-open' && current.successes >= options.halfOpenAttempts) this.enter(CLOSED);
  }

  private count(verdict: Verdict): void {
    const { current, options } = this;
    if (current.kind === 'closed' && verdict !== 'ignored') {
      const failures = verdict === 'failure' ? current.failures + 1 : 0;
      if (failures >= options.failureThreshold) this.open(failures);
      else if (failures !== current.failures) this.update({ kind: 'closed', failures });
    } else if (current.kind === 'half-open') {
      const successes = verdict === 'success' ? current.successes + 1 : current.successes;
      if (verdict === 'failure') this.open(1);
      else if (successes >= options.halfOpenAttempts) this.enter(CLOSED);
      else this.update({ kind: 'half-open', inFlight: current.inFlight - 1, successes });
    }
  }

  private open(failures: number): void {
    this.enter({ kind: 'open', until: this.clock.now() + this.options.timeoutMs, failures });
  }

  /** Begins a state; the permits of the one before are void. */
  private enter(state: CircuitState): void {
    this.permits.clear();
    this.update(state);
  }

  private update(state: CircuitState): void {
    this.current = state;
    this.onChange();
  }
}
