// Who is asked, where several clients call the same backend at once. On a connection of its own (`session: per_client`) each client gets
// what is meant for it; on a shared one nobody ever gets what is meant for another, even if that means that nobody is asked. Over HTTP a
// question comes on the stream of the call that it is about, so there it is always known.
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../../src/core/base/log.ts';
import type { BareHttpClient, Message } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { isRunning } from '../support/processes.ts';
import { Random } from '../support/random.ts';

const FIXTURE = 'servers/asking.mjs';
const ROUNDS = process.env.SWITCHYARD_TEST_LONG === '1' ? 200 : 15;
const CLIENTS = 4;
const KINDS = ['form', 'url', 'sampling', 'roots'] as const;
const METHODS = {
  form: 'elicitation/create',
  url: 'elicitation/create',
  sampling: 'sampling/createMessage',
  roots: 'roots/list',
} as const;
const EVERYTHING = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
const METHOD_NOT_FOUND = -32601;

type Session = 'shared' | 'per_client';

for (const transport of ['stdio', 'HTTP'] as const) {
  describe(`Several clients with calls in flight on one backend on ${transport}`, () => {
    test('with a connection of its own each client is asked what is meant for it', async t => {
      const { gateway } = await start(t, 'per_client', transport);
      const { asked, answers } = await rounds(gateway);
      assert.deepEqual(strangers(asked), []);
      for (const { label, client, answer } of answers) assert.deepEqual(answer.answer, answerOf(client), label);
      assert.equal(asked.length, ROUNDS * CLIENTS);
      if (transport === 'stdio') {
        const processes = new Map(answers.map(({ client, answer }) => [answer.pid, client]));
        assert.equal(processes.size, CLIENTS, 'each client has a process of its own, for all its calls');
      }
    });

    test('on a shared connection no client is ever asked what is meant for another', async t => {
      const { gateway, log } = await start(t, 'shared', transport);
      const { asked, answers } = await rounds(gateway);
      assert.deepEqual(strangers(asked), []);
      const refused = answers.filter(({ answer }) => answer.error);
      for (const { client, label, answer } of answers) {
        if (answer.error) assert.match(answer.error.message, /session: per_client/, label);
        else assert.deepEqual(answer.answer, answerOf(client), label);
      }
      // On one pipe nobody can know while others are in flight; over HTTP each call is asked about on its own stream.
      if (transport === 'stdio') assert.ok(refused.length >= ROUNDS * (CLIENTS - 1), `${refused.length} refused`);
      else assert.deepEqual([asked.length, refused.length], [ROUNDS * CLIENTS, 0]);
      const told = log.filter(line => line.includes('session: per_client'));
      assert.equal(told.length, refused.length, 'a line for each');
      for (const line of told) assert.match(line, /"asking"/);
    });
  });
}

test('a sole call on a shared connection asks its client, however many others are connected', async t => {
  const { gateway } = await start(t, 'shared');
  const [client, ...others] = await Promise.all(Array.from({ length: 3 }, (_, n) => asker(gateway, n)));
  assert.ok(client);
  for (const what of KINDS) {
    const { result } = await client.callTool('asking__ask', { what, label: 'mine', waits: false });
    assert.deepEqual(result.structuredContent.answer, answerOf(0), what);
  }
  assert.deepEqual(
    others.flatMap(({ received }) => received.filter(isRequest)),
    [],
  );
});

for (const isAnswered of [false, true])
  test(`on a shared connection a call that was cancelled may still be what is asked about, ${isAnswered ? 'but not once it is answered' : 'which nobody else is asked'}`, async t => {
    const args = isAnswered ? ['--answers-cancelled'] : [];
    const gateway = await startGateway(t, { backends: [{ name: 'asking', ...fixtureCommand(FIXTURE, ...args) }] });
    const [leaving, staying] = [await asker(gateway, 0), await asker(gateway, 1)];
    const { id, answer } = await begin(leaving, 'wait', {}, 'waiting');
    answer.catch(() => {});
    leaving.cancel(id, 'enough');
    await eventually('the end of the call', () => gateway.backend('asking').inFlight === 0);
    const ask = async () => {
      const { result } = await staying.callTool('asking__ask', { what: 'form', label: 'mine', waits: false });
      return result.structuredContent;
    };
    if (isAnswered) await eventually('an answer', async () => (await ask()).answer !== undefined);
    else assert.match((await ask()).error.message, /a call of another client was cancelled a moment ago/);
    assert.deepEqual(leaving.received.filter(isRequest), []);
  });

