// Tasks of MCP 2025-11-25, through the router: whose they are, and where what is asked of them goes.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { BareHttpClient, Message } from '../../support/bareClient.ts';
import { BareModernClient } from '../../support/bareModernClient.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

const RELATED = 'io.modelcontextprotocol/related-task';

/** Two backends whose tasks have the same ids, and clients that listen. */
async function started(t: TestContext, clients: number) {
  const entry = fixtureCommand('servers/tasks.mjs');
  const gateway = await startGateway(t, {
    backends: [
      { name: 'one', ...entry },
      { name: 'two', ...entry },
    ],
  });
  await gateway.gateway.whenSettled();
  const connecting = Array.from({ length: clients }, async () => {
    const client = await gateway.client();
    await client.listen();
    return client;
  });
  return { gateway, clients: await Promise.all(connecting) };
}

async function begin(client: BareHttpClient, backend: string): Promise<string> {
  const { result } = await client.request('tools/call', {
    name: `${backend}__work`,
    arguments: {},
    task: { ttl: 60_000 },
  });
  return result.task.taskId;
}

const statusesOf = (client: BareHttpClient) =>
  client.received.flatMap(({ method, params }) => (method === 'notifications/tasks/status' ? [params?.taskId] : []));

describe('A task', () => {
  it('is known by the name of its backend and its own id', async t => {
    const { clients } = await started(t, 1);
    const [client] = clients;
    assert.ok(client);
    assert.deepEqual([await begin(client, 'one'), await begin(client, 'two')], ['one/t/1', 'two/t/1']);
    for (const backend of ['one', 'two']) {
      const taskId = `${backend}/t/1`;
      const got = await client.request('tasks/get', { taskId });
      assert.deepEqual([got.result.taskId, got.result.status], [taskId, 'working']);
      const pending: Promise<Message> = client.request('tasks/result', { taskId });
      await client.callTool(`${backend}__finish`, { taskId: 't/1' });
      const { result } = await pending;
      assert.deepEqual(result.content, [{ type: 'text', text: 't/1 is done' }]);
      assert.deepEqual(result._meta[RELATED], { taskId });
    }
    const canceled = await begin(client, 'one');
    assert.equal((await client.request('tasks/cancel', { taskId: canceled })).result.status, 'cancelled');
    assert.equal((await client.request('tasks/get', { taskId: canceled })).result.status, 'cancelled');
  });

  it('is listed to its own client alone, and only that one is told of it', async t => {
    const { clients } = await started(t, 2);
    const [first, second] = clients;
    assert.ok(first && second);
    const own = [await begin(first, 'one'), await begin(first, 'two')];
    const other = [await begin(second, 'one')];
    const listed = async (client: BareHttpClient) => {
      const { result } = await client.request('tasks/list');
      return result.tasks.map(({ taskId }: { taskId: string }) => taskId);
    };
    assert.deepEqual([await listed(first), await listed(second)], [own, other]);
    await second.callTool('one__finish', { taskId: 't/1' });
    await second.callTool('one__finish', { taskId: 't/2' });
    await eventually('both to be told', () => statusesOf(first).length > 0 && statusesOf(second).length > 0);
    assert.deepEqual([statusesOf(first), statusesOf(second)], [['one/t/1'], ['one/t/2']]);
  });

  it('is its client’s where others have one of the same id on connections of their own', async t => {
    const own = { name: 'own', session: 'per_client', ...fixtureCommand('servers/tasks.mjs') };
    const gateway = await startGateway(t, { backends: [own] });
    await gateway.gateway.whenSettled();
    const clients = [await gateway.client(), await gateway.client()];
    const ids = await Promise.all(clients.map(client => begin(client, 'own')));
    assert.deepEqual(ids, ['own/t/1', 'own/t/1']);
    const cancelled = await clients[0]?.request('tasks/cancel', { taskId: 'own/t/1' });
    const other = await clients[1]?.request('tasks/get', { taskId: 'own/t/1' });
    assert.deepEqual([cancelled?.result?.status, other?.result?.status], ['cancelled', 'working']);
  });

  it('that nobody has is unknown', async t => {
    const { clients } = await started(t, 1);
    const [client] = clients;
    assert.ok(client);
    for (const taskId of ['none', 'three/t/1', '/t/1', 'one/t/9']) {
      const { error } = await client.request('tasks/get', { taskId });
      assert.deepEqual([error?.code, error?.message], [-32602, `Unknown task: ${taskId}`]);
    }
  });

  it('keeps the progress of its call until it is done', async t => {
    const { clients } = await started(t, 1);
    const [client] = clients;
    assert.ok(client);
    const { result } = await client.request('tools/call', {
      name: 'one__work',
      arguments: {},
      task: {},
      _meta: { progressToken: 'p' },
    });
    assert.equal(result.task.taskId, 'one/t/1');
    await client.callTool('one__finish', { taskId: 't/1' });
    const [progress] = await client.notifications('notifications/progress');
    assert.deepEqual(progress?.params, { progressToken: 'p', progress: 1 });
  });

  it('of a modern backend is asked after by whoever knows its id, without a session', async t => {
    const { url, headers, gateway } = await startGateway(t, {
      backends: [{ name: 'one', ...fixtureCommand('servers/tasks.mjs', '--era', 'modern') }],
    });
    await gateway.whenSettled();
    const client = new BareModernClient(url, headers);
    t.after(() => client.close());
    const { result: made } = await client.callTool('one__work');
    assert.equal(made.task.taskId, 'one/t/1');
    const { result: got } = await client.request('tasks/get', { taskId: 'one/t/1' });
    assert.deepEqual([got.taskId, got.status], ['one/t/1', 'working']);
    assert.equal((await client.request('tasks/cancel', { taskId: 'one/t/1' })).result.status, 'cancelled');
    assert.equal((await client.request('tasks/get', { taskId: 'two/t/1' })).error?.code, -32602);
    assert.equal((await client.request('tasks/list')).error?.code, -32601);
  });
});
