import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer } from '../../../src/core/base/peer.ts';
import { BareStreamClient, type Message } from '../../support/bareClient.ts';
import { eventually } from '../../support/eventually.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { clientOf, scriptedListener } from './scriptedListener.ts';

const meta = (name: string) => `io.modelcontextprotocol/${name}`;
const NAMED_BY: Record<string, string> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };
const ELICITING = { elicitation: { form: {}, url: {} } };

interface Extra {
  readonly capabilities?: object;
  readonly logLevel?: string;
  readonly progressToken?: string | number;
  readonly version?: string;
  readonly id?: number | string;
}

/** A request with the whole envelope. */
function modern(method: string, params: Record<string, unknown> = {}, extra: Extra = {}) {
  const { capabilities = {}, logLevel, progressToken, version = '2026-07-28', id = 1 } = extra;
  const _meta = {
    [meta('protocolVersion')]: version,
    [meta('clientCapabilities')]: capabilities,
    [meta('clientInfo')]: { name: 'modern', version: '1' },
    ...(logLevel !== undefined && { [meta('logLevel')]: logLevel }),
    ...(progressToken !== undefined && { progressToken }),
  };
  return { jsonrpc: '2.0', id, method, params: { ...params, _meta } } as const;
}

function headersOf({ method, params }: ReturnType<typeof modern>): Record<string, string> {
  const named = (params as Record<string, unknown>)[NAMED_BY[method] ?? ''];
  return {
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': String((params._meta as Record<string, unknown>)[meta('protocolVersion')]),
    'mcp-method': method,
    ...(typeof named === 'string' && { 'mcp-name': named }),
  };
}

/** A modern client over HTTP. */
function modernClient(url: string, token: Record<string, string> = {}) {
  const { open } = clientOf(url);
  /** The response, and what comes on it as it comes. */
  const start = async (...request: Parameters<typeof modern>) => {
    const body = modern(...request);
    const response = await open('POST', { ...token, ...headersOf(body) }, body);
    const messages: Message[] = [];
    const ended = read(response, messages);
    const answer = async () => {
      await ended;
      const last = messages.at(-1);
      return last?.id === body.id ? last : undefined;
    };
    return { response, messages, answer, status: response.statusCode };
  };
  /** The answer, with what came before it and the HTTP status. */
  const ask = async (...request: Parameters<typeof modern>) => {
    const { answer, messages, status } = await start(...request);
    const { result, error } = (await answer()) ?? assert.fail('no answer came');
    return { result, error, status, before: messages.slice(0, -1) };
  };
  return { start, ask };
}

async function read(response: IncomingMessage, messages: Message[]): Promise<void> {
  let rest = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('data: ')) messages.push(JSON.parse(line.slice('data: '.length)));
    }
  } catch {
    return; // The test itself has hung up.
  }
  if (response.headers['content-type'] === 'application/json') messages.push(JSON.parse(rest));
}

async function started(t: TestContext, ...backends: object[]) {
  const gateway = await startGateway(t, { backends });
  await gateway.gateway.whenSettled();
  return { gateway, ...modernClient(gateway.url, gateway.headers) };
}

const ECHO = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
const ASKING = { name: 'asking', ...fixtureCommand('servers/asking.mjs') };
const OWN = { name: 'own', session: 'per_client', ...fixtureCommand('servers/echo.mjs') };
const WATCHED = { name: 'watched', ...fixtureCommand('servers/watched.mjs') };

