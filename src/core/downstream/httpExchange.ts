// How one HTTP request is answered with JSON-RPC messages (MCP "Streamable HTTP", both eras).
import type { ServerResponse } from 'node:http';
import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { messageOf } from '../base/errors.ts';
import { INTERNAL_ERROR } from '../base/rpcErrors.ts';

/** A request unanswered for this long gets its headers and then signs of life, so that no client or proxy gives up. */
const STREAM_AFTER_MS = 5000;
const KEEP_ALIVE_MS = 15_000;
/** What may wait in one stream for its client to read it, and in all streams of a listener. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;
const MAX_UNREAD_BYTES_OF_ALL = 256 * 1024 * 1024;

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/**
 * One POST with requests in it. A sole answer that comes soon and alone is plain JSON, which costs the least; anything
 * before it, and the wait for it, make it an event stream.
 */
export class HttpExchange {
  private readonly response: ServerResponse;
  private readonly sessionId: string | undefined;
  private readonly clock: Clock;
  private readonly unread: Unread;
  private readonly timer: Disposable;
  private readonly isBatch: boolean;
  private unanswered: number;
  private stream: EventStream | undefined;

  /**
   * @param sessionId undefined: there is none, as in the modern era
   * @param requests how many there are to be answered
   */
  constructor(response: ServerResponse, sessionId: string | undefined, requests: number, clock: Clock, unread: Unread) {
    this.response = response;
    this.sessionId = sessionId;
    this.clock = clock;
    this.unread = unread;
    this.isBatch = requests > 1;
    this.unanswered = requests;
    this.timer = clock.schedule(STREAM_AFTER_MS, () => this.streaming());
  }

  /** @returns false if the client does not read this response any more */
  push(message: JSONRPCMessage): boolean {
    return this.streaming().write(message);
  }

  /** Answers one of the requests, or ends it unanswered. `status` goes with an answer that comes alone. */
  settle(answer: JSONRPCMessage | undefined, status = 200): void {
    this.unanswered -= 1;
    if (answer && !this.stream && !this.isBatch) {
      this.timer.dispose();
      const body = encode(answer);
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(this.sessionId !== undefined && 'result' in answer && { 'mcp-session-id': this.sessionId }),
      };
      if (!this.response.destroyed) this.response.writeHead(status, headers).end(body);
      return;
    }
    if (answer) this.push(answer);
    if (this.unanswered > 0) return;
    this.timer.dispose();
    this.streaming().end();
  }

  private streaming(): EventStream {
    this.stream ??= new EventStream(this.response, this.sessionId, this.clock, this.unread);
    return this.stream;
  }
}

/**
 * What waits in the streams of one listener for clients to read it. Who does not read is cut off before that costs
 * everybody's memory; one message of any size may wait for each.
 */
export class Unread {
  private readonly most: number;
  private readonly bytesIn = new Map<ServerResponse, number>();
  private sum = 0;

  constructor(most = MAX_UNREAD_BYTES_OF_ALL) {
    this.most = most;
  }

  /** @returns false if the client does not read this response any more */
  write(response: ServerResponse, text: string): boolean {
    if (response.destroyed) return false;
    const waiting = this.bytesIn.get(response);
    if (waiting === undefined) response.once('close', () => this.forget(response));
    if (waiting !== undefined && waiting > MAX_UNREAD_BYTES) {
      this.cut(response);
      return false;
    }
    const bytes = Buffer.byteLength(text);
    this.bytesIn.set(response, waiting ?? 0);
    this.add(response, bytes);
    response.write(text, () => this.add(response, -bytes));
    if (this.sum > this.most) this.cut(this.fullest());
    return !response.destroyed;
  }

  private add(response: ServerResponse, bytes: number): void {
    const waiting = this.bytesIn.get(response);
    if (waiting === undefined) return;
    this.bytesIn.set(response, waiting + bytes);
    this.sum += bytes;
  }

  private fullest(): ServerResponse | undefined {
    const [first] = [...this.bytesIn].sort(([, a], [, b]) => b - a)[0] ?? [];
    return first;
  }

  private cut(response: ServerResponse | undefined): void {
    if (!response) return;
    this.forget(response);
    response.destroy();
  }

  private forget(response: ServerResponse): void {
    this.sum -= this.bytesIn.get(response) ?? 0;
    this.bytesIn.delete(response);
  }
}

/** A response as server-sent events. */
export class EventStream {
  private readonly response: ServerResponse;
  private readonly unread: Unread;

  constructor(response: ServerResponse, sessionId: string | undefined, clock: Clock, unread: Unread) {
    this.response = response;
    this.unread = unread;
    response.writeHead(200, { ...STREAM_HEADERS, ...(sessionId !== undefined && { 'mcp-session-id': sessionId }) });
    response.flushHeaders();
    giveSignsOfLife(response, clock);
  }

  /** @returns false if the client does not read it any more */
  write(message: JSONRPCMessage): boolean {
    const data = encode(message);
    return data === '' || this.unread.write(this.response, `event: message\ndata: ${data}\n\n`);
  }

  end(): void {
    this.response.end();
  }
}

/** Writes a comment into an event stream now and then, until that ends. */
export function giveSignsOfLife(response: ServerResponse, clock: Clock): void {
  // Its end has been told already.
  if (response.destroyed) return;
  const next = () =>
    clock.schedule(KEEP_ALIVE_MS, () => {
      if (response.writableEnded) return;
      response.write(': alive\n\n');
      timer = next();
    });
  let timer = next();
  response.once('close', () => timer.dispose());
}

/**
 * What a caller is told in place of an answer that cannot be written: what a backend sent may be nested too deep.
 * Undefined: it is no answer.
 */
export function unwritten(message: JSONRPCMessage, error: unknown): JSONRPCMessage | undefined {
  if ('method' in message) return undefined;
  const told = { code: INTERNAL_ERROR, message: `The answer cannot be written as JSON: ${messageOf(error)}` };
  return { jsonrpc: '2.0', id: message.id, error: told } as JSONRPCMessage;
}

/** A message as JSON, or what its receiver is told in its place; '' if that is nothing. */
export function encode(message: JSONRPCMessage): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    const told = unwritten(message, error);
    return told ? JSON.stringify(told) : '';
  }
}
