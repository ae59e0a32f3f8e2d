// Where a request belongs in a trace (W3C "Trace Context", "Baggage"): over HTTP in headers, in MCP unprefixed in `_meta` (SEP-414).
import type { IncomingHttpHeaders } from 'node:http';
import { metaOf } from './envelope.ts';
import type { Params } from './peer.ts';

const KEYS = ['traceparent', 'tracestate', 'baggage'];

export type TraceContext = Readonly<Record<string, string>>;

export function traceContextIn(headers: IncomingHttpHeaders): TraceContext | undefined {
  if (headers.traceparent === undefined) return undefined;
  return Object.fromEntries(KEYS.flatMap(key => (typeof headers[key] === 'string' ? [[key, headers[key]]] : [])));
}

/** A request in that context, unless it has one of its own. */
export function inTraceContext<M extends object>(message: M, context: TraceContext): M {
  if (!('id' in message && 'method' in message)) return message;
  const { params } = message as { readonly params?: Params };
  const meta = metaOf(params);
  return meta?.traceparent === undefined
    ? { ...message, params: { ...params, _meta: { ...meta, ...context } } }
    : message;
}
