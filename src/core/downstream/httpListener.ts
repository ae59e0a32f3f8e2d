import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type JSONRPCMessage, type RequestId, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { hasEnvelope, MODERN_VERSION } from '../base/envelope.ts';
import { UserError } from '../base/errors.ts';
import { Emitter } from '../base/event.ts';
import type { Params } from '../base/peer.ts';
import { INVALID_REQUEST, REFUSED, SESSION_NOT_FOUND } from '../base/rpcErrors.ts';
import { HttpExchange } from './httpExchange.ts';
import { HttpTransport } from './httpTransport.ts';
import { modernRefusal, paramRefusal, statusOf } from './modernHeaders.ts';
import { MAX_BODY_BYTES, parseBody, readBody } from './requestBody.ts';
import { Session, type SessionOptions } from './session.ts';
import { StatelessServer } from './statelessServer.ts';

export interface HttpListenerOptions {
  /** Address to bind, such as 127.0.0.1. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** If given, every request must bring it as `Authorization: Bearer …`. */
  readonly token?: string | undefined;
  /** What a wrong or missing token is answered. VS Code takes 401 for the beginning of a sign-in. Default 401. */
  readonly missingTokenStatus?: 401 | 404;
  /** Host names to accept beside loopback names and the bound address. */
  readonly allowedHosts?: readonly string[];
  /** Origins to accept beside loopback ones. */
  readonly allowedOrigins?: readonly string[];
  /** Whether its clients are VS Code, and are shown what it can take. */
  readonly fitsEditor?: boolean;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const PATHS = new Set(['/mcp', '/']);
/** How long the rest of a body that was refused is still taken, and dropped. */
const LINGER_MS = 2000;
/** A client that has had nothing open for so long has left without a word. */
const IDLE_MS = 5 * 60_000;
const SWEEP_MS = 60_000;

/** Streamable HTTP for any number of clients, each with a session of its own. */
export class HttpListener {
  private readonly options: HttpListenerOptions;
  private readonly clock: Clock;
  private readonly sessionOptions: SessionOptions;
  private readonly stateless: StatelessServer;
  /** The modern requests that are not answered yet. */
  private readonly open = new Set<AbortController>();
  private readonly server: Server;
  private readonly sessions = new Map<string, { readonly transport: HttpTransport; readonly session: Session }>();
  private readonly sessionsChanged = new Emitter();
  private readonly hosts: Set<string>;
  private readonly token: Buffer | undefined;
  private boundPort = 0;
  private sweep: Disposable | undefined;

  /** A session began or ended. */
  readonly onDidChangeSessions = this.sessionsChanged.event;

