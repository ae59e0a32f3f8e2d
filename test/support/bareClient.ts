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

/** A tool, prompt, resource, template or task as listed. */
export type Item = Readonly<Record<string, unknown>> & { readonly name: string };

const LIST_METHODS = {
  tools: 'tools/list',
  prompts: 'prompts/list',
  resources: 'resources/list',
  resourceTemplates: 'resources/templates/list',
  tasks: 'tasks/list',
} as const;

/** What a client says to a request of the server: a result, or a JSON-RPC error that it throws. */
export type Answering = (params: Record<string, unknown>, request: Message) => unknown;

interface Waiting {
  resolve(answer: Message): void;
  reject(error: Error): void;
}

export abstract class BareClient {
  /** What came beside the answers, in order. */
  readonly received: Message[] = [];
  private readonly answering = new Map<string, Answering>();
  private readonly waiting = new Map<number | string, Waiting>();
  private lastId = 0;

  abstract close(): Promise<void>;
  /** Sends a message as it is. Resolves when the server has taken it (HTTP: and answered), or cannot. */
  abstract send(message: Message): Promise<void>;

  /** Sends a request; `answer` is the whole message, result or error. Rejects when the server is gone. */
  start(method: string, params: Record<string, unknown> = {}): { id: number; answer: Promise<Message> } {
    const id = ++this.lastId;
    return { id, answer: this.ask({ jsonrpc: '2.0', id, method, params }) };
  }

  /** Sends a request as it is, under an id of the caller's. */
  ask(request: Message & { readonly id: number | string }): Promise<Message> {
    const answer = new Promise<Message>((resolve, reject) => this.waiting.set(request.id, { resolve, reject }));
    void this.send(request);
    return answer;
  }

  /** From now on requests of this method are answered; those of other methods stay in `received`, unanswered. */
  answers(method: string, answering: Answering): void {
    this.answering.set(method, answering);
  }

  request(method: string, params?: Record<string, unknown>): Promise<Message> {
    return this.start(method, params).answer;
  }

  callTool(name: string, args: Record<string, unknown> = {}, _meta?: Record<string, unknown>): Promise<Message> {
    return this.request('tools/call', { name, arguments: args, ...(_meta && { _meta }) });
  }

  /** Resolves when the server has taken it. */
  notify(method: string, params: Record<string, unknown> = {}): Promise<void> {
    return this.send({ jsonrpc: '2.0', method, params });
  }

  /** Says that the answer to a request is not wanted any more. */
  cancel(requestId: number | string, reason: string): void {
    void this.notify('notifications/cancelled', { requestId, reason });
  }

  async initialize(capabilities: Record<string, unknown> = {}): Promise<Message> {
    const clientInfo = { name: 'bare-client', version: '1.0.0' };
    const answer = await this.request('initialize', { protocolVersion: '2025-11-25', capabilities, clientInfo });
    void this.notify('notifications/initialized');
    return answer;
  }

  /** Every item of a list, over all its pages. */
  async list(kind: keyof typeof LIST_METHODS): Promise<Item[]> {
    const items: Item[] = [];
    let cursor: string | undefined;
    do {
      const { result, error } = await this.request(LIST_METHODS[kind], cursor === undefined ? {} : { cursor });
      if (error) throw new Error(`${LIST_METHODS[kind]}: ${error.message}`);
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
    if (message.method !== undefined && message.id !== undefined) void this.answer(message, message.method);
  }

  private async answer(request: Message, method: string): Promise<void> {
    const answering = this.answering.get(method);
    if (!answering) return;
    const { id = null } = request;
    try {
      const result = await answering(request.params ?? {}, request);
      void this.send({ jsonrpc: '2.0', id, result });
    } catch (error) {
      void this.send({ jsonrpc: '2.0', id, error: error as NonNullable<Message['error']> });
    }
  }

  /** No answer comes for this request any more. */
  protected fail(id: Message['id'], reason: string): void {
    this.settle(id)?.reject(new Error(reason));
  }

  protected failAll(reason: string): void {
    for (const id of this.waiting.keys()) this.fail(id, reason);
  }

  private settle(id: Message['id']): Waiting | undefined {
    if (id === undefined || id === null) return undefined;
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }
}

/** Streamable HTTP over kept-alive sockets. */
export class BareHttpClient extends BareClient {
  /** What of `received` came on the stream that belongs to no request. */
  readonly unrelated = new Set<Message>();
  private readonly url: string;
  private readonly headers: Record<string, string>;
  private readonly agent: Agent;

  /** @param from the address of this machine that it calls from */
  constructor(url: string, headers: Record<string, string> = {}, from?: string) {
    super();
    this.agent = new Agent({ keepAlive: true, ...(from !== undefined && { localAddress: from }) });
    this.url = url;
    this.headers = { accept: 'application/json, text/event-stream', ...headers };
  }

  /** Undefined until the server has given it one. */
  get sessionId(): string | undefined {
    return this.headers['mcp-session-id'];
  }

