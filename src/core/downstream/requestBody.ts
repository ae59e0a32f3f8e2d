import type { IncomingMessage } from 'node:http';
import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
} from '@modelcontextprotocol/server';
import { INVALID_REQUEST, PARSE_ERROR } from '../base/rpcErrors.ts';

export const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The whole body; undefined if it is too large. What then still comes of it is dropped. */
export function readBody(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length']) > MAX_BODY_BYTES) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) {
        chunks.push(chunk);
      } else {
        chunks = [];
        resolve(undefined);
      }
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', reject);
  });
}

/** What a body holds, or the error that it is answered with. */
export type Parsed =
  | { readonly messages: readonly JSONRPCMessage[] }
  | { readonly refusal: string; readonly code: number; readonly id: RequestId | null };

/** A body as the SDK takes it: what its own guards refuse, it would never answer. */
export function parseBody(body: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { refusal: 'Parse error: the body is not JSON', code: PARSE_ERROR, id: null };
  }
  const messages: unknown[] = Array.isArray(value) ? value : [value];
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
