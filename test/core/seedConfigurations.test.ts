// The two configuration files that people already have, with every field that those systems document: they load, and they run.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fixtureCommand, fixturePath, httpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';

test('a backends.yaml with priorities, shared namespaces, routes, health, circuits and a routing block', async t => {
  const url = await httpFixture(t, 'servers/echo.mjs');
  await assertRuns(
    t,
    `
# Analytics twice, for failover; a local one beside it
backends:
  - name: analytics-primary
    url: ${url}
    namespace: analytics
    priority: 10
    routes:
      - pattern: "analyze_*"
        strategy: fallback
        fallback_to: analytics-secondary
      - pattern: "*"
        strategy: capability
    health_check: { enabled: true, interval_seconds: 30, timeout_seconds: 5, endpoint: /health }
    circuit_breaker: { failure_threshold: 5, timeout_seconds: 60, half_open_attempts: 3 }
  - name: analytics-secondary
    source: ${url}
    namespace: analytics
    priority: 20
    auto_start: true
  - name: local
    command: ${process.execPath}
    args: ["${fixturePath('servers/echo.mjs')}"]
    namespace: tools
    routes:
      - { pattern: "e[abc]ho", strategy: path }

routing:
  default_strategy: capability
  enable_namespace_prefixing: true
  capability_cache_ttl_seconds: 300
  request_timeout_seconds: 30
  retry: { max_attempts: 3, backoff_multiplier: 2, max_backoff_seconds: 10 }
`,
    ['analytics__echo', 'tools__echo'],
  );
});

test('an mcp.json with commands and URLs', async t => {
  const { command, args } = fixtureCommand('servers/echo.mjs');
  await assertRuns(
    t,
    JSON.stringify({
      mcpServers: {
        weather: { command, args, env: { API_KEY: 'k' }, encoding: 'utf-8', encoding_error_handler: 'strict' },
        calculator: { url: await httpFixture(t, 'servers/sse.mjs') },
      },
    }),
    ['weather__echo', 'calculator__echo'],
  );
});

async function assertRuns(t: TestContext, text: string, tools: string[]): Promise<void> {
  const gateway = await startGateway(t, text);
  await gateway.gateway.whenSettled();
  assert.deepEqual(gateway.gateway.snapshot().problems, []);
  const client = await gateway.client();
  const names = await client.toolNames();
  for (const name of tools) {
    assert.equal(names.filter(listed => listed === name).length, 1, `${name} is listed once`);
    const { result } = await client.callTool(name, { text: name });
    assert.equal(result.content[0].text, name);
  }
}