  private constructor(options: HttpListenerOptions, clock: Clock, sessionOptions: SessionOptions) {
    this.options = options;
    this.clock = clock;
    this.sessionOptions = sessionOptions;
    this.stateless = new StatelessServer(sessionOptions.ports, clock, sessionOptions.present);
    this.hosts = new Set(
      [...LOOPBACK, options.host, `[${options.host}]`, ...(options.allowedHosts ?? [])].map(host => host.toLowerCase()),
    );
    this.token = options.token === undefined ? undefined : digest(options.token);
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        sessionOptions.log.warning(`HTTP: ${request.method} ${request.url} failed: ${String(error)}`);
        response.destroy();
      });
    });
    this.server.keepAliveTimeout = 120_000;
  }

  /** Binds and listens. Rejects with a {@link UserError} if the address cannot be had. */
  static async listen(
    options: HttpListenerOptions,
    clock: Clock,
    sessionOptions: SessionOptions,
  ): Promise<HttpListener> {
    const listener = new HttpListener(options, clock, sessionOptions);
    await new Promise<void>((resolve, reject) => {
      listener.server.once('error', (error: NodeJS.ErrnoException) => {
        const hint =
          error.code === 'EADDRINUSE'
            ? ': the port is taken; choose another, or end the program that holds it'
            : `: ${error.message}`;
        reject(new UserError(`Cannot listen on ${options.host}:${options.port}${hint}`));
      });
      listener.server.listen(options.port, options.host, resolve);
    });
    listener.boundPort = (listener.server.address() as AddressInfo).port;
    listener.scheduleSweep();
    return listener;
  }

  /** Where it listens, or did before it was closed. */
  get port(): number {
    return this.boundPort;
  }

  /** Where clients connect, such as http://127.0.0.1:8000/mcp. */
  get url(): string {
    const { host } = this.options;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}/mcp`;
  }

  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Ends all sessions and stops listening. */
  async close(): Promise<void> {
    this.sweep?.dispose();
    this.stateless.dispose();
    for (const request of this.open) request.abort('the server is stopping');
    // A stream of changes is answered when it ends.
    await nextTurn();
    await Promise.all([...this.sessions.values()].map(({ session }) => session.close()));
    await new Promise<void>(resolve => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.isTrusted(request))
      return reply(response, 403, 'Forbidden: the Host or Origin header is not allowed here');
    if (!PATHS.has((request.url ?? '').split('?', 1)[0] ?? '')) return reply(response, 404, 'Not found');
    if (!this.isAuthorized(request)) {
      const status = this.options.missingTokenStatus ?? 401;
      if (status === 401) response.setHeader('www-authenticate', 'Bearer');
      return reply(
        response,
        status,
        status === 401 ? 'Unauthorized: bring the token as "Authorization: Bearer …"' : 'Not found',
      );
    }
    switch (request.method) {
      case 'POST':
        return this.post(request, response);
      case 'GET':
        return this.inSession(request, response, ({ transport }) => transport.get(response));
      case 'DELETE':
        return this.inSession(request, response, async ({ session }) => {
          await session.close();
          response.writeHead(200).end();
        });
      default:
        response.setHeader('allow', 'GET, POST, DELETE');
        return reply(response, 405, 'Method not allowed');
    }
  }

  private async post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
      return reply(response, 415, 'Unsupported media type: the body must be application/json');
    }
    const body = await readBody(request);
    if (body === undefined) return this.refuseBody(request, response);
    const parsed = parseBody(body);
    if ('refusal' in parsed) return reply(response, 400, parsed.refusal, parsed.code, parsed.id);
    const { messages } = parsed;
    if (isModern(request, messages)) return this.postModern(request, messages, response);
    const [first] = messages;
    if (messages.length === 1 && first && isInitialize(first)) {
      (await this.begin()).post(messages, response);
      return;
    }
    await this.inSession(request, response, ({ transport }) => {
      const id = transport.clashOf(messages);
      if (id === undefined) return transport.post(messages, response);
      const message = `Invalid request: the id ${JSON.stringify(id)} is that of another request, not answered yet`;
      return reply(response, 400, message, INVALID_REQUEST, id);
    });
  }

  /** One request that stands alone, or a notification, which has nobody to go to. */
  private async postModern(
    request: IncomingMessage,
    messages: readonly JSONRPCMessage[],
    response: ServerResponse,
  ): Promise<void> {
    const [message] = messages;
    const refused = modernRefusal(request.headers, messages.length === 1 ? message : messages);
    if (refused) return reply(response, refused.status, refused.message, refused.code, refused.id, refused.data);
    if (!message || !('method' in message) || !('id' in message)) {
      response.writeHead(202).end();
      return;
    }
    const { id, method, params = {} } = message;
    if (method === 'tools/call') {
      const tool = (await this.sessionOptions.ports.catalog()).tools.get(String(params.name));
      const mismatch = paramRefusal(request.headers, tool?.definition.inputSchema, { id, params });
      if (mismatch) return reply(response, mismatch.status, mismatch.message, mismatch.code, id);
    }
    const abort = new AbortController();
    this.open.add(abort);
    const exchange = new HttpExchange(response, undefined, 1, this.clock);
    // A client that closes the stream cancels its request.
    response.once('close', () => abort.abort('the client closed the stream'));
    const notify = (told: string, about: Params | undefined) => {
      if (!abort.signal.aborted) exchange.push({ jsonrpc: '2.0', method: told, ...(about && { params: about }) });
    };
    const answer = await this.stateless.answer({ id, method, params }, { notify, signal: abort.signal });
    this.open.delete(abort);
    const { kind: _, ...resultOrError } = answer;
    exchange.settle({ jsonrpc: '2.0', id, ...resultOrError } as JSONRPCMessage, statusOf(answer));
  }

  /** The connection closes, but not while the rest of the body arrives: that would reset it, and the answer be lost. */
  private refuseBody(request: IncomingMessage, response: ServerResponse): void {
    const body = errorBody(`Payload too large: at most ${MAX_BODY_BYTES} bytes`, REFUSED, null);
    response.writeHead(413, { ...headersOf(body), connection: 'close' }).write(body);
    const end = () => void response.end();
    const timer = this.clock.schedule(LINGER_MS, end);
    response.once('close', () => timer.dispose());
    request.once('end', end).resume();
  }

  private async begin(): Promise<HttpTransport> {
    const id = randomUUID();
    const transport = new HttpTransport(id, this.clock);
    transport.onclose = () => {
      this.sessions.delete(id);
      this.sessionsChanged.fire();
    };
    this.sessions.set(id, { transport, session: await Session.serve(id, transport, this.sessionOptions) });
    this.sessionsChanged.fire();
    return transport;
  }

  /** Ends the sessions of clients that have left without a DELETE. */
  private scheduleSweep(): void {
    this.sweep = this.clock.schedule(SWEEP_MS, () => {
      for (const { transport, session } of this.sessions.values()) {
        const { idleSince } = transport;
        if (idleSince !== undefined && this.clock.now() - idleSince >= IDLE_MS) void session.close();
      }
      this.scheduleSweep();
    });
  }

  private async inSession(
    request: IncomingMessage,
    response: ServerResponse,
    action: (entry: { transport: HttpTransport; session: Session }) => void | Promise<void>,
  ): Promise<void> {
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string')
      return reply(response, 400, 'Bad request: no Mcp-Session-Id header, and not an initialize request', REFUSED);
    const entry = this.sessions.get(id);
    if (!entry) return reply(response, 404, 'Session not found: initialize a new one', SESSION_NOT_FOUND);
    const version = request.headers['mcp-protocol-version'];
    if (typeof version === 'string' && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
      return reply(response, 400, `Bad request: unsupported MCP-Protocol-Version ${version}`, REFUSED);
    }
    await action(entry);
  }

  /** Against DNS rebinding: a page of another site may reach our port, but not with our Host and Origin. */
  private isTrusted(request: IncomingMessage): boolean {
    const host = request.headers.host?.toLowerCase();
    if (host === undefined || !(this.hosts.has(host) || this.hosts.has(host.replace(/:\d+$/, '')))) return false;
    const { origin } = request.headers;
    if (origin === undefined || this.options.allowedOrigins?.includes(origin)) return true;
    return URL.canParse(origin) && LOOPBACK.includes(new URL(origin).hostname);
  }

  private isAuthorized(request: IncomingMessage): boolean {
    if (this.token === undefined) return true;
    const [, token] = /^Bearer +(.*)$/i.exec(request.headers.authorization ?? '') ?? [];
    return token !== undefined && timingSafeEqual(this.token, digest(token));
  }
}

/** Of equal length whatever it is made from, so that comparing tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isInitialize(message: JSONRPCMessage): boolean {
  return 'method' in message && message.method === 'initialize' && 'id' in message;
}

/** Whether a body says, or its headers, that it is of the modern era; what is wrong with it comes later. */
function isModern({ headers }: IncomingMessage, messages: readonly JSONRPCMessage[]): boolean {
  const hasClaim = messages.some(message => 'method' in message && hasEnvelope(message.params));
  return hasClaim || headers['mcp-protocol-version'] === MODERN_VERSION;
}

function reply(
  response: ServerResponse,
  status: number,
  message: string,
  code = REFUSED,
  id: RequestId | null = null,
  data?: unknown,
): void {
  const body = errorBody(message, code, id, data);
  response.writeHead(status, headersOf(body)).end(body);
}

function errorBody(message: string, code: number, id: RequestId | null, data?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', error: { code, message, ...(data !== undefined && { data }) }, id });
}

function headersOf(body: string): OutgoingHttpHeaders {
  return { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
}
