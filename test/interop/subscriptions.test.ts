// Who is told that a resource has changed, and what a backend is asked for on account of all its clients.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { BareHttpClient } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { type Command, fixtureCommand, httpFixture, startHttpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const FIXTURE = 'servers/watched.mjs';
const COMMON = 'watched://common';
const OTHER = 'watched://other';
const FENCE = 'watched://fence';
const ITEM = 'watched://items/7';

for (const transport of ['stdio', 'HTTP'] as const) {
  describe(`Subscriptions to resources of a backend on ${transport}`, () => {
    const launched = async (t: TestContext) =>
      transport === 'stdio' ? fixtureCommand(FIXTURE) : { url: await httpFixture(t, FIXTURE) };

    test('only who has subscribed is told', async t => {
      const gateway = await start(t, { one: await launched(t) });
      const [first, second] = [await listener(gateway), await listener(gateway)];
      await subscribe(first, COMMON, ITEM, FENCE);
      await subscribe(second, OTHER, FENCE);
      for (const uri of [COMMON, OTHER, ITEM, 'watched://items/8', FENCE])
        await first.callTool('one__touchAlways', { uri });
      assert.deepEqual(await updatesUpTo(FENCE, first), [COMMON, ITEM, FENCE]);
      assert.deepEqual(await updatesUpTo(FENCE, second), [OTHER, FENCE]);
    });

    test('who has unsubscribed is told no more', async t => {
      const gateway = await start(t, { one: await launched(t) });
      const client = await listener(gateway);
      await subscribe(client, COMMON, ITEM, FENCE);
      await unsubscribe(client, COMMON, ITEM);
      for (const uri of [COMMON, ITEM, FENCE]) await client.callTool('one__touchAlways', { uri });
      assert.deepEqual(await updatesUpTo(FENCE, client), [FENCE]);
    });

    test('a backend is told to forget a resource when nobody is subscribed any more', async t => {
      const gateway = await start(t, { one: await launched(t) });
      const [first, second] = [await listener(gateway), await listener(gateway)];
      // The last one nobody lists, and no template matches it.
      for (const uri of [COMMON, ITEM, 'watched:elsewhere']) {
        await subscribe(first, uri, uri);
        await subscribe(second, uri);
        await unsubscribe(first, uri, uri);
        assert.deepEqual((await subscriptionsOf(second, 'one')).uris, [uri]);
        await unsubscribe(second, uri);
        const { uris, asked } = await subscriptionsOf(second, 'one');
        assert.deepEqual(uris, []);
        assert.deepEqual(
          asked.filter(line => line === `- ${uri}`),
          [`- ${uri}`],
        );
      }
    });

    test('a session that ends leaves nothing behind', async t => {
      const gateway = await start(t, { one: await launched(t) });
      const [leaving, staying] = [await listener(gateway), await listener(gateway)];
      await subscribe(leaving, COMMON, OTHER, ITEM);
      await subscribe(staying, OTHER);
      await leaving.end();
      await eventually('the backend to be told', async () => {
        const { uris } = await subscriptionsOf(staying, 'one');
        return uris.length === 1 && uris[0] === OTHER;
      });
    });

    test('a URI that two backends have is subscribed to at one of them', async t => {
      const gateway = await start(t, { one: await launched(t), two: await launched(t) });
      const ofTwo = (uri: string) => `switchyard://two/${uri}`;
      const [first, second] = [await listener(gateway), await listener(gateway)];
      await subscribe(first, COMMON, ofTwo(COMMON), ofTwo(ITEM), FENCE);
      await subscribe(second, ofTwo(COMMON), FENCE);
      assert.deepEqual((await subscriptionsOf(first, 'one')).uris, [COMMON, FENCE]);
      assert.deepEqual((await subscriptionsOf(first, 'two')).uris, [COMMON, ITEM]);
      // One after the other, or nobody knows which of the two backends is heard first.
      for (const [tool, uri, told] of [
        ['one__touchAlways', COMMON, COMMON],
        ['two__touchAlways', COMMON, ofTwo(COMMON)],
        ['two__touchAlways', ITEM, ofTwo(ITEM)],
        ['two__touchAlways', FENCE, undefined],
        ['one__touchAlways', ITEM, undefined],
        ['one__touchAlways', FENCE, FENCE],
      ] as const) {
        await first.callTool(tool, { uri });
        if (told !== undefined) await updatesUpTo(told, first);
      }
      assert.deepEqual(await updatesUpTo(FENCE, first), [COMMON, ofTwo(COMMON), ofTwo(ITEM), FENCE]);
      assert.deepEqual(await updatesUpTo(FENCE, second), [ofTwo(COMMON), FENCE]);

      await unsubscribe(first, ofTwo(COMMON), ofTwo(ITEM));
      await unsubscribe(second, ofTwo(COMMON));
      assert.deepEqual((await subscriptionsOf(first, 'one')).uris, [COMMON, FENCE]);
      assert.deepEqual((await subscriptionsOf(first, 'two')).uris, []);
    });

    test('on a connection of its own a client is told what its own backend says', async t => {
      const gateway = await start(t, { one: await launched(t) }, { session: 'per_client' });
      const [first, second] = [await listener(gateway), await listener(gateway)];
      await subscribe(first, COMMON, FENCE);
      await subscribe(second, COMMON, ITEM, FENCE);
      assert.deepEqual((await subscriptionsOf(first, 'one')).uris, [COMMON, FENCE]);
      assert.deepEqual((await subscriptionsOf(second, 'one')).uris, [COMMON, FENCE, ITEM]);
      await unsubscribe(second, FENCE);
      assert.deepEqual((await subscriptionsOf(first, 'one')).uris, [COMMON, FENCE]);
      assert.deepEqual((await subscriptionsOf(second, 'one')).uris, [COMMON, ITEM]);
      await subscribe(second, FENCE);

      await first.callTool('one__touchAlways', { uri: COMMON });
      await first.callTool('one__touchAlways', { uri: FENCE });
      assert.deepEqual(await updatesUpTo(FENCE, first), [COMMON, FENCE]);
      await second.callTool('one__touchAlways', { uri: ITEM });
      await second.callTool('one__touchAlways', { uri: FENCE });
      assert.deepEqual(await updatesUpTo(FENCE, second), [ITEM, FENCE]);
    });
  });
}

