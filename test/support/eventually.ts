import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until `check` gives something (not undefined, not false), and gives that. For states of the outside world that announce
 * nothing: a process that ends, a line that arrives. Fails after `timeoutMs`, saying what it waited for.
 */
export async function eventually<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  const over = new AbortController();
  // A check may hang as well.
  const late = sleep(timeoutMs, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    for (;;) {
      const found = await Promise.race([check(), late]);
      if (found !== undefined && found !== false) return found;
      if (Date.now() >= end) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}`);
      await sleep(10);
    }
  } finally {
    over.abort();
  }
}
