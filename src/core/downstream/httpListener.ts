// The HTTP front: binds, asks who is there, and opens the door that the path names.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { messageOf, UserError } from '../base/errors.ts';
import { Emitter } from '../base/event.ts';
import type { Logger } from '../base/log.ts';
import { Access, type AccessOptions } from './access.ts';
import { type Door, type Role, refuse } from './door.ts';

export interface HttpListenerOptions extends AccessOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  /** The certificate chain and its key, in PEM; undefined: plain HTTP. */
  readonly tls?: Certificate | undefined;
  /** What a wrong or missing token is answered. VS Code takes 401 for the beginning of a sign-in. Default 401. */
  readonly missingTokenStatus?: 401 | 404;
  /** Told of every request when its response is over. */
  readonly onAnswered?: ((answered: AnsweredRequest) => void) | undefined;
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
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
}

/** A peer that moves no byte for so long is cut off; streams give a sign of life four times as often. */
const STALLED_MS = 60_000;
const HEADERS_MS = 20_000;
const WHOLE_REQUEST_MS = 120_000;
const KEEP_ALIVE_MS = 120_000;
/** What is written last gets so long to reach its client. */
const LAST_WORDS_MS = 500;
/** Headers of answers that a page of an allowed origin may read. */
const EXPOSED_HEADERS = 'mcp-session-id, mcp-protocol-version, retry-after, www-authenticate';

export class HttpListener {
  private readonly options: HttpListenerOptions;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly doors: readonly Door[];
  private readonly exact = new Map<string, Door>();
  private readonly access: Access;
  private readonly server: Server;
  private readonly sessionsChanged = new Emitter();
  private boundPort = 0;

  /** A session began or ended. */
  readonly onDidChangeSessions = this.sessionsChanged.event;

  private constructor(options: HttpListenerOptions, doors: readonly Door[], clock: Clock, log: Logger) {
    this.options = options;
    this.doors = doors;
    this.clock = clock;
    this.log = log;
    this.access = new Access(options, clock);
    for (const door of doors) {
      for (const path of door.paths) this.exact.set(path, door);
      door.onDidChangeSessions?.(() => this.sessionsChanged.fire());
    }
    const timeouts = { headersTimeout: HEADERS_MS, requestTimeout: WHOLE_REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS };
    const listener: RequestListener = (request, response) => void this.receive(request, response);
    this.server = options.tls
      ? createTlsServer({ ...timeouts, ...options.tls }, listener)
      : createServer(timeouts, listener);
    this.server.timeout = STALLED_MS;
  }

  /** Binds and listens. Rejects with a {@link UserError} if the address cannot be had, or the certificate not be used. */
  static async listen(
    options: HttpListenerOptions,
    doors: readonly Door[],
    clock: Clock,
    log: Logger,
  ): Promise<HttpListener> {
    const { host, port, tls } = options;
    let listener: HttpListener;
    try {
      listener = new HttpListener(options, doors, clock, log);
    } catch (cause) {
      if (!tls) throw cause;
      throw new UserError(`The TLS certificate and key cannot be used: ${messageOf(cause)}.`, { cause });
    }
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
    return this.doors.reduce((sum, { sessionCount = 0 }) => sum + sessionCount, 0);
  }

  /** Takes nothing new; what is in flight goes on, and whoever asks how we are is answered. */
  drain(): void {
    for (const door of this.doors) door.drain?.();
  }

  /** Ends all that is open and stops listening. */
  async close(): Promise<void> {
    this.drain();
    await Promise.all(this.doors.map(door => door.close?.()));
    await new Promise<void>(resolve => {
      const timer = this.clock.schedule(LAST_WORDS_MS, () => this.server.closeAllConnections());
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
    const { onAnswered } = this.options;
    if (onAnswered) {
      const at = this.clock.now();
      response.once('close', () => {
        const status = response.headersSent ? response.statusCode : 0;
        onAnswered({ request, status, role, at, ms: this.clock.now() - at });
      });
    }
    try {
      if (!this.access.isTrusted(request))
        return refuse(response, 403, 'Forbidden: the Host or Origin header is not allowed here');
      if (this.answersPage(request, response)) return;
      const [path = '/', query] = (request.url ?? '/').split('?', 2);
      const door = this.doorAt(path);
      if (!door) return refuse(response, 404, 'Not found');
      role = door.isPublic ? 'read' : this.admitted(request, response);
      if (role) await door.visit({ request, response, path, query: new URLSearchParams(query), role });
    } catch (error) {
      this.log.warning(`HTTP: ${request.method} ${pathOf(request)} failed: ${messageOf(error)}`);
      response.destroy();
    }
  }

  private doorAt(path: string): Door | undefined {
    const exact = this.exact.get(path) ?? (path.endsWith('/') ? this.exact.get(path.slice(0, -1)) : undefined);
    if (exact) return exact;
    return this.doors.find(({ paths }) =>
      paths.some(each => each.length > 1 && each.endsWith('/') && path.startsWith(each)),
    );
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
        'access-control-allow-methods': 'GET, POST, PATCH, DELETE',
        'access-control-allow-headers': headers['access-control-request-headers'] ?? '',
        'access-control-max-age': '600',
      })
      .end();
    return true;
  }

  /** What the request may do; undefined: it was sent away. */
  private admitted(request: IncomingMessage, response: ServerResponse): Role | undefined {
    const admission = this.access.admit(request);
    if (admission.kind === 'admitted') return admission.role;
    if (this.options.missingTokenStatus === 404) refuse(response, 404, 'Not found');
    else if (admission.kind === 'unauthorized') {
      response.setHeader('www-authenticate', 'Bearer');
      refuse(response, 401, 'Unauthorized: bring the token as "Authorization: Bearer …"');
    } else {
      response.setHeader('retry-after', admission.retryAfterSeconds);
      refuse(response, 429, 'Too many wrong tokens came from this address');
    }
    return undefined;
  }
}

type TlsServer = ReturnType<typeof createTlsServer>;

/** What a log may show of a request: a query may hold secrets. */
export function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '';
}
