import type {
  JSONRPCMessage,
  JSONRPCRequest,
  MessageExtraInfo,
  RequestId,
  Transport,
} from '@modelcontextprotocol/server';
import { deferred } from './async.ts';
import { hasEnvelope, openEnvelope } from './envelope.ts';
import { messageOf } from './errors.ts';
import { asText, isObject } from './json.ts';
import { INTERNAL_ERROR } from './rpcErrors.ts';

export type Params = Record<string, unknown>;

/** A JSON-RPC error object, passed on untouched. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** What a request is answered. */
export type Answer =
  | { readonly kind: 'result'; readonly result: Params }
  | { readonly kind: 'error'; readonly error: RpcError };

/** What became of a request that was sent. */
export type Reply =
  | Answer
  /** Something came under its id that is neither a result nor an error. */
  | { readonly kind: 'malformed' }
  /** The stream that the answer was to come on has ended without it. */
  | { readonly kind: 'cut' }
  /** It could not be sent, or was refused before the other side's JSON-RPC; `error` is what the transport threw. */
  | { readonly kind: 'unsent'; readonly error: unknown }
  /** The conversation is over. */
  | { readonly kind: 'closed' }
  /** The signal aborted. */
  | { readonly kind: 'cancelled' };

/** What a transport may tell of a message, beside what those of the SDK do. */
export interface MessageOrigin extends MessageExtraInfo {
  /** Our request on whose stream it came; undefined: it came on none, or the transport does not know. */
  readonly relatedRequestId?: RequestId;
}

export interface PeerPorts {
  /**
   * A request of the other side. After the signal has aborted nobody waits for the answer. Must not reject.
   * @param relatedId our request on whose stream it came, where the transport tells it
   */
  onRequest(request: JSONRPCRequest, signal: AbortSignal, relatedId: RequestId | undefined): Promise<Answer>;
  onNotification(method: string, params: Params | undefined, relatedId: RequestId | undefined): void;
  /** An answer to a request of ours that nobody waits for any more: the other side has ended it. */
  onLateAnswer?(id: RequestId): void;
  /** The conversation is over; called once. */
  onClose(): void;
  /** Something that ends neither a request nor the conversation. */
  onTrouble(error: unknown): void;
}

export interface PeerRequest {
  /** Gives the request up; the other side is told. */
  readonly signal: AbortSignal;
  /** The other side's request that this one is about: it goes on that one's stream. */
  readonly relatedRequestId?: RequestId | undefined;
  /** HTTP headers for this message alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Giving up is told by closing the stream of the request (MCP 2026-07-28, "Cancellation"), not by a notification. */
  readonly endsByStream?: boolean;
  /** Is told the id of the request before it is sent: what comes on its stream is told by it. */
  readonly onId?: (id: RequestId) => void;
}

const CANCELLED = 'notifications/cancelled';

/** Why a request was given up, in the words of the side that did: all but the id of its `notifications/cancelled`. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  readonly words: Params;

  constructor(words: Params) {
    super(words.reason === undefined ? 'cancelled' : asText(words.reason));
    this.words = hasEnvelope(words) ? openEnvelope(words).params : words;
  }
}

/**
 * One side of a JSON-RPC 2.0 conversation, over any transport of the SDK. Both sides of the router are one of these.
 *
 * Of our own because the SDK's `Client` and `Server` keep less than a router passes on: they map error codes, drop parts
 * of error data, reject what they have no schema for, and ignore answers they cannot read. Here nothing is looked at.
 */
export class Peer {
  private readonly transport: Transport;
  private readonly ports: PeerPorts;
  private readonly asked = new Map<number, (reply: Reply) => void>();
  private readonly answering = new Map<RequestId, AbortController>();
  private lastId = 0;
  private isOpen = true;

  constructor(transport: Transport, ports: PeerPorts) {
    this.transport = transport;
    this.ports = ports;
    transport.onmessage = (message: JSONRPCMessage, origin?: MessageOrigin) => {
      try {
        this.receive(message, origin?.relatedRequestId);
      } catch (error) {
        // What one side sends, such as JSON nested without end, must not end the other.
        ports.onTrouble(error);
      }
    };
    transport.onerror = error => ports.onTrouble(error);
    // Whoever made the transport may watch its end too.
    const { onclose } = transport;
    transport.onclose = () => {
      onclose?.();
      this.end();
    };
  }

  start(): Promise<void> {
    return this.transport.start();
  }

  /** Ends the conversation and its transport. */
  close(): Promise<void> {
    return this.transport.close();
  }

