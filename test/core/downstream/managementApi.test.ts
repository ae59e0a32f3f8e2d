import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway, type TestGateway } from '../../support/gateway.ts';

const echo = (more = {}) => ({ ...fixtureCommand('servers/echo.mjs'), ...more });
const failing = { command: process.execPath, args: ['--no-such-flag'] };

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A router on a configuration, and a client of its REST paths. */
async function served(t: TestContext, config: object) {
  const gateway = await startGateway(t, config);
  await gateway.gateway.whenSettled();
  return { gateway, ...restClient(gateway) };
}

function restClient(gateway: TestGateway) {
  const send = async (method: string, path: string, init: RequestInit = {}): Promise<Reply> => {
    const headers = { ...gateway.headers, ...(init.headers as Record<string, string>) };
    const response = await fetch(new URL(path, gateway.url), { ...init, method, headers });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  const get = async (path: string) => JSON.parse((await send('GET', path)).text);
  return { send, get };
}

describe('The REST paths', () => {
  it('give the names of the enabled backends, and more beside them', async t => {
    const { get, gateway } = await served(t, {
      backends: [echo({ name: 'b', priority: 3 }), echo({ name: 'off', enabled: false }), { name: 'bad' }],
    });
    const { active_servers, backends, router, problems, config_error } = await get('/mcp_servers');
    assert.deepEqual(active_servers, ['b']);
    assert.deepEqual(
      backends.map(({ name, enabled, state, priority }: Record<string, unknown>) => [name, enabled, state, priority]),
      [
        ['b', true, 'ready', 3],
        ['off', false, 'disabled', 10],
        ['bad', false, 'rejected', 10],
      ],
    );
    assert.match(backends[2].last_error, /has neither command, url nor source/);
    const { uptime_seconds, ...rest } = router;
    assert.ok(Number.isInteger(uptime_seconds) && uptime_seconds >= 0);
    const { configFile } = gateway;
    assert.deepEqual(rest, {
      name: 'switchyard',
      version: '0.0.0',
      config_file: configFile,
      draining: false,
      sessions: 0,
    });
    assert.deepEqual(
      problems.map(({ severity, file, backend }: Record<string, unknown>) => [severity, file, backend]),
      [['error', configFile, 'bad']],
    );
    assert.equal(config_error, null);
    await gateway.client();
    assert.equal((await get('/mcp_servers')).router.sessions, 1);
  });

  it('give the tools of each enabled backend under their own names, and in their place why one failed', async t => {
    const { get, gateway } = await served(t, {
      mcpServers: {
        good: echo({ tools: { include: ['echo'], rename: { echo: 'said' } } }),
        bad: failing,
        off: { ...echo(), disabled: true },
        later: echo({ auto_start: false }),
      },
    });
    const { tools } = await get('/mcp_tools');
    assert.deepEqual(Object.keys(tools), ['good', 'bad', 'later']);
    assert.deepEqual([tools.good, tools.later], [['echo'], []]);
    const { state } = gateway.backend('bad');
    assert.ok(state.kind === 'failed');
    assert.equal(tools.bad, `❌ Error: ${state.failure.message}`);
  });

  it('show no secret of a backend', async t => {
    const words = ['env-1', 'header-2', 'user-3', 'query-4', 'token-5', 'key-6', 'inner-7', 'bearer-8'];
    const [env, header, user, query, token, key, inner, bearer] = words;
    const args = ['--token', token, `--api-key=${key}`, `postgres://me:${inner}@db.test/x?y`, '--header'];
    const { send } = await served(t, {
      backends: [
        {
          name: 'local',
          command: 'node',
          args: [...args, `Authorization: Bearer ${bearer}`],
          env: { A: env },
          auto_start: false,
        },
        {
          name: 'far',
          url: `http://me:${user}@127.0.0.1:9/mcp?k=${query}`,
          headers: { a: header },
          auto_start: false,
        },
      ],
    });
    const { text } = await send('GET', '/mcp_servers');
    assert.deepEqual(
      words.filter(word => text.includes(word)),
      [],
    );
    const [local, far] = JSON.parse(text).backends;
    assert.equal(local.target, 'node --token *** --api-key=*** postgres://db.test/x --header Authorization: ***');
    assert.deepEqual([local.url, far.url, far.target], [null, 'http://127.0.0.1:9/mcp', 'http://127.0.0.1:9/mcp']);
  });

  it('answer HEAD as GET, and refuse other methods', async t => {
    const { send } = await served(t, { backends: [] });
    const [got, head] = [await send('GET', '/mcp_tools'), await send('HEAD', '/mcp_tools')];
    assert.deepEqual([got.status, got.text, head.status, head.text], [200, '{"tools":{}}', 200, '']);
    assert.equal(head.headers.get('content-length'), '12');
    const refused = await send('PUT', '/mcp_tools');
    assert.deepEqual(
      [refused.status, refused.text, refused.headers.get('allow')],
      [405, '{"error":"Unsupported method: PUT"}', 'GET, HEAD'],
    );
  });
});
