// The HTTP front: binds, asks who is there, and opens the door that the path names.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { Emitter } from '../base/event.ts';
import type { Logger } from '../base/log.ts';
import { traceContextIn } from '../base/traceContext.ts';
import { Access, type AccessOptions } from './access.ts';
import { type Door, type Role, refuse, replyJson } from './door.ts';

export interface HttpListenerOptions extends AccessOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  /** The certificate chain and its key, in PEM, that fit together; undefined: plain HTTP. */
  readonly tls?: Certificate | undefined;
  /** What a wrong or missing token is answered. VS Code takes 401 for the beginning of a sign-in. Default 401. */
  readonly missingTokenStatus?: 401 | 404;
  /** Whether a request's headers tell where it belongs, if it does not do so itself. Default false. */
  readonly readsTraceContext?: boolean;
  /** Told of every request when its response is over. */
  readonly onAnswered?: ((answered: AnsweredRequest) => void) | undefined;
  readonly patience?: Patience;
}

/** How long clients may take, in milliseconds, before their connection is cut. */
export interface Patience {
  /** To move a byte. Streams give a sign of life four times as often as they have by default. */
  readonly stalledMs: number;
  /** To send the headers of a request, and before them to agree on TLS. */
  readonly headersMs: number;
  /** To send a request. */
  readonly requestMs: number;
}

export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** One request that is over, as an access log or a metric wants it. */
export interface AnsweredRequest {
  readonly request: IncomingMessage;
  /** 0: the client left before it was answered. */
  readonly status: number;
  /** Undefined: it was not let in. */
  readonly role: Role | undefined;
  /** Of its URL, without the query; what is no path is left out. */
  readonly path: string;
  /** The path of the door that it came to, as the door names it; undefined: there is none. */
  readonly door: string | undefined;
  /** Of the client's end; undefined: it was gone at once. */
  readonly address: string | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
}

const PATIENCE: Patience = { stalledMs: 60_000, headersMs: 20_000, requestMs: 120_000 };
const KEEP_ALIVE_MS = 120_000;
/** What is written last gets so long to reach its client. */
const LAST_WORDS_MS = 500;
/** What one door or another knows. */
const METHODS = 'GET, POST, PATCH, DELETE';
/** Texts of refusals, which the OpenAPI document gives as examples. */
export const FRONT_TEXTS = {
  token: 'Unauthorized: bring the token as "Authorization: Bearer …"',
  limited: 'Too many wrong tokens came from this address',
  encoded: 'Unsupported content encoding: send the body as it is',
  internal: 'Internal error',
};
/** Headers of answers that a page of an allowed origin may read. */
const EXPOSED_HEADERS = 'mcp-session-id, mcp-protocol-version, retry-after, www-authenticate';

/** Answers in the words of those who come to that door. */
type Refuse = (status: number, message: string) => void;

/** A door at one of its paths. */
interface Entrance {
  readonly path: string;
  readonly door: Door;
}

export class HttpListener {
  private readonly options: HttpListenerOptions;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly doors: readonly Door[];
  private readonly exact = new Map<string, Entrance>();
  /** What stands for everything below it too. */
  private readonly below: readonly Entrance[];
  private readonly access: Access;
  private readonly server: Server;
  /** All that are connected, those that have not said a word or not agreed on TLS included. */
  private readonly sockets = new Set<Socket>();
  /** Those that are not over. */
  private readonly responses = new Set<ServerResponse>();
  private readonly sessionsChanged = new Emitter();
  private boundPort = 0;
  private isDraining = false;

  /** A session began or ended. */
  readonly onDidChangeSessions = this.sessionsChanged.event;

  private constructor(options: HttpListenerOptions, doors: readonly Door[], clock: Clock, log: Logger) {
    this.options = options;
    this.doors = doors;
    this.clock = clock;
    this.log = log;
    this.access = new Access(options, clock, log);
    const entrances = doors.flatMap(door => door.paths.map(path => ({ path, door })));
    for (const entrance of entrances) this.exact.set(entrance.path, entrance);
    this.below = entrances.filter(({ path }) => path.length > 1 && path.endsWith('/'));
    for (const door of doors) door.sessions?.onDidChange(() => this.sessionsChanged.fire());
    const { stalledMs, headersMs, requestMs } = options.patience ?? PATIENCE;
    const timeouts = {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: headersMs / 4,
      keepAliveTimeout: KEEP_ALIVE_MS,
    };
    const listener: RequestListener = (request, response) => void this.receive(request, response);
    this.server = options.tls
      ? createTlsServer({ ...timeouts, handshakeTimeout: headersMs, ...options.tls }, listener)
      : createServer(timeouts, listener);
    this.server.timeout = stalledMs;
    this.server.on('connection', socket => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.on('connect', (_request, socket) => {
      // From here on the socket is ours: without a listener its reset would end the process.
      socket.on('error', () => socket.destroy());
      socket.end(`HTTP/1.1 405 Method Not Allowed\r\nallow: ${METHODS}\r\nconnection: close\r\n\r\n`);
      if (socket instanceof Socket) socket.destroySoon();
    });
  }

  /** Binds and listens. Rejects with a {@link UserError} if the address cannot be had. */
  static async listen(
    options: HttpListenerOptions,
    doors: readonly Door[],
    clock: Clock,
    log: Logger,
  ): Promise<HttpListener> {
    const { host, port } = options;
    const listener = new HttpListener(options, doors, clock, log);
    await new Promise<void>((resolve, reject) => {
      listener.server.once('error', (error: NodeJS.ErrnoException) => {
        const hint =
          error.code === 'EADDRINUSE'
            ? ': the port is taken; choose another, or end the program that holds it'
            : `: ${error.message}`;
        reject(new UserError(`Cannot listen on ${host}:${port}${hint}`));
      });
      listener.server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), resolve);
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
    const { host, tls } = this.options;
    const scheme = tls ? 'https' : 'http';
    return `${scheme}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${this.port}/mcp`;
  }

  get sessionCount(): number {
    return this.doors.reduce((sum, { sessions }) => sum + (sessions?.size ?? 0), 0);
  }

  /** Takes nothing new; what is in flight goes on, and whoever asks how we are is answered. */
  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    for (const door of this.doors) door.drain?.();
    for (const response of this.responses) closeWith(response);
  }