describe('A modern client', () => {
  it('discovers the router', async t => {
    const { ask } = await started(t, ECHO);
    const { result, status } = await ask('server/discover');
    assert.equal(status, 200);
    assert.deepEqual(result.supportedVersions, ['2026-07-28']);
    assert.deepEqual(result._meta[meta('serverInfo')], { name: 'switchyard', title: 'Switchyard', version: '0.0.0' });
    assert.match(result.instructions, /Instructions of echo/);
    assert.deepEqual(result.capabilities.resources, { listChanged: true, subscribe: true });
    assert.deepEqual([result.resultType, result.ttlMs, result.cacheScope], ['complete', 0, 'private']);
  });

  it('lists, gets, reads, completes and calls', async t => {
    const { ask } = await started(t, ECHO);
    const listed = async (method: string, key: string, id: string) => {
      const { result } = await ask(method);
      assert.deepEqual([result.resultType, result.ttlMs, result.cacheScope], ['complete', 0, 'private'], method);
      return result[key].map((item: Record<string, unknown>) => item[id]);
    };
    assert.ok((await listed('tools/list', 'tools', 'name')).includes('echo__echo'));
    assert.deepEqual(await listed('prompts/list', 'prompts', 'name'), ['echo__greet']);
    assert.deepEqual(await listed('resources/list', 'resources', 'uri'), ['echo://readme']);
    assert.deepEqual(await listed('resources/templates/list', 'resourceTemplates', 'uriTemplate'), [
      'echo://items/{id}',
    ]);
    const read = await ask('resources/read', { uri: 'echo://readme' });
    assert.deepEqual([read.result.contents[0].text, read.result.ttlMs], ['Content of echo://readme', 0]);
    const called = await ask('tools/call', { name: 'echo__add', arguments: { a: 2, b: 3 } });
    assert.deepEqual(called.result.structuredContent, { sum: 5 });
    assert.equal('ttlMs' in called.result, false);
    const prompt = await ask('prompts/get', { name: 'echo__greet', arguments: { who: 'you' } });
    assert.equal(prompt.result.messages[0].content.text, 'Greet you');
    const ref = { type: 'ref/prompt', name: 'echo__greet' };
    const completed = await ask('completion/complete', { ref, argument: { name: 'who', value: 't' } });
    assert.deepEqual(completed.result.completion.values, ['two', 'three']);
  });

  it('gets progress under its token before the answer', async t => {
    const { ask } = await started(t, ECHO);
    const params = { name: 'echo__slow', arguments: { label: 'a', steps: 2, stepMs: 0 } };
    for (const progressToken of [0, 'ü']) {
      const { before, result } = await ask('tools/call', params, { progressToken });
      assert.deepEqual(
        before.map(({ params }) => [params?.progressToken, params?.progress]),
        [
          [progressToken, 1],
          [progressToken, 2],
        ],
      );
      assert.equal(result.content[0].text, 'a done');
    }
    assert.deepEqual((await ask('tools/call', params)).before, []);
  });

  it('says with each call which log messages it wants', async t => {
    const { listener } = await scriptedListener(t, {
      router: { callTool: async ({ caller: { client } }) => ({ kind: 'result', result: { client } }) },
    });
    const { ask } = modernClient(listener.url);
    for (const logLevel of ['error', undefined]) {
      const { result } = await ask(
        'tools/call',
        { name: 'x' },
        { capabilities: ELICITING, ...(logLevel && { logLevel }) },
      );
      const info = { name: 'modern', version: '1' };
      assert.deepEqual(result.client, { era: 'modern', info, capabilities: ELICITING, ...(logLevel && { logLevel }) });
    }
  });

  it('is told in 404 what this era has done away with, and what nobody knows', async t => {
    const { ask } = await started(t, ECHO);
    for (const method of [
      'ping',
      'logging/setLevel',
      'resources/subscribe',
      'resources/unsubscribe',
      'tasks/list',
      'tasks/result',
      'nobody/knows',
    ]) {
      const { status, error } = await ask(method, method === 'tasks/result' ? {} : { uri: 'echo://readme' });
      assert.deepEqual([status, error?.code, error?.message], [404, -32601, `Method not found: ${method}`]);
    }
  });

  it('is told the versions that there are', async t => {
    const { ask } = await started(t);
    const { status, error } = await ask('tools/list', {}, { version: '2031-01-01' });
    assert.deepEqual(
      [status, error?.code, error?.data],
      [400, -32022, { supported: ['2026-07-28'], requested: '2031-01-01' }],
    );
  });

  it('is refused with what it names wrongly, in the words of its era', async t => {
    const { ask } = await started(t, ECHO);
    const resource = await ask('resources/read', { uri: 'nowhere:/x' });
    assert.deepEqual([resource.status, resource.error?.code], [200, -32602]);
    const tool = await ask('tools/call', { name: 'echo__ech' });
    assert.deepEqual([tool.status, tool.error?.code], [200, -32602]);
    assert.match(tool.error?.message ?? '', /Did you mean "echo__echo"/);
    assert.equal((await ask('tools/list', { cursor: 'x' })).error?.code, -32602);
  });

  it('cancels a call by closing its stream', async t => {
    const { gateway, ask, start } = await started(t, ECHO);
    const args = { label: 'unwanted', steps: 1000, stepMs: 20 };
    const { response, messages } = await start(
      'tools/call',
      { name: 'echo__slow', arguments: args },
      { progressToken: 1 },
    );
    await eventually('its progress', () => messages.length > 0);
    response.destroy();
    await eventually('the backend to hear of it', async () => {
      const { result } = await ask('tools/call', { name: 'echo__cancelled' });
      return result.content[0].text === '["unwanted"]';
    });
    assert.equal(gateway.backend('echo').inFlight, 0);
  });

  it('is asked by a legacy backend in the result of its call, which then goes on', async t => {
    const { gateway, ask } = await started(t, ASKING);
    const call = { name: 'asking__ask', arguments: { what: 'form', label: 'é', waits: false } };
    const first = await ask('tools/call', call, { capabilities: ELICITING });
    assert.equal(first.result.resultType, 'input_required');
    const [[key, question]] = Object.entries(first.result.inputRequests) as [[string, Message]];
    assert.deepEqual([question.method, question.params?.message], ['elicitation/create', 'asking: é']);
    assert.equal(gateway.backend('asking').inFlight, 1);
    const inputResponses = { [key]: { action: 'accept', content: { ok: true } } };
    const { requestState } = first.result;
    const second = await ask('tools/call', { ...call, inputResponses, requestState }, { capabilities: ELICITING });
    assert.deepEqual(second.result.structuredContent.answer, inputResponses[key]);
    const again = await ask('tools/call', { ...call, inputResponses, requestState }, { capabilities: ELICITING });
    assert.deepEqual([again.status, again.error?.code], [200, -32602]);
  });

  it('is asked to visit a page where a legacy backend refuses until that is done', async t => {
    const page = { mode: 'url', message: 'Sign in', url: 'https://a.example/', elicitationId: 'e' };
    const error = {
      code: -32042,
      message: 'Sign in first',
      data: { elicitations: [page, { ...page, message: 'And here' }] },
    };
    const { listener } = await scriptedListener(t, { router: { callTool: async () => ({ kind: 'error', error }) } });
    const { ask } = modernClient(listener.url);
    const { result } = await ask('tools/call', { name: 'x' }, { capabilities: ELICITING });
    const question = (message: string) => ({
      method: 'elicitation/create',
      params: { mode: 'url', message, url: 'https://a.example/' },
    });
    assert.deepEqual(
      [result.resultType, result.inputRequests],
      ['input_required', { 'url-1': question('Sign in'), 'url-2': question('And here') }],
    );
    const unable = await ask('tools/call', { name: 'x' }, { capabilities: { elicitation: { form: {} } } });
    assert.deepEqual(
      [unable.status, unable.error],
      [400, { code: -32021, message: 'Sign in first', data: { requiredCapabilities: { elicitation: { url: {} } } } }],
    );
  });

  it('is told which backend sends it to a page, and is not sent there again once it has declined', async t => {
    const { ask } = await started(t, ASKING);
    const call = (more: object = {}) =>
      ask('tools/call', { name: 'asking__signIn', arguments: {}, ...more }, { capabilities: ELICITING });
    const { result: first } = await call();
    const params = { mode: 'url', message: 'asking: Sign in', url: 'https://asking.example/' };
    const _meta = { 'switchyard/backend': 'asking' };
    assert.deepEqual(first.inputRequests, { 'url-1': { method: 'elicitation/create', params: { ...params, _meta } } });
    const { requestState } = first;
    for (const action of ['decline', 'cancel']) {
      const { error } = await call({ requestState, inputResponses: { 'url-1': { action } } });
      assert.deepEqual(error, { code: -32000, message: 'The client did not consent to visit what the call needs' });
    }
    assert.equal((await call({ requestState })).result.resultType, 'input_required', 'it has answered nothing');
    const visited = await call({ requestState, inputResponses: { 'url-1': { action: 'accept' } } });
    assert.deepEqual(visited.result.structuredContent.signIns, 3);
  });

  it('is asked for a visit without an id, which its era has not', async t => {
    const { ask } = await started(t, ASKING);
    const args = { what: 'url', label: 'x', waits: false };
    const { result } = await ask('tools/call', { name: 'asking__ask', arguments: args }, { capabilities: ELICITING });
    const [question] = Object.values(result.inputRequests) as Message[];
    assert.deepEqual(Object.keys(question?.params ?? {}).sort(), ['_meta', 'message', 'mode', 'url']);
  });

  it('is not asked what it cannot do, and the backend is told which capability that would be', async t => {
    const { ask } = await started(t, ASKING);
    for (const [what, requiredCapabilities] of [
      ['form', { elicitation: {} }],
      ['sampling', { sampling: {} }],
      ['roots', { roots: {} }],
    ] as const) {
      const { result } = await ask('tools/call', {
        name: 'asking__ask',
        arguments: { what, label: 'x', waits: false },
      });
      const { code, data } = result.structuredContent.error;
      assert.deepEqual([code, data], [-32021, { requiredCapabilities }]);
    }
  });

  it('is not asked where its era has no questions, and the backend is told so instead of waiting', async t => {
    const warnings: string[] = [];
    const silent = () => {};
    const log = { debug: silent, info: silent, error: silent, warning: (line: string) => void warnings.push(line) };
    const asking = { name: 'asking', ...fixtureCommand('servers/asking.mjs', '--completes') };
    const gateway = await startGateway(t, { backends: [asking] }, { log });
    await gateway.gateway.whenSettled();
    const { ask } = modernClient(gateway.url, gateway.headers);
    const able = { capabilities: { roots: {} } };
    const refused = /^roots\/list of backend "asking" cannot be brought to a client: its call is of a kind/;
    const ref = { type: 'ref/prompt', name: 'asking__greet' };
    const completed = await ask('completion/complete', { ref, argument: { name: 'who', value: '' } }, able);
    assert.match(completed.result.completion.values[0], refused);
    assert.match((await ask('asking.example/ask', {}, able)).result.told, refused);
    assert.equal(warnings.filter(line => refused.test(line)).length, 2);
  });

  it('has its call ended where the gateway stops meanwhile', async t => {
    const { gateway, ask, start } = await started(t, ASKING, ECHO);
    const call = { name: 'asking__ask', arguments: { what: 'form', label: 'x', waits: false } };
    assert.equal((await ask('tools/call', call, { capabilities: ELICITING })).result.resultType, 'input_required');
    const args = { label: 'x', steps: 1000, stepMs: 50 };
    const open = await start('tools/call', { name: 'echo__slow', arguments: args }, { progressToken: 1 });
    await eventually('its progress', () => open.messages.length > 0);
    await gateway.listener.close();
    await eventually('the end of its stream', () => open.response.destroyed);
    await eventually('nothing in flight', () => ['asking', 'echo'].every(name => gateway.backend(name).inFlight === 0));
  });
});

