// What the modern era (MCP 2026-07-28, "Base protocol", `_meta`) says with every message, where the legacy era says it once in
// its handshake.
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  LOG_LEVEL_META_KEY,
  PROTOCOL_VERSION_META_KEY,
  SERVER_INFO_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/client';
import { asText, isObject } from './json.ts';
import type { Params, RpcError } from './peer.ts';
import { INVALID_PARAMS, RESOURCE_NOT_FOUND } from './rpcErrors.ts';

/** Legacy: revisions to 2025-11-25, with `initialize` and sessions. Modern: 2026-07-28, where each request stands alone. */
export type Era = 'legacy' | 'modern';

export const MODERN_VERSION = '2026-07-28';

/** What a client of the legacy era that names no level is given at least. */
export const USUAL_LOG_LEVEL = 'info';

/** A name and a version, and whatever else a client or server tells of itself. */
export type Implementation = Readonly<Record<string, unknown>> & { readonly name: string; readonly version: string };

/** What is known of a client: in the legacy era for its session, in the modern era for one request. */
export interface ClientProfile {
  readonly era: Era;
  readonly info: Implementation | undefined;
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** The least severe log messages it wants; undefined: it did not say. */
  readonly logLevel: string | undefined;
}

/** Params of a modern request: with all that a server has to be told of the client. */
export function enveloped(
  params: Params | undefined,
  { info, capabilities, logLevel }: Omit<ClientProfile, 'era'>,
): Params {
  const envelope = {
    [PROTOCOL_VERSION_META_KEY]: MODERN_VERSION,
    [CLIENT_CAPABILITIES_META_KEY]: capabilities,
    ...(info && { [CLIENT_INFO_META_KEY]: info }),
    ...(logLevel !== undefined && { [LOG_LEVEL_META_KEY]: logLevel }),
  };
  return { ...params, _meta: { ...metaOf(params), ...envelope } };
}

/** Whether params carry an envelope, be it a good one or not. One that names a revision of the legacy era is only an odd `_meta`. */
export function hasEnvelope(params: Params | undefined): boolean {
  return versionIn(params) !== undefined;
}

/** The revision that an envelope names; undefined: there is no envelope. */
export function versionIn(params: Params | undefined): string | undefined {
  const version = metaOf(params)?.[PROTOCOL_VERSION_META_KEY];
  return version === undefined || SUPPORTED_PROTOCOL_VERSIONS.includes(asText(version)) ? undefined : asText(version);
}

/** The client that speaks in an envelope, and the params without it. */
export function openEnvelope(params: Params): { readonly client: ClientProfile; readonly params: Params } {
  const meta = metaOf(params) ?? {};
  const logLevel = meta[LOG_LEVEL_META_KEY];
  const client: ClientProfile = {
    era: 'modern',
    info: meta[CLIENT_INFO_META_KEY] as Implementation | undefined,
    capabilities: (meta[CLIENT_CAPABILITIES_META_KEY] ?? {}) as Params,
    logLevel: typeof logLevel === 'string' ? logLevel : undefined,
  };
  const reserved = [PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, LOG_LEVEL_META_KEY];
  return { client, params: withMeta(params, without(meta, ...reserved)) };
}

/** A complete result of a modern server, as a legacy one would have given it. */
export function asLegacyResult(result: Params): Params {
  const meta = without(metaOf(result) ?? {}, SERVER_INFO_META_KEY);
  const legacy = withMeta(without(result, 'resultType', 'ttlMs', 'cacheScope'), meta);
  const { structuredContent, content } = legacy;
  if (structuredContent === undefined || isObject(structuredContent)) return legacy;
  // There it has to be an object; the text says the same, or is made to.
  const isSaid = Array.isArray(content) && content.length > 0;
  const text = [{ type: 'text', text: JSON.stringify(structuredContent) }];
  return { ...without(legacy, 'structuredContent'), content: isSaid ? content : text };
}

/** An error of a modern server, as a legacy one would have told it: there a resource that is not there has a code of its own. */
export function asLegacyError(error: RpcError): RpcError {
  const { code, data } = error;
  const isMissing = code === INVALID_PARAMS && isObject(data) && Object.keys(data).join() === 'uri';
  return isMissing ? { ...error, code: RESOURCE_NOT_FOUND } : error;
}

/** A result as a modern server gives it. */
export function asModernResult(result: Params, serverInfo: Implementation): Params {
  return { resultType: 'complete', ...result, _meta: { ...metaOf(result), [SERVER_INFO_META_KEY]: serverInfo } };
}

/** Who a modern server says that it is. */
export function serverInfoIn(result: Params): unknown {
  return metaOf(result)?.[SERVER_INFO_META_KEY];
}

/** Params of a notification, tagged as belonging to a `subscriptions/listen` request. */
export function tagged(params: Params | undefined, listenId: unknown): Params {
  return { ...params, _meta: { ...metaOf(params), [SUBSCRIPTION_ID_META_KEY]: listenId } };
}

/** The same without the tag. */
export function untagged(params: Params | undefined): Params | undefined {
  const meta = metaOf(params);
  if (!params || !meta || !(SUBSCRIPTION_ID_META_KEY in meta)) return params;
  const rest = withMeta(params, without(meta, SUBSCRIPTION_ID_META_KEY));
  return Object.keys(rest).length > 0 ? rest : undefined;
}

export function metaOf(params: Params | undefined): Params | undefined {
  return isObject(params?._meta) ? params._meta : undefined;
}

/** An empty `_meta` is left out. */
function withMeta(params: Params, meta: Params): Params {
  return Object.keys(meta).length > 0 ? { ...params, _meta: meta } : without(params, '_meta');
}

function without(object: Params, ...keys: readonly string[]): Params {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
