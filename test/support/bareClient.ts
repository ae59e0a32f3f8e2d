// MCP clients of a few lines, by hand: no SDK whose own cost would be measured, or that would repair or drop what it does not know.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { eventually } from './eventually.ts';

export interface Message {
  readonly jsonrpc: '2.0';
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: results are read as they come, in tests that know them
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** A tool, prompt, resource or template as listed. */
export type Item = Readonly<Record<string, unknown>> & { readonly name: string };

const LIST_METHODS = {
  tools: 'tools/list',
  prompts: 'prompts/list',
  resources: 'resources/list',
  resourceTemplates: 'resources/templates/list',
} as const;

interface Waiting {
  resolve(answer: Message): void;
  reject(error: Error): void;
}

abstract class BareClient {
  /** What came beside the answers, in order. */
  readonly received: Message[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  abstract close(): Promise<void>;
  protected abstract send(message: Message): void;

  /** Sends a request; `answer` is the whole message, result or error. Rejects when the server is gone. */
  start(method: string, params: Record<string, unknown> = {}): { id: number; answer: Promise<Message> } {
    const id = ++this.lastId;
    const answer = new Promise<Message>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.send({ jsonrpc: '2.0', id, method, params });
    return { id, answer };
  }

  request(method: string, params?: Record<string, unknown>): Promise<Message> {
    return this.start(method, params).answer;
  }

  callTool(name: string, args: Record<string, unknown> = {}, _meta?: Record<string, unknown>): Promise<Message> {
    return this.request('tools/call', { name, arguments: args, ...(_meta && { _meta }) });
  }

  notify(method: string, params: Record<string, unknown> = {}): void {
    this.send({ jsonrpc: '2.0', method, params });
  }

  async initialize(): Promise<Message> {
    const clientInfo = { name: 'bare-client', version: '1.0.0' };
    const answer = await this.request('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
    this.notify('notifications/initialized');
    return answer;
  }

  /** Every item of a list, over all its pages. */
  async list(kind: keyof typeof LIST_METHODS): Promise<Item[]> {
    const items: Item[] = [];
    let cursor: string | undefined;
    do {
      const { result } = await this.request(LIST_METHODS[kind], cursor === undefined ? {} : { cursor });
      items.push(...result[kind]);
      cursor = result.nextCursor;
    } while (cursor !== undefined);
    return items;
  }

  async toolNames(): Promise<string[]> {
    return (await this.list('tools')).map(tool => tool.name);
  }

  /** What has come under this method, as soon as it came at least once. */
  notifications(method: string): Promise<Message[]> {
    return eventually(`a ${method}`, () => {
      const matching = this.received.filter(message => message.method === method);
      return matching.length > 0 ? matching : undefined;
    });
  }

  protected take(message: Message): void {
    const waiting = message.method === undefined && this.settle(message.id);
    if (waiting) waiting.resolve(message);
    else this.received.push(message);
  }

  /** No answer comes for this request any more. */
  protected fail(id: Message['id'], reason: string): void {
    this.settle(id)?.reject(new Error(reason));
  }

  protected failAll(reason: string): void {
    for (const id of this.waiting.keys()) this.fail(id, reason);
  }

  private settle(id: Message['id']): Waiting | undefined {
    if (typeof id !== 'number') return undefined;
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }
}

/** Streamable HTTP over kept-alive sockets. */
export class BareHttpClient extends BareClient {
  private readonly url: string;
  private readonly headers: Record<string, string>;
  private readonly agent = new Agent({ keepAlive: true });

  constructor(url: string, headers: Record<string, string> = {}) {
    super();
    this.url = url;
    this.headers = { accept: 'application/json, text/event-stream', ...headers };
  }

  /** Opens the stream on which comes what belongs to no call. */
  async listen(): Promise<void> {
    const request = this.open('GET');
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`GET answered ${response.statusCode}`);
    readEvents(response, data => this.take(JSON.parse(data)));
  }

  override async close(): Promise<void> {
    this.agent.destroy();
  }

  protected override send(message: Message): void {
    const body = JSON.stringify(message);
    const request = this.open('POST', {
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(body)}`,
    });
    request.on('error', error => this.fail(message.id, error.message));
    request.on('response', response => {
      const session = response.headers['mcp-session-id'];
      if (typeof session === 'string') this.headers['mcp-session-id'] = session;
      response.on('end', () => this.fail(message.id, `HTTP ${response.statusCode} without an answer`));
      if (response.headers['content-type']?.startsWith('text/event-stream')) {
        readEvents(response, data => this.take(JSON.parse(data)));
      } else {
        readWhole(response, text => {
          if (response.statusCode === 200 && text !== '') this.take(JSON.parse(text));
        });
      }
    });
    request.end(body);
  }

  private open(method: string, headers: Record<string, string> = {}): ClientRequest {
    return httpRequest(this.url, { method, agent: this.agent, headers: { ...this.headers, ...headers } });
  }
}

/** A child process, one message a line. */
export class BareStdioClient extends BareClient {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(command: string, args: readonly string[]) {
    super();
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    let rest = '';
    this.child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.take(JSON.parse(line));
    });
    this.child.on('close', () => this.failAll('the server ended'));
  }

  override async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.stdin.end();
    await once(this.child, 'close');
  }

  protected override send(message: Message): void {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }
}

function readWhole(response: IncomingMessage, onText: (text: string) => void): void {
  let text = '';
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  response.prependListener('end', () => onText(text));
}

/** Server-sent events, as far as MCP uses them. */
function readEvents(response: IncomingMessage, onData: (data: string) => void): void {
  let rest = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = event
        .split('\n')
        .filter(line => line.startsWith('data:'))
        .map(line => line.slice('data:'.length).trimStart())
        .join('\n');
      if (data !== '') onData(data);
    }
  });
}
