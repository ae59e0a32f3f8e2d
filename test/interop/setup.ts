// The backend of recorded conversations, by itself and behind a router.
import type { TestContext } from 'node:test';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { BACKEND, type RouterKind } from './names.ts';

const FIXTURE = 'servers/recorded.mjs';

export type Era = 'legacy' | 'modern';

/** The URL of the backend itself. */
export function startBackend(t: TestContext, era: Era, ...flags: string[]): Promise<string> {
  return httpFixture(t, FIXTURE, '--era', era, ...flags);
}

/** A router before the backend, which is ready. */
export async function startRouter(
  t: TestContext,
  { transport, prefixing, session, hasTwin }: RouterKind,
  era: Era,
): Promise<TestGateway> {
  const launch = async () =>
    transport === 'stdio'
      ? fixtureCommand(FIXTURE, '--era', era)
      : { url: await startBackend(t, era, ...(transport === 'SSE' ? ['--sse'] : [])) };
  const backend = { health_check: { enabled: false }, request_timeout_seconds: 5, session };
  const gateway = await startGateway(t, {
    backends: [
      ...(hasTwin ? [{ name: 'twin', ...backend, ...(await launch()) }] : []),
      { name: BACKEND, ...backend, ...(await launch()) },
    ],
    routing: { enable_namespace_prefixing: prefixing },
    server: { management_tools: 'off' },
  });
  await gateway.gateway.whenSettled();
  return gateway;
}