  /** Sends a request. Never rejects; waits for as long as the signal lets it. */
  async request(method: string, params: Params | undefined, options: PeerRequest): Promise<Reply> {
    const { signal, relatedRequestId, headers, endsByStream = false } = options;
    if (!this.isOpen) return { kind: 'closed' };
    if (signal.aborted) return { kind: 'cancelled' };
    const id = ++this.lastId;
    options.onId?.(id);
    const settled = deferred<Reply>();
    this.asked.set(id, settled.resolve);
    const cancel = () => {
      if (!this.settle(id, { kind: 'cancelled' }) || endsByStream) return;
      this.notify(CANCELLED, { ...wordsOf(signal.reason), requestId: id }, relatedRequestId);
    };
    signal.addEventListener('abort', cancel, { once: true });
    this.transport
      .send(
        { jsonrpc: '2.0', id, method, ...(params && { params }) },
        {
          onRequestStreamEnd: () => void this.settle(id, { kind: 'cut' }),
          ...(relatedRequestId !== undefined && { relatedRequestId }),
          ...(headers && { headers }),
          ...(endsByStream && { requestSignal: signal }),
        },
      )
      .catch((error: unknown) => void this.settle(id, { kind: 'unsent', error }));
    const reply = await settled.promise;
    signal.removeEventListener('abort', cancel);
    return reply;
  }

  /** @param relatedRequestId the other side's request that it is about: it goes on that one's stream */
  notify(method: string, params: Params | undefined, relatedRequestId?: RequestId): void {
    this.send({ jsonrpc: '2.0', method, ...(params && { params }) }, relatedRequestId);
  }

  private send(message: JSONRPCMessage, relatedRequestId?: RequestId): void {
    const options = relatedRequestId === undefined ? undefined : { relatedRequestId };
    this.transport.send(message, options).catch((error: unknown) => this.ports.onTrouble(error));
  }

  private receive(message: JSONRPCMessage, relatedId: RequestId | undefined): void {
    if (!('method' in message)) {
      const id = idIn(message.id);
      if (this.settle(id, replyIn(message))) return;
      // What comes late for a request that was given up is no surprise.
      if (id > 0 && id <= this.lastId) this.ports.onLateAnswer?.(id);
      else {
        this.ports.onTrouble(
          new Error(`a message that is neither a request nor an answer: ${JSON.stringify(message)}`),
        );
      }
    } else if ('id' in message) {
      void this.answer(message, relatedId);
    } else if (message.method === CANCELLED) {
      const { requestId, ...words } = message.params ?? {};
      this.answering.get(requestId as RequestId)?.abort(new CancelledError(words));
    } else {
      this.ports.onNotification(message.method, message.params, relatedId);
    }
  }

  private async answer(request: JSONRPCRequest, relatedId: RequestId | undefined): Promise<void> {
    const { id } = request;
    const abort = new AbortController();
    this.answering.set(id, abort);
    const answer = await this.ports
      .onRequest(request, abort.signal, relatedId)
      .catch(
        (error: unknown): Answer => ({ kind: 'error', error: { code: INTERNAL_ERROR, message: messageOf(error) } }),
      );
    if (this.answering.get(id) === abort) this.answering.delete(id);
    if (abort.signal.aborted || !this.isOpen) return;
    const { kind: _, ...resultOrError } = answer;
    this.send({ jsonrpc: '2.0', id, ...resultOrError });
  }

  /** @returns false if the request is settled already, or was never ours */
  private settle(id: number, reply: Reply): boolean {
    const settle = this.asked.get(id);
    this.asked.delete(id);
    settle?.(reply);
    return settle !== undefined;
  }

  private end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const id of [...this.asked.keys()]) this.settle(id, { kind: 'closed' });
    for (const request of this.answering.values()) request.abort('the session ended');
    this.ports.onClose();
  }
}

/** What the other side is told of giving up: who only passes it on adds nothing. */
function wordsOf(reason: unknown): Params {
  return reason instanceof CancelledError ? reason.words : { reason: messageOf(reason) };
}

/** The id of ours that an answer bears; some servers give a number back as a string. */
function idIn(id: unknown): number {
  return typeof id === 'number' || (typeof id === 'string' && /^\d+$/.test(id)) ? Number(id) : Number.NaN;
}

/** What an answer holds; transports hand on whatever calls itself JSON-RPC. */
function replyIn({ result, error }: { readonly result?: unknown; readonly error?: unknown }): Reply {
  if (isObject(result)) return { kind: 'result', result };
  if (isObject(error) && Number.isInteger(error.code) && typeof error.message === 'string') {
    return { kind: 'error', error: error as Params & RpcError };
  }
  return { kind: 'malformed' };
}
