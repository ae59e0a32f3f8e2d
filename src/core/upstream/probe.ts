import { NEVER } from '../base/async.ts';
import type { BackendConfig } from '../config/schema.ts';
import type { Connection } from './connection.ts';
import type { Outcome } from './outcome.ts';

/** Asks a connected backend whether it works: by its HTTP endpoint if it names one, else by a ping. Never rejects. */
export async function probe(connection: Connection, { launch, health_check }: BackendConfig): Promise<Outcome> {
  const timeoutMs = health_check.timeout_seconds * 1000;
  if (launch.kind !== 'remote' || health_check.endpoint === undefined) {
    return connection.request('ping', undefined, { signal: NEVER, quietMs: timeoutMs, maxMs: timeoutMs });
  }
  const url = new URL(health_check.endpoint, launch.url);
  try {
    const response = await fetch(url, { headers: launch.headers, signal: AbortSignal.timeout(timeoutMs) });
    await response.body?.cancel();
    if (response.ok) return { kind: 'answered', result: {} };
    return failed(`${url.pathname} answered HTTP ${response.status}`);
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return failed(
      isLate
        ? `${url.pathname} did not answer within ${health_check.timeout_seconds} s`
        : `${url.pathname} cannot be reached`,
    );
  }
}

function failed(message: string): Outcome {
  return { kind: 'failed', sent: true, failure: { code: 'http', message } };
}
