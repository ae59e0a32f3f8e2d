import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Peer } from '../../../src/core/base/peer.ts';
import { ACKNOWLEDGED, ChangeStream } from '../../../src/core/upstream/changeStream.ts';
import { HttpError } from '../../../src/core/upstream/httpFetch.ts';
import type { BareHttpClient } from '../../support/bareClient.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { fixtureCommand, httpFixture } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';
import { ScriptedTransport } from '../../support/scriptedTransport.ts';

const NEVER = new AbortController().signal;
const NO_SUCH = { code: -32602, message: 'no such resource' };
const httpError = (status: number) => new HttpError(new Response(null, { status }));
const LISTEN = 'subscriptions/listen';
/** Longer than anything takes that waits for nothing outside. */
const turn = () => new Promise(resolve => setImmediate(resolve));

/** A stream of changes to a backend that the test plays. */
async function stream({ endsByStream = false } = {}) {
  const clock = new FakeClock();
  const transport = new ScriptedTransport();
  const told: string[] = [];
  const fail = () => assert.fail();
  const peer = new Peer(transport, {
    onRequest: fail,
    onNotification: (method, params) => method === ACKNOWLEDGED && changes.acknowledge(params),
    onClose: () => {},
    onTrouble: fail,
  });
  const changes = new ChangeStream(peer, {
    clock,
    client: { info: { name: 'switchyard', version: '0' }, capabilities: {}, logLevel: undefined },
    endsByStream,
    onGap: () => told.push('gap'),
    isLost: error => {
      const isLost = !(error instanceof HttpError);
      if (isLost) told.push(`lost: ${error}`);
      return isLost;
    },
    onTrouble: line => told.push(line),
  });
  await peer.start();
  const listens = () => transport.of(LISTEN);
  let asked = 0;
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    // A flood of them is to fail the test, not to hold it up.
    if ('method' in message && message.method === LISTEN && ++asked > 1000) return Promise.resolve();
    return send(message, options);
  };
  return {
    changes,
    clock,
    transport,
    told,
    listens,
    /** How often it was asked for, be it in vain. */
    asked: () => asked,
    /** What each listened for, in the order in which they were asked for. */
    uris: () =>
      listens().map(
        ({ params }) => (params?.notifications as Record<string, unknown> | undefined)?.resourceSubscriptions,
      ),
    acknowledge: (notifications?: object) =>
      transport.say({ method: ACKNOWLEDGED, ...(notifications && { params: { notifications } }) }),
    /** The ids of the streams that the backend was told to end. */
    ended: () => transport.of('notifications/cancelled').map(({ params }) => params?.requestId),
    subscribe: (uri: string, wanted = true, signal = NEVER) => {
      const asked = wanted ? changes.subscribe(uri, signal) : changes.unsubscribe(uri, signal);
      const subscribed = { isDone: false, done: asked };
      void asked.then(() => {
        subscribed.isDone = true;
      });
      return subscribed;
    },
  };
}

