// The side of the one client that serves itself by stdio (MCP 2025-11-25, "Transports", stdio), behind the SDK's `Transport`.
// Of our own because the SDK's reads by a schema: it drops members that it does not know, never answers a request that it
// does not take, nor one whose answer cannot be written.
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { isObject } from '../base/json.ts';
import { LineReader, MAX_MESSAGE_BYTES } from '../base/lineReader.ts';
import { encode } from './httpExchange.ts';
import { decodeJson, messagesOf } from './requestBody.ts';

/** A request that is answered when its stream ends, and not before. */
const LISTEN = 'subscriptions/listen';

/**
 * A pair of streams with a message a line. It ends with its output; with its input when what was asked is answered, or has
 * not been for too long: a script may write all that it asks at once.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly input: Readable;
  private readonly output: Writable;
  private readonly clock: Clock;
  private readonly graceMs: () => number;
  /** Ids of requests that have not been answered. */
  private readonly unanswered = new Set<unknown>();
  private ending: Disposable | undefined;
  private readonly lines = new LineReader(line => this.readLine(line));
  private isClosed = false;
  private readonly onData = (chunk: Buffer | string) => this.read(Buffer.from(chunk));
  private readonly onClose = () => void this.close();
  private readonly onInputEnd = () => {
    this.ending = this.clock.schedule(this.graceMs(), this.onClose);
    this.endIfAnswered();
  };
  private readonly onInputClose = () => {
    if (!this.input.readableEnded) this.onClose();
  };

  /** @param graceMs how long after the end of the input its requests may take */
  constructor(input: Readable, output: Writable, clock: Clock, graceMs: () => number) {
    this.input = input;
    this.output = output;
    this.clock = clock;
    this.graceMs = graceMs;
  }

  async start(): Promise<void> {
    const { input, output } = this;
    // Both stay when it is closed: what fails late is nobody's.
    for (const stream of [input, output]) {
      stream.on('error', error => {
        if (this.isClosed) return;
        this.onerror?.(error);
        void this.close();
      });
    }
    input.on('data', this.onData).once('end', this.onInputEnd).once('close', this.onInputClose);
    output.once('close', this.onClose);
    if (input.readableEnded || input.destroyed || output.destroyed) setImmediate(this.onClose);
  }

  /** Resolves when the message has been taken from us, or what is said in its place; rejects where nothing can be. */
  async send(message: JSONRPCMessage): Promise<void> {
    if (this.isClosed) throw new Error('the connection is closed');
    const text = encode(message);
    if (text === '') throw new Error('a message cannot be written as JSON');
    await new Promise<void>((resolve, reject) => {
      this.output.write(`${text}\n`, error => (error ? reject(error) : resolve()));
    });
    if (!('method' in message) && 'id' in message) this.unanswered.delete(message.id);
    this.endIfAnswered();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.ending?.dispose();
    this.input.off('data', this.onData).off('end', this.onInputEnd).off('close', this.onInputClose);
    this.output.off('close', this.onClose);
    // Lest it keep the process.
    this.input.pause();
    this.onclose?.();
  }

  private read(chunk: Buffer): void {
    if (this.lines.read(chunk)) return;
    this.onerror?.(new Error(`a line exceeded ${MAX_MESSAGE_BYTES} bytes`));
    void this.close();
  }

  private readLine(line: Buffer): void {
    if (this.isClosed) return;
    const decoded = decodeJson(line);
    if ('refusal' in decoded) {
      this.onerror?.(new Error(decoded.refusal));
      return;
    }
    // Each of a batch by itself: what is wrong with one is no answer to the others.
    const { value } = decoded;
    for (const each of Array.isArray(value) ? value : [value]) this.take(each);
  }

  private take(value: unknown): void {
    const parsed = messagesOf(value);
    if ('messages' in parsed) {
      for (const message of parsed.messages) this.pass(message);
      return;
    }
    const { refusal: message, code, id } = parsed;
    this.onerror?.(new Error(message));
    // Of what is no request nobody waits for an answer.
    if (id === null || !isObject(value) || !('method' in value)) return;
    this.send({ jsonrpc: '2.0', id, error: { code, message } }).catch((error: Error) => this.onerror?.(error));
  }

  private pass(message: JSONRPCMessage): void {
    if ('method' in message) {
      if (message.method === 'notifications/cancelled') this.unanswered.delete(message.params?.requestId);
      else if ('id' in message && message.method !== LISTEN) this.unanswered.add(message.id);
    }
    this.onmessage?.(message);
  }

  private endIfAnswered(): void {
    if (this.ending && this.unanswered.size === 0) void this.close();
  }
}
