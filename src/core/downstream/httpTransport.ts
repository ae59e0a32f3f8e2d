// One session's side of Streamable HTTP (MCP 2025-11-25, "Transports"), on plain node:http behind the SDK's `Transport`:
// the SDK's own HTTP layer is most of what a call would cost.
import type { ServerResponse } from 'node:http';
import type { JSONRPCMessage, RequestId, Transport, TransportSendOptions } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { messageOf } from '../base/errors.ts';

/** A request unanswered for this long gets its headers and then signs of life, so that no client or proxy gives up. */
const STREAM_AFTER_MS = 5000;
const KEEP_ALIVE_MS = 15_000;
const INTERNAL_ERROR = -32603;
/** What is kept for a client that has not opened its stream yet. */
const MAX_QUEUED = 256;
/** What may wait in a stream for a client to read it. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;

const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

export class HttpTransport implements Transport {
  readonly sessionId: string;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly clock: Clock;
  /** The POSTs that wait for answers, by the ids of their requests. */
  private readonly exchanges = new Map<RequestId, Exchange>();
  /** The GET stream, and what goes there once it is open. */
  private stream: EventStream | undefined;
  private queue: JSONRPCMessage[] = [];
  private open = true;
  private begun = false;
  private lastUse: number;

  constructor(sessionId: string, clock: Clock) {
    this.sessionId = sessionId;
    this.clock = clock;
    this.lastUse = clock.now();
  }

  async start(): Promise<void> {}

  /** Since when nothing has been open: neither the stream nor a POST. Undefined while something is. */
  get idleSince(): number | undefined {
    return this.stream || this.exchanges.size > 0 ? undefined : this.lastUse;
  }

  /** An id that one of these requests shares with another of them, or with one that is not answered yet. */
  clashOf(messages: readonly JSONRPCMessage[]): RequestId | undefined {
    const ids = new Set<RequestId>();
    for (const id of requestIds(messages)) {
      if (ids.has(id) || this.exchanges.has(id)) return id;
      ids.add(id);
    }
    return undefined;
  }

  /**
   * Takes the messages of one POST; it is answered when all its requests are, or with 202 if it has none.
   * No id may be in use: see {@link clashOf}.
   */
  post(messages: readonly JSONRPCMessage[], response: ServerResponse): void {
    this.lastUse = this.clock.now();
    const ids = requestIds(messages);
    if (ids.length === 0) {
      for (const message of messages) this.onmessage?.(message);
      response.writeHead(202, { 'mcp-session-id': this.sessionId }).end();
    } else {
      const exchange = new Exchange(response, this.sessionId, ids.length, this.clock);
      for (const id of ids) this.exchanges.set(id, exchange);
      for (const message of messages) this.onmessage?.(message);
    }
    for (const message of messages) if (isCancellation(message)) this.settle(message.params.requestId);
  }

  /** Opens the stream for what belongs to no request; a client that reconnects replaces its old one. */
  get(response: ServerResponse): void {
    this.stream?.end();
    const stream = new EventStream(response, this.sessionId, this.clock);
    this.stream = stream;
    response.once('close', () => {
      if (this.stream !== stream) return;
      this.stream = undefined;
      this.lastUse = this.clock.now();
    });
    const queue = this.queue;
    this.queue = [];
    for (const message of queue) stream.write(message);
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if ('method' in message) {
      const exchange =
        options?.relatedRequestId === undefined ? undefined : this.exchanges.get(options.relatedRequestId);
      if (exchange) exchange.push(message);
      else if (this.stream) this.stream.write(message);
      // A log message that nobody listens for is not kept.
      else if (message.method !== 'notifications/message' && this.queue.push(message) > MAX_QUEUED) this.queue.shift();
    } else if (message.id !== undefined) {
      this.settle(message.id, message);
      // The first answer is that of `initialize`; if it was refused, there is no session.
      if (!this.begun && 'error' in message) await this.close();
      this.begun = true;
    }
  }

  async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    for (const id of [...this.exchanges.keys()]) this.settle(id);
    this.stream?.end();
    this.onclose?.();
  }

  /** Ends a request's part of its POST: with its answer, or without one because it was cancelled. */
  private settle(id: RequestId, answer?: JSONRPCMessage): void {
    const exchange = this.exchanges.get(id);
    this.exchanges.delete(id);
    exchange?.settle(answer);
    this.lastUse = this.clock.now();
  }
}