describe('A modern client that listens', () => {
  const listening = async (gateway: TestGateway, notifications: object, id: number | string = 'l') => {
    const { start } = modernClient(gateway.url, gateway.headers);
    const stream = await start('subscriptions/listen', { notifications }, { id });
    await eventually('the acknowledgement', () => stream.messages.length > 0);
    return stream;
  };

  it('is told of what it has asked for, each with its tag, and of nothing else', async t => {
    const { gateway, ask } = await started(t, WATCHED, {
      name: 'changing',
      ...fixtureCommand('servers/changingTools.mjs'),
    });
    const all = await listening(gateway, { toolsListChanged: true, resourceSubscriptions: ['watched://common'] }, 7);
    const none = await listening(gateway, { promptsListChanged: true, toolsListChanged: false, odd: true });
    assert.deepEqual(all.messages[0]?.params, {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['watched://common'] },
      _meta: { [meta('subscriptionId')]: 7 },
    });
    assert.deepEqual(none.messages[0]?.params?.notifications, { promptsListChanged: true });
    for (const uri of ['watched://other', 'watched://common'])
      await ask('tools/call', { name: 'watched__touchAlways', arguments: { uri } });
    await ask('tools/call', { name: 'changing__grow', arguments: {} });
    await eventually('both', () => all.messages.length >= 3);
    const told = all.messages.slice(1).map(({ method, params }) => [method, params?.uri]);
    assert.deepEqual(
      new Set(told.map(each => `${each}`)),
      new Set(['notifications/resources/updated,watched://common', 'notifications/tools/list_changed,']),
    );
    for (const { params } of all.messages)
      assert.equal((params?._meta as Record<string, unknown> | undefined)?.[meta('subscriptionId')], 7);
    assert.equal(none.messages.length, 1);
  });

  it('leaves nothing behind at the backend when it hangs up', async t => {
    const { gateway, ask } = await started(t, WATCHED);
    const uris = async () =>
      (await ask('tools/call', { name: 'watched__subscriptions' })).result.structuredContent.uris;
    const { response } = await listening(gateway, { resourceSubscriptions: ['watched://common'] });
    await eventually('the subscription', async () => (await uris()).length === 1);
    response.destroy();
    await eventually('its end', async () => (await uris()).length === 0);
  });

  it('is heard no more when the gateway stops, and refused where it does not say for what', async t => {
    const { gateway, ask } = await started(t, WATCHED);
    assert.equal((await ask('subscriptions/listen')).error?.code, -32602);
    const { response } = await listening(gateway, {});
    await gateway.listener.close();
    await eventually('the end of its stream', () => response.destroyed);
  });
});

