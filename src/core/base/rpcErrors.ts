// The codes of JSON-RPC errors, each under its name in one place.
import type { Answer } from './peer.ts';

// JSON-RPC 2.0, section 5.1
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

// Of servers in general; the second is what the SDKs say of a session that they do not know
export const REFUSED = -32000;
export const SESSION_NOT_FOUND = -32001;

// MCP to 2025-11-25
export const RESOURCE_NOT_FOUND = -32002;
export const URL_ELICITATION_REQUIRED = -32042;

// MCP 2026-07-28
export const HEADER_MISMATCH = -32020;
export const MISSING_CAPABILITY = -32021;
export const UNSUPPORTED_VERSION = -32022;

/** An error as an answer. */
export function refusal(code: number, message: string, data?: unknown): Answer {
  return { kind: 'error', error: { code, message, ...(data !== undefined && { data }) } };
}
