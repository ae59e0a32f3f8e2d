// What a client gets through the router is what it would get from the backend itself, but for the names.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type BareHttpClient, BareStdioClient } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { type Command, fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';

const TRANSPORTS = ['stdio', 'HTTP'] as const;

for (const transport of TRANSPORTS) {
  describe(`Through the router to a backend on ${transport}`, () => {
    const launch = async (t: TestContext, file: string): Promise<Command | { url: string }> =>
      transport === 'stdio' ? fixtureCommand(file) : { url: await httpFixture(t, file) };

    test('definitions of all pages arrive unaltered but for the name', async t => {
      const { direct, routed } = await both(t, await launch(t, 'servers/rich.mjs'));
      for (const kind of ['tools', 'prompts'] as const) {
        const expected = (await direct.list(kind)).map(item => ({ ...item, name: `rich__${item.name}` }));
        assert.deepEqual(await routed.list(kind), expected);
      }
      for (const kind of ['resources', 'resourceTemplates'] as const) {
        assert.deepEqual(await routed.list(kind), await direct.list(kind));
      }
    });

    test('results and errors arrive unaltered, with unknown content types and unknown fields', async t => {
      const { direct, routed } = await both(t, await launch(t, 'servers/rich.mjs'));
      const args = { 'odd key': null, list: [1, { deep: '🚂' }], $ref: '#/x' };
      for (const [name, given] of [
        ['everything', {}],
        ['noDescription', {}],
        ['arguments', args],
        ['protocolError', {}],
      ] as const) {
        const [expected, answer] = [await direct.callTool(name, given), await routed.callTool(`rich__${name}`, given)];
        assert.deepEqual([answer.result, answer.error], [expected.result, expected.error], name);
      }
      const prompt = await direct.request('prompts/get', { name: 'prompt_4' });
      assert.deepEqual((await routed.request('prompts/get', { name: 'rich__prompt_4' })).result, prompt.result);
      for (const uri of ['rich://resource/4?q=ä%20&x=#4', 'rich://template/4/a/b?c=d']) {
        const resource = await direct.request('resources/read', { uri });
        assert.deepEqual((await routed.request('resources/read', { uri })).result, resource.result);
      }
    });

    test('progress keeps its token and its type, and is not lost when it comes together with the result', async t => {
      const gateway = await startGateway(t, { backends: [{ name: 'echo', ...(await launch(t, 'servers/echo.mjs')) }] });
      await gateway.gateway.whenSettled();
      const client = await gateway.client();
      for (const progressToken of [7, '7', 0, 'ünï/code', ...Array.from({ length: 20 }, (_, n) => n + 10)]) {
        client.received.length = 0;
        await client.callTool('echo__slow', { label: 'all at once', steps: 3, stepMs: 0 }, { progressToken });
        assert.deepEqual(
          client.received.map(({ method, params }) => ({ method, params })),
          [1, 2, 3].map(progress => ({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 3, message: `step ${progress}` },
          })),
        );
      }
    });

    test('a cancellation reaches the backend, and no answer comes', async t => {
      const gateway = await startGateway(t, { backends: [{ name: 'echo', ...(await launch(t, 'servers/echo.mjs')) }] });
      await gateway.gateway.whenSettled();
      const client = await gateway.client();
      const call = client.start('tools/call', {
        name: 'echo__slow',
        arguments: { label: 'unwanted', steps: 1000, stepMs: 20 },
        _meta: { progressToken: 'p' },
      });
      const answered = call.answer.then(
        () => true,
        () => false,
      );
      await client.notifications('notifications/progress');
      client.notify('notifications/cancelled', { requestId: call.id, reason: 'no longer needed' });
      await eventually('the backend to hear of it', async () => {
        const { result } = await client.callTool('echo__cancelled');
        return result.content[0].text === '["unwanted"]';
      });
      await client.close();
      assert.equal(await answered, false);
      await eventually('nothing in flight', () => gateway.backend('echo').inFlight === 0);
    });

    test('a client that names no log level is told what is usual, whatever level another asks for or has asked for', async t => {
      const gateway = await startGateway(t, {
        backends: [{ name: 'recorded', ...(await launch(t, 'servers/recorded.mjs')) }],
      });
      await gateway.gateway.whenSettled();
      const before = [{ method: 'notifications/message', params: { level: 'info', data: 'usual' } }];
      const isTold = async (client: BareHttpClient) => {
        await client.callTool('recorded__plain', {}, { 'recorded.example/play': { before } });
        return client.received.some(({ method }) => method === 'notifications/message');
      };
      const silent = await gateway.client();
      await silent.request('logging/setLevel', { level: 'emergency' });
      const beside = await gateway.client();
      await eventually('what is usual', () => isTold(beside));
      assert.equal(await isTold(silent), false);
      await beside.end();
      await silent.request('logging/setLevel', { level: 'alert' });
      await silent.end();
      const after = await gateway.client();
      await eventually('what is usual', () => isTold(after));
    });

    test('changes of its list reach the clients, and many are announced as few', async t => {
      const launched = await launch(t, 'servers/changingTools.mjs');
      const gateway = await startGateway(t, { backends: [{ name: 'changing', ...launched }] });
      await gateway.gateway.whenSettled();
      const client = await gateway.client();
      await client.listen();
      client.received.length = 0;

      await client.callTool('changing__grow', { count: 20 });
      await eventually('the new tools', async () => (await client.toolNames()).includes('changing__grown_20'));
      const announced = await client.notifications('notifications/tools/list_changed');
      assert.ok(announced.length < 10, `announced ${announced.length} times`);
      const { result } = await client.callTool('changing__grown_20');
      assert.equal(result.content[0].text, 'grown_20');
    });
  });
}

test('all 260 tools of a backend that lists in pages are offered', async t => {
  const gateway = await startGateway(t, {
    backends: [{ name: 'many', ...fixtureCommand('servers/echo.mjs', '--tools', '260') }],
  });
  await gateway.gateway.whenSettled();
  const names = (await (await gateway.client()).toolNames()).filter(name => name.startsWith('many__tool_'));
  assert.equal(new Set(names).size, 260);
});

/** A client of the `rich` server itself, and one through the router. */
async function both(t: TestContext, launch: Command | { url: string }) {
  const { command, args } = fixtureCommand('servers/rich.mjs');
  const direct = new BareStdioClient(command, args);
  t.after(() => direct.close());
  await direct.initialize();
  const gateway = await startGateway(t, {
    backends: [{ name: 'rich', ...launch }],
    server: { management_tools: 'off' },
  });
  await gateway.gateway.whenSettled();
  return { direct, routed: await gateway.client() };
}
