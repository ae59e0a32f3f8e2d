import { isObject } from './json.ts';
import type { Params } from './peer.ts';

/** In a tool's input schema: the name under which an argument is to be mirrored into the headers. */
const KEYWORD = 'x-mcp-header';
/** What a header can carry as it is; blanks around it would be lost. */
const PLAIN = /^(?! )[\x20-\x7e]*(?<! )$/;
/** What a header may be called (RFC 9110). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const SENTINEL = /^=\?base64\?(.*)\?=$/s;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Which member of the params the header `Mcp-Name` repeats, by method. */
const NAMED_BY: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/**
 * The `Mcp-Param-*` headers of a tool call (MCP 2026-07-28, "Streamable HTTP", custom headers from tool parameters), so
 * that what stands between us and the server can route by them. Undefined if the tool asks for none.
 */
export function paramHeaders(inputSchema: unknown, args: unknown): Record<string, string> | undefined {
  const headers = headersIn(inputSchema, args);
  return headers.length > 0 ? Object.fromEntries(headers) : undefined;
}

/** What the header `Mcp-Name` has to say of a request, not encoded yet; undefined: nothing. */
export function namedBy(method: string, params: Params | undefined): string | undefined {
  const name = params?.[NAMED_BY.get(method) ?? ''];
  return typeof name === 'string' ? name : undefined;
}

/** A value as a header can carry it: plain, or in Base64. */
export function encodedHeader(value: string): string {
  if (PLAIN.test(value) && !SENTINEL.test(value)) return value;
  return `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

/** The value that a header carries, plain or in Base64; undefined if it is neither. */
export function decodedHeader(header: string): string | undefined {
  const [, encoded] = SENTINEL.exec(header) ?? [];
  if (encoded === undefined) return header;
  return BASE64.test(encoded) ? Buffer.from(encoded, 'base64').toString('utf8') : undefined;
}

function headersIn(schema: unknown, value: unknown): [string, string][] {
  if (!isObject(schema) || !isObject(schema.properties) || !isObject(value)) return [];
  return Object.entries(schema.properties).flatMap(([key, property]) => {
    const argument = value[key];
    const name = isObject(property) ? property[KEYWORD] : undefined;
    const own: [string, string][] =
      typeof name === 'string' && TOKEN.test(name) && isPrimitive(argument)
        ? [[`Mcp-Param-${name}`, encodedHeader(String(argument))]]
        : [];
    return [...own, ...headersIn(property, argument)];
  });
}

function isPrimitive(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
}