describe('Subscriptions are renewed', () => {
  test('when the process of a backend was killed', async t => {
    const gateway = await start(t, { one: fixtureCommand(FIXTURE) });
    const [first, second] = [await listener(gateway), await listener(gateway)];
    await subscribe(first, COMMON, ITEM);
    await subscribe(second, COMMON, OTHER);
    await unsubscribe(second, OTHER);
    const pid = await gateway.pidOf('one');
    process.kill(pid, 'SIGKILL');
    await assertRenewed(first, second);
    assert.notEqual(await gateway.pidOf('one'), pid);
  });

  test('when an HTTP backend was started anew', async t => {
    const before = await startHttpFixture(FIXTURE);
    t.after(() => before.close());
    const gateway = await start(t, { one: { url: before.url } });
    const [first, second] = [await listener(gateway), await listener(gateway)];
    await subscribe(first, COMMON, ITEM);
    await subscribe(second, COMMON);
    await before.close();
    const after = await startHttpFixture(FIXTURE, { port: Number(new URL(before.url).port) });
    t.after(() => after.close());
    await assertRenewed(first, second);
  });

  test('when a client’s own process was killed, and only that client’s', async t => {
    const gateway = await start(t, { one: fixtureCommand(FIXTURE) }, { session: 'per_client' });
    const [first, second] = [await listener(gateway), await listener(gateway)];
    await subscribe(first, COMMON, ITEM);
    await subscribe(second, OTHER);
    const [killed, kept] = [await subscriptionsOf(first, 'one'), await subscriptionsOf(second, 'one')];
    process.kill(killed.pid, 'SIGKILL');
    const renewed = await eventually('the subscriptions', async () => {
      const found = await subscriptionsOf(first, 'one').catch(() => undefined);
      return found?.uris.length === 2 && found;
    });
    assert.deepEqual(renewed.uris, [COMMON, ITEM]);
    assert.notEqual(renewed.pid, killed.pid);
    assert.deepEqual(await subscriptionsOf(second, 'one'), kept);
  });

  test('when a client’s own connections were ended by an edit of the file', async t => {
    const gateway = await start(t, { one: fixtureCommand(FIXTURE) }, { session: 'per_client' });
    const client = await listener(gateway);
    await subscribe(client, COMMON);
    const { pid } = await subscriptionsOf(client, 'one');
    const edited = { name: 'one', session: 'per_client', ...fixtureCommand(FIXTURE, '--era', 'legacy') };
    await gateway.write({ backends: [edited] });
    await gateway.gateway.reload();
    await eventually('the subscription', async () => {
      const found = await subscriptionsOf(client, 'one').catch(() => undefined);
      return found?.pid !== pid && found?.uris.join() === COMMON;
    });
  });

  for (const era of ['legacy', 'modern'] as const) {
    test(`at the replica that is left when the one that told is removed, for a ${era} client`, async t => {
      const replicas = { a: fixtureCommand(FIXTURE), b: fixtureCommand(FIXTURE) };
      const gateway = await start(t, replicas, { namespace: 'one' });
      const asking = await listener(gateway);
      const client = era === 'legacy' ? asking : await modernListener(t, gateway, COMMON);
      if (era === 'legacy') await subscribe(client, COMMON);
      await eventually('the subscription', async () => (await subscriptionsOf(asking, 'one')).uris.length === 1);
      await gateway.write({ backends: [{ name: 'b', namespace: 'one', ...replicas.b }] });
      await gateway.gateway.reload();
      await eventually('the subscription at the other', async () => {
        const { uris, asked } = await subscriptionsOf(asking, 'one');
        return uris.length === 1 && asked.length === 1;
      });
      await asking.callTool('one__touch', { uri: COMMON });
      assert.deepEqual(await updatesUpTo(COMMON, client), [COMMON]);
    });
  }

  test('where nobody who has the resource was there when it was asked for', async t => {
    const absent = await startHttpFixture(FIXTURE);
    await absent.close();
    const gateway = await start(t, { one: { url: absent.url } });
    const client = await modernListener(t, gateway, COMMON);
    const present = await startHttpFixture(FIXTURE, { port: Number(new URL(absent.url).port) });
    t.after(() => present.close());
    await gateway.reaches('one', 'ready');
    const asking = await gateway.client();
    await eventually('the subscription', async () => (await subscriptionsOf(asking, 'one')).uris.length === 1);
    await asking.callTool('one__touch', { uri: COMMON });
    assert.deepEqual(await updatesUpTo(COMMON, client), [COMMON]);
  });

  /** The first is subscribed to COMMON and ITEM, the second to COMMON. */
  async function assertRenewed(first: BareHttpClient, second: BareHttpClient): Promise<void> {
    await eventually('the subscriptions', async () => {
      const found = await subscriptionsOf(first, 'one').catch(() => undefined);
      return found?.uris.join() === [COMMON, ITEM].join();
    });
    for (const uri of [ITEM, OTHER, COMMON]) await first.callTool('one__touch', { uri });
    assert.deepEqual(await updatesUpTo(COMMON, first), [ITEM, COMMON]);
    assert.deepEqual(await updatesUpTo(COMMON, second), [COMMON]);
  }
});

