import type { ClientRequest, IncomingMessage } from 'node:http';
import { BareHttpClient, type Message } from './bareClient.ts';

export const MODERN_VERSION = '2026-07-28';
const meta = (name: string) => `io.modelcontextprotocol/${name}`;
/** Which parameter of a request its `Mcp-Name` header repeats. */
const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/cancel': 'taskId',
};

/** A client of the modern era (MCP 2026-07-28): each request says all that has to be known of it. */
export class BareModernClient extends BareHttpClient {
  /** The HTTP status with which each request was answered. */
  readonly statuses = new Map<Message['id'], number | undefined>();
  private readonly envelope: Record<string, unknown>;
  private readonly requests = new Map<Message['id'], ClientRequest>();

  constructor(url: string, headers: Record<string, string> = {}, capabilities: Record<string, unknown> = {}) {
    super(url, { ...headers, 'mcp-protocol-version': MODERN_VERSION });
    this.envelope = {
      [meta('protocolVersion')]: MODERN_VERSION,
      [meta('clientInfo')]: { name: 'bare-client', version: '1.0.0', title: 'ünï', 'x-vendor': [null] },
      [meta('clientCapabilities')]: capabilities,
    };
  }

  /** Adds the envelope, of which `_meta` may replace a part; undefined removes it. */
  override send(message: Message): Promise<void> {
    const _meta = { ...this.envelope, ...(message.params?._meta as object | undefined) };
    return super.send({ ...message, params: { ...message.params, _meta } });
  }

  /** The end of its stream is how a request is cancelled. */
  override cancel(requestId: number | string, reason: string): void {
    this.requests.get(requestId)?.destroy();
    this.fail(requestId, reason);
  }

  protected override headersOf({ method = '', params }: Message): Record<string, string> {
    const name = params?.[NAMED_BY[method] ?? ''];
    return { 'mcp-method': method, ...(typeof name === 'string' && { 'mcp-name': encoded(name) }) };
  }

  protected override onSent({ id }: Message, request: ClientRequest): void {
    this.requests.set(id, request);
    request.on('response', ({ statusCode }) => this.statuses.set(id, statusCode));
    request.on('close', () => this.requests.delete(id));
  }

  /** Errors have a status of their own. */
  protected override isAnswer(_response: IncomingMessage): boolean {
    return true;
  }
}

/** As a header can have it. */
function encoded(value: string): string {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value)
    ? value
    : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}
