import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClientProfile } from '../../../src/core/base/envelope.ts';
import type { Answer, Params } from '../../../src/core/base/peer.ts';
import { ClientRequests, type ClientSession } from '../../../src/core/router/clientRequests.ts';
import { Exposure } from '../../../src/core/router/exposure.ts';
import type { Origin } from '../../../src/core/upstream/backendPorts.ts';
import { backendsOf } from '../../support/backends.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { EMPTY_CATALOG } from '../downstream/scriptedListener.ts';

const NEVER = new AbortController().signal;
const EVERYTHING = { roots: {}, sampling: { tools: {} }, elicitation: { form: {}, url: {} } };
const ANSWER: Answer = { kind: 'result', result: { action: 'accept' } };
const NOBODY: Origin = { calls: [], sessionId: undefined };

class Client implements ClientSession {
  readonly told: { readonly method: string; readonly params: Params | undefined }[] = [];
  readonly asked: { readonly method: string; readonly params: Params | undefined }[] = [];
  readonly subscriptions = new Map<string, string>();
  readonly sessionId: string;
  readonly client: ClientProfile;

  constructor(sessionId: string, client: Partial<ClientProfile> = {}) {
    this.sessionId = sessionId;
    this.client = { era: 'legacy', info: undefined, capabilities: EVERYTHING, logLevel: undefined, ...client };
  }

  notify(method: string, params: Params | undefined): void {
    this.told.push({ method, params });
  }

  async request(method: string, params: Params | undefined): Promise<Answer> {
    this.asked.push({ method, params });
    return ANSWER;
  }
}

function requests(...clients: Client[]) {
  const warnings: string[] = [];
  const silent = () => {};
  const log = { debug: silent, info: silent, error: silent, warning: (line: string) => void warnings.push(line) };
  const clock = new FakeClock();
  const own = new ClientRequests(new Exposure(() => EMPTY_CATALOG), log, clock);
  for (const client of clients) own.add(client);
  const [shared, perClient] = backendsOf([{ name: 'shared' }, { name: 'own', session: 'per_client' }]);
  assert.ok(shared && perClient);
  const ask = (method: string, params?: Params, origin: Origin = NOBODY) =>
    own.request(shared, method, params, origin, NEVER);
  /** Resolves when what has to wait for an answer before it is told too. */
  const tell = async (method: string, params?: Params, origin: Origin = NOBODY) => {
    own.notify(shared, method, params, origin);
    await nextTurn();
  };
  return { own, shared, perClient, warnings, ask, tell, clock };
}

/** A call of a client in flight, which counts how often its clock stands still. */
function callOf(caller: Client, givenUpAt?: number) {
  const paused = { now: 0, ever: 0 };
  const pause = () => {
    paused.now += 1;
    paused.ever += 1;
    return {
      dispose: () => {
        paused.now -= 1;
      },
    };
  };
  return { caller, givenUpAt, pause, paused };
}

const errorOf = (answer: Answer) => (answer.kind === 'error' ? answer.error : assert.fail('it is an answer'));

