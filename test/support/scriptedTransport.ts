import type { JSONRPCMessage, RequestId, Transport, TransportSendOptions } from '@modelcontextprotocol/server';

export interface Sent {
  readonly id?: RequestId | undefined;
  readonly method?: string | undefined;
  readonly params?: Record<string, unknown> | undefined;
  readonly result?: unknown;
  readonly error?: unknown;
  readonly options: TransportSendOptions;
}

/** A transport whose other side is the test: it sees what is sent, and says what comes. */
export class ScriptedTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** What was sent, in order. */
  readonly sent: Sent[] = [];
  /** If set, nothing can be sent, and this is why. */
  broken: Error | undefined;

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage, options: TransportSendOptions = {}): Promise<void> {
    if (this.broken) throw this.broken;
    this.sent.push({ ...message, options });
  }

  async close(): Promise<void> {
    this.onclose?.();
  }

  /** The other side says something, be it a message or not. */
  say(message: Record<string, unknown>): void {
    this.onmessage?.({ jsonrpc: '2.0', ...message } as unknown as JSONRPCMessage);
  }

  /** What was sent under this method. */
  of(method: string): Sent[] {
    return this.sent.filter(message => message.method === method);
  }
}
