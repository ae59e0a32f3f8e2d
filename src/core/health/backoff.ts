/** Delays between attempts: exponential up to a ceiling, each changed by up to `jitter` of itself either way. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly multiplier: number;
  readonly maxMs: number;
  /** 0.2 is ±20 %. */
  readonly jitter: number;
}

export class Backoff {
  private readonly options: BackoffOptions;
  private readonly random: () => number;
  private attempts = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(options: BackoffOptions, random: () => number = Math.random) {
    this.options = options;
    this.random = random;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const { initialMs, multiplier, maxMs, jitter } = this.options;
    const delay = initialMs * multiplier ** this.attempts++;
    return Math.min(delay * (1 + jitter * (2 * this.random() - 1)), maxMs);
  }

  /** Begins anew, after things went well. */
  reset(): void {
    this.attempts = 0;
  }
}