async function start(
  t: TestContext,
  launches: Readonly<Record<string, Command | { readonly url: string }>>,
  options: object = {},
): Promise<TestGateway> {
  const backends = Object.entries(launches).map(([name, launch]) => ({ name, ...options, ...launch }));
  const gateway = await startGateway(t, { backends });
  await gateway.gateway.whenSettled();
  return gateway;
}

async function listener(gateway: TestGateway): Promise<BareHttpClient> {
  const client = await gateway.client();
  await client.listen();
  return client;
}

async function modernListener(t: TestContext, gateway: TestGateway, uri: string): Promise<BareHttpClient> {
  const client = new BareModernClient(gateway.url, gateway.headers);
  t.after(() => client.close());
  const { answer } = client.start('subscriptions/listen', { notifications: { resourceSubscriptions: [uri] } });
  answer.catch(() => {}); // It ends with the test.
  await client.notifications('notifications/subscriptions/acknowledged');
  return client;
}

async function subscribe(client: BareHttpClient, ...uris: string[]): Promise<void> {
  for (const uri of uris) assert.deepEqual((await client.request('resources/subscribe', { uri })).result, {}, uri);
}

async function unsubscribe(client: BareHttpClient, ...uris: string[]): Promise<void> {
  for (const uri of uris) assert.deepEqual((await client.request('resources/unsubscribe', { uri })).result, {}, uri);
}

/** The URIs of all updates that this client was told of, once the last of them is this one. */
function updatesUpTo(last: string, client: BareHttpClient): Promise<string[]> {
  return eventually(`an update of ${last}`, () => {
    const uris = client.received
      .filter(({ method }) => method === 'notifications/resources/updated')
      .map(({ params }) => String(params?.uri));
    return uris.at(-1) === last && uris;
  });
}

interface Subscriptions {
  readonly pid: number;
  readonly uris: readonly string[];
  /** `+ URI` and `- URI`, in order. */
  readonly asked: readonly string[];
}

async function subscriptionsOf(client: BareHttpClient, backend: string): Promise<Subscriptions> {
  const { result } = await client.callTool(`${backend}__subscriptions`);
  assert.ok(result.structuredContent, JSON.stringify(result));
  return result.structuredContent;
}