describe('A stream of changes', () => {
  it('is one request for all lists', async () => {
    const { changes, listens } = await stream();
    changes.open();
    assert.deepEqual(
      listens().map(({ params }) => params?.notifications),
      [{ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }],
    );
  });

  it('goes only when the one that takes its place is agreed to', async () => {
    const { changes, acknowledge, subscribe, uris, ended } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    await turn();
    assert.deepEqual([uris(), ended(), subscribed.isDone], [[undefined, ['a:1']], [], false]);
    acknowledge();
    await subscribed.done;
    assert.deepEqual(ended(), [1]);
    const left = subscribe('a:1', false);
    acknowledge();
    await left.done;
    assert.deepEqual(
      [uris(), ended()],
      [
        [undefined, ['a:1'], undefined],
        [1, 2],
      ],
    );
  });

  it('is not opened anew for what it covers already', async () => {
    const { changes, acknowledge, subscribe, listens } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    acknowledge();
    await subscribed.done;
    await subscribe('a:1').done;
    await subscribe('a:2', false).done;
    assert.equal(listens().length, 2);
  });

  it('covers what is subscribed to while it is opened, and nobody waits in vain', async () => {
    const { changes, acknowledge, subscribe, uris, ended } = await stream();
    changes.open();
    const subscribed = ['a:1', 'a:2', 'a:3'].map(uri => subscribe(uri));
    await turn();
    acknowledge();
    await turn();
    assert.deepEqual(
      subscribed.map(({ isDone }) => isDone),
      [false, false, false],
      'the first stream does not cover them',
    );
    acknowledge();
    await Promise.all(subscribed.map(({ done }) => done));
    assert.deepEqual(uris().at(-1), ['a:1', 'a:2', 'a:3']);
    assert.deepEqual(ended(), [1]);
  });

  it('comes back after it broke, and then tells of a gap', async () => {
    const { changes, clock, transport, told, acknowledge, subscribe, uris, listens } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    acknowledge();
    await subscribed.done;
    transport.say({ id: 2, result: {} });
    await turn();
    clock.advance(390);
    assert.equal(listens().length, 2, 'not at once');
    clock.advance(300);
    assert.deepEqual([uris().at(-1), told], [['a:1'], []]);
    acknowledge();
    assert.deepEqual(told, ['gap']);
    acknowledge();
    assert.deepEqual(told, ['gap'], 'once');
  });

  it('comes back after it ended in an error, with what it covered', async () => {
    const { changes, clock, transport, told, acknowledge, subscribe, uris, listens } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    acknowledge();
    await subscribed.done;
    transport.say({ id: 2, error: { code: -32603, message: 'restarting' } });
    await turn();
    assert.equal(listens().length, 2, 'not at once');
    clock.advance(700);
    assert.deepEqual([uris().at(-1), told], [['a:1'], []]);
    acknowledge();
    assert.deepEqual(told, ['gap']);
  });

  it('that ended in an error has not lost what it covered, which who asks for it again is told', async () => {
    const { changes, clock, transport, acknowledge, subscribe } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    acknowledge();
    await subscribed.done;
    transport.say({ id: 2, error: { code: -32603, message: 'restarting' } });
    await turn();
    const again = subscribe('a:1');
    clock.advance(60_000);
    acknowledge();
    await turn();
    assert.equal(again.isDone, true);
  });

  it('comes back ever more slowly from a backend that ends it again and again', async () => {
    const { changes, clock, transport, listens } = await stream();
    changes.open();
    const waits: number[] = [];
    for (let n = 1; n <= 12; n++) {
      transport.say({ id: n, result: {} });
      await turn();
      const from = clock.now();
      while (listens().length === n) clock.advance(100);
      waits.push(clock.now() - from);
    }
    assert.ok((waits[0] ?? 0) < 700, `${waits}`);
    assert.ok((waits.at(-1) ?? 0) > 20_000, `${waits}`);
  });

  it('is not asked for again where it is refused, which is told', async () => {
    const { changes, clock, transport, told, listens } = await stream();
    changes.open();
    transport.say({ id: 1, error: { code: -32601, message: 'Method not found' } });
    await turn();
    clock.advance(600_000);
    assert.deepEqual(told, ['it does not tell of changes (subscriptions/listen: Method not found)']);
    assert.equal(listens().length, 1);
  });

  it('stays where another that is to take its place is refused, which who has subscribed is told', async () => {
    const { changes, transport, acknowledge, subscribe, ended, told, listens } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    transport.say({ id: 2, error: NO_SUCH });
    assert.deepEqual(await subscribed.done, { kind: 'error', error: NO_SUCH });
    assert.deepEqual([ended(), told, listens().length], [[], [], 2]);
  });

  it('is asked for without the resource that was refused, and goes on', async () => {
    const { changes, clock, transport, acknowledge, subscribe, uris } = await stream();
    changes.open();
    acknowledge();
    const [first, bad] = [subscribe('a:1'), subscribe('a:2')];
    acknowledge();
    await first.done;
    transport.say({ id: 3, error: NO_SUCH });
    assert.equal((await bad.done).kind, 'error');
    const third = subscribe('a:3');
    acknowledge();
    assert.deepEqual([(await third.done).kind, uris().at(-1)], ['result', ['a:1', 'a:3']]);
    transport.say({ id: 4, result: {} });
    await turn();
    clock.advance(60_000);
    assert.deepEqual([uris().at(-1), uris().length], [['a:1', 'a:3'], 5]);
  });

  it('is asked for the resources one by one where it is not told which of several was refused', async () => {
    const { changes, transport, acknowledge, subscribe, uris } = await stream();
    changes.open();
    const subscribed = ['a:1', 'a:2', 'a:3'].map(uri => subscribe(uri));
    acknowledge();
    transport.say({ id: 2, error: NO_SUCH });
    await turn();
    acknowledge();
    transport.say({ id: 4, error: NO_SUCH });
    await turn();
    acknowledge();
    const replies = await Promise.all(subscribed.map(({ done }) => done));
    assert.deepEqual(
      replies.map(({ kind }) => kind),
      ['result', 'error', 'result'],
    );
    assert.deepEqual(uris(), [undefined, ['a:1', 'a:2', 'a:3'], ['a:1'], ['a:1', 'a:2'], ['a:1', 'a:3']]);
  });

  for (const what of ['answered 503', 'ended at once'] as const)
    it(`is asked for one by one, too, ever more slowly where it is ${what}`, async () => {
      const { changes, clock, transport, acknowledge, subscribe, asked, uris } = await stream();
      changes.open();
      const subscribed = ['a:1', 'a:2'].map(uri => subscribe(uri));
      acknowledge();
      if (what === 'answered 503') transport.broken = httpError(503);
      transport.say({ id: 2, error: NO_SUCH });
      let last = 2;
      const fails = async () => {
        if (asked() > last && !transport.broken) transport.say({ id: ++last, result: {} });
        await turn();
      };
      for (let at = 0; at < 10; at++) await fails();
      assert.equal(asked(), 3, 'not at once');
      for (let at = 0; at < 60_000; at += 100) {
        clock.advance(100);
        await fails();
      }
      assert.ok(asked() > 5 && asked() < 12, `${asked()} times in a minute`);
      transport.broken = undefined;
      clock.advance(60_000);
      acknowledge();
      acknowledge();
      await Promise.all(subscribed.map(({ done }) => done));
      assert.deepEqual(uris().at(-1), ['a:1', 'a:2']);
    });

  it('loses what a backend agreed to once and refuses when it comes back, and nothing else', async () => {
    const { changes, clock, transport, acknowledge, subscribe, uris } = await stream();
    const subscribed = ['a:1', 'a:2'].map(uri => subscribe(uri));
    changes.open();
    acknowledge();
    acknowledge();
    await Promise.all(subscribed.map(({ done }) => done));
    transport.say({ id: 2, result: {} });
    await turn();
    clock.advance(60_000);
    transport.say({ id: 3, error: { ...NO_SUCH, data: { uri: 'a:1' } } });
    await turn();
    acknowledge();
    assert.deepEqual(uris().at(-1), ['a:2']);
  });

  it('does not cover what its acknowledgement leaves out, which who has subscribed is told', async () => {
    const { changes, acknowledge, subscribe } = await stream();
    changes.open();
    acknowledge();
    const subscribed = subscribe('a:1');
    acknowledge({ toolsListChanged: true });
    const reply = await subscribed.done;
    assert.equal(reply.kind === 'error' && reply.error.code, -32602);
    const again = subscribe('a:1');
    acknowledge({ resourceSubscriptions: ['a:1'] });
    assert.equal((await again.done).kind, 'result');
  });

  for (const status of [400, 404, 405])
    it(`is not asked for again where it is answered ${status}, which is told`, async () => {
      const { changes, clock, transport, told, listens, subscribe } = await stream();
      transport.broken = httpError(status);
      changes.open();
      await turn();
      clock.advance(600_000);
      assert.deepEqual(told, [
        `it does not tell of changes (subscriptions/listen: the server answered HTTP ${status})`,
      ]);
      assert.equal((await subscribe('a:1').done).kind, 'error');
      assert.equal(listens().length, 0);
    });

  for (const status of [429, 500, 503])
    it(`is asked for again where it is answered ${status}, and who has subscribed waits for it`, async () => {
      const { changes, clock, transport, acknowledge, told, subscribe } = await stream();
      transport.broken = httpError(status);
      changes.open();
      const subscribed = subscribe('a:1');
      await turn();
      assert.match(told.join(), /^changes may go unseen for a while/);
      transport.broken = undefined;
      clock.advance(60_000);
      acknowledge();
      assert.equal((await subscribed.done).kind, 'result');
    });

  it('that is never agreed to holds nobody longer than they want to wait', async () => {
    const { changes, subscribe, ended } = await stream();
    changes.open();
    const abort = new AbortController();
    const subscribed = subscribe('a:1', true, abort.signal);
    await turn();
    assert.equal(subscribed.isDone, false);
    abort.abort();
    await subscribed.done;
    assert.deepEqual(ended(), [], 'it is not for them alone');
  });

  it('tells of a backend that cannot be reached any more', async () => {
    const { changes, transport, told } = await stream();
    transport.broken = new Error('gone');
    changes.open();
    await turn();
    assert.deepEqual(told, ['lost: Error: gone']);
  });

  it('ends with its connection, and so does all waiting', async () => {
    const { changes, clock, acknowledge, subscribe, ended, listens } = await stream();
    changes.open();
    acknowledge();
    const subscribed = [subscribe('a:1'), subscribe('a:2')];
    changes.dispose();
    await Promise.all(subscribed.map(({ done }) => done));
    await turn();
    assert.deepEqual(ended().toSorted(), [1, 2]);
    clock.advance(600_000);
    assert.equal(listens().length, 2);
  });
});