  /** Ends all that is open and stops listening. */
  async close(): Promise<void> {
    this.drain();
    await Promise.all(this.doors.map(door => door.close?.()));
    await new Promise<void>(resolve => {
      const timer = this.clock.schedule(LAST_WORDS_MS, () => {
        for (const socket of this.sockets) socket.destroy();
      });
      this.server.close(() => {
        timer.dispose();
        resolve();
      });
      this.server.closeIdleConnections();
    });
  }

  /** Serves new connections with another certificate. Throws if it cannot be used; the old one stays. */
  renewCertificate(certificate: Certificate): void {
    if ('setSecureContext' in this.server) (this.server as TlsServer).setSecureContext(certificate);
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let role: Role | undefined;
    const target = targetOf(request);
    const [, path = '', query = ''] = /^([^?]*)\??(.*)$/.exec(target ?? '') ?? [];
    const entrance = this.entranceAt(path);
    const at = this.clock.now();
    const address = request.socket.remoteAddress;
    this.responses.add(response);
    response.once('close', () => {
      this.responses.delete(response);
      const status = response.headersSent ? response.statusCode : 0;
      this.options.onAnswered?.({
        request,
        path,
        status,
        role,
        door: entrance?.path,
        address,
        at,
        ms: this.clock.now() - at,
      });
    });
    if (this.isDraining) closeWith(response);
    const refused: Refuse = (status, message) =>
      entrance?.door.isMcp ? refuse(response, status, message) : replyJson(response, status, { error: message });
    try {
      if (target === undefined) return refused(400, 'Bad request: it does not say for one host alone');
      const distrust = this.access.distrust(request);
      if (distrust !== undefined) return refused(403, distrust);
      if (this.answersPage(request, response)) return;
      if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
        response.setHeader('accept-encoding', 'identity');
        return refused(415, FRONT_TEXTS.encoded);
      }
      if (!entrance) return refused(404, 'Not found');
      const { door } = entrance;
      const traceContext = this.options.readsTraceContext ? traceContextIn(request.headers) : undefined;
      role = door.isPublic ? 'read' : this.admitted(request, response, refused);
      if (role) await door.visit({ request, response, path, query: new URLSearchParams(query), role, traceContext });
    } catch (error) {
      const said = `HTTP: ${request.method} ${path} failed: ${messageOf(error)}`;
      // A client that leaves in the middle of its request has done nothing that anybody has to look into.
      if (request.errored) return this.log.debug(said);
      this.log.warning(said);
      if (response.headersSent) response.destroy();
      else refused(500, FRONT_TEXTS.internal);
    }
  }

  private entranceAt(path: string): Entrance | undefined {
    const exact = this.exact.get(path) ?? this.exact.get(path.endsWith('/') ? path.slice(0, -1) : `${path}/`);
    return exact ?? this.below.find(each => path.startsWith(each.path));
  }

  /** For a web page of an allowed origin; true: it only asked whether it may (CORS). */
  private answersPage({ method, headers }: IncomingMessage, response: ServerResponse): boolean {
    if (headers.origin === undefined) return false;
    response.setHeader('access-control-allow-origin', headers.origin);
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
    response.setHeader('vary', 'origin');
    if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) return false;
    response
      .writeHead(204, {
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': headers['access-control-request-headers'] ?? '',
        'access-control-max-age': '600',
      })
      .end();
    return true;
  }

  /** What the request may do; undefined: it was sent away. */
  private admitted(request: IncomingMessage, response: ServerResponse, refused: Refuse): Role | undefined {
    const admission = this.access.admit(request);
    if (admission.kind === 'admitted') return admission.role;
    if (this.options.missingTokenStatus === 404) refused(404, 'Not found');
    else if (admission.kind === 'unauthorized') {
      response.setHeader('www-authenticate', 'Bearer');
      refused(401, FRONT_TEXTS.token);
    } else {
      response.setHeader('retry-after', admission.retryAfterSeconds);
      refused(429, FRONT_TEXTS.limited);
    }
    return undefined;
  }
}

/**
 * The path and query. A host that stands before them, as for a proxy, has to be that of the one Host header (RFC 9112,
 * sections 3.2 and 3.2.2); undefined: it is not, or there are several.
 */
function targetOf({ url = '/', headers, headersDistinct }: IncomingMessage): string | undefined {
  if (headersDistinct.host && headersDistinct.host.length > 1) return undefined;
  if (url.startsWith('/')) return url;
  const [, authority, target = ''] = /^https?:\/\/([^/?]*)(.*)$/i.exec(url) ?? [];
  if (authority === undefined) return url;
  if (authority.toLowerCase() !== headers.host?.toLowerCase()) return undefined;
  return target.startsWith('/') ? target : `/${target}`;
}

/** The connection ends with this answer: its client is not to send another request while the router stops. */
function closeWith(response: ServerResponse): void {
  if (response.headersSent) response.once('finish', () => response.req.socket.destroySoon());
  else response.setHeader('connection', 'close');
}

type TlsServer = ReturnType<typeof createTlsServer>;
