// One session's side of HTTP+SSE (MCP 2024-11-05, "Transports"). Loaded when its first client comes: see sseDoor.ts.
import type { ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { giveSignsOfLife, STREAM_HEADERS, type Unread, unwritten } from './httpExchange.ts';

type MessageV1 = Parameters<SSEServerTransport['send']>[0];

/**
 * The SDK's v1 transport writes the stream. What the client POSTs does not pass through it: its schemas refuse or drop
 * what they have no place for, and its bodies end at 4 MB.
 */
export class SseTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly response: ServerResponse;
  private readonly clock: Clock;
  private readonly stream: SSEServerTransport;

  /** @param endpoint the path where the client is to POST; the session's id is added to it */
  constructor(endpoint: string, response: ServerResponse, clock: Clock, unread: Unread) {
    this.response = response;
    this.clock = clock;
    this.stream = new SSEServerTransport(endpoint, counted(response, unread));
    this.stream.onclose = () => this.onclose?.();
  }

  get sessionId(): string {
    return this.stream.sessionId;
  }

  async start(): Promise<void> {
    for (const [name, value] of Object.entries(STREAM_HEADERS)) this.response.setHeader(name, value);
    await this.stream.start();
    giveSignsOfLife(this.response, this.clock);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    try {
      await this.stream.send(message as MessageV1);
    } catch (error) {
      // Whoever asks the client something is told that it was not asked.
      if ('method' in message && 'id' in message) throw error;
      const told = unwritten(message, error);
      if (told && !this.response.destroyed) await this.stream.send(told as MessageV1);
    }
  }

  async close(): Promise<void> {
    await this.stream.close();
  }
}

/** As much of a response as the SDK uses; what is written counts as unread until it is gone. */
function counted(response: ServerResponse, unread: Unread): ServerResponse {
  const part: Pick<ServerResponse, 'writeHead' | 'on' | 'end'> & { write(text: string): boolean } = {
    writeHead: response.writeHead.bind(response),
    on: response.on.bind(response),
    end: response.end.bind(response),
    write: text => unread.write(response, text),
  };
  return part as ServerResponse;
}
