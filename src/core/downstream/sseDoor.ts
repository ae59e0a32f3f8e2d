import type { ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { REFUSED, SESSION_NOT_FOUND } from '../base/rpcErrors.ts';
import { type Door, type Role, refuse, refuseFull, refuseNew, type Visit } from './door.ts';
import { Unread } from './httpExchange.ts';
import { hasRequest, takeMessages } from './requestBody.ts';
import type { SessionOptions } from './session.ts';
import { SessionRoom, SessionTable } from './sessionTable.ts';
import type { SseTransport } from './sseTransport.ts';

const STREAM = '/sse';
const MESSAGES = '/messages/';

/**
 * HTTP+SSE (MCP 2024-11-05, "Transports"), for clients that know nothing newer: a GET opens a stream, whose first event
 * names where to POST, and all answers come on that stream. A session lasts as long as its stream.
 */
export class SseDoor implements Door {
  readonly paths = [STREAM, MESSAGES];
  readonly isMcp = true;
  private readonly clock: Clock;
  private readonly room: SessionRoom;
  private readonly unread: Unread;
  readonly sessions: SessionTable<SseTransport>;
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
    this.room = room;
    this.sessions = new SessionTable(sessionOptions, room);
  }

  async visit(visit: Visit): Promise<void> {
    const { request, response, path } = visit;
    const isStream = !`${path}/`.startsWith(MESSAGES);
    const method = isStream ? 'GET' : 'POST';
    if (request.method === method) return isStream ? this.open(visit) : this.post(visit);
    response.setHeader('allow', method);
    refuse(response, 405, 'Method not allowed');
  }

  drain(): void {
    this.isDraining = true;
  }

  async close(): Promise<void> {
    await this.sessions.close();
  }

  private async open({ response, role }: Visit): Promise<void> {
    // The SDK's v1 line is a good part of the whole, and few clients need it.
    const { SseTransport } = await import('./sseTransport.ts');
    if (response.destroyed) return;
    if (this.isDraining) return refuseNew(response);
    if (this.room.isFull) return refuseFull(response, this.room);
    await this.sessions.begin(new SseTransport(MESSAGES, response, this.clock, this.unread), role);
  }

  private async post(visit: Visit): Promise<void> {
    const { response, query, role } = visit;
    const sessionId = query.get('sessionId');
    const find = () => (sessionId === null ? undefined : this.sessions.find(sessionId, role));
    const refuseLost = sessionId === null ? refuseMissing : refuseUnknown;
    const messages = await takeMessages(visit, this.clock, () => find() !== undefined, refuseLost);
    if (!messages) return;
    if (this.isDraining && hasRequest(messages)) return refuseNew(response);
    const entry = find();
    if (!entry) return refuseLost(response);
    for (const message of messages) entry.transport.onmessage?.(message);
    response.writeHead(202).end('Accepted');
  }
}

function refuseMissing(response: ServerResponse): void {
  refuse(response, 400, `Bad request: no sessionId; ${STREAM} names it`, REFUSED);
}

function refuseUnknown(response: ServerResponse): void {
  refuse(response, 404, `Session not found: open ${STREAM} again`, SESSION_NOT_FOUND);
}