for (const transport of ['stdio', 'HTTP'] as const) {
  describe(`A modern backend on ${transport}`, () => {
    const launch = async (t: Parameters<typeof httpFixture>[0], file: string) =>
      transport === 'stdio'
        ? fixtureCommand(file, '--era', 'modern')
        : { url: await httpFixture(t, file, '--era', 'modern') };

    test('tells clients that its list has changed', async t => {
      const launched = await launch(t, 'servers/changingTools.mjs');
      const gateway = await startGateway(t, { backends: [{ name: 'b', ...launched }] });
      await gateway.gateway.whenSettled();
      const client = await gateway.client();
      await client.listen();
      await client.callTool('b__grow', { count: 3 });
      await client.notifications('notifications/tools/list_changed');
      await eventually('the new tools', async () => (await client.toolNames()).includes('b__grown_3'));
      const told = client.received.map(({ params }) => JSON.stringify(params ?? {}));
      assert.ok(!told.some(params => params.includes('subscriptionId')), 'tags are between us and the backend');
    });

    test('is subscribed to by several clients at once, and tells who has subscribed', async t => {
      const launched = await launch(t, 'servers/watched.mjs');
      const backends = [{ name: 'b', ...launched, request_timeout_seconds: 5 }];
      const gateway = await startGateway(t, { backends });
      await gateway.gateway.whenSettled();
      const [first, second] = [await listening(gateway.client()), await listening(gateway.client())];
      const subscribe = (client: BareHttpClient, name: string) =>
        client.request('resources/subscribe', { uri: `watched://${name}` });
      const answers = await Promise.all([
        subscribe(first, 'common'),
        subscribe(first, 'other'),
        subscribe(second, 'common'),
        subscribe(second, 'fence'),
      ]);
      assert.deepEqual(
        answers.map(({ result }) => result),
        [{}, {}, {}, {}],
      );
      for (const name of ['other', 'common', 'fence'])
        await first.callTool('b__touchAlways', { uri: `watched://${name}` });
      const updates = async (client: BareHttpClient, last: string) => {
        await eventually(`the update of ${last}`, () => client.received.some(({ params }) => params?.uri === last));
        return client.received.map(({ params }) => params?.uri).filter(uri => uri !== undefined);
      };
      assert.deepEqual(await updates(second, 'watched://fence'), ['watched://common', 'watched://fence']);
      assert.deepEqual(await updates(first, 'watched://common'), ['watched://other', 'watched://common']);
    });
  });
}

