// HTTP+SSE to one server (MCP 2024-11-05, "Transports"), behind the SDK's `Transport`.
// Of our own because the SDK's validates every message: it drops what it does not know, and leaves a request unanswered
// whose answer it cannot read. On `fetch`, because that is what the editor sends through its proxy.
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client';
import { deferred } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf, reasonOf } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import { fetchWithinOrigin, HttpError, readEvents, textOf } from './httpFetch.ts';
import { SendOrder } from './sendOrder.ts';

const EVENTS_TYPE = 'text/event-stream';

/** One stream that all messages of the server come on, and whose first event names where ours are posted. */
export class SseTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly url: URL;
  private readonly headers: Readonly<Record<string, string>>;
  /** Each HTTP exchange has its own: `fetch` never lets go of a signal. */
  private readonly exchanges = new Set<AbortController>();
  private readonly order: SendOrder;
  private endpoint: URL | undefined;
  private protocolVersion: string | undefined;
  private isClosed = false;

  /** Whether it was given headers to send. */
  readonly sendsHeaders: boolean;

  /** @param headers of every HTTP request */
  constructor(url: URL, headers: Readonly<Record<string, string>>, clock: Clock) {
    this.order = new SendOrder(clock);
    this.url = url;
    this.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
    this.sendsHeaders = Object.keys(headers).length > 0;
  }

  setProtocolVersion(version: string): void {
    this.protocolVersion = version;
  }

  /** Resolves when the server has named its endpoint. */
  async start(): Promise<void> {
    const named = deferred();
    const ended = this.fetch('GET', this.url, { accept: EVENTS_TYPE }, async response => {
      const type = response.headers.get('content-type') ?? '';
      if (!type.toLowerCase().startsWith(EVENTS_TYPE)) {
        await response.body?.cancel();
        throw new Error(`the server answered with ${type || 'no content type'} instead of a stream of events`);
      }
      await this.read(response, named.resolve);
    });
    // An end before the endpoint is the caller's to deal with, one after it ends the connection: the server may have
    // forgotten what came before.
    const over = ended.then(
      () => new Error('the stream ended before it named an endpoint'),
      (error: unknown) => error,
    );
    const failure = await Promise.race([named.promise, over]);
    if (failure !== undefined) throw failure;
    void over.then(() => this.close());
  }

  /** Resolves when the server has taken the message; rejects with {@link HttpError} or with what `fetch` threw. */
  async send(message: JSONRPCMessage): Promise<void> {
    const { endpoint } = this;
    if (!endpoint || this.isClosed) throw new Error('the connection is closed');
    const body = JSON.stringify(message);
    // Where the body breaks off, the status says enough.
    const use = (response: Response) => textOf(response).catch(() => '');
    const headers = { 'content-type': 'application/json' };
    await this.order.take(message, () => this.fetch('POST', endpoint, headers, use, body));
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const exchange of this.exchanges) exchange.abort();
    this.onclose?.();
  }

  private async fetch(
    method: 'GET' | 'POST',
    url: URL,
    headers: Readonly<Record<string, string>>,
    use: (response: Response) => Promise<unknown>,
    body?: string,
  ): Promise<void> {
    const exchange = new AbortController();
    if (this.isClosed) exchange.abort();
    this.exchanges.add(exchange);
    const version = this.protocolVersion !== undefined && { 'mcp-protocol-version': this.protocolVersion };
    try {
      const response = await fetchWithinOrigin(url, {
        method,
        headers: { ...this.headers, ...version, ...headers },
        signal: exchange.signal,
        ...(body !== undefined && { body }),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new HttpError(response);
      }
      await use(response);
    } finally {
      this.exchanges.delete(exchange);
    }
  }

  /** Reads the stream to its end. Never rejects but for an endpoint that cannot be used: one that breaks has ended. */
  private async read(response: Response, onEndpoint: () => void): Promise<void> {
    try {
      await readEvents(response, {
        onEvent: ({ event = 'message', data }) => {
          if (event === 'endpoint') {
            this.endpoint = endpointIn(data, response.url);
            onEndpoint();
          } else if (event === 'message' && data !== '') this.receive(data);
        },
      });
    } catch (error) {
      if (!this.endpoint) throw error;
      if (!this.isClosed) this.tell(new Error(`the stream broke: ${reasonOf(error)}`, { cause: error }));
    }
  }

  /** Hands on a message, or those of a batch, whatever is in them. */
  private receive(text: string): void {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.tell(new Error(`a message that is not JSON: ${messageOf(error)}`));
      return;
    }
    for (const message of Array.isArray(value) ? value : [value]) {
      if (this.isClosed) return;
      if (isObject(message)) this.onmessage?.(message as unknown as JSONRPCMessage);
      else this.tell(new Error('a message that is no object'));
    }
  }

  private tell(error: Error): void {
    this.onerror?.(error);
  }
}

/** Throws if it is not with the server itself: what the headers hold goes nowhere else. */
function endpointIn(data: string, stream: string): URL {
  if (!URL.canParse(data, stream)) throw new Error(`the endpoint ${JSON.stringify(data)} is no address`);
  const endpoint = new URL(data, stream);
  if (endpoint.origin !== new URL(stream).origin) throw new Error(`the endpoint is elsewhere, at ${endpoint.origin}`);
  return endpoint;
}
