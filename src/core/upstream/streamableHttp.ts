// Streamable HTTP to one server (MCP "Transports", 2025-11-25 and 2026-07-28), behind the SDK's `Transport`.
// Of our own because the SDK's validates every message and drops what it does not know, does not tell on whose stream one
// came, and is most of what a call would cost. On `fetch`, because that is what the editor sends through its proxy.
import type { JSONRPCMessage, Transport, TransportSendOptions } from '@modelcontextprotocol/client';
import type { Clock } from '../base/clock.ts';
import { versionIn } from '../base/envelope.ts';
import { messageOf, reasonOf } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { encodedHeader, namedBy } from '../base/paramHeaders.ts';
import type { MessageOrigin, Params } from '../base/peer.ts';
import { METHOD_NOT_FOUND } from '../base/rpcErrors.ts';
import { Backoff } from '../health/backoff.ts';
import {
  fetchWithinOrigin,
  HttpError,
  isFinal,
  readEvents,
  SessionLostError,
  TooLongError,
  textOf,
} from './httpFetch.ts';
import { SendOrder } from './sendOrder.ts';
import { Exchange } from './streamableExchange.ts';

const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream';
const AGAIN = { initialMs: 1000, multiplier: 2, maxMs: 60_000, jitter: 0.2 };
/** However soon a server wants us back. */
const MIN_PAUSE_MS = 50;
/** A stream that was open for so long did not fail at once. */
const STEADY_MS = 5000;
/** After it was told that a request was given up, a server may have something to say on its stream for so long. */
const LAST_WORDS_MS = 1000;
/** How long a server may take over a notification: nobody waits for it, so nobody would give it up. */
const NOTIFY_MS = 30_000;
/** How often in a row the stream of a request is asked for in vain. */
const MAX_RESUMPTIONS = 5;
/** How long a server may take to say whether it knows a session. */
const SESSION_CHECK_MS = 5000;
/** 4xx that speak of who asks, whatever the session. */
const UNWELCOME: ReadonlySet<number> = new Set([401, 403]);
/** Asks nothing but whether the session is known. No request of ours that is passed on has this id. */
const SESSION_CHECK = { jsonrpc: '2.0', id: 'session-check', method: 'ping' } as const;