test('A modern backend that refuses to tell of one resource says so to who has subscribed, and tells of the others', async t => {
  const url = await httpFixture(t, 'servers/watched.mjs', '--era', 'modern');
  const gateway = await startGateway(t, { backends: [{ name: 'b', url }] });
  await gateway.gateway.whenSettled();
  const client = await listening(gateway.client());
  const subscribe = (uri: string) => client.request('resources/subscribe', { uri });
  const answers = await Promise.all(
    ['watched://common', 'watched://items/refused', 'watched://other'].map(name => subscribe(name)),
  );
  assert.deepEqual(
    answers.map(({ result, error }) => result ?? error),
    [{}, { code: -32602, message: 'This is not watched' }, {}],
  );
  for (const uri of ['watched://common', 'watched://other']) {
    await client.callTool('b__touchAlways', { uri });
    await eventually(`the update of ${uri}`, () => client.received.some(({ params }) => params?.uri === uri));
  }
});

test('A modern backend that was started anew tells of changes, and of what was subscribed to', async t => {
  const gateway = await startGateway(t, {
    backends: [{ name: 'b', ...fixtureCommand('servers/watched.mjs', '--era', 'modern') }],
  });
  await gateway.gateway.whenSettled();
  const client = await listening(gateway.client());
  for (const name of ['common', 'other']) await client.request('resources/subscribe', { uri: `watched://${name}` });
  process.kill(await gateway.pidOf('b'), 'SIGKILL');
  await gateway.reaches('b', 'failed', 'connecting');
  await gateway.reaches('b', 'ready');
  for (const uri of ['watched://common', 'watched://other'])
    await eventually(`an update of ${uri}`, async () => {
      await client.callTool('b__touchAlways', { uri });
      return client.received.some(({ params }) => params?.uri === uri);
    });
});

async function listening(connecting: Promise<BareHttpClient>): Promise<BareHttpClient> {
  const client = await connecting;
  await client.listen();
  return client;
}
