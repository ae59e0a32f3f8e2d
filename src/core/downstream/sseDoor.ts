import type { ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { Emitter } from '../base/event.ts';
import { REFUSED, SESSION_NOT_FOUND } from '../base/rpcErrors.ts';
import { type Door, type Role, refuse, refuseNew, type Visit } from './door.ts';
import { hasRequest, takeMessages } from './requestBody.ts';
import { Session, type SessionOptions } from './session.ts';
import type { SseTransport } from './sseTransport.ts';

const STREAM = '/sse';
const MESSAGES = '/messages/';

interface SessionEntry {
  readonly role: Role;
  readonly transport: SseTransport;
  readonly session: Session;
}

/**
 * HTTP+SSE (MCP 2024-11-05, "Transports"), for clients that know nothing newer: a GET opens a stream, whose first event
 * names where to POST, and all answers come on that stream. A session lasts as long as its stream.
 */
export class SseDoor implements Door {
  readonly paths = [STREAM, MESSAGES];
  private readonly clock: Clock;
  private readonly sessionOptions: (role: Role) => SessionOptions;
  private readonly sessions = new Map<string, SessionEntry>();
  private readonly sessionsChanged = new Emitter();
  private isDraining = false;

  readonly onDidChangeSessions = this.sessionsChanged.event;

  /** @param sessionOptions what a client of that role is served with */
  constructor(clock: Clock, sessionOptions: (role: Role) => SessionOptions) {
    this.clock = clock;
    this.sessionOptions = sessionOptions;
  }

  get sessionCount(): number {
    return this.sessions.size;
  }

  async visit(visit: Visit): Promise<void> {
    const { request, response, path } = visit;
    const isStream = !path.startsWith(MESSAGES);
    const method = isStream ? 'GET' : 'POST';
    if (request.method === method) return isStream ? this.open(visit) : this.post(visit);
    response.setHeader('allow', method);
    refuse(response, 405, 'Method not allowed');
  }

  drain(): void {
    this.isDraining = true;
  }

  async close(): Promise<void> {
    await Promise.all([...this.sessions.values()].map(({ session }) => session.close()));
  }

  private async open({ response, role }: Visit): Promise<void> {
    // The SDK's v1 line is a good part of the whole, and few clients need it.
    const { SseTransport } = await import('./sseTransport.ts');
    if (response.destroyed) return;
    if (this.isDraining) return refuseNew(response);
    const transport = new SseTransport(MESSAGES, response, this.clock);
    const { sessionId } = transport;
    transport.onclose = () => {
      if (this.sessions.delete(sessionId)) this.sessionsChanged.fire();
    };
    const session = await Session.serve(sessionId, transport, this.sessionOptions(role));
    this.sessions.set(sessionId, { role, transport, session });
    this.sessionsChanged.fire();
  }

  private async post(visit: Visit): Promise<void> {
    const { response, query, role } = visit;
    const sessionId = query.get('sessionId');
    if (sessionId === null) return refuse(response, 400, `Bad request: no sessionId; ${STREAM} names it`, REFUSED);
    // A body that nobody is there for is not worth reading; and whom it is for may leave while it is read.
    if (!this.sessionOf(sessionId, role)) return refuseUnknown(response);
    const messages = await takeMessages(visit, this.clock);
    if (!messages) return;
    if (this.isDraining && hasRequest(messages)) return refuseNew(response);
    const entry = this.sessionOf(sessionId, role);
    if (!entry) return refuseUnknown(response);
    for (const message of messages) entry.transport.onmessage?.(message);
    response.writeHead(202).end('Accepted');
  }
  private sessionOf(sessionId: string, role: Role): SessionEntry | undefined {
    const entry = this.sessions.get(sessionId);
    // One that was begun with a token of another role is nobody's business here.
    return entry?.role === role ? entry : undefined;
  }
}

function refuseUnknown(response: ServerResponse): void {
  refuse(response, 404, `Session not found: open ${STREAM} again`, SESSION_NOT_FOUND);
}