export class StreamableHttpTransport implements Transport {
  /** Each request has a stream of its own, whose end says that nobody waits any more. */
  readonly hasPerRequestStream = true;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage, origin?: MessageOrigin) => void;
  /** The stream that belongs to no request is open again: what it would have said meanwhile may be lost. */
  ongap?: () => void;
  private readonly url: URL;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly clock: Clock;
  private readonly exchanges = new Set<Exchange>();
  private readonly order: SendOrder;
  private session: string | undefined;
  private protocolVersion: string | undefined;
  private isClosed = false;

  /** Whether it was given headers to send. */
  readonly sendsHeaders: boolean;

  /** @param headers of every HTTP request */
  constructor(url: URL, headers: Readonly<Record<string, string>>, clock: Clock) {
    this.url = url;
    this.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    this.sendsHeaders = Object.keys(headers).length > 0;
    this.clock = clock;
    this.order = new SendOrder(clock);
  }

  get sessionId(): string | undefined {
    return this.session;
  }

  setProtocolVersion(version: string): void {
    this.protocolVersion = version;
  }

  async start(): Promise<void> {}

  /**
   * Resolves when the server has taken the message, and if it answers in JSON, when that has been read.
   * Rejects with {@link SessionLostError}, {@link HttpError}, with what `fetch` threw, or because of what came instead of
   * an answer.
   */
  async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    if (this.isClosed) throw new Error('the connection is closed');
    const id = 'method' in message && 'id' in message ? message.id : undefined;
    const givenUp = 'method' in message && message.method === 'notifications/cancelled' && message.params?.requestId;
    if (givenUp) this.forget(givenUp);
    const exchange = new Exchange(id !== undefined, id, options.onRequestStreamEnd);
    const { requestSignal } = options;
    const cancel = () => exchange.end();
    if (requestSignal?.aborted) cancel();
    requestSignal?.addEventListener('abort', cancel, { once: true });
    const end = this.begin(exchange, () => requestSignal?.removeEventListener('abort', cancel));
    try {
      const stream = await this.order.take(message, () => this.post(message, exchange, options.headers));
      if (stream) void this.follow(exchange, stream).finally(end);
      else end();
    } catch (error) {
      end();
      throw error;
    } finally {
      // Many servers never end the stream of a request that they have given up.
      if (givenUp) for (const each of this.exchangesOf(givenUp)) each.breakIn(LAST_WORDS_MS, this.clock);
    }
  }

  /** Takes leave of the server; rejects if it does not answer that well. */
  async terminateSession(): Promise<void> {
    if (this.session === undefined) return;
    const exchange = new Exchange(false);
    const end = this.begin(exchange);
    try {
      const response = await this.fetch('DELETE', {}, exchange);
      await textOf(response);
      if (!response.ok && response.status !== 405) throw new HttpError(response);
      this.session = undefined;
    } catch (error) {
      this.tell(error);
      throw error;
    } finally {
      end();
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const exchange of this.exchanges) exchange.end();
    this.onclose?.();
  }

  /** Counts an exchange among those that `close` breaks off, until what this gives is called. */
  private begin(exchange: Exchange, onEnd?: () => void): () => void {
    if (this.isClosed) exchange.end();
    this.exchanges.add(exchange);
    return () => {
      this.exchanges.delete(exchange);
      exchange.settle();
      onEnd?.();
    };
  }

  /** Posts a message, and reads an answer in JSON; one that is a stream is given back unread. */
  private async post(
    message: JSONRPCMessage,
    exchange: Exchange,
    ownHeaders: TransportSendOptions['headers'],
  ): Promise<Response | undefined> {
    const isInitialize = 'method' in message && message.method === 'initialize';
    if (isInitialize) this.session = undefined;
    if ('method' in message && exchange.id === undefined) exchange.breakIn(NOTIFY_MS, this.clock);
    const response = await this.fetch('POST', headersOf(message, ownHeaders), exchange, JSON.stringify(message));
    if (!response.ok) {
      const refusal = await refusalIn(response);
      if (await this.isSessionLost(response.status, refusal, message, exchange))
        throw new SessionLostError(response.status);
      if (!refusal || !isAnswer(refusal, message)) throw new HttpError(response);
      this.receive(refusal, exchange);
      return undefined;
    }
    if (isInitialize) this.session = response.headers.get('mcp-session-id') ?? undefined;
    const type = mediaTypeOf(response);
    if (response.status !== 202 && type === EVENTS_TYPE) {
      if (exchange.id === undefined) exchange.settle();
      return response;
    }
    const body = await textOf(response);
    if (response.status === 202) {
      if ('method' in message && message.method === 'notifications/initialized') this.listen();
    } else if (exchange.id !== undefined) {
      if (type !== JSON_TYPE) throw new Error(`the server answered with ${type || 'no content type'} instead of JSON`);
      this.receive(JSON.parse(body), exchange);
      if (exchange.isWanted) throw new Error('what the server answered is no answer to the request');
    }
    return undefined;
  }

  /**
   * Whether a request was refused because the server does not know our session. It is to say so with 404; many say 400, as
   * they do to requests that are bad in themselves: a ping then tells which it was, unless the request is given up.
   */
  private async isSessionLost(
    status: number,
    refusal: Refusal | undefined,
    message: JSONRPCMessage,
    exchange: Exchange,
  ): Promise<boolean> {
    if (this.session === undefined || !('method' in message && 'id' in message)) return false;
    if (status < 400 || !isFinal(status) || UNWELCOME.has(status)) return false;
    // Who does not know pings has looked at what was asked.
    if (message.method === 'ping') return refusal?.error.code !== METHOD_NOT_FOUND;
    if (status === 404 && !isAnswer(refusal, message)) return true;
    if (!exchange.isWanted) return false;
    exchange.breakIn(SESSION_CHECK_MS, this.clock);
    try {
      const response = await this.fetch('POST', headersOf(SESSION_CHECK), exchange, JSON.stringify(SESSION_CHECK));
      const pingRefusal = response.ok ? await response.body?.cancel() : await refusalIn(response);
      return await this.isSessionLost(response.status, pingRefusal ?? undefined, SESSION_CHECK, exchange);
    } catch {
      // Whether the server can be reached is found out, and told, by requests.
      return false;
    }
  }

  /** Opens the stream for what belongs to no request, for as long as the server offers one. */
  private listen(): void {
    const exchange = new Exchange(true);
    const end = this.begin(exchange);
    void this.follow(exchange).finally(end);
  }

  /**
   * Reads a stream until there is nothing more to wait for. One that ends or breaks before is taken up where it ended:
   * that of a request only if the server gives its events ids, and not for ever; the other one always. Never rejects.
   */
  private async follow(exchange: Exchange, first?: Response): Promise<void> {
    const backoff = new Backoff(AGAIN);
    let failures = 0;
    let response = first ?? (await this.reopen(exchange));
    while (response !== 'refused') {
      const opened = this.clock.now();
      if (response) await this.read(response, exchange);
      failures = response ? 0 : failures + 1;
      if (this.clock.now() - opened >= STEADY_MS) backoff.reset();
      if (!exchange.isWanted || (exchange.id !== undefined && !mayResume(exchange, failures))) break;
      const askedFor = response && exchange.retryMs;
      await exchange.pause(Math.max(askedFor ?? backoff.next(), MIN_PAUSE_MS), this.clock);
      response = await this.reopen(exchange);
    }
    if (!exchange.hasEnded) exchange.onStreamEnd?.();
  }

  /** Asks for a stream; undefined: not now. */
  private async reopen(exchange: Exchange): Promise<Response | 'refused' | undefined> {
    if (!exchange.isWanted) return 'refused';
    const { lastEventId } = exchange;
    const headers = { accept: EVENTS_TYPE, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
    try {
      const response = await this.fetch('GET', headers, exchange);
      const { ok, status, body } = response;
      if (ok && mediaTypeOf(response) === EVENTS_TYPE) {
        if (exchange.id === undefined && exchange.wasOpen) this.ongap?.();
        exchange.wasOpen = true;
        return response;
      }
      await body?.cancel();
      if (status === 405 || ok) return 'refused';
      // A server that is restarting may refuse what it will give again.
      return isFinal(status) && (exchange.id !== undefined || !exchange.wasOpen) ? 'refused' : undefined;
    } catch {
      // Whether the server can be reached is found out, and told, by requests.
      return undefined;
    }
  }

  /** Reads a stream to its end. Never rejects: one that breaks has ended. */
  private async read(response: Response, exchange: Exchange): Promise<void> {
    try {
      await readEvents(response, {
        onEvent: ({ id, event = 'message', data }) => {
          if (id) exchange.lastEventId = id;
          if (event === 'message' && data !== '') this.receiveText(data, exchange);
        },
        onRetry: ms => {
          exchange.retryMs = ms;
        },
      });
    } catch (error) {
      if (exchange.hasEnded) return;
      const isTooLong = error instanceof TooLongError;
      // It would be as long again.
      if (isTooLong && exchange.id !== undefined) exchange.isWanted = false;
      if (isTooLong || exchange.isWanted) this.tell(new Error(`a stream broke: ${reasonOf(error)}`, { cause: error }));
    }
  }

  private receiveText(text: string, exchange: Exchange): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.tell(new Error(`a message that is not JSON: ${messageOf(error)}`));
      return;
    }
    this.receive(value, exchange);
  }

  /** Hands on a message, or those of a batch, whatever is in them. */
  private receive(value: unknown, exchange: Exchange): void {
    const origin: MessageOrigin | undefined = exchange.id === undefined ? undefined : { relatedRequestId: exchange.id };
    for (const message of Array.isArray(value) ? value : [value]) {
      if (this.isClosed) return;
      if (!isObject(message)) {
        this.tell(new Error('a message that is no object'));
        continue;
      }
      if (!('method' in message)) this.forget(message.id);
      this.onmessage?.(message as JSONRPCMessage, origin);
    }
  }

  /** A request is answered, on whatever stream, or given up: its own stream is not taken up again. */
  private forget(id: unknown): void {
    for (const exchange of this.exchangesOf(id)) exchange.isWanted = false;
  }

  private exchangesOf(id: unknown): Exchange[] {
    // Some servers give a number back as a string.
    return [...this.exchanges].filter(exchange => exchange.id !== undefined && String(exchange.id) === String(id));
  }

  private fetch(
    method: 'GET' | 'POST' | 'DELETE',
    headers: Readonly<Record<string, string>>,
    exchange: Exchange,
    body?: string,
  ): Promise<Response> {
    const ours = {
      ...this.headers,
      ...(this.session !== undefined && { 'mcp-session-id': this.session }),
      ...(this.protocolVersion !== undefined && { 'mcp-protocol-version': this.protocolVersion }),
    };
    const init = {
      method,
      headers: { ...ours, ...headers },
      signal: exchange.signal(),
      ...(body !== undefined && { body }),
    };
    return fetchWithinOrigin(this.url, init);
  }

  private tell(error: unknown): void {
    this.onerror?.(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

function mayResume({ lastEventId }: Exchange, failures: number): boolean {
  return lastEventId !== undefined && failures < MAX_RESUMPTIONS;
}

function headersOf(message: JSONRPCMessage, own?: TransportSendOptions['headers']): Record<string, string> {
  const types = { 'content-type': JSON_TYPE, accept: `${JSON_TYPE}, ${EVENTS_TYPE}` };
  return { ...own, ...types, ...modernHeaders(message) };
}

/** What a modern server wants said by headers too (MCP 2026-07-28, "Streamable HTTP", standard request headers). */
function modernHeaders(message: JSONRPCMessage): Record<string, string> {
  if (!('method' in message)) return {};
  const { method, params } = message;
  const version = versionIn(params);
  if (version === undefined) return {};
  const name = namedBy(method, params);
  return {
    'mcp-protocol-version': version,
    'mcp-method': method,
    ...(name !== undefined && { 'mcp-name': encodedHeader(name) }),
  };
}

/** A JSON-RPC error, with the id of what it answers, if that is told. */
interface Refusal {
  readonly id?: unknown;
  readonly error: Params;
}

/** The JSON-RPC error in the body of an HTTP 4xx; that of a 401 is about who asks. */
async function refusalIn(response: Response): Promise<Refusal | undefined> {
  // Where the body breaks off, or is not JSON, the status is all there is.
  const body = await textOf(response).catch(() => '');
  const { status } = response;
  if (status < 400 || status >= 500 || status === 401) return undefined;
  try {
    const answer: unknown = JSON.parse(body);
    return isObject(answer) && isObject(answer.error) ? { ...answer, error: answer.error } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it says more of a request than the HTTP status does. */
function isAnswer(refusal: Refusal | undefined, sent: JSONRPCMessage): boolean {
  return refusal !== undefined && 'method' in sent && 'id' in sent && refusal.id === sent.id;
}

function mediaTypeOf({ headers }: Response): string {
  const [type = ''] = (headers.get('content-type') ?? '').split(';');
  return type.trim().toLowerCase();
}