/**
 * One POST with requests in it. A sole answer that comes soon and alone is plain JSON, which costs the least; anything
 * before it, and the wait for it, make it an event stream.
 */
class Exchange {
  private readonly response: ServerResponse;
  private readonly sessionId: string;
  private readonly clock: Clock;
  private readonly timer: Disposable;
  private readonly isBatch: boolean;
  private unanswered: number;
  private stream: EventStream | undefined;

  constructor(response: ServerResponse, sessionId: string, requests: number, clock: Clock) {
    this.response = response;
    this.sessionId = sessionId;
    this.clock = clock;
    this.isBatch = requests > 1;
    this.unanswered = requests;
    this.timer = clock.schedule(STREAM_AFTER_MS, () => this.streaming());
  }

  push(message: JSONRPCMessage): void {
    this.streaming().write(message);
  }

  settle(answer: JSONRPCMessage | undefined): void {
    this.unanswered -= 1;
    if (answer && !this.stream && !this.isBatch) {
      this.timer.dispose();
      const body = encode(answer);
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...('result' in answer && { 'mcp-session-id': this.sessionId }),
      };
      if (!this.response.destroyed) this.response.writeHead(200, headers).end(body);
      return;
    }
    if (answer) this.push(answer);
    if (this.unanswered > 0) return;
    this.timer.dispose();
    this.streaming().end();
  }

  private streaming(): EventStream {
    this.stream ??= new EventStream(this.response, this.sessionId, this.clock);
    return this.stream;
  }
}

/** A response as server-sent events, with a comment now and then as a sign of life. */
class EventStream {
  private readonly response: ServerResponse;
  private readonly clock: Clock;
  private timer: Disposable | undefined;

  constructor(response: ServerResponse, sessionId: string, clock: Clock) {
    this.response = response;
    this.clock = clock;
    response.writeHead(200, { ...STREAM_HEADERS, 'mcp-session-id': sessionId });
    response.flushHeaders();
    response.once('close', () => this.timer?.dispose());
    this.keepAlive();
  }

  write(message: JSONRPCMessage): void {
    if (this.response.destroyed) return;
    this.response.write(`event: message\ndata: ${encode(message)}\n\n`);
    // A client that does not read is cut off before it costs everybody's memory.
    if (this.response.writableLength > MAX_UNREAD_BYTES) this.response.destroy();
  }

  end(): void {
    this.timer?.dispose();
    this.response.end();
  }

  private keepAlive(): void {
    this.timer = this.clock.schedule(KEEP_ALIVE_MS, () => {
      this.response.write(': alive\n\n');
      this.keepAlive();
    });
  }
}

function requestIds(messages: readonly JSONRPCMessage[]): RequestId[] {
  return messages.flatMap(message => ('method' in message && 'id' in message ? [message.id] : []));
}

function isCancellation(message: JSONRPCMessage): message is JSONRPCMessage & { params: { requestId: RequestId } } {
  return 'method' in message && message.method === 'notifications/cancelled' && message.params?.requestId !== undefined;
}

/** What a backend sent may be nested too deep to be written again: its caller is told so. */
function encode(message: JSONRPCMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    if (!('id' in message)) return '';
    const told = { code: INTERNAL_ERROR, message: `The answer cannot be written as JSON: ${messageOf(error)}` };
    return JSON.stringify({ jsonrpc: '2.0', id: message.id, error: told });
  }
}
