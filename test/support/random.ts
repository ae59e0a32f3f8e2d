/** Random numbers that come again with the same seed, so that what failed can be run again (xorshift32). */
export class Random {
  private state: number;

  constructor(seed: number) {
    // Neighbouring seeds are spread over the whole range; zero would give nothing but zeros.
    this.state = Math.imul(seed, 0x9e3779b1) || 1;
  }

  /** In [0, 1). */
  next(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.between(0, items.length - 1)] ?? items[0];
  }
}