describe('A request of a backend', () => {
  it('goes to the client whose call is in flight, with the name of who asks, while its clock stands still', async () => {
    const [caller, other] = [new Client('1'), new Client('2')];
    const { ask } = requests(caller, other);
    const call = callOf(caller);
    const params = { message: 'Sure?', _meta: { odd: 1 } };
    assert.equal(await ask('elicitation/create', params, { calls: [call], sessionId: undefined }), ANSWER);
    assert.deepEqual(caller.asked, [
      {
        method: 'elicitation/create',
        params: { message: 'shared: Sure?', _meta: { odd: 1, 'switchyard/backend': 'shared' } },
      },
    ]);
    assert.deepEqual([call.paused, other.asked], [{ now: 0, ever: 1 }, []]);
  });

  it('goes to that of a client’s calls during which it can be asked, and to nobody where there is none', async () => {
    const asked = new Client('1');
    const unasked = Object.assign(new Client('1'), { cannotBeAsked: true as const });
    const { ask, warnings } = requests();
    const calls = [callOf(asked), callOf(unasked)];
    assert.equal(await ask('roots/list', undefined, { calls, sessionId: undefined }), ANSWER);
    const refused = await ask('roots/list', undefined, { calls: calls.slice(1), sessionId: undefined });
    assert.match(errorOf(refused).message, /^roots\/list of backend "shared" .* all but tools\/call, prompts\/get/);
    assert.deepEqual([asked.asked.length, unasked.asked.length, warnings.length], [1, 0, 1]);
  });

  it('goes to nobody where it could be meant for several, and says what would help', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    const { ask, warnings } = requests(one, two);
    const calls = [callOf(one), callOf(two)];
    for (const origin of [{ calls, sessionId: undefined }, NOBODY]) {
      const { code, message } = errorOf(await ask('roots/list', undefined, origin));
      assert.equal(code, -32000);
      assert.match(message, /roots\/list of backend "shared".*session: per_client/);
    }
    assert.deepEqual([one.asked, two.asked, warnings.length], [[], [], 2]);
  });

  it('goes to nobody else for as long as it may be about a call that was given up, and says so', async () => {
    const [one, two, stranger] = [new Client('1'), new Client('2'), new Client('no session')];
    const { clock, ask, tell } = requests(one, two);
    const refusalOf = async (...calls: ReturnType<typeof callOf>[]) => {
      await tell('notifications/message', { level: 'error', data: 'whose?' }, { calls, sessionId: undefined });
      return errorOf(await ask('roots/list', undefined, { calls, sessionId: undefined })).message;
    };
    const another = /: a call of another client was cancelled a moment ago .*session: per_client/;
    assert.match(await refusalOf(callOf(two), callOf(one, 0)), another);
    assert.match(await refusalOf(callOf(one, 0), callOf(two, 0)), /: calls of 2 clients were cancelled a moment ago/);
    assert.match(await refusalOf(callOf(one), callOf(two), callOf(stranger, 0)), /: calls of 2 clients are in flight/);
    // One that has left cannot be asked itself any more, and does not count for long.
    assert.match(await refusalOf(callOf(stranger, 0)), /: the client that it is for has left/);
    clock.advance(9000);
    assert.match(await refusalOf(callOf(two), callOf(stranger, 0)), another);
    assert.deepEqual(
      [one, two, stranger].map(({ asked, told }) => [asked, told]),
      [
        [[], []],
        [[], []],
        [[], []],
      ],
    );
    clock.advance(1000);
    const origin = { calls: [callOf(two), callOf(stranger, 0)], sessionId: undefined };
    assert.equal(await ask('roots/list', undefined, origin), ANSWER);
    await tell('notifications/message', { level: 'error', data: 'of two' }, origin);
    assert.deepEqual([two.asked.length, two.told.length], [1, 1]);
    assert.match(await refusalOf(callOf(two), callOf(one, 0)), another, 'a client that is still there counts longer');
  });

  it('is the only client’s whose calls it may be about, on the stream of one that is in flight', async () => {
    const [own, other] = [new Client('1'), new Client('2')];
    const [first, second] = [new Client('1'), new Client('1')];
    const { ask } = requests(own, other);
    await ask('roots/list', undefined, { calls: [callOf(first), callOf(second, 0)], sessionId: undefined });
    assert.deepEqual(
      [first, second, own].map(({ asked }) => asked.length),
      [1, 0, 0],
    );
    await ask('roots/list', undefined, { calls: [callOf(second, 0)], sessionId: undefined });
    assert.deepEqual(
      [first, second, own].map(({ asked }) => asked.length),
      [1, 0, 1],
    );
    assert.deepEqual(other.asked, []);
  });

  it('goes to the only client there is, and on a connection of its own to its client, while that is there', async () => {
    const only = new Client('1');
    const { own, perClient, ask } = requests(only);
    await ask('roots/list');
    assert.equal(only.asked.length, 1);
    const another = new Client('2');
    own.add(another);
    await own.request(perClient, 'roots/list', undefined, { calls: [], sessionId: '2' }, NEVER);
    assert.equal(another.asked.length, 1);
    own.delete(another);
    const refused = await own.request(perClient, 'roots/list', undefined, { calls: [], sessionId: '2' }, NEVER);
    assert.match(errorOf(refused).message, /the client that it is for has left$/);
  });

  it('for roots is invited again when another client is the only one that can be asked', async () => {
    const [one, two, rootless] = [new Client('1'), new Client('2'), new Client('3', { capabilities: {} })];
    const { own, shared, perClient, ask } = requests();
    const told: unknown[] = [];
    for (const backend of [shared, perClient])
      backend.notify = async (method, _, sessionId) => void told.push([backend.name, method, sessionId]);
    own.add(one);
    own.delete(one);
    assert.deepEqual(told, [], 'nobody has asked');
    await ask('roots/list');
    await own.request(perClient, 'roots/list', undefined, { calls: [], sessionId: '1' }, NEVER);
    own.add(rootless);
    own.delete(rootless);
    own.add(one);
    own.add(two);
    own.delete(one);
    own.delete(one);
    const invited = (sessionId: string) => ['shared', 'notifications/roots/list_changed', sessionId];
    assert.deepEqual(told, [invited('1'), invited('2')]);
  });

  it('about a task goes to whose task it is', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    const { own, shared, ask } = requests(one, two);
    own.ownTask('shared/7', shared, '2');
    const about = { message: 'm', _meta: { 'io.modelcontextprotocol/related-task': { taskId: '7' } } };
    await ask('elicitation/create', about, { calls: [callOf(one)], sessionId: undefined });
    assert.deepEqual([one.asked.length, two.asked.length], [0, 1]);
    assert.deepEqual((two.asked[0]?.params?._meta as Params | undefined)?.['io.modelcontextprotocol/related-task'], {
      taskId: 'shared/7',
    });
  });

  for (const [method, params, capabilities, missing] of [
    ['roots/list', {}, { sampling: {} }, { roots: {} }],
    ['sampling/createMessage', {}, { elicitation: {} }, { sampling: {} }],
    ['sampling/createMessage', { tools: [] }, { sampling: {} }, { sampling: { tools: {} } }],
    ['sampling/createMessage', { tools: [] }, { sampling: { tools: {} } }, undefined],
    ['sampling/createMessage', {}, { sampling: {} }, undefined],
    ['elicitation/create', {}, {}, { elicitation: {} }],
    ['elicitation/create', {}, { elicitation: {} }, undefined],
    ['elicitation/create', { mode: 'form' }, { elicitation: { form: {} } }, undefined],
    ['elicitation/create', { mode: 'form' }, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    ['elicitation/create', { mode: 'url' }, { elicitation: {} }, { elicitation: { url: {} } }],
    ['elicitation/create', { mode: 'url' }, { elicitation: { form: {} } }, { elicitation: { url: {} } }],
    ['elicitation/create', { mode: 'url' }, { elicitation: { url: {} } }, undefined],
    ['odd/method', {}, {}, undefined],
  ] as const)
    it(`${method} ${JSON.stringify(params)} is ${missing ? 'refused by' : 'asked of'} a client with ${JSON.stringify(capabilities)}`, async () => {
      for (const era of ['legacy', 'modern'] as const) {
        const client = new Client('1', { era, capabilities });
        const { ask } = requests(client);
        const answer = await ask(method, params);
        assert.equal(client.asked.length, missing ? 0 : 1);
        if (!missing) assert.equal(answer, ANSWER);
        else {
          const { code, message, data } = errorOf(answer);
          assert.match(message, /^The client does not support /);
          const expected = era === 'legacy' ? [-32601, undefined] : [-32021, { requiredCapabilities: missing }];
          assert.deepEqual([code, data], expected);
        }
      }
    });
});

