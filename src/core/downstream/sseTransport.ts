// One session's side of HTTP+SSE (MCP 2024-11-05, "Transports").
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { EventStream, type Unread } from './httpExchange.ts';

/** Writes the stream; what the client POSTs is handed to `onmessage` by the door. */
export class SseTransport implements Transport {
  readonly sessionId = randomUUID();
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly stream: EventStream;
  private readonly endpoint: string;

  /** @param endpoint the path where the client is to POST; the session's id is added to it */
  constructor(endpoint: string, response: ServerResponse, clock: Clock, unread: Unread) {
    this.endpoint = endpoint;
    this.stream = new EventStream(response, undefined, clock, unread);
    response.once('close', () => this.onclose?.());
  }

  async start(): Promise<void> {
    this.stream.event('endpoint', `${this.endpoint}?sessionId=${this.sessionId}`);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    this.stream.write(message);
  }

  async close(): Promise<void> {
    this.stream.end();
    this.onclose?.();
  }
}
