// One session's side of Streamable HTTP (MCP 2025-11-25, "Transports"), on plain node:http behind the SDK's `Transport`:
// the SDK's own HTTP layer is most of what a call would cost.
import type { ServerResponse } from 'node:http';
import type { JSONRPCMessage, RequestId, Transport, TransportSendOptions } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { REFUSED } from '../base/rpcErrors.ts';
import { EventStream, encode, HttpExchange, type Unread } from './httpExchange.ts';

/** What is kept for a client that has not opened its stream yet. */
const MAX_QUEUED = 256;

export class HttpTransport implements Transport {
  readonly sessionId: string;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly clock: Clock;
  private readonly unread: Unread;
  /** The POSTs that wait for answers, by the ids of their requests. */
  private readonly exchanges = new Map<RequestId, HttpExchange>();
  /** The GET stream, and what goes there once it is open. */
  private stream: EventStream | undefined;
  private queue: JSONRPCMessage[] = [];
  private open = true;
  private begun = false;
  private lastUse: number;

  constructor(sessionId: string, clock: Clock, unread: Unread) {
    this.unread = unread;
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
      const exchange = new HttpExchange(response, this.sessionId, ids.length, this.clock, this.unread);
      for (const id of ids) this.exchanges.set(id, exchange);
      for (const message of messages) this.onmessage?.(message);
    }
    for (const message of messages) if (isCancellation(message)) this.settle(message.params.requestId);
  }

  /** Opens the stream for what belongs to no request; a client that reconnects replaces its old one. */
  get(response: ServerResponse): void {
    this.stream?.end();
    const stream = new EventStream(response, this.sessionId, this.clock, this.unread);
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
      // Whoever asks the client something is told that it was not asked.
      if ('id' in message && encode(message) === '') throw new Error('a message cannot be written as JSON');
      const exchange =
        options?.relatedRequestId === undefined ? undefined : this.exchanges.get(options.relatedRequestId);
      // A client that has lost the response to its request is reached where it still listens.
      if (exchange?.push(message)) return;
      if (this.stream?.write(message)) return;
      // A log message that nobody listens for is not kept.
      if (message.method !== 'notifications/message' && this.queue.push(message) > MAX_QUEUED) this.queue.shift();
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
    const error = { code: REFUSED, message: 'The session has ended before there was an answer' };
    for (const id of [...this.exchanges.keys()]) this.settle(id, { jsonrpc: '2.0', id, error });
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

function requestIds(messages: readonly JSONRPCMessage[]): RequestId[] {
  return messages.flatMap(message => ('method' in message && 'id' in message ? [message.id] : []));
}

function isCancellation(message: JSONRPCMessage): message is JSONRPCMessage & { params: { requestId: RequestId } } {
  return 'method' in message && message.method === 'notifications/cancelled' && message.params?.requestId !== undefined;
}
