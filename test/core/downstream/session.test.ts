import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { InMemoryTransport, type JSONRPCMessage } from '@modelcontextprotocol/server';
import { deferred } from '../../../src/core/base/async.ts';
import type { Answer, Params } from '../../../src/core/base/peer.ts';
import type { ServingPorts } from '../../../src/core/downstream/dispatch.ts';
import { Session } from '../../../src/core/downstream/session.ts';
import type { Entry } from '../../../src/core/router/catalog.ts';
import { eventually } from '../../support/eventually.ts';
import { startGateway } from '../../support/gateway.ts';
import { EMPTY_CATALOG, INITIALIZE, scriptedPorts, toolCall } from './scriptedListener.ts';

const INITIALIZED = { jsonrpc: '2.0', method: 'notifications/initialized' } as const;
const SET_LEVEL = { jsonrpc: '2.0', id: 'level', method: 'logging/setLevel', params: { level: 'error' } } as const;

/** The client's end of a session: raw messages. */
async function client(t: TestContext, router: Partial<ServingPorts['router']> = {}, more: Partial<ServingPorts> = {}) {
  const { log, ports: scripted } = scriptedPorts(router);
  const ports = { ...scripted, ...more };
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const received: JSONRPCMessage[] = [];
  ours.onmessage = message => void received.push(message);
  await ours.start();
  await Session.serve('session', theirs, { ports, log });
  t.after(() => ours.close());
  const send = (message: unknown) => ours.send(message as JSONRPCMessage);
  const answerTo = (id: unknown) =>
    eventually(`the answer to ${id}`, () => received.find(each => 'id' in each && each.id === id));
  const messageOf = (method: string) =>
    eventually(`a ${method}`, () => received.find(each => 'method' in each && each.method === method));
  const ask = async (message: Params) => {
    await send(message);
    return answerTo(message.id);
  };
  return { clients: ports.clients, received, send, ask, answerTo, messageOf };
}

describe('Session', () => {
  it('gives errors as they came, whatever their code', async t => {
    for (const error of [
      { code: -32002, message: 'Unknown resource: x', data: { uri: 'x' } },
      { code: -32042, message: 'Sign in first', data: { elicitations: [{ mode: 'url', odd: true }], more: 1 } },
      { code: -32022, message: 'Which version?', data: { supported: [], requested: 7 } },
      { code: 1, message: '' },
    ]) {
      const { ask } = await client(t, { ofResource: async () => ({ kind: 'error', error }) });
      const answer = await ask({ ...toolCall(2), method: 'resources/read' });
      assert.deepEqual(answer, { jsonrpc: '2.0', id: 2, error });
    }
  });

  it('says -32002 for a resource that nobody has', async t => {
    const gateway = await startGateway(t, { backends: [] });
    const { error } = await (await gateway.client()).request('resources/read', { uri: 'nowhere:/x' });
    assert.deepEqual(error, { code: -32002, message: 'Unknown resource: nowhere:/x', data: { uri: 'nowhere:/x' } });
  });

  it('lists definitions as they are, with schemas of any kind', async t => {
    const definitions = [
      { name: 'a', inputSchema: { type: 'object' }, outputSchema: { type: 'array', items: {} } },
      { name: 'b', inputSchema: true, outputSchema: { type: 'string' }, odd: [null] },
    ];
    const tools = new Map(
      definitions.map(definition => [definition.name, { definition, candidates: [] } as unknown as Entry]),
    );
    const { ask } = await client(t, {}, { catalog: async () => ({ ...EMPTY_CATALOG, tools }) });
    assert.deepEqual(await ask({ ...toolCall(2), method: 'tools/list' }), {
      jsonrpc: '2.0',
      id: 2,
      result: { tools: definitions },
    });
  });

  it('hands on params as they are, with members that later revisions of MCP give a meaning', async t => {
    const params = {
      name: 'x',
      inputResponses: { a: 1 },
      requestState: 's',
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2025-11-25', odd: true },
    };
    const { ask } = await client(t, { callTool: async call => ({ kind: 'result', result: { got: call.params } }) });
    assert.deepEqual(await ask(toolCall(2, { params })), { jsonrpc: '2.0', id: 2, result: { got: params } });
  });

  it('answers what fails within, what is unknown, and an initialize that is malformed', async t => {
    const { ask } = await client(t, { callTool: () => Promise.reject(new Error('a bug')) });
    const errorOf = async (message: Params) => {
      const answer = await ask(message);
      return 'error' in answer ? [answer.error.code, answer.error.message] : answer;
    };
    assert.deepEqual(await errorOf(toolCall(2)), [-32603, 'a bug']);
    assert.deepEqual(await errorOf({ ...INITIALIZE, params: {} }), [
      -32602,
      'Invalid params: initialize needs protocolVersion, capabilities, and clientInfo with a name and a version',
    ]);
  });

  it('tells a client nothing before it is initialized, but takes its log level', async t => {
    let levels = 0;
    const { clients, received, send, ask, messageOf } = await client(t, {}, { onLogLevelChange: () => (levels += 1) });
    clients.broadcast('notifications/1');
    await send(INITIALIZED);
    await ask(INITIALIZE);
    await ask(SET_LEVEL);
    clients.broadcast('notifications/2');
    assert.deepEqual([clients.logLevel, levels], [undefined, 0]);
    await send(INITIALIZED);
    await eventually('the session to join', () => [...clients].length === 1);
    assert.deepEqual([clients.logLevel, levels], ['error', 1]);
    clients.broadcast('notifications/3');
    await messageOf('notifications/3');
    assert.deepEqual(
      received.flatMap(message => ('method' in message ? [message.method] : [])),
      ['notifications/3'],
    );
  });

  it('counts a client that already calls as initialized', async t => {
    const { clients, ask } = await client(t);
    await ask(INITIALIZE);
    await ask(toolCall(2));
    assert.equal([...clients].length, 1);
  });

  it('takes back what it asked the client for a call that the client cancels', async t => {
    const ended = deferred<Answer>();
    const { send, ask, received, messageOf } = await client(t, {
      callTool: async ({ caller, signal }) => {
        signal.addEventListener('abort', () => ended.resolve({ kind: 'result', result: {} }));
        // The backend's own signal: it does not know yet, or does not care.
        caller.request('elicitation/create', { message: 'Sure?' }, new AbortController().signal).catch(() => {});
        return ended.promise;
      },
    });
    await ask(INITIALIZE);
    await send(toolCall(2));
    const form = await messageOf('elicitation/create');
    await send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2, reason: 'no' } });
    const takenBack = await messageOf('notifications/cancelled');
    assert.ok('id' in form && 'params' in takenBack);
    assert.deepEqual([takenBack.params?.requestId, takenBack.params?.reason], [form.id, 'no']);
    await ask({ jsonrpc: '2.0', id: 3, method: 'ping' });
    assert.ok(!received.some(message => 'id' in message && message.id === 2), 'a cancelled call is not answered');
  });

  it('cancels the calls of a client that leaves', async () => {
    const left = deferred<unknown>();
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const callTool: ServingPorts['router']['callTool'] = ({ signal }) => {
      signal.addEventListener('abort', () => left.resolve(signal.reason));
      return new Promise(() => {});
    };
    const options = scriptedPorts({ callTool });
    await Session.serve('session', theirs, options);
    await ours.send(toolCall(2) as JSONRPCMessage);
    await ours.close();
    assert.equal(await left.promise, 'the session ended');
    assert.deepEqual([...options.ports.clients], []);
  });
});
