import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type JSONRPCMessage, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { hasEnvelope, MODERN_VERSION } from '../base/envelope.ts';
import { asText } from '../base/json.ts';
import type { Params } from '../base/peer.ts';
import { INVALID_REQUEST, REFUSED, SESSION_NOT_FOUND } from '../base/rpcErrors.ts';
import { type Door, type Role, refuse, refuseFull, refuseNew, type Visit } from './door.ts';
import { HttpExchange, Unread } from './httpExchange.ts';
import { HttpTransport } from './httpTransport.ts';
import { modernRefusal, paramRefusal, statusOf } from './modernHeaders.ts';
import { hasRequest, takeMessages } from './requestBody.ts';
import type { SessionOptions } from './session.ts';
import { SessionRoom, SessionTable } from './sessionTable.ts';
import { StatelessServer } from './statelessServer.ts';

/** A client that has had nothing open for so long has left without a word. */
const IDLE_MS = 5 * 60_000;
const SWEEP_MS = 60_000;
const ENDED_AT_ONCE = 300;

/** Streamable HTTP of both eras (MCP 2025-11-25 and 2026-07-28, "Transports"), for any number of clients. */
export class StreamableDoor implements Door {
  readonly paths = ['/mcp', '/'];
  readonly isMcp = true;
  private readonly clock: Clock;
  private readonly sessionOptions: (role: Role) => SessionOptions;
  private readonly stateless = new Map<Role, StatelessServer>();
  /** The modern requests that are not answered yet. */
  private readonly open = new Set<AbortController>();
  private readonly room: SessionRoom;
  private readonly unread: Unread;
  readonly sessions: SessionTable<HttpTransport>;
  private sweep: Disposable | undefined;
  private isDraining = false;

  /** @param sessionOptions what a client of that role is served with */
  constructor(
    clock: Clock,
    sessionOptions: (role: Role) => SessionOptions,
    room = new SessionRoom(),
    unread = new Unread(),
  ) {
    this.clock = clock;
    this.unread = unread;
    this.sessionOptions = sessionOptions;
    this.room = room;
    this.sessions = new SessionTable(sessionOptions, room);
    this.scheduleSweep();
  }

  visit(visit: Visit): void | Promise<void> {
    const { request, response } = visit;
    switch (request.method) {
      case 'POST':
        return this.post(visit);
      case 'GET':
        return this.inSession(visit, ({ transport }) => transport.get(response));
      case 'DELETE':
        return this.inSession(visit, async ({ session }) => {
          await session.close();
          response.writeHead(200).end();
        });
      default:
        response.setHeader('allow', 'GET, POST, DELETE');
        return refuse(response, 405, 'Method not allowed');
    }
  }

  drain(): void {
    this.isDraining = true;
  }

  async close(): Promise<void> {
    this.sweep?.dispose();
    for (const server of this.stateless.values()) server.dispose();
    for (const request of this.open) request.abort('the server is stopping');
    // A stream of changes is answered when it ends.
    await nextTurn();
    await this.sessions.close();
  }

  private async post(visit: Visit): Promise<void> {
    const { request, response } = visit;
    const { 'mcp-session-id': sessionId, 'mcp-protocol-version': version } = request.headers;
    const isExpected = () =>
      sessionId === undefined || version === MODERN_VERSION || this.sessionOf(visit) !== undefined;
    const messages = await takeMessages(visit, this.clock, isExpected, refuseUnknown);
    if (!messages) return;
    if (this.isDraining && hasRequest(messages)) return refuseNew(response);
    if (isModern(request, messages)) return this.postModern(visit, messages);
    const [first] = messages;
    if (messages.length === 1 && first && isInitialize(first)) {
      if (this.room.isFull) return refuseFull(response, this.room);
      const transport = new HttpTransport(randomUUID(), this.clock, this.unread);
      await this.sessions.begin(transport, visit.role);
      transport.post(messages, response);
      return;
    }
    await this.inSession(visit, ({ transport }) => {
      const id = transport.clashOf(messages);
      if (id === undefined) return transport.post(messages, response);
      const message = `Invalid request: the id ${JSON.stringify(id)} is that of another request, not answered yet`;
      return refuse(response, 400, message, INVALID_REQUEST, id);
    });
  }