describe('A notification of a backend', () => {
  const methodsOf = ({ told }: Client) => told.map(({ method }) => method);

  it('of a task goes to its owner alone, under the id that clients know', async () => {
    const [owner, other] = [new Client('1'), new Client('2')];
    const { own, shared, tell } = requests(owner, other);
    own.ownTask('shared/7', shared, '1');
    await tell('notifications/tasks/status', { taskId: '7', status: 'working' });
    await tell('notifications/tasks/status', { taskId: '8', status: 'working' });
    assert.deepEqual(owner.told, [
      { method: 'notifications/tasks/status', params: { taskId: 'shared/7', status: 'working' } },
    ]);
    assert.deepEqual(other.told, []);
    assert.deepEqual([own.tasksOf('1'), own.tasksOf('2')], [['shared/7'], []]);
  });

  it('that a page was visited goes to the client that was sent there, by a request or an error', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    const { own, shared, perClient, ask, tell } = requests(one, two);
    await ask(
      'elicitation/create',
      { mode: 'url', message: 'm', elicitationId: 'a' },
      { calls: [callOf(one)], sessionId: undefined },
    );
    const data = { elicitations: [{ mode: 'url', elicitationId: 'b' }, null] };
    own.ownElicitations({ code: -32042, message: '', data }, shared, '2');
    own.ownElicitations({ code: -32000, message: '', data: { elicitations: [{ elicitationId: 'c' }] } }, shared, '2');
    for (const elicitationId of ['a', 'b', 'c']) await tell('notifications/elicitation/complete', { elicitationId });
    // The same id of another backend is another one.
    own.notify(perClient, 'notifications/elicitation/complete', { elicitationId: 'a' }, NOBODY);
    await nextTurn();
    assert.deepEqual(
      one.told.map(({ params }) => params),
      [{ elicitationId: 'a' }],
    );
    assert.deepEqual(
      two.told.map(({ params }) => params),
      [{ elicitationId: 'b' }],
    );
    assert.deepEqual([own.tasksOf('1'), own.tasksOf('2')], [[], []], 'no tasks');
  });

  it('on a connection of its own goes to that client, whatever ids others have on theirs', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    const { own, perClient } = requests(one, two);
    const data = { elicitations: [{ mode: 'url', elicitationId: 'a' }] };
    for (const { sessionId } of [one, two]) {
      own.ownTask('own/7', perClient, sessionId);
      own.ownElicitations({ code: -32042, message: '', data }, perClient, sessionId);
    }
    const origin = { calls: [], sessionId: '1' };
    own.notify(perClient, 'notifications/tasks/status', { taskId: '7' }, origin);
    own.notify(perClient, 'notifications/elicitation/complete', { elicitationId: 'a' }, origin);
    await nextTurn();
    assert.deepEqual(methodsOf(one), ['notifications/tasks/status', 'notifications/elicitation/complete']);
    assert.deepEqual(methodsOf(two), []);
    assert.deepEqual([own.tasksOf('1'), own.tasksOf('2')], [['own/7'], ['own/7']]);
  });

  it('that is a log message goes to whom it concerns, where they want it, with the name of the backend', async () => {
    const silentModern = { era: 'modern', logLevel: undefined } as const;
    const clients = [
      new Client('all'),
      new Client('errors', { logLevel: 'error' }),
      new Client('modern', silentModern),
      new Client('modern errors', { era: 'modern', logLevel: 'error' }),
    ];
    const { tell } = requests(...clients);
    await tell('notifications/message', { level: 'warning', data: 1 });
    await tell('notifications/message', { level: 'critical', logger: 'db', data: 2 });
    const heard = clients.map(({ told }) => told.map(({ params }) => [params?.data, params?.logger]));
    const [warning, critical] = [
      [1, 'shared'],
      [2, 'shared/db'],
    ];
    assert.deepEqual(heard, [[warning, critical], [critical], [], [critical]]);
    const [all, , , last] = clients;
    assert.ok(all && last);
    await tell(
      'notifications/message',
      { level: 'emergency', data: 3 },
      { calls: [callOf(all)], sessionId: undefined },
    );
    assert.deepEqual([all.told.length, last.told.length], [3, 1], 'only who is calling');
  });

  it('that nobody knows goes to whose call is in flight, or to the only one there is', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    const { own, tell } = requests(one, two);
    await tell('notifications/odd');
    await tell('notifications/odd', {}, { calls: [callOf(one)], sessionId: undefined });
    own.delete(one);
    await tell('notifications/odd');
    assert.deepEqual([methodsOf(one), methodsOf(two)], [['notifications/odd'], ['notifications/odd']]);
  });

  it('of a resource goes to who is subscribed to it, as they spell it', async () => {
    const [one, two] = [new Client('1'), new Client('2')];
    one.subscriptions.set('file:///x', 'file:/x');
    const { own, tell } = requests(one, two);
    await tell('notifications/resources/updated', { uri: 'file:///x' });
    own.notify(
      backendsOf([{ name: 'b', session: 'per_client' }])[0] ?? assert.fail(),
      'notifications/resources/updated',
      { uri: 'file:///x' },
      { calls: [], sessionId: '2' },
    );
    await nextTurn();
    assert.deepEqual(one.told, [{ method: 'notifications/resources/updated', params: { uri: 'file:/x' } }]);
    assert.deepEqual(two.told, []);
    assert.deepEqual([own.isWanted('file:///x', two), own.isWanted('file:///x', one)], [true, false]);
  });
});

it('asks backends for the most verbose level that some client wants', () => {
  const { own } = requests(
    new Client('1', { logLevel: 'error' }),
    new Client('2', { logLevel: 'info' }),
    new Client('3'),
  );
  assert.equal(own.logLevel, 'info');
  own.noteLevel('critical');
  assert.equal(own.logLevel, 'info');
  own.noteLevel('debug');
  assert.equal(own.logLevel, 'debug');
  assert.equal(requests(new Client('1')).own.logLevel, undefined);
});