  /** Opens the stream on which comes what belongs to no call. */
  async listen(): Promise<void> {
    const request = this.open('GET');
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`GET answered ${response.statusCode}`);
    readEvents(response, data => {
      const message: Message = JSON.parse(data);
      this.unrelated.add(message);
      this.take(message);
    });
  }

  /** Ends the session, as a client does that takes its leave. */
  async end(): Promise<void> {
    const request = this.open('DELETE');
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    if (response.statusCode !== 200) throw new Error(`DELETE answered ${response.statusCode}`);
  }

  override async close(): Promise<void> {
    this.agent.destroy();
  }

  override async send(message: Message): Promise<void> {
    const body = JSON.stringify(message);
    const request = this.open('POST', {
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(body)}`,
      ...this.headersOf(message),
    });
    this.onSent(message, request);
    request.on('error', error => this.fail(message.id, error.message));
    request.on('response', response => {
      const session = response.headers['mcp-session-id'];
      if (typeof session === 'string') this.headers['mcp-session-id'] = session;
      response.on('close', () => {
        const cut = response.complete ? '' : ', and its connection was cut';
        this.fail(message.id, `HTTP ${response.statusCode} without an answer${cut}`);
      });
      if (response.headers['content-type']?.startsWith('text/event-stream')) {
        readEvents(response, data => this.take(JSON.parse(data)));
      } else {
        readWhole(response, text => {
          if (text !== '' && this.isAnswer(response)) this.take(JSON.parse(text));
        });
      }
    });
    request.end(body);
    await once(request, 'close').catch(() => {}); // What went wrong, whoever waits for the answer is told.
  }

  /** What the headers have to say of a message beside those that all have. */
  protected headersOf(_message: Message): Record<string, string> {
    return {};
  }

  protected onSent(_message: Message, _request: ClientRequest): void {}

  /** Whether the body of a response that is no stream is a JSON-RPC answer. */
  protected isAnswer({ statusCode }: IncomingMessage): boolean {
    return statusCode === 200;
  }

  private open(method: string, headers: Record<string, string> = {}): ClientRequest {
    return httpRequest(this.url, { method, agent: this.agent, headers: { ...this.headers, ...headers } });
  }
}

/** HTTP+SSE: everything comes on one stream, whose first event names where to POST. */
export class BareSseClient extends BareClient {
  private readonly stream: IncomingMessage;
  private readonly headers: Record<string, string>;
  private readonly agent = new Agent({ keepAlive: true });
  private readonly endpoint: Promise<URL>;

  private constructor(url: string, headers: Record<string, string>, stream: IncomingMessage) {
    super();
    this.stream = stream;
    this.headers = headers;
    this.endpoint = new Promise(resolve => {
      let isNamed = false;
      readEvents(stream, data => {
        if (isNamed) return this.take(JSON.parse(data));
        isNamed = true;
        resolve(new URL(data, url));
      });
    });
    stream.on('error', () => {}); // It closes then too.
    stream.on('close', () => this.failAll('the stream ended'));
  }

  static async connect(url: string, headers: Record<string, string> = {}): Promise<BareSseClient> {
    const request = httpRequest(url, { agent: false, headers: { accept: 'text/event-stream', ...headers } });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`GET answered ${response.statusCode}`);
    return new BareSseClient(url, headers, response);
  }

  override async close(): Promise<void> {
    this.agent.destroy();
    this.stream.destroy();
  }

  /** Where Streamable HTTP would end the stream of the request, nothing comes here. */
  override cancel(requestId: number | string, reason: string): void {
    super.cancel(requestId, reason);
    this.fail(requestId, reason);
  }

  override async send(message: Message): Promise<void> {
    const body = JSON.stringify(message);
    const request = httpRequest(await this.endpoint, {
      method: 'POST',
      agent: this.agent,
      headers: { ...this.headers, 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` },
    });
    request.on('error', error => this.fail(message.id, error.message));
    request.on('response', response => {
      if (response.statusCode !== 202) this.fail(message.id, `HTTP ${response.statusCode}`);
      response.resume();
    });
    request.end(body);
    await once(request, 'close').catch(() => {}); // What went wrong, whoever waits for the answer is told.
  }
}

/** One message a line. */
export class BareStreamClient extends BareClient {
  private readonly output: Writable;

  constructor(input: Readable, output: Writable) {
    super();
    this.output = output;
    let rest = '';
    input.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.take(JSON.parse(line));
    });
    input.on('close', () => this.failAll('the server ended'));
  }

  override async close(): Promise<void> {
    this.output.end();
  }

  /** Where Streamable HTTP would end the stream of the request, nothing comes here. */
  override cancel(requestId: number | string, reason: string): void {
    super.cancel(requestId, reason);
    this.fail(requestId, reason);
  }

  override async send(message: Message): Promise<void> {
    this.output.write(`${JSON.stringify(message)}\n`);
  }
}

/** To a child process. */
export class BareStdioClient extends BareStreamClient {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    super(child.stdout, child.stdin);
    this.child = child;
  }

  override async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    await super.close();
    await once(this.child, 'close');
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
