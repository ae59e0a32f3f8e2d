import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../../support/fixtures.ts';
import { startGateway, TestGateway } from '../../support/gateway.ts';
import { isRunning } from '../../support/processes.ts';

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
  /** Sends JSON, or a text as it is; gives what an older client looks at. */
  const sendJson = async (method: string, path: string, body: unknown, token = gateway.token) => {
    const { status, text } = await send(method, path, {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return [status, text] as const;
  };
  const add = (mcpServers: unknown) => sendJson('POST', '/mcp_servers', { mcpServers });
  const change = (name: string, body: unknown) => sendJson('PATCH', `/mcp_servers/${name}`, body);
  const remove = async (name: string) => {
    const { status, text } = await send('DELETE', `/mcp_servers/${name}`);
    return [status, text] as const;
  };
  return { send, get, sendJson, add, change, remove };
}

describe('The REST paths', () => {
  it('give the names of the enabled backends, and more beside them', async t => {
    const far = { name: 'far', url: 'http://me:secret@127.0.0.1:1/mcp', priority: 7, max_concurrency: -1 };
    const { get, gateway } = await served(t, {
      backends: [echo({ name: 'b', priority: 3 }), echo({ name: 'off', enabled: false }), { name: 'bad' }, far],
    });
    const { active_servers, backends, router, problems, config_error } = await get('/mcp_servers');
    assert.deepEqual(active_servers, ['b']);
    assert.deepEqual(
      backends.map(({ name, enabled, state, priority }: Record<string, unknown>) => [name, enabled, state, priority]),
      [
        ['b', true, 'ready', 3],
        ['off', false, 'disabled', 10],
        ['bad', false, 'rejected', 10],
        ['far', false, 'rejected', 7],
      ],
    );
    assert.deepEqual([backends[3].url, backends[3].is_managed], ['http://127.0.0.1:1/mcp', false]);
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
      ['bad', 'far'].map(name => ['error', configFile, name]),
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

  it('say why one failed while it is started again, too', async t => {
    const slow = { command: process.execPath, args: ['-e', 'setTimeout(() => process.exit(3), 1000)'] };
    const { get, gateway } = await served(t, { mcpServers: { slow } });
    await eventually('another start', () => gateway.backend('slow').state.kind === 'connecting');
    assert.deepEqual((await get('/mcp_tools')).tools, { slow: '❌ Error: exited with code 3' });
    assert.equal(gateway.backend('slow').state.kind, 'connecting');
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

describe('POST /mcp_servers', () => {
  it('adds backends, whose tools are there when it answers, and DELETE ends them', async t => {
    const { add, remove, get, gateway } = await served(t, { mcpServers: { first: echo() } });
    const client = await gateway.client();
    assert.deepEqual(await add({ unit_converter: echo(), b: echo() }), [
      200,
      `{"message":"Added ['unit_converter', 'b']"}`,
    ]);
    assert.deepEqual((await get('/mcp_servers')).active_servers, ['first', 'unit_converter', 'b']);
    const { tools } = await get('/mcp_tools');
    assert.ok(tools.unit_converter.includes('echo'));
    const { result } = await client.callTool('unit_converter__echo', { text: 'hi' });
    assert.equal(result.content[0].text, 'hi');
    const pid = await gateway.pidOf('unit_converter');

    assert.deepEqual(await remove('unit_converter'), [
      200,
      `{"message":"Client 'unit_converter' removed successfully"}`,
    ]);
    assert.deepEqual((await get('/mcp_servers')).active_servers, ['first', 'b']);
    await eventually('the end of its process', () => !isRunning(pid));
    assert.deepEqual(await remove('unit_converter'), [404, `{"error":"No client named 'unit_converter'"}`]);
  });

  it('names only what it added, and says why the others were not', async t => {
    const { add, gateway } = await served(t, { mcpServers: { first: echo() } });
    const [status, text] = await add({
      good: echo(),
      first: echo(),
      dying: failing,
      'a b': echo(),
      empty: {},
      wrong: echo({ priority: -1 }),
      text: 'npx',
      ['__proto__']: echo(),
    });
    const { message, errors } = JSON.parse(text);
    assert.deepEqual([status, message], [200, "Added ['good', '__proto__']"]);
    const { dying, ...others } = errors;
    assert.match(dying, /bad option: --no-such-flag/);
    assert.deepEqual(others, {
      first: 'Backend already exists: first',
      'a b': 'the name must have only letters, digits, "-" and "_"',
      empty: 'has neither command, url nor source',
      wrong: 'priority must be at least 0',
      text: 'the entry must be an object with a "command", "url" or "source"',
    });
    assert.deepEqual(
      gateway.gateway.snapshot().backends.map(({ name }) => name),
      ['first', 'good', '__proto__'],
    );
  });

  it('is 500 when it adds nothing', async t => {
    const { add } = await served(t, { mcpServers: { first: echo() } });
    assert.deepEqual(await add({ first: echo() }), [
      500,
      '{"error":"No clients were created","errors":{"first":"Backend already exists: first"}}',
    ]);
    assert.deepEqual(await add({}), [500, '{"error":"No clients were created","errors":{}}']);
  });

  it('keeps one that is still starting after 5 s', async t => {
    const { add, gateway } = await served(t, { backends: [] });
    const begun = Date.now();
    assert.deepEqual(await add({ hanging: fixtureCommand('servers/hanging.mjs') }), [
      200,
      `{"message":"Added ['hanging']","starting":["hanging"]}`,
    ]);
    assert.ok(Date.now() - begun >= 4900);
    assert.equal(gateway.backend('hanging').state.kind, 'connecting');
  });

  it('does not wait for what is not started at once', async t => {
    const { add, gateway } = await served(t, { backends: [] });
    const hanging = fixtureCommand('servers/hanging.mjs');
    const begun = Date.now();
    await add({ later: { ...hanging, auto_start: false }, off: { ...hanging, disabled: true } });
    assert.ok(Date.now() - begun < 4000);
    assert.deepEqual([gateway.backend('later').state.kind, gateway.backend('off').state.kind], ['idle', 'disabled']);
  });

  it('takes all that other clients write, and says what it ignores', async t => {
    const { add, gateway } = await served(t, { backends: [] });
    const url = await httpFixture(t, 'servers/echo.mjs');
    const [status, text] = await add({
      old: { ...echo(), encoding: 'utf-8', encoding_error_handler: 'strict', env: { PORT: 8080 }, autoApprove: [] },
      remote: { type: 'streamable-http', url, prioritty: 3 },
    });
    assert.deepEqual(
      [status, JSON.parse(text)],
      [
        200,
        {
          message: "Added ['old', 'remote']",
          warnings: { remote: ['unknown key prioritty; did you mean "priority"?'] },
        },
      ],
    );
    assert.equal(gateway.backend('remote').kind, 'remote');
  });

  it('refuses bodies that are none, with what an older client reads', async t => {
    const { sendJson, send } = await served(t, { backends: [] });
    const post = (body: unknown) => sendJson('POST', '/mcp_servers', body);
    const missing = [400, `{"error":"Missing 'mcpServers' in payload"}`];
    for (const body of [{}, [], null, 3, { mcpServers: [] }, { mcpServers: 'x' }, { mcpServers: null }])
      assert.deepEqual(await post(body), missing, JSON.stringify(body));
    const [status, text] = await post('{"mcpServers":');
    assert.equal(status, 400);
    assert.match(JSON.parse(text).error, /^Bad request: the body is not JSON$/);
    const large = JSON.stringify({ mcpServers: { a: { command: 'x'.repeat(1024 * 1024) } } });
    assert.deepEqual(await post(large), [413, '{"error":"Payload too large: at most 1048576 bytes"}']);
    const plain = await send('POST', '/mcp_servers', { body: '{}', headers: { 'content-type': 'text/plain' } });
    assert.deepEqual(
      [plain.status, plain.text],
      [415, '{"error":"Unsupported media type: the body must be application/json"}'],
    );
    const deep = `{"mcpServers":{"a":{"env":${'['.repeat(200_000)}${']'.repeat(200_000)}}}}`;
    assert.match((await post(deep))[1], /nested too deeply/);
  });

  it('takes changes one at a time, so that the same name is added once', async t => {
    const { add, remove, gateway } = await served(t, { backends: [] });
    const same = await Promise.all([1, 2, 3].map(() => add({ one: echo() })));
    assert.deepEqual(same.map(([status]) => status).toSorted(), [200, 500, 500]);
    await Promise.all([1, 2, 3, 4].map(number => add({ [`n${number}`]: echo() })));
    assert.deepEqual(
      (await Promise.all([remove('one'), remove('one'), remove('n1')])).map(([status]) => status),
      [200, 404, 200],
    );
    assert.deepEqual(
      gateway.gateway
        .snapshot()
        .backends.map(({ name }) => name)
        .toSorted(),
      ['n2', 'n3', 'n4'],
    );
  });

  it('leaves alone what has taken the place of one that fails', async t => {
    const { add, remove, gateway } = await served(t, { backends: [] });
    const [first] = await Promise.all([
      add({ x: { command: process.execPath, args: ['-e', 'setTimeout(() => process.exit(3), 1000)'] } }),
      eventually('it to be there', () => gateway.gateway.snapshot().backends.length > 0).then(async () => {
        await remove('x');
        await add({ x: echo() });
      }),
    ]);
    assert.deepEqual(first, [500, '{"error":"No clients were created","errors":{"x":"it was removed meanwhile"}}']);
    assert.equal(gateway.backend('x').state.kind, 'ready');
  });
});

it('A change whose body ends after the router has begun to stop is not made', async t => {
  const { gateway } = await served(t, { backends: [] });
  const headers = { ...gateway.headers, 'content-type': 'application/json' };
  const outgoing = request(new URL('/mcp_servers', gateway.url), { method: 'POST', headers });
  const body = JSON.stringify({ mcpServers: { late: failing } });
  outgoing.write(body.slice(0, 10));
  // It is being read by the time that another is answered.
  await fetch(new URL('/healthz', gateway.url));
  const stopping = gateway.gateway.stop();
  outgoing.end(body.slice(10));
  const [response] = await once(outgoing, 'response');
  assert.equal(response.statusCode, 503);
  assert.ok(response.headers['retry-after']);
  response.resume();
  await stopping;
  assert.deepEqual(gateway.gateway.snapshot().backends, []);
});

describe('DELETE and PATCH of /mcp_servers', () => {
  it('need a name, and one that can be read', async t => {
    const { remove, change, send } = await served(t, { backends: [echo({ name: 'a-b' })] });
    assert.deepEqual(await remove(''), [400, '{"error":"Missing client name in path"}']);
    assert.deepEqual(await change('', { priority: 1 }), [400, '{"error":"Missing client name in path"}']);
    assert.deepEqual(await remove('%zz'), [400, '{"error":"Bad percent-encoding in path"}']);
    assert.deepEqual(await remove(`it's%20%C3%A4`), [404, `{"error":"No client named 'it's ä'"}`]);
    assert.deepEqual(await remove('%61%2Db'), [200, `{"message":"Client 'a-b' removed successfully"}`]);
    for (const [method, path, allowed] of [
      ['DELETE', '/mcp_servers', 'GET, HEAD, POST'],
      ['PUT', '/mcp_servers/', 'GET, HEAD, POST'],
      ['GET', '/mcp_servers/x', 'DELETE, PATCH'],
      ['POST', '/mcp_tools', 'GET, HEAD'],
    ] as const) {
      const { status, text, headers } = await send(method, path);
      const expected = [405, `{"error":"Unsupported method: ${method}"}`, allowed];
      assert.deepEqual([status, text, headers.get('allow')], expected, `${method} ${path}`);
    }
  });

  it('remove one that cannot run because of its entry', async t => {
    const { remove, change, get } = await served(t, { backends: [{ name: 'bad' }] });
    const [status, text] = await change('bad', { priority: 1 });
    assert.equal(status, 500);
    assert.match(JSON.parse(text).error, /^"bad" has an error, to be corrected first: /);
    assert.equal((await remove('bad'))[0], 200);
    assert.deepEqual((await get('/mcp_servers')).backends, []);
  });

  it('change the priority, and switch off and on', async t => {
    const { change, get, gateway } = await served(t, { backends: [echo({ name: 'a' }), echo({ name: 'b' })] });
    const [status, text] = await change('b', { priority: 3 });
    const { message, backend } = JSON.parse(text);
    assert.deepEqual([status, message], [200, "Client 'b' updated successfully"]);
    assert.deepEqual(backend, (await get('/mcp_servers')).backends[1]);
    assert.equal(backend.priority, 3);

    const off = JSON.parse((await change('a', { enabled: false, priority: 1 }))[1]).backend;
    assert.deepEqual([off.enabled, off.state, off.priority], [false, 'disabled', 1]);
    assert.deepEqual((await get('/mcp_servers')).active_servers, ['b']);
    await gateway.gateway.reload();
    assert.equal(gateway.backend('a').enabled, false);
    assert.equal((await change('a', { priority: 0 }))[0], 200);
    assert.equal((await change('a', { enabled: true }))[0], 200);
    assert.equal((await gateway.reaches('a', 'ready')).priority, 0);
    assert.deepEqual(await change('c', { enabled: true }), [404, `{"error":"No client named 'c'"}`]);
  });

  it('switch on what was written disabled, with the variables that nobody read until then', async t => {
    const { command, args } = echo();
    const variable = (name: string) => `\${env:${name}}`;
    const disabled = (more: object) => ({ command: variable('SOME_NODE'), args, enabled: false, ...more });
    const { change, add, gateway } = await served(t, {
      backends: [disabled({ name: 'a' }), disabled({ name: 'b', args: [variable('NOT_THERE')] })],
    });
    process.env.SOME_NODE = command;
    t.after(() => delete process.env.SOME_NODE);
    assert.equal((await change('a', { enabled: true }))[0], 200);
    await gateway.reaches('a', 'ready');
    const [status, text] = await change('b', { enabled: true });
    assert.equal(status, 500);
    assert.match(JSON.parse(text).error, /^"b" has an error, to be corrected first: .*NOT_THERE/);
    assert.equal(gateway.backend('b').state.kind, 'disabled');
    await add({ c: { command: variable('SOME_NODE'), args, disabled: true } });
    await change('c', { enabled: true });
    await gateway.reaches('c', 'ready');
  });

  it('say what a change can be', async t => {
    const { change } = await served(t, { backends: [echo({ name: 'a', auto_start: false })] });
    const form = 'A change has "priority" (a whole number from 0 on), "enabled" (true or false), or both';
    for (const [body, what] of [
      [{}, 'it is empty'],
      [{ name: 'b' }, 'Unrecognized key: "name"'],
      [{ priority: 1, port: 2 }, 'Unrecognized key: "port"'],
      [{ priority: -1 }, 'priority: Too small: expected number to be >=0'],
      [{ enabled: 'yes' }, 'enabled: Invalid input: expected boolean, received string'],
      [[], 'Invalid input: expected object, received array'],
    ] as const) {
      const [status, text] = await change('a', body);
      assert.deepEqual([status, JSON.parse(text)], [400, { error: `${form}: ${what}` }]);
    }
  });
});

describe('A token of the role read', () => {
  it('sees everything and changes nothing', async t => {
    const { gateway } = await served(t, { backends: [echo({ name: 'a' })] });
    const listener = await gateway.gateway.listenHttp({
      clients: 'any',
      host: '127.0.0.1',
      port: 0,
      tokens: [{ role: 'read', value: 'reader' }],
    });
    const { send, sendJson } = restClient(new TestGateway(t, gateway.gateway, '', listener, 'reader'));
    assert.deepEqual((await send('GET', '/mcp_tools')).status, 200);
    const refused = [403, '{"error":"Changing the router needs a token with the role admin"}'];
    assert.deepEqual(await sendJson('POST', '/mcp_servers', { mcpServers: { b: echo() } }), refused);
    assert.deepEqual(await sendJson('PATCH', '/mcp_servers/a', { enabled: false }), refused);
    const { status, text } = await send('DELETE', '/mcp_servers/a');
    assert.deepEqual([status, text], refused);
    assert.equal(gateway.backend('a').state.kind, 'ready');
  });
});
