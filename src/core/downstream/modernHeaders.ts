import type { IncomingHttpHeaders } from 'node:http';
import { classifyInboundRequest, type JSONRPCMessage, type RequestId } from '@modelcontextprotocol/server';
import { decodedHeader, namedBy, paramHeaders } from '../base/paramHeaders.ts';
import type { Answer, Params, RpcError } from '../base/peer.ts';
import {
  HEADER_MISMATCH,
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  MISSING_CAPABILITY,
  UNSUPPORTED_VERSION,
} from '../base/rpcErrors.ts';

/** Why a modern POST is not served, and how that is said. */
export interface ModernRefusal extends RpcError {
  readonly status: number;
  readonly id: RequestId | null;
}

/** Errors about the request itself, which HTTP is to show too. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [METHOD_NOT_FOUND, 404],
  [INVALID_REQUEST, 400],
  [HEADER_MISMATCH, 400],
  [MISSING_CAPABILITY, 400],
  [UNSUPPORTED_VERSION, 400],
]);

/**
 * Whether the headers of a POST agree with its body, and the body is one request or notification with a whole envelope
 * (MCP 2026-07-28, "Streamable HTTP", standard request headers). Undefined: they do.
 */
export function modernRefusal(headers: IncomingHttpHeaders, body: unknown): ModernRefusal | undefined {
  const [version, method, name] = ['mcp-protocol-version', 'mcp-method', 'mcp-name'].map(key => {
    const value = headers[key];
    return typeof value === 'string' ? value.trim() : undefined;
  });
  const classified = classifyInboundRequest({
    httpMethod: 'POST',
    body,
    ...(version !== undefined && { protocolVersionHeader: version }),
    ...(method !== undefined && { mcpMethodHeader: method }),
    ...(name !== undefined && { mcpNameHeader: name }),
  });
  const message = body as JSONRPCMessage & { readonly id?: RequestId };
  const id = message.id ?? null;
  if (classified.kind === 'reject') {
    const { httpStatus: status, code, message: told, data } = classified;
    return { status, code, message: told, id, ...(data !== undefined && { data }) };
  }
  if (classified.kind === 'legacy') {
    return { status: 400, code: INVALID_REQUEST, message: 'Invalid request: the header names another era', id };
  }
  if (!('method' in message) || id === null) return undefined;
  const mismatch = mismatchIn(message.method, message.params, version, method, name);
  return mismatch === undefined
    ? undefined
    : { status: 400, code: HEADER_MISMATCH, message: `Header mismatch: ${mismatch}`, id };
}

/** Whether the headers repeat what the schema of a tool wants repeated of its arguments. Undefined: they do. */
export function paramRefusal(
  headers: IncomingHttpHeaders,
  inputSchema: unknown,
  { id, params }: { readonly id: RequestId; readonly params: Params },
): ModernRefusal | undefined {
  for (const [name, expected] of Object.entries(paramHeaders(inputSchema, params.arguments) ?? {})) {
    const header = headers[name.toLowerCase()];
    const told = typeof header === 'string' ? decodedHeader(header.trim()) : undefined;
    const meant = decodedHeader(expected);
    // A number may be written in more than one way.
    if (told !== undefined && (told === meant || (told !== '' && Number(told) === Number(meant)))) continue;
    const message = `Header mismatch: ${name} is ${header ?? 'missing'}, and the argument is ${meant}`;
    return { status: 400, code: HEADER_MISMATCH, message, id };
  }
  return undefined;
}

/** The HTTP status that goes with an answer. */
export function statusOf(answer: Answer): number {
  return answer.kind === 'error' ? (STATUS.get(answer.error.code) ?? 200) : 200;
}

function mismatchIn(
  method: string,
  params: Params | undefined,
  versionHeader: string | undefined,
  methodHeader: string | undefined,
  nameHeader: string | undefined,
): string | undefined {
  if (versionHeader === undefined) return 'MCP-Protocol-Version is missing';
  if (methodHeader === undefined) return 'Mcp-Method is missing';
  const value = namedBy(method, params);
  if (value === undefined) return undefined;
  if (nameHeader === undefined) return `Mcp-Name is missing, and the body names "${value}"`;
  return decodedHeader(nameHeader) === value ? undefined : `Mcp-Name is "${nameHeader}", and the body names "${value}"`;
}
