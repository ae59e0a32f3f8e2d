// The official conformance suite: against the fixture itself, so that a failing fixture is told from a failing router, and through a
// gateway with namespaces off, over each kind of backend.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';
import { LEGACY_SUITES, MODERN_SUITES, runSuite, type Suite } from './suite.ts';

const FIXTURE = 'conformance/backend.mjs';
const ROUNDS = process.env.SWITCHYARD_TEST_LONG ? 10 : 2;
type Era = 'legacy' | 'modern';

/** What a client of the modern era does not get from a backend of the legacy one: check → why. */
const BEYOND_LEGACY_BACKENDS: Readonly<Record<string, string>> = {
  'input-required-result-basic-elicitation › sep-2322-elicitation-incomplete':
    "a question has a key of the server's choice there; here it is a request without a name",
  'input-required-result-ignore-extra-params › sep-2322-ignore-unexpected-params':
    'answers that come without the requestState belong to no call that a backend waits in',
};

/** How the fixture is reached, as entries of `backends`. */
const BACKENDS: Readonly<Record<string, (t: TestContext, era: Era) => Promise<object[]>>> = {
  'a stdio backend': async (_, era) => [{ name: 'fixture', ...fixtureCommand(FIXTURE, '--era', era) }],
  'an HTTP backend': async (t, era) => [{ name: 'fixture', url: await httpFixture(t, FIXTURE, '--era', era) }],
  'a stdio and an HTTP backend with half of the fixtures each': async (t, era) => [
    { name: 'first', ...fixtureCommand(FIXTURE, '--half', 'first', '--era', era) },
    { name: 'second', url: await httpFixture(t, FIXTURE, '--half', 'second', '--era', era) },
  ],
};

test('the fixture conforms in both eras without a router', async t => {
  const url = await httpFixture(t, FIXTURE, '--era', 'both');
  for (const suite of [...LEGACY_SUITES, ...MODERN_SUITES]) await assertConforms(suite, url);
});

for (const [kind, backends] of Object.entries(BACKENDS)) {
  describe(`through the router, ${kind}`, () => {
    test('conforms for legacy clients when it is legacy', async t => {
      await assertConformsThroughRouter(t, await backends(t, 'legacy'), 'legacy', LEGACY_SUITES);
    });
    test('conforms for modern clients when it is modern', async t => {
      await assertConformsThroughRouter(t, await backends(t, 'modern'), 'modern', MODERN_SUITES);
    });
  });
}

describe('through the router, between the eras', () => {
  const stdio = BACKENDS['a stdio backend'] ?? assert.fail();
  const http = BACKENDS['an HTTP backend'] ?? assert.fail();

  test('a modern backend conforms for legacy clients', async t => {
    await assertConformsThroughRouter(t, await stdio(t, 'modern'), 'modern', LEGACY_SUITES);
  });
  test('a legacy backend conforms for modern clients, but for what it cannot give', async t => {
    // On a shared connection a call that waits for its client's answers keeps the backend from asking anybody else.
    const backends = (await http(t, 'legacy')).map(backend => ({ ...backend, session: 'per_client' }));
    await assertConformsThroughRouter(t, backends, 'legacy', MODERN_SUITES, BEYOND_LEGACY_BACKENDS);
  });
});

async function assertConformsThroughRouter(
  t: TestContext,
  backends: readonly object[],
  protocol: Era,
  suites: readonly Suite[],
  exceptions?: Readonly<Record<string, string>>,
): Promise<void> {
  const config = {
    backends: backends.map(backend => ({ ...backend, protocol })),
    routing: { enable_namespace_prefixing: false },
    server: { management_tools: 'off' },
  };
  const { gateway, url } = await startGateway(t, config, { token: '' }); // the suite cannot send one
  await gateway.whenSettled();
  for (let round = 0; round < ROUNDS; round++) {
    for (const suite of suites) await assertConforms(suite, url, exceptions);
  }
}

/** Every check of the suite succeeds but the excepted ones, and those fail: an exception that is none any more has to go. */
async function assertConforms(
  suite: Suite,
  url: string,
  exceptions: Readonly<Record<string, string>> = {},
): Promise<void> {
  const failures = await runSuite(suite, url);
  const unexpected = Object.fromEntries([...failures].filter(([check]) => !(check in exceptions)));
  const outdated = Object.keys(exceptions).filter(check => !failures.has(check));
  assert.deepEqual({ unexpected, outdated }, { unexpected: {}, outdated: [] }, `The suite ${suite.name} at ${url}`);
}
