import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { fixtureCommand } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';

const echo = (name: string, more = {}) => ({ name, ...fixtureCommand('servers/echo.mjs'), ...more });

/** A router with these backends, and a client that calls its management tools. */
async function managed(t: TestContext, level: string, backends: object[], routing = {}) {
  const gateway = await startGateway(t, { backends, routing, server: { management_tools: level } });
  await gateway.gateway.whenSettled();
  const client = await gateway.client();
  const call = async (name: string, args = {}) => {
    const { result, error } = await client.callTool(name, args);
    if (error) return error;
    const [{ text }] = result.content;
    return result.isError ? text : JSON.parse(text);
  };
  return { gateway, client, call };
}

describe('Management tools', () => {
  it('are those of the level', async t => {
    const READ = ['list_backends', 'get_backend_health', 'explain_route', 'recent_calls'];
    const FULL = ['register_backend', 'unregister_backend', 'set_backend_priority', 'reload_backends_config'];
    for (const [level, expected] of [
      ['off', []],
      ['read_only', READ],
      ['full', [...READ, ...FULL]],
    ] as const) {
      const { client } = await managed(t, level, []);
      assert.deepEqual(await client.toolNames(), expected);
    }
  });

  it('are unknown tools where the level has them not', async t => {
    const { call } = await managed(t, 'read_only', []);
    assert.equal((await call('unregister_backend', { backend_name: 'x' })).code, -32602);
  });

  it('are counted apart from the tools of backends', async t => {
    const { gateway, client } = await managed(t, 'read_only', [echo('local')]);
    const { toolCount, ownToolCount } = gateway.gateway.snapshot();
    assert.deepEqual([toolCount, ownToolCount], [(await client.toolNames()).length, 4]);
  });

  it('list the backends in the words of the older systems', async t => {
    const { call } = await managed(t, 'read_only', [echo('local', { priority: 3 })]);
    const [backend] = await call('list_backends');
    const { name, url, namespace, priority, healthy, circuit_state, error_count, is_managed, is_running } = backend;
    assert.deepEqual(
      { name, url, namespace, priority, healthy, circuit_state, error_count, is_managed, is_running },
      {
        name: 'local',
        url: null,
        namespace: 'local',
        priority: 3,
        healthy: true,
        circuit_state: 'CLOSED',
        error_count: 0,
        is_managed: true,
        is_running: true,
      },
    );
  });

  it('tell the health of one, and that there is none of a name', async t => {
    const { call } = await managed(t, 'read_only', [echo('local')]);
    assert.deepEqual(await call('get_backend_health', { backend_name: 'local' }), {
      name: 'local',
      healthy: true,
      circuit_state: 'CLOSED',
      error_count: 0,
      last_error: null,
    });
    assert.equal(await call('get_backend_health', { backend_name: 'nobody' }), 'Backend not found: nobody');
    assert.equal(await call('get_backend_health'), 'The argument "backend_name" must be a text.');
  });

  it('explain where a call would go, and where the last ones went', async t => {
    const replicas = [
      echo('second', { namespace: 'db', priority: 2 }),
      echo('first', { namespace: 'db', priority: 1 }),
    ];
    const { call, gateway } = await managed(t, 'read_only', replicas);
    gateway.gateway.pause('first');
    await call('db__echo', { text: '"hi"' });
    const explained = await call('explain_route', { tool_name: 'db__echo' });
    assert.deepEqual(
      explained.candidates.map(({ backend, would_be_tried, reason }: Record<string, unknown>) => [
        backend,
        would_be_tried,
        reason,
      ]),
      [
        ['first', false, 'paused by the user'],
        ['second', true, undefined],
      ],
    );
    const inOlderWords = ({ backend_name, alternatives, strategy_used }: Record<string, unknown>) => ({
      backend_name,
      alternatives,
      strategy_used,
    });
    const choice = { backend_name: 'second', alternatives: ['first'], strategy_used: 'capability' };
    assert.deepEqual(inOlderWords(explained), choice);
    assert.match(explained.reason, /second would get the call\./);
    const [decision] = await call('recent_calls', { limit: 1 });
    assert.deepEqual(inOlderWords(decision), choice);
    assert.equal(decision.reason, 'first: paused by the user');
    assert.equal(decision.name, 'db__echo');
    assert.deepEqual(decision.candidates, ['first', 'second']);
    assert.deepEqual(decision.passed_over, [{ backend: 'first', reason: 'paused by the user' }]);
    assert.deepEqual(
      decision.attempts.map(({ backend, outcome }: Record<string, unknown>) => [backend, outcome]),
      [['second', 'answered']],
    );
  });

  it('explain that one that is not ready is passed over if another is, and waited for if none is', async t => {
    const routes = [{ pattern: '*', strategy: 'path' }];
    const idle = (name: string) => echo(name, { namespace: name, priority: 1, auto_start: false, routes });
    const { call } = await managed(t, 'read_only', [
      { ...idle('sleeping'), namespace: 'db' },
      echo('awake', { namespace: 'db', priority: 2 }),
      idle('alone'),
    ]);
    const explained = await call('explain_route', { tool_name: 'db__echo' });
    assert.ok(explained.steps.includes('awake would get the call.'), explained.steps.join(' '));
    assert.equal(explained.candidates[0].reason, 'not started');
    await call('db__echo', { text: '"hi"' });
    const [decision] = await call('recent_calls', { limit: 1 });
    assert.deepEqual(decision.passed_over, [{ backend: 'sleeping', reason: 'not started' }]);
    const { steps } = await call('explain_route', { tool_name: 'alone__echo' });
    assert.ok(steps.includes('The call would wait for alone to be ready.'), steps.join(' '));
  });

  it('explain that the backend a name speaks of is disabled, or left out for an error', async t => {
    const { call } = await managed(t, 'read_only', [
      echo('acme', { enabled: false }),
      echo('other', { enabled: false }),
      echo('wrong', { namespace: 'Typo', priority: 'first' }),
    ]);
    const explained = async (tool_name: string) => (await call('explain_route', { tool_name })).steps;
    const nobody = 'No backend has a tool of this name.';
    assert.deepEqual(await explained('acme__foo'), [nobody, 'acme is disabled.']);
    const [first, second, ...more] = await explained('typo.foo');
    assert.deepEqual([first, more], [nobody, []]);
    assert.match(second, /^wrong is left out: .*backends\.yaml:\d+:\d+: .*priority/);
    assert.deepEqual(await explained('acmefoo'), [nobody]);
  });

  it("are known for the router's own, also where a backend has one of the same name", async t => {
    const routing = { enable_namespace_prefixing: false };
    const tools = { rename: { echo: 'list_backends' } };
    const { call } = await managed(t, 'read_only', [echo('local', { tools })], routing);
    assert.deepEqual(await call('explain_route', { tool_name: 'list_backends' }), {
      name: 'list_backends',
      known: true,
      backend_name: null,
      alternatives: [],
      strategy_used: null,
      reason: 'It is a tool of the router itself.',
      steps: ['It is a tool of the router itself.'],
      candidates: [],
    });
    assert.match((await call('recent_call')).message, /Did you mean "recent_calls"/);
  });

  it('register and unregister a backend, which a reload does not undo and no file records', async t => {
    const { call, gateway, client } = await managed(t, 'full', [echo('local')]);
    const before = await readFile(gateway.configFile, 'utf8');
    const url = 'http://127.0.0.1:9/mcp';
    const added = await call('register_backend', { source: url, namespace: 'remote' });
    assert.deepEqual(added, {
      backend_name: 'remote',
      namespace: 'remote',
      url,
      started: true,
      message: "Backend 'remote' registered successfully",
    });
    assert.equal(await call('register_backend', { source: url, name: 'remote' }), 'Backend already exists: remote');
    assert.deepEqual(await call('reload_backends_config'), { added: [], removed: [], updated: [], errors: [] });
    assert.deepEqual(
      (await call('set_backend_priority', { backend_name: 'local', priority: 77 })).message,
      "Backend 'local' has priority 77",
    );
    assert.equal(gateway.backend('local').priority, 77);
    assert.equal(gateway.backend('remote').name, 'remote');

    const gone = await call('unregister_backend', { backend_name: 'local' });
    assert.deepEqual(gone, { message: "Backend 'local' unregistered successfully" });
    assert.equal(
      (await client.toolNames()).some(name => name.startsWith('local__')),
      false,
    );
    assert.equal(await call('unregister_backend', { backend_name: 'local' }), 'Backend not found: local');
    assert.equal(await readFile(gateway.configFile, 'utf8'), before);
  });

  it('refuse to unregister a backend that another falls back to', async t => {
    const routes = [{ pattern: '*', strategy: 'fallback', fallback_to: 'second' }];
    const { call } = await managed(t, 'full', [{ ...echo('first'), routes }, echo('second')]);
    const refusal = '"first" falls back to "second": change that first';
    assert.equal(await call('unregister_backend', { backend_name: 'second' }), refusal);
    assert.equal((await call('list_backends')).length, 2);
  });

  it('refuse what is of a wrong kind, and take null for left out', async t => {
    const { call } = await managed(t, 'full', []);
    const request = { source: 'http://127.0.0.1:9/mcp', name: 'remote', auto_start: 'no' };
    assert.equal(await call('register_backend', request), 'The argument "auto_start" must be true or false.');
    const added = await call('register_backend', { ...request, namespace: null, priority: null, auto_start: false });
    assert.deepEqual([added.namespace, added.started], ['remote', false]);
  });

  it("let no backend's tool take their place", async t => {
    const { call } = await managed(t, 'read_only', [echo('local', { tools: { rename: { echo: 'list_backends' } } })]);
    assert.equal((await call('list_backends'))[0].name, 'local');
  });
});