  /** One request that stands alone, or a notification, which has nobody to go to. */
  private async postModern({ request, response, role }: Visit, messages: readonly JSONRPCMessage[]): Promise<void> {
    const [message] = messages;
    const refused = modernRefusal(request.headers, messages.length === 1 ? message : messages);
    if (refused) return refuse(response, refused.status, refused.message, refused.code, refused.id, refused.data);
    if (!message || !('method' in message) || !('id' in message)) {
      response.writeHead(202).end();
      return;
    }
    const { id, method, params = {} } = message;
    const abort = new AbortController();
    // A client that closes the stream cancels its request, also before it is looked at.
    response.once('close', () => abort.abort('the client closed the stream'));
    if (method === 'tools/call') {
      const tool = (await this.sessionOptions(role).ports.catalog()).tools.get(asText(params.name));
      const mismatch = paramRefusal(request.headers, tool?.definition.inputSchema, { id, params });
      if (mismatch) return refuse(response, mismatch.status, mismatch.message, mismatch.code, id);
    }
    if (abort.signal.aborted) return;
    this.open.add(abort);
    const exchange = new HttpExchange(response, undefined, 1, this.clock, this.unread);
    const notify = (told: string, about: Params | undefined) => {
      if (!abort.signal.aborted) exchange.push({ jsonrpc: '2.0', method: told, ...(about && { params: about }) });
    };
    const answer = await this.statelessFor(role).answer({ id, method, params }, { notify, signal: abort.signal });
    this.open.delete(abort);
    const { kind: _, ...resultOrError } = answer;
    exchange.settle({ jsonrpc: '2.0', id, ...resultOrError } as JSONRPCMessage, statusOf(answer));
  }

  private statelessFor(role: Role): StatelessServer {
    const present = this.stateless.get(role);
    if (present) return present;
    const { ports, present: shown } = this.sessionOptions(role);
    const server = new StatelessServer(ports, this.clock, { present: shown });
    this.stateless.set(role, server);
    return server;
  }

  private scheduleSweep(): void {
    this.sweep = this.clock.schedule(SWEEP_MS, () => {
      void this.endIdle();
      this.scheduleSweep();
    });
  }

  /** Ends the sessions of clients that have left without a DELETE; of very many some at a time, lest others wait. */
  private async endIdle(): Promise<void> {
    let ended = 0;
    for (const { transport, session } of this.sessions) {
      const { idleSince } = transport;
      if (idleSince === undefined || this.clock.now() - idleSince < IDLE_MS) continue;
      void session.close();
      ended += 1;
      if (ended % ENDED_AT_ONCE === 0) await nextTurn();
    }
  }

  private sessionOf({ request, role }: Visit) {
    return this.sessions.find(String(request.headers['mcp-session-id']), role);
  }

  private async inSession(visit: Visit, action: (entry: Found) => void | Promise<void>): Promise<void> {
    const { request, response } = visit;
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string')
      return refuse(response, 400, 'Bad request: no Mcp-Session-Id header, and not an initialize request', REFUSED);
    const entry = this.sessionOf(visit);
    if (!entry) return refuseUnknown(response);
    const version = request.headers['mcp-protocol-version'];
    if (typeof version === 'string' && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
      return refuse(response, 400, `Bad request: unsupported MCP-Protocol-Version ${version}`, REFUSED);
    }
    await action(entry);
  }
}

/** A session that a request names. */
type Found = NonNullable<ReturnType<SessionTable<HttpTransport>['find']>>;

function refuseUnknown(response: ServerResponse): void {
  refuse(response, 404, 'Session not found: initialize a new one', SESSION_NOT_FOUND);
}

function isInitialize(message: JSONRPCMessage): boolean {
  return 'method' in message && message.method === 'initialize' && 'id' in message;
}

/** Whether a body says, or its headers, that it is of the modern era; what is wrong with it comes later. */
function isModern({ headers }: IncomingMessage, messages: readonly JSONRPCMessage[]): boolean {
  const hasClaim = messages.some(message => 'method' in message && hasEnvelope(message.params));
  return hasClaim || headers['mcp-protocol-version'] === MODERN_VERSION;
}