test('on a shared connection over HTTP each of two clients with calls in flight gets its own question', async t => {
  const { gateway, log } = await start(t, 'shared', 'HTTP');
  const clients = await Promise.all([asker(gateway, 0), asker(gateway, 1)]);
  const calls = await Promise.all(clients.map((client, n) => beginAsking(client, 'form', `${n}/mine`)));
  // The one that began first asks last: neither the oldest nor the newest call is the one that asks.
  for (const n of [1, 0]) {
    await clients[n]?.callTool('asking__go', { label: `${n}/mine` });
    const answered = await calls[n]?.answer;
    assert.deepEqual(answered?.result.structuredContent.answer, answerOf(n));
  }
  const questions = clients.map(({ received }) => received.filter(isRequest).map(({ params }) => params?.message));
  assert.deepEqual(questions, [['asking: 0/mine'], ['asking: 1/mine']]);
  assert.deepEqual(log, []);
});

test('a shared backend that asks for roots when it starts gets those of a client that comes later', async t => {
  const files = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'));
  const gateway = await startGateway(t, { backends: [{ name: 'files', command: process.execPath, args: [files] }] });
  await gateway.gateway.whenSettled();
  const client = await gateway.client({ roots: {} });
  client.answers('roots/list', () => ({ roots: [{ uri: new URL('.', import.meta.url).href }] }));
  await client.listen();
  await eventually('the folder to be allowed', async () => {
    const { result } = await client.callTool('files__list_allowed_directories');
    return result.content[0].text.includes(import.meta.dirname);
  });
});

describe('What a backend is offered', () => {
  const clients = [
    {},
    { sampling: {} },
    { elicitation: {} },
    { elicitation: { url: {} }, roots: {} },
    {
      ...EVERYTHING,
      sampling: { tools: {}, context: {} },
      tasks: { list: {}, requests: { elicitation: { create: {} } } },
      experimental: { 'vendor.example/odd': { kept: [1] } },
      extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
    },
  ];
  const offers = async (t: TestContext, session: Session) => {
    const { gateway } = await start(t, session);
    return Promise.all(
      clients.map(async capabilities => {
        const client = await gateway.client(capabilities);
        return (await client.callTool('asking__offered')).result.structuredContent.clientCapabilities;
      }),
    );
  };

  test('on a connection of its own is what the client can do', async t => {
    assert.deepEqual(await offers(t, 'per_client'), clients);
  });

  test('on a shared connection is what some client may be able to do', async t => {
    const [first, ...others] = await offers(t, 'shared');
    const sampling = { tools: {}, context: {} };
    assert.partialDeepStrictEqual(first, { sampling, elicitation: { form: {}, url: {} }, roots: {} });
    for (const other of others) assert.deepEqual(other, first);
  });
});

describe('What a client cannot do', () => {
  const cases = [
    { what: 'form', of: {} },
    { what: 'url', of: {} },
    { what: 'sampling', of: { elicitation: {} } },
    { what: 'roots', of: { sampling: {} } },
    // A client that names no mode is of the time when there were only forms.
    { what: 'url', of: { elicitation: {} } },
    { what: 'url', of: { elicitation: { form: {} } } },
    { what: 'form', of: { elicitation: { url: {} } } },
  ] as const;
  for (const session of ['shared', 'per_client'] as const) {
    test(`it is not asked, and the backend is told so (${session})`, async t => {
      const { gateway, log } = await start(t, session);
      // Somebody who could answer, and whom it does not concern.
      const capable = await asker(gateway, 1);
      for (const { what, of } of cases) {
        const client = await asker(gateway, 0, of);
        const { result } = await client.callTool('asking__ask', { what, label: 'in vain', waits: false });
        assert.equal(result.structuredContent.error?.code, METHOD_NOT_FOUND, `${what} of ${JSON.stringify(of)}`);
        assert.match(log.at(-1) ?? '', new RegExp(`asking.*${METHODS[what]}`));
        assert.deepEqual(client.received.filter(isRequest), []);
        await client.end();
      }
      assert.deepEqual(capable.received.filter(isRequest), []);
    });
  }

  test('a form goes to a client that names no mode', async t => {
    const { gateway } = await start(t, 'shared');
    const client = await asker(gateway, 0, { elicitation: {} });
    const { result } = await client.callTool('asking__ask', { what: 'form', label: 'mine', waits: false });
    assert.deepEqual(result.structuredContent.answer, answerOf(0));
  });
});

