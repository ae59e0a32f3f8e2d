// The same conversation in the modern era (2026-07-28), once with a backend itself and once with it through the router.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BareModernClient } from '../support/bareModernClient.ts';
import { complaints, unneeded } from './comparison.ts';
import { type Received, takeAll } from './conversation.ts';
import { MODERN_DIFFERENCES } from './differences.ts';
import { CAPABILITIES, MODERN_STEPS } from './modernSteps.ts';
import type { RouterKind } from './names.ts';
import { startBackend, startRouter } from './setup.ts';

const ROUTERS: readonly RouterKind[] = (['stdio', 'HTTP'] as const).flatMap(transport =>
  [false, true].map(prefixing => ({
    named: `${transport}, ${prefixing ? 'with' : 'without'} namespaces`,
    transport,
    prefixing,
    session: 'shared',
    hasTwin: false,
  })),
);

for (const router of ROUTERS) {
  test(`A modern client receives from a modern backend what it receives directly (${router.named})`, async t => {
    const expected = await direct(t);
    const { url, headers } = await startRouter(t, router, 'modern');
    const client = new BareModernClient(url, headers, CAPABILITIES);
    t.after(() => client.close());
    assert.deepEqual(await complaints(client, MODERN_STEPS, expected, router, MODERN_DIFFERENCES), []);
  });
}

test('Each of the differences in the modern era is one', async t => {
  assert.deepEqual(unneeded(MODERN_DIFFERENCES, MODERN_STEPS, await direct(t), ROUTERS), []);
});

let conversation: Promise<readonly Received[]> | undefined;

/** The conversation without a router, held once. */
function direct(t: TestContext): Promise<readonly Received[]> {
  conversation ??= (async () => {
    const client = new BareModernClient(await startBackend(t, 'modern'), {}, CAPABILITIES);
    const all = await takeAll(client, MODERN_STEPS);
    await client.close();
    return all;
  })();
  return conversation;
}
