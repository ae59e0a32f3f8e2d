import {
  isJSONRPCErrorResponse,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type MessageExtraInfo,
  ProtocolError,
  SseError,
  type Transport,
  type TransportSendOptions,
} from '@modelcontextprotocol/client';
import type { Outcome } from './outcome.ts';

/**
 * A transport as the SDK's client has to find it, for the client keeps less than we pass on: it maps the codes of errors
 * and drops parts of their data, ignores malformed answers, and waits on for an answer whose stream has ended.
 * Here each of these becomes an error that the client leaves alone; {@link outcomeIn} takes the outcome out again.
 */
export class Exchange implements Transport {
  onclose?: Transport['onclose'];
  onerror?: Transport['onerror'];
  onmessage?: Transport['onmessage'];

  private readonly transport: Transport;
  private readonly unanswered = new Set<number>();

  constructor(transport: Transport) {
    this.transport = transport;
    transport.onclose = () => this.onclose?.();
    transport.onerror = error => {
      // The SDK's SSE would come back by itself, to a server that may know nothing of our session.
      if (error instanceof SseError) void transport.close();
      else this.onerror?.(error);
    };
    transport.onmessage = (message, extra) => this.receive(message, extra);
  }

  get sessionId(): string | undefined {
    return this.transport.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.transport.setProtocolVersion?.(version);
  }

  start(): Promise<void> {
    return this.transport.start();
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (!('method' in message)) return this.transport.send(message, options);
    if (message.method === 'notifications/cancelled') this.unanswered.delete(Number(message.params?.requestId));
    if (!('id' in message)) return this.transport.send(message, options);
    const id = Number(message.id);
    this.unanswered.add(id);
    const onRequestStreamEnd = () => {
      if (this.unanswered.has(id)) this.settle(id, failed('closed', 'the connection ended before the answer'));
    };
    try {
      await this.transport.send(message, { ...options, onRequestStreamEnd });
    } catch (error) {
      this.unanswered.delete(id);
      throw error;
    }
  }

  private receive(message: JSONRPCMessage, extra: MessageExtraInfo | undefined): void {
    const id = answeredBy(message);
    if (id === undefined || !this.unanswered.has(id)) {
      this.onmessage?.(message, extra);
    } else if (isJSONRPCResultResponse(message)) {
      this.unanswered.delete(id);
      this.onmessage?.(message, extra);
    } else if (isJSONRPCErrorResponse(message)) {
      this.settle(id, { kind: 'rejected', error: message.error });
    } else {
      this.settle(id, failed('protocol', 'the answer is neither a result nor an error'));
    }
  }

  private settle(id: number, outcome: Unsuccessful): void {
    this.unanswered.delete(id);
    const { code, message } =
      outcome.kind === 'rejected' ? outcome.error : { code: 0, message: outcome.failure.message };
    this.onmessage?.({ jsonrpc: '2.0', id, error: { code, message, data: new Carried(outcome) } });
  }
}

/** The outcome that an {@link Exchange} gave the client's error to carry; undefined for an error of another origin. */
export function outcomeIn(error: unknown): Outcome | undefined {
  return error instanceof ProtocolError && error.data instanceof Carried ? error.data.outcome : undefined;
}

type Unsuccessful = Outcome & { kind: 'rejected' | 'failed' };

class Carried {
  readonly outcome: Unsuccessful;

  constructor(outcome: Unsuccessful) {
    this.outcome = outcome;
  }
}

function failed(code: 'closed' | 'protocol', message: string): Unsuccessful {
  return { kind: 'failed', sent: true, failure: { code, message } };
}

/** The request that a message answers, well or badly. Our ids are numbers; some servers give them back as strings. */
function answeredBy(message: JSONRPCMessage): number | undefined {
  return 'method' in message || !('id' in message) || message.id === null ? undefined : Number(message.id);
}
