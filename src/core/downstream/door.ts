// What the HTTP front and the doors behind it say to each other.
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { RequestId } from '@modelcontextprotocol/server';
import type { Event } from '../base/event.ts';
import { REFUSED } from '../base/rpcErrors.ts';
import type { TraceContext } from '../base/traceContext.ts';

/** `read` uses what is there; `admin` also changes the router. */
export type Role = 'read' | 'admin';

/** One HTTP request that the front has let in. */
export interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the URL, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What the token that it brought allows; `admin` where none is asked for. */
  readonly role: Role;
  /** Where its headers say that it belongs; undefined: they do not, or nobody looks at traces. */
  readonly traceContext?: TraceContext | undefined;
}

/** One of the things that are served at a port. */
export interface Door {
  /** Exact paths, with or without a slash at the end; one that ends in a slash stands for everything below it too. */
  readonly paths: readonly string[];
  /** Whether it is open to those without a token too. */
  readonly isPublic?: boolean;
  /** Whether its clients speak JSON-RPC, and so are refused; others are told `{"error": "…"}`. */
  readonly isMcp?: boolean;
  /** Of those that have any: how many are open, and when one began or ended. */
  readonly sessions?: { readonly size: number; readonly onDidChange: Event<void> };
  /** Answers. What it throws ends the response and is logged. */
  visit(visit: Visit): void | Promise<void>;
  /** Takes nothing new from here on; what is in flight goes on. */
  drain?(): void;
  /** Ends what is open here. */
  close?(): Promise<void>;
}

export function replyJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text);
}

/** An error in the words of JSON-RPC, which plain HTTP clients can read too. */
export function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  code = REFUSED,
  id: RequestId | null = null,
  data?: unknown,
): void {
  replyJson(response, status, errorBody(message, code, id, data));
}

export function errorBody(message: string, code: number, id: RequestId | null, data?: unknown): object {
  return { jsonrpc: '2.0', error: { code, message, ...(data !== undefined && { data }) }, id };
}

export const STOPPING = 'The router is stopping: try again in a moment, or another one';

/** 503, as every door answers what is new while the router stops. */
export function refuseNew(response: ServerResponse): void {
  response.setHeader('retry-after', '1');
  refuse(response, 503, STOPPING);
}

/** 503, as every door answers who would begin one session too many. */
export function refuseFull(response: ServerResponse, { most }: { readonly most: number }): void {
  response.setHeader('retry-after', '60');
  refuse(response, 503, `Too many sessions are open, ${most}: end those that are not needed, or try again in a minute`);
}

/** 405, as every door answers a method that it does not know. */
export function refuseMethod({ request, response }: Visit, allowed: readonly string[]): void {
  replyJson(response, 405, { error: unsupportedMethod(request.method) }, { allow: allowed.join(', ') });
}

export function unsupportedMethod(method: string | undefined): string {
  return `Unsupported method: ${method}`;
}
