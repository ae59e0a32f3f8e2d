// An HttpListener whose answers the test gives itself, on a clock that it moves, and a client that can send it anything.
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { TestContext } from 'node:test';
import type { Answer } from '../../../src/core/base/peer.ts';
import type { ServingPorts } from '../../../src/core/downstream/dispatch.ts';
import type { Door } from '../../../src/core/downstream/door.ts';
import { HttpListener, type HttpListenerOptions } from '../../../src/core/downstream/httpListener.ts';
import type { SessionOptions } from '../../../src/core/downstream/session.ts';
import { SessionRoom } from '../../../src/core/downstream/sessionTable.ts';
import { StreamableDoor } from '../../../src/core/downstream/streamableDoor.ts';
import type { Catalog } from '../../../src/core/router/catalog.ts';
import { ClientRequests } from '../../../src/core/router/clientRequests.ts';
import { Exposure } from '../../../src/core/router/exposure.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';

export const TOKEN = 'secret';
export const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
} as const;
export const EMPTY_CATALOG: Catalog = {
  tools: new Map(),
  prompts: new Map(),
  resources: new Map(),
  templates: new Map(),
  linked: new Map(),
  toolAliases: new Map(),
  pageTools: new Map(),
  promptAliases: new Map(),
};

export interface Reply {
  readonly status: number;
  readonly type: string | undefined;
  readonly session: string | undefined;
  readonly connection: string | undefined;
  readonly body: string;
}

type Headers = Readonly<Record<string, string>>;

/** What a session needs, with a router that answers everything with nothing, unless told otherwise. */
export function scriptedPorts(router: Partial<ServingPorts['router']> = {}): SessionOptions {
  const nothing = async (): Promise<Answer> => ({ kind: 'result', result: {} });
  const silent = () => {};
  const log = { debug: silent, info: silent, warning: silent, error: silent };
  const ports: ServingPorts = {
    serverInfo: { name: 'switchyard', title: 'Switchyard', version: '0.0.0' },
    isStopping: () => false,
    router: {
      callTool: nothing,
      getPrompt: nothing,
      ofResource: nothing,
      complete: nothing,
      ofTask: nothing,
      listTasks: nothing,
      ofNobody: nothing,
      isShared: () => true,
      leaveResource: silent,
      listedAs: uri => uri,
      ...router,
    },
    clients: new ClientRequests(new Exposure(() => EMPTY_CATALOG), log, new FakeClock()),
    introduction: () => ({ capabilities: {}, instructions: undefined }),
    release: silent,
    catalog: async () => EMPTY_CATALOG,
    notifyBackends: silent,
    onJoin: silent,
    onLogLevelChange: silent,
    onStatelessLevel: silent,
  };
  return { ports, log };
}

/** Listens for the time of one test. */
export async function scriptedListener(
  t: TestContext,
  {
    router = {},
    options = {},
    doors = [],
    room = new SessionRoom(),
  }: {
    router?: Partial<ServingPorts['router']>;
    options?: Partial<HttpListenerOptions>;
    doors?: readonly Door[];
    room?: SessionRoom;
  } = {},
) {
  const clock = new FakeClock();
  const ports = scriptedPorts(router);
  const tokens = [{ role: 'admin', value: TOKEN } as const];
  const streamable = new StreamableDoor(clock, () => ports, room);
  const all = { host: '127.0.0.1', port: 0, tokens, ...options };
  const listener = await HttpListener.listen(all, [streamable, ...doors], clock, ports.log);
  /** What is never answered is waited for by the clock, which nobody else moves. */
  const close = async () => {
    let isClosed = false;
    const closing = listener.close().then(() => {
      isClosed = true;
    });
    await eventually('the end of the listener', () => {
      clock.advance(1000);
      return isClosed;
    });
    await closing;
  };
  t.after(close);
  return { listener, close, clock, clients: ports.ports.clients, ...clientOf(listener.url) };
}

/** Sends requests that no MCP client would, and gives what came back. */
export function clientOf(url: string) {
  const start = (method: string, headers: Headers, path: string, contentType = 'application/json'): ClientRequest =>
    request(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': contentType, ...headers },
    });
  /** The response as soon as its headers are there. */
  const open = async (method: string, headers: Headers = {}, body?: unknown, path = '/mcp') => {
    const outgoing = start(method, headers, path);
    outgoing.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    return responseTo(outgoing);
  };
  /** The response as soon as it has ended. */
  const send = async (method: string, headers?: Headers, body?: unknown, path?: string): Promise<Reply> =>
    whole(await open(method, headers, body, path));
  /** Begins a session; gives the headers that say so. */
  const begin = async (): Promise<Headers> => {
    const { session } = await send('POST', {}, INITIALIZE);
    if (session === undefined) throw new Error('no session was begun');
    return { 'mcp-session-id': session };
  };
  return { start, open, send, begin };
}

export async function responseTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

export async function whole(response: IncomingMessage): Promise<Reply> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  const session = response.headers['mcp-session-id'];
  return {
    status: response.statusCode ?? 0,
    type: response.headers['content-type'],
    session: typeof session === 'string' ? session : undefined,
    connection: response.headers.connection,
    body,
  };
}

export function toolCall(id: unknown, extra: Readonly<Record<string, unknown>> = {}) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'x', arguments: {} }, ...extra };
}