describe('Both eras', () => {
  it('are served at once on one listener', async t => {
    const { gateway, ask } = await started(t, ASKING, ECHO);
    const legacy = await gateway.client({ elicitation: {} });
    legacy.answers('elicitation/create', ({ message }) => ({ action: 'accept', content: { message } }));
    const call = { what: 'form', label: 'legacy', waits: false };
    const [old, now] = await Promise.all([
      legacy.callTool('asking__ask', call),
      ask('tools/call', { name: 'echo__echo', arguments: { text: 'now' } }),
    ]);
    assert.equal(old.result.structuredContent.answer.content.message, 'asking: legacy');
    assert.equal('resultType' in old.result, false);
    assert.deepEqual([now.result.content[0].text, now.result.resultType], ['now', 'complete']);
    assert.equal(gateway.listener.sessionCount, 1, 'a modern client has no session');
  });

  it('are served at once on stdio', async t => {
    const { gateway } = await started(t, ECHO, ASKING);
    const [input, output] = [new PassThrough(), new PassThrough()];
    const served = gateway.gateway.serveStdio(input, output);
    const received: Message[] = [];
    let rest = '';
    output.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      received.push(...lines.map(line => JSON.parse(line)));
    });
    const send = (message: object) => input.write(`${JSON.stringify(message)}\n`);
    const answerTo = (id: unknown) => eventually(`the answer to ${id}`, () => received.find(each => each.id === id));
    const ask = (message: { readonly id: unknown }) => {
      send(message);
      return answerTo(message.id);
    };
    assert.deepEqual((await ask(modern('server/discover', {}, { id: 'd' }))).result.supportedVersions, ['2026-07-28']);
    const clientInfo = { name: 'x', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    assert.equal(
      (await ask({ jsonrpc: '2.0', id: 'i', method: 'initialize', params } as { id: string })).result.protocolVersion,
      '2025-11-25',
    );

    const slow = { name: 'echo__slow', arguments: { label: 's', steps: 1000, stepMs: 20 } };
    send(modern('tools/call', slow, { id: 's', progressToken: 's' }));
    await eventually('its progress', () => received.some(({ params }) => params?.progressToken === 's'));
    send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 's' } });
    await eventually('the backend to hear of it', async () => {
      const id = received.length + 1000;
      const { result } = await ask(modern('tools/call', { name: 'echo__cancelled' }, { id }));
      return result.content[0].text === '["s"]';
    });
    assert.ok(!received.some(({ id }) => id === 's'));

    const call = { name: 'asking__ask', arguments: { what: 'form', label: 'x', waits: false } };
    const asked = (await ask(modern('tools/call', call, { id: 'a', capabilities: ELICITING }))).result;
    const inputResponses = Object.fromEntries(
      Object.keys(asked.inputRequests).map(key => [key, { action: 'decline' }]),
    );
    const { requestState } = asked;
    const answered = await ask(modern('tools/call', { ...call, inputResponses, requestState }, { id: 'b' }));
    assert.deepEqual(answered.result.structuredContent.answer, { action: 'decline' });
    assert.equal((await ask(modern('ping', {}, { id: 'p' }))).error?.code, -32601);
    assert.equal((await ask(modern('ping', {}, { id: 'v', version: '2031-01-01' }))).error?.code, -32022);

    input.end();
    await served;
  });
});

