// The official conformance suite: against the fixture itself, so that a failing fixture is told from a failing router, and through a
// gateway with namespaces off, over each kind of backend.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';

const SUITE = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url),
);
/** Of the active suite; one more, still pending there, holds for us as well. */
const ACTIVE_SCENARIOS = 30;
const PENDING_SCENARIO = 'json-schema-2020-12';
const ROUNDS = 2;

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO';
  readonly errorMessage?: string;
}

test('the fixture passes the conformance suite without a router', async t => {
  await assertConforms(t, await httpFixture(t, 'conformance/backend.mjs'));
});

test('a stdio backend passes the conformance suite through the router', async t => {
  await assertConformsThroughRouter(t, fixtureCommand('conformance/backend.mjs'));
});

test('an HTTP backend passes the conformance suite through the router', async t => {
  await assertConformsThroughRouter(t, { url: await httpFixture(t, 'conformance/backend.mjs') });
});

async function assertConformsThroughRouter(t: TestContext, launch: object): Promise<void> {
  const config = {
    backends: [{ name: 'fixture', ...launch }],
    routing: { enable_namespace_prefixing: false },
    server: { management_tools: 'off' },
  };
  const { gateway, url } = await startGateway(t, config, { token: '' }); // the suite cannot send one
  await gateway.whenSettled();
  for (let round = 0; round < ROUNDS; round++) await assertConforms(t, url);
}

async function assertConforms(t: TestContext, url: string): Promise<void> {
  const active = await runSuite(t, url, '--suite', 'active');
  assert.equal(active.scenarios, ACTIVE_SCENARIOS);
  const pending = await runSuite(t, url, '--scenario', PENDING_SCENARIO);
  assert.equal(pending.scenarios, 1);
  assert.deepEqual([...active.failures, ...pending.failures], []);
}

/** Runs scenarios; how many ran, and each check that did not succeed, as the suite's own result files have it. */
async function runSuite(t: TestContext, url: string, ...selection: string[]) {
  const output = await mkdtemp(path.join(tmpdir(), 'switchyard-conformance-'));
  t.after(() => rm(output, { recursive: true }));
  // Its exit code says no more than the files do.
  await new Promise(done =>
    execFile(process.execPath, [SUITE, 'server', '--url', url, ...selection, '-o', output], done),
  );

  const failures: string[] = [];
  const scenarios = await readdir(output);
  for (const scenario of scenarios) {
    const checks: Check[] = JSON.parse(await readFile(path.join(output, scenario, 'checks.json'), 'utf8'));
    if (!checks.some(({ status }) => status === 'SUCCESS')) failures.push(`${scenario}: nothing was checked`);
    for (const { id, status, errorMessage } of checks) {
      if (status === 'FAILURE' || status === 'WARNING') failures.push(`${scenario} › ${id}: ${errorMessage}`);
    }
  }
  return { scenarios: scenarios.length, failures };
}