describe('A connection of a client’s own', () => {
  test('ends with its session, and those of others stay', async t => {
    const { gateway } = await start(t, 'per_client');
    const [leaving, staying] = [await asker(gateway, 0), await asker(gateway, 1)];
    const [left, stayed] = [await pidFor(leaving), await pidFor(staying)];
    assert.notEqual(left, stayed);
    await leaving.end();
    await eventually('the end of its process', () => !isRunning(left));
    assert.equal(await pidFor(staying), stayed);
  });

  test('ends with its session in the middle of a call, too', async t => {
    const { gateway } = await start(t, 'per_client');
    const client = await asker(gateway, 0);
    const pid = await pidFor(client);
    const { answer } = await beginAsking(client, 'form', '0/in flight');
    await client.end();
    assert.match(String((await answer).error?.message), /session has ended/);
    await eventually('the end of its process', () => !isRunning(pid));
  });

  test('may crash, which no other client notices, and is made again', async t => {
    const { gateway } = await start(t, 'per_client');
    const [crashing, other] = [await asker(gateway, 0), await asker(gateway, 1)];
    const [crashed, alive] = [await pidFor(crashing), await pidFor(other)];
    const call = await beginAsking(other, 'form', '1/in flight');

    const { result } = await crashing.callTool('asking__crash');
    assert.equal(result.isError, true);
    await eventually('the end of the process', () => !isRunning(crashed));

    await other.callTool('asking__go', { label: '1/in flight' });
    const answered = (await call.answer).result.structuredContent;
    assert.deepEqual([answered.answer, answered.pid], [answerOf(1), alive]);
    const again = await pidFor(crashing);
    assert.notEqual(again, crashed);
    assert.equal(await pidFor(other), alive);
  });
});

interface Started {
  readonly gateway: TestGateway;
  /** The warnings. */
  readonly log: string[];
}

async function start(t: TestContext, session: Session, transport: 'stdio' | 'HTTP' = 'stdio'): Promise<Started> {
  const log: string[] = [];
  const silent = () => {};
  const logger: Logger = { debug: silent, info: silent, warning: line => log.push(line), error: silent };
  const launch = transport === 'stdio' ? fixtureCommand(FIXTURE) : { url: await httpFixture(t, FIXTURE) };
  const gateway = await startGateway(t, { backends: [{ name: 'asking', session, ...launch }] }, { log: logger });
  await gateway.gateway.whenSettled();
  return { gateway, log };
}

/** What this client answers, whatever it is asked. */
function answerOf(client: number): object {
  return { answeredBy: client };
}

/** A client that answers whatever it is asked. */
async function asker(gateway: TestGateway, n: number, capabilities: object = EVERYTHING): Promise<BareHttpClient> {
  const client = await gateway.client({ ...capabilities });
  for (const method of new Set(Object.values(METHODS))) client.answers(method, () => answerOf(n));
  return client;
}

/** Calls `ask` and comes back when the call is in flight: it has not asked yet. */
async function beginAsking(client: BareHttpClient, what: string, label: string): Promise<{ answer: Promise<Message> }> {
  return begin(client, 'ask', { what, label }, label);
}

/** Calls a tool that says by progress that it has begun, and comes back when it has. */
async function begin(client: BareHttpClient, tool: string, args: object, label: string) {
  const call = client.start('tools/call', {
    name: `asking__${tool}`,
    arguments: args,
    _meta: { progressToken: label },
  });
  await eventually(`${label} to be in flight`, () =>
    client.received.some(({ params }) => params?.progressToken === label),
  );
  return call;
}

interface Asked {
  /** Who was asked, and what. */
  readonly client: number;
  readonly request: Message;
}

interface Answered {
  readonly client: number;
  readonly label: string;
  readonly answer: {
    readonly pid: number;
    readonly answer?: unknown;
    readonly error?: { readonly code: number; readonly message: string };
  };
}

/** Every client has a call in flight, then all are let ask in random order and at random moments; again and again. */
async function rounds(gateway: TestGateway): Promise<{ asked: Asked[]; answers: Answered[] }> {
  const seed = Number(process.env.SWITCHYARD_TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => asker(gateway, n)));
  const answers: Answered[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const calls = await Promise.all(
      clients.map(async (client, n) => {
        const label = `${n}/${round}`;
        return { client, n, label, call: await beginAsking(client, random.pick(KINDS), label) };
      }),
    );
    const inOrder = calls.toSorted(() => random.next() - 0.5);
    await Promise.all(
      inOrder.map(async ({ client, n, label, call }) => {
        await sleep(random.between(0, 5));
        // On a connection of its own only the client itself can let its call go on.
        void client.callTool('asking__go', { label });
        const { result } = await call.answer;
        answers.push({ client: n, label, answer: result.structuredContent });
      }),
    );
  }
  const asked = clients.flatMap(({ received }, client) =>
    received.filter(isRequest).map(request => ({ client, request })),
  );
  return { asked, answers };
}

/** Requests that reached another client than the one whose call has made them: that one is in the label. */
function strangers(asked: readonly Asked[]): Asked[] {
  return asked.filter(
    ({ client, request }) => JSON.stringify(request.params).match(/(\d+)\/\d+"/)?.[1] !== `${client}`,
  );
}

function isRequest({ id, method }: Message): boolean {
  return id !== undefined && method !== undefined;
}

async function pidFor(client: BareHttpClient): Promise<number> {
  return (await client.callTool('asking__offered')).result.structuredContent.pid;
}
