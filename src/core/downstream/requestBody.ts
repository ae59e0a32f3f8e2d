import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from '@modelcontextprotocol/server';
import type { Clock } from '../base/clock.ts';
import { INVALID_REQUEST, PARSE_ERROR, REFUSED } from '../base/rpcErrors.ts';
import { inTraceContext } from '../base/traceContext.ts';
import { errorBody, refuse, type Visit } from './door.ts';

/** How long the rest of a body that was refused is still taken, and dropped. */
const LINGER_MS = 2000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const SMALL_BODY_BYTES = 1024 * 1024;
/** Each message of a batch costs its checks, and its place in the router's one thread. */
const MAX_BATCH = 100;
const TOO_LARGE = `Payload too large: at most ${MAX_BODY_BYTES} bytes`;

/**
 * The messages that a POST brings; undefined: they cannot be taken, and it has been answered why.
 * @param isExpected whether anybody is there for them. A large body that nobody is there for is not worth reading: `refuseUnexpected` answers that
 */
export async function takeMessages(
  { request, response, traceContext }: Visit,
  clock: Clock,
  isExpected: () => boolean,
  refuseUnexpected: (response: ServerResponse) => void,
): Promise<readonly JSONRPCMessage[] | undefined> {
  if (!isJson(request)) {
    refuse(response, 415, 'Unsupported media type: the body must be application/json');
    return undefined;
  }
  const { 'content-length': length } = request.headers;
  if (!isExpected() && !(Number(length) <= SMALL_BODY_BYTES)) {
    refuseUnexpected(response);
    return undefined;
  }
  const body = await readBody(request);
  if (body === undefined) {
    refuseBody({ request, response }, errorBody(TOO_LARGE, REFUSED, null), clock);
    return undefined;
  }
  const parsed = parseBody(body);
  if ('messages' in parsed) {
    const { messages } = parsed;
    return traceContext ? messages.map(message => inTraceContext(message, traceContext)) : messages;
  }
  refuse(response, 400, parsed.refusal, parsed.code, parsed.id);
  return undefined;
}

/** Whether there is any among them that is to be answered. */
export function hasRequest(messages: readonly JSONRPCMessage[]): boolean {
  return messages.some(message => 'method' in message && 'id' in message);
}

/** Whether a request says that its body is JSON. */
export function isJson({ headers }: IncomingMessage): boolean {
  return /^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '');
}

/**
 * Answers 413. The connection closes, but not while the rest of the body arrives: that would reset it, and the answer be
 * lost.
 */
export function refuseBody(
  { request, response }: Pick<Visit, 'request' | 'response'>,
  body: unknown,
  clock: Clock,
): void {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(413, { ...headers, connection: 'close' }).write(text);
  const end = () => void response.end();
  const timer = clock.schedule(LINGER_MS, end);
  response.once('close', () => timer.dispose());
  request.once('end', end).resume();
}

/** The whole body; undefined if it is too large. What then still comes of it is dropped. */
export function readBody(request: IncomingMessage, maxBytes = MAX_BODY_BYTES): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length']) > maxBytes) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.push(chunk);
      } else {
        chunks = [];
        resolve(undefined);
      }
    });
    request.once('end', () => resolve(Buffer.concat(chunks)));
    request.once('error', reject);
  });
}

/** What a body says, or why it cannot be read. */
export function decodeJson(body: Buffer): { readonly value: unknown } | { readonly refusal: string } {
  if (!isUtf8(body)) return { refusal: 'the body is not UTF-8' };
  try {
    return { value: JSON.parse(body.toString('utf8')) };
  } catch {
    return { refusal: 'the body is not JSON' };
  }
}

/** What a body holds, or the error that it is answered with. */
export type Parsed =
  | { readonly messages: readonly JSONRPCMessage[] }
  | { readonly refusal: string; readonly code: number; readonly id: RequestId | null };

function parseBody(body: Buffer): Parsed {
  const decoded = decodeJson(body);
  if ('refusal' in decoded) return { refusal: `Parse error: ${decoded.refusal}`, code: PARSE_ERROR, id: null };
  return messagesOf(decoded.value);
}

/** One message or a batch, by the SDK's own guards. */
export function messagesOf(value: unknown): Parsed {
  const messages: unknown[] = Array.isArray(value) ? value : [value];
  if (messages.length > MAX_BATCH) {
    const refusal = `Invalid request: a batch has at most ${MAX_BATCH} messages, and this one has ${messages.length}`;
    return { refusal, code: INVALID_REQUEST, id: null };
  }
  if (messages.length > 0 && messages.every(isMessage)) return { messages };
  return {
    refusal: 'Invalid request: the body is not a JSON-RPC 2.0 message of MCP',
    code: INVALID_REQUEST,
    id: idOf(value),
  };
}

/** Requests first: they are what comes most, and a guard that says no costs several times one that says yes. */
function isMessage(value: unknown): value is JSONRPCMessage {
  return (
    isJSONRPCRequest(value) ||
    isJSONRPCNotification(value) ||
    isJSONRPCResultResponse(value) ||
    isJSONRPCErrorResponse(value)
  );
}

/** The id that an answer to something malformed can bear. */
function idOf(value: unknown): RequestId | null {
  if (typeof value !== 'object' || value === null || !('id' in value)) return null;
  return typeof value.id === 'string' || typeof value.id === 'number' ? value.id : null;
}
