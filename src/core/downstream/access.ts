// Who may come in over HTTP, and as what.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../base/clock.ts';
import { harmless } from '../base/harmless.ts';
import type { Logger } from '../base/log.ts';
import { isLoopback } from '../base/loopback.ts';
import { RecentMap } from '../base/recentMap.ts';
import type { Role } from './door.ts';

export interface Token {
  readonly role: Role;
  readonly value: string;
}

export interface AccessOptions {
  /** The address that is bound. */
  readonly host: string;
  /** Every request has to bring one of them as `Authorization: Bearer …`; none: none is asked for. */
  readonly tokens?: readonly Token[];
  /** Host names to accept beside loopback names and the bound address; `*.example.com` and `*` are patterns. */
  readonly allowedHosts?: readonly string[];
  /** Origins to accept beside loopback ones; `*` is any. */
  readonly allowedOrigins?: readonly string[];
  /** Hosts and origins to accept just now as well. */
  readonly alsoAllowed?: () => { readonly hosts: readonly string[]; readonly origins: readonly string[] };
}

export type Admission =
  | { readonly kind: 'admitted'; readonly role: Role }
  | { readonly kind: 'unauthorized' }
  /** Too many wrong tokens came from there. */
  | { readonly kind: 'limited'; readonly retryAfterSeconds: number };

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
/** So many wrong tokens may come from one address in a window; a missing one is no guess. */
const MAX_FAILURES = 20;
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 10_000;

interface KnownToken {
  readonly role: Role;
  readonly digest: Buffer;
}

export class Access {
  private readonly clock: Clock;
  private readonly log: Pick<Logger, 'warning'>;
  private readonly hosts: readonly string[];
  private readonly origins: readonly string[];
  private readonly alsoAllowed: NonNullable<AccessOptions['alsoAllowed']>;
  private readonly tokens: readonly KnownToken[];
  /** What was let in, by address. */
  private readonly known = new RecentMap<string, Set<KnownToken>>(MAX_ADDRESSES);
  private readonly failures = new RecentMap<string, { readonly since: number; readonly count: number }>(MAX_ADDRESSES);

  constructor(
    { host, tokens = [], allowedHosts = [], allowedOrigins = [], alsoAllowed }: AccessOptions,
    clock: Clock,
    log: Pick<Logger, 'warning'>,
  ) {
    this.log = log;
    this.alsoAllowed = alsoAllowed ?? (() => ({ hosts: [], origins: [] }));
    this.clock = clock;
    this.hosts = [...LOOPBACK, host, `[${host}]`, ...allowedHosts];
    this.origins = allowedOrigins;
    this.tokens = tokens.map(({ role, value }) => ({ role, digest: digest(value) }));
  }

  /**
   * Why a request is not to be answered; undefined: it may. Against DNS rebinding: a page of another site may reach our port,
   * but not with our Host and Origin.
   */
  distrust({ headers }: IncomingMessage): string | undefined {
    const { host = '', origin } = headers;
    const name = host.toLowerCase();
    if (!this.isOurHost(name) && !this.isOurHost(name.replace(/:\d+$/, ''))) {
      return forbidden('Host', host, 'server.allowed_hosts or --allow-host');
    }
    return origin === undefined || this.isOurOrigin(origin)
      ? undefined
      : forbidden('Origin', origin, 'server.allowed_origins or --allow-origin');
  }

  /** What a request may do by the token that it brings. */
  admit({ headers, socket }: IncomingMessage): Admission {
    if (this.tokens.length === 0) return { kind: 'admitted', role: 'admin' };
    const [, brought] = /^Bearer +(.*)$/i.exec(headers.authorization ?? '') ?? [];
    if (brought === undefined) return { kind: 'unauthorized' };
    const address = socket.remoteAddress ?? '';
    const retryAfterMs = this.limitedFor(address);
    const token = this.tokenIn(brought);
    if (token && (retryAfterMs === 0 || this.isKnown(address, token))) {
      this.known.set(address, (this.known.get(address) ?? new Set()).add(token));
      return { kind: 'admitted', role: token.role };
    }
    if (retryAfterMs > 0) return { kind: 'limited', retryAfterSeconds: Math.ceil(retryAfterMs / 1000) };
    this.fail(address);
    return { kind: 'unauthorized' };
  }

  private isOurHost(host: string): boolean {
    if (host === '') return false;
    const is = (pattern: string) =>
      pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
    return [...this.hosts, ...this.alsoAllowed().hosts].some(each => is(each.toLowerCase()));
  }

  private isOurOrigin(origin: string): boolean {
    const allowed = [...this.origins, ...this.alsoAllowed().origins];
    if (allowed.includes(origin) || allowed.includes('*')) return true;
    if (!URL.canParse(origin)) return false;
    const { protocol, hostname } = new URL(origin);
    // What a browser shows under other schemes, a webview for one, is not of this machine by its name.
    return (protocol === 'http:' || protocol === 'https:') && LOOPBACK.includes(hostname);
  }

  /** Every token is compared, in the same time whatever was brought. */
  private tokenIn(brought: string): KnownToken | undefined {
    const candidate = digest(brought);
    return this.tokens.filter(({ digest }) => timingSafeEqual(digest, candidate))[0];
  }

  /**
   * Whether a token is no guess. Those behind one address may be many, and one of them with a wrong token does not shut out the
   * others: who was let in before still is, and so are all programs of this machine.
   */
  private isKnown(address: string, token: KnownToken): boolean {
    return isLoopback(address) || this.known.get(address)?.has(token) === true;
  }

  private limitedFor(address: string): number {
    const { since, count } = this.failures.get(address) ?? { since: 0, count: 0 };
    return count < MAX_FAILURES ? 0 : Math.max(0, since + WINDOW_MS - this.clock.now());
  }

  private fail(address: string): void {
    const now = this.clock.now();
    const seen = this.failures.get(address);
    const current =
      seen === undefined || now - seen.since >= WINDOW_MS
        ? { since: now, count: 1 }
        : { ...seen, count: seen.count + 1 };
    this.failures.set(address, current);
    if (current.count !== MAX_FAILURES) return;
    const until = new Date(current.since + WINDOW_MS).toISOString();
    this.log.warning(`${address} brought ${MAX_FAILURES} wrong tokens in a minute: refused until ${until}`);
  }
}

function forbidden(header: string, value: string, key: string): string {
  return `Forbidden: the ${header} "${harmless(value)}" is not allowed here; ${key} lets it in`;
}

/** Of equal length whatever it is made from, so that comparing tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
