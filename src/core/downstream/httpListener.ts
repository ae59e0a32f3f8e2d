import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type JSONRPCMessage, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { Emitter } from '../base/event.ts';
import { HttpTransport } from './httpTransport.ts';
import { Session, type SessionPorts } from './session.ts';

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
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const PATHS = new Set(['/mcp', '/']);
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const BAD_REQUEST = -32000;
const SESSION_NOT_FOUND = -32001;
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;

/** Streamable HTTP for any number of clients, each with a session of its own. */
export class HttpListener {
  private readonly options: HttpListenerOptions;
  private readonly clock: Clock;
  private readonly ports: SessionPorts;
  private readonly server: Server;
  private readonly sessions = new Map<string, { readonly transport: HttpTransport; readonly session: Session }>();
  private readonly sessionsChanged = new Emitter();
  private readonly hosts: Set<string>;
  private readonly token: Buffer | undefined;
  private boundPort = 0;

  /** A session began or ended. */
  readonly onDidChangeSessions = this.sessionsChanged.event;

  private constructor(options: HttpListenerOptions, clock: Clock, ports: SessionPorts) {
    this.options = options;
    this.clock = clock;
    this.ports = ports;
    this.hosts = new Set(
      [...LOOPBACK, options.host, `[${options.host}]`, ...(options.allowedHosts ?? [])].map(host => host.toLowerCase()),
    );
    this.token = options.token === undefined ? undefined : digest(`Bearer ${options.token}`);
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error: unknown) => {
        ports.log.warning(`HTTP: ${request.method} ${request.url} failed: ${String(error)}`);
        response.destroy();
      });
    });
    this.server.keepAliveTimeout = 120_000;
  }

  /** Binds and listens. Rejects with a {@link UserError} if the address cannot be had. */
  static async listen(options: HttpListenerOptions, clock: Clock, ports: SessionPorts): Promise<HttpListener> {
    const listener = new HttpListener(options, clock, ports);
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
    if (body === undefined) return reply(response, 413, `Payload too large: at most ${MAX_BODY_BYTES} bytes`);
    const messages = parseMessages(body);
    if (messages === 'not JSON') return reply(response, 400, 'Parse error: the body is not JSON', PARSE_ERROR);
    if (messages === 'not JSON-RPC')
      return reply(response, 400, 'Invalid request: the body is not JSON-RPC 2.0', INVALID_REQUEST);
    const [first] = messages;
    if (messages.length === 1 && first && 'method' in first && first.method === 'initialize') {
      (await this.begin()).post(messages, response);
    } else {
      await this.inSession(request, response, ({ transport }) => transport.post(messages, response));
    }
  }

  private async begin(): Promise<HttpTransport> {
    const id = randomUUID();
    const transport = new HttpTransport(id, this.clock);
    transport.onclose = () => {
      this.sessions.delete(id);
      this.sessionsChanged.fire();
    };
    this.sessions.set(id, { transport, session: await Session.serve(id, transport, this.ports) });
    this.sessionsChanged.fire();
    return transport;
  }

  private async inSession(
    request: IncomingMessage,
    response: ServerResponse,
    action: (entry: { transport: HttpTransport; session: Session }) => void | Promise<void>,
  ): Promise<void> {
    const id = request.headers['mcp-session-id'];
    if (typeof id !== 'string')
      return reply(response, 400, 'Bad request: no Mcp-Session-Id header, and not an initialize request', BAD_REQUEST);
    const entry = this.sessions.get(id);
    if (!entry) return reply(response, 404, 'Session not found: initialize a new one', SESSION_NOT_FOUND);
    const version = request.headers['mcp-protocol-version'];
    if (typeof version === 'string' && !SUPPORTED_PROTOCOL_VERSIONS.includes(version)) {
      return reply(response, 400, `Bad request: unsupported MCP-Protocol-Version ${version}`, BAD_REQUEST);
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
    return this.token === undefined || timingSafeEqual(this.token, digest(request.headers.authorization ?? ''));
  }
}

/** Of equal length whatever it is made from, so that comparing tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function reply(response: ServerResponse, status: number, message: string, code = BAD_REQUEST): void {
  const body = JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null });
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    .end(body);
}

/** The whole body; undefined if it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseMessages(body: string): JSONRPCMessage[] | 'not JSON' | 'not JSON-RPC' {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return 'not JSON';
  }
  const messages = Array.isArray(value) ? value : [value];
  return messages.length > 0 && messages.every(isMessage) ? messages : 'not JSON-RPC';
}

/** Enough for the session to take it from here: a request, a notification or a response. */
function isMessage(value: unknown): value is JSONRPCMessage {
  if (typeof value !== 'object' || value === null || !('jsonrpc' in value) || value.jsonrpc !== '2.0') return false;
  if ('id' in value && typeof value.id !== 'string' && typeof value.id !== 'number') return false;
  return 'method' in value
    ? typeof value.method === 'string'
    : 'id' in value && ('result' in value || 'error' in value);
}
