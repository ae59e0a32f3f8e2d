// The side of the one client that serves itself by stdio (MCP 2025-11-25, "Transports", stdio), behind the SDK's `Transport`.
// Of our own because the SDK's reads by a schema: it drops members that it does not know, never answers a request that it
// does not take, nor one whose answer cannot be written.
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import { isObject } from '../base/json.ts';
import { LineReader, MAX_MESSAGE_BYTES } from '../base/lineReader.ts';
import { encode } from './httpExchange.ts';
import { decodeJson, messagesOf } from './requestBody.ts';

/** A pair of streams with a message a line. It ends with either of them. */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  private readonly input: Readable;
  private readonly output: Writable;
  private readonly lines = new LineReader(line => this.readLine(line));
  private isClosed = false;
  private readonly onData = (chunk: Buffer | string) => this.read(Buffer.from(chunk));
  private readonly onEnd = () => void this.close();

  constructor(input: Readable, output: Writable) {
    this.input = input;
    this.output = output;
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
    input.on('data', this.onData).once('end', this.onEnd).once('close', this.onEnd);
    output.once('close', this.onEnd);
    if (input.readableEnded || input.destroyed || output.destroyed) setImmediate(this.onEnd);
  }

  /** Resolves when the message has been taken from us, or what is said in its place; rejects where nothing can be. */
  async send(message: JSONRPCMessage): Promise<void> {
    if (this.isClosed) throw new Error('the connection is closed');
    const text = encode(message);
    if (text === '') throw new Error('a message cannot be written as JSON');
    await new Promise<void>((resolve, reject) => {
      this.output.write(`${text}\n`, error => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.input.off('data', this.onData).off('end', this.onEnd).off('close', this.onEnd);
    this.output.off('close', this.onEnd);
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
      for (const message of parsed.messages) this.onmessage?.(message);
      return;
    }
    const { refusal: message, code, id } = parsed;
    this.onerror?.(new Error(message));
    // Of what is no request nobody waits for an answer.
    if (id === null || !isObject(value) || !('method' in value)) return;
    this.send({ jsonrpc: '2.0', id, error: { code, message } }).catch((error: Error) => this.onerror?.(error));
  }
}
