import { NEVER } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { BackendConfig } from '../config/schema.ts';
import type { Connection } from './connection.ts';
import { fetchWithinOrigin } from './httpFetch.ts';
import type { Outcome } from './outcome.ts';
import { codeOfStatus } from './transports.ts';

/** Asks a connected backend whether it works: by its HTTP endpoint if it names one, else by a ping. Never rejects. */
export async function probe(
  connection: Pick<Connection, 'request'>,
  { launch, health_check }: Pick<BackendConfig, 'launch' | 'health_check'>,
  clock: Clock,
): Promise<Outcome> {
  const timeoutMs = health_check.timeout_seconds * 1000;
  if (launch.kind !== 'remote' || health_check.endpoint === undefined) {
    return connection.request('ping', undefined, { signal: NEVER, quietMs: timeoutMs, maxMs: timeoutMs });
  }
  const url = new URL(health_check.endpoint, launch.url);
  // What the headers hold is for the server that they are configured for.
  const headers = url.origin === new URL(launch.url).origin ? launch.headers : {};
  const late = new AbortController();
  const timer = clock.schedule(timeoutMs, () => late.abort());
  try {
    const response = await fetchWithinOrigin(url, { method: 'GET', headers, signal: late.signal });
    await response.body?.cancel();
    if (response.ok) return { kind: 'answered', result: {} };
    return failed(codeOfStatus(response.status), `${url.pathname} answered HTTP ${response.status}`);
  } catch {
    return late.signal.aborted
      ? failed('request-timeout', `${url.pathname} did not answer within ${health_check.timeout_seconds} s`)
      : failed('http', `${url.pathname} cannot be reached`);
  } finally {
    timer.dispose();
  }
}

function failed(code: 'http' | 'refused' | 'request-timeout', message: string): Outcome {
  return { kind: 'failed', sent: true, failure: { code, message } };
}