it('The client on stdio is one, whatever it asks and in whichever era', async t => {
  const { gateway } = await started(t, ASKING, OWN, { ...WATCHED, session: 'per_client' });
  const [input, output] = [new PassThrough(), new PassThrough()];
  const served = gateway.gateway.serveStdio(input, output);
  const client = new BareStreamClient(output, input);
  const start = (...request: Parameters<typeof modern>) =>
    client.start(request[0], modern(...request).params).answer.then(({ result }) => result);
  const call = (name: string, args: object = {}, extra: Extra = {}, more: object = {}) =>
    start('tools/call', { name, arguments: args, ...more }, { capabilities: ELICITING, ...extra });

  const pid = async () => Number((await call('own__pid')).content[0].text);
  assert.deepEqual([await pid(), await pid()], [await pid(), await pid()]);
  await client.initialize();
  assert.equal(Number((await client.callTool('own__pid')).result.content[0].text), await pid());

  // Both of its calls are in flight on the one shared connection: it is this client that is asked, and no other.
  void call('asking__ask', { what: 'form', label: 'a' }, { progressToken: 'a' }).catch(() => {});
  await client.notifications('notifications/progress');
  const asked = await call('asking__ask', { what: 'form', label: 'b', waits: false });
  const [[key, question]] = Object.entries(asked.inputRequests) as [[string, Message]];
  assert.equal(question.params?.message, 'asking: b');
  const { requestState } = asked;
  const inputResponses = { [key]: { action: 'decline' } };
  const told = await call(
    'asking__ask',
    { what: 'form', label: 'b', waits: false },
    {},
    { inputResponses, requestState },
  );
  assert.deepEqual(told.structuredContent.answer, { action: 'decline' });

  // What it listens for, the process of its own tells, until it listens no more.
  const subscribed = async () => (await call('watched__subscriptions')).structuredContent.uris;
  const listening = client.start(
    'subscriptions/listen',
    modern('subscriptions/listen', { notifications: { resourceSubscriptions: ['watched://common'] } }).params,
  );
  await eventually('the subscription', async () => (await subscribed()).join() === 'watched://common');
  await call('watched__touch', { uri: 'watched://common' });
  await client.notifications('notifications/resources/updated');
  client.cancel(listening.id, 'heard enough');
  await assert.rejects(listening.answer, /heard enough/);
  await eventually('its end', async () => (await subscribed()).length === 0);
  await client.close();
  await served;
});

it('takes an exchange whose client has hung up before it was served', async t => {
  const answer = deferred<Answer>();
  const signals: AbortSignal[] = [];
  const { listener, close } = await scriptedListener(t, {
    router: {
      callTool: ({ signal }) => {
        signals.push(signal);
        return answer.promise;
      },
    },
  });
  const { start } = modernClient(listener.url);
  const starting = start('tools/call', { name: 'x' });
  const signal = await eventually('the call', () => signals[0]);
  const rejected = assert.rejects(starting);
  await close();
  await rejected;
  assert.equal(signal.aborted, true);
  answer.resolve({ kind: 'result', result: {} });
});
