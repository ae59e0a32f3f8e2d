const WINDOW = 64;

/** What a backend's recent calls were like. */
export class Stats {
  private latencies: number[] = [];
  private calls = 0;
  private failures = 0;
  private proof = 0;
  private failure: { readonly message: string; readonly at: number } | undefined;

  begin(): void {
    this.calls += 1;
  }

  /** Every call that began ends, with a success, a failure, or neither because it was cancelled. */
  end(): void {
    this.calls -= 1;
  }

  /** When it last answered or failed to: what a health check would find out. */
  get lastProof(): number {
    return this.proof;
  }

  /** It answered something, at this time. */
  prove(at: number): void {
    this.failures = 0;
    this.proof = at;
  }

  succeed(latencyMs: number, at: number): void {
    this.prove(at);
    this.latencies.push(latencyMs);
    if (this.latencies.length > WINDOW) this.latencies.shift();
  }

  /** Counts a failure, of a call or of the connection. */
  fail(message: string, at: number): void {
    this.failures += 1;
    this.failure = { message, at };
    this.proof = at;
  }

  get inFlight(): number {
    return this.calls;
  }

  /** Failures since the last success. */
  get errorCount(): number {
    return this.failures;
  }

  get lastError(): { readonly message: string; readonly at: number } | undefined {
    return this.failure;
  }

  /** Median of the last 64 answered calls, in milliseconds; undefined before the first. */
  get latencyMs(): number | undefined {
    return [...this.latencies].sort((a, b) => a - b)[Math.floor(this.latencies.length / 2)];
  }
}
