import { LATEST_PROTOCOL_VERSION, SUPPORTED_PROTOCOL_VERSIONS, type Transport } from '@modelcontextprotocol/client';
import { type Era, enveloped, type Implementation, MODERN_VERSION, serverInfoIn } from '../base/envelope.ts';
import { messageOf } from '../base/errors.ts';
import { isDeeperThan, isObject, MAX_DEPTH } from '../base/json.ts';
import type { Params, Peer, Reply } from '../base/peer.ts';
import { METHOD_NOT_FOUND } from '../base/rpcErrors.ts';
import { mayBeSse } from './transports.ts';

/** What a backend tells of itself when a connection is made. */
export interface Introduction {
  readonly era: Era;
  readonly serverInfo: Implementation;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
}

export interface HandshakeOptions {
  /** `auto`: whichever era the backend speaks. */
  readonly protocol: 'auto' | Era;
  /** The era that was found last time, if that is known. */
  readonly knownEra: Era | undefined;
  /** What the backend is told of us. */
  readonly clientInfo: Implementation;
  /**
   * What the backend is told that its client can do. In the modern era it is told so with each request instead: with those
   * of a client what that one can do, with all others this.
   */
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/**
 * Finds out which era a backend speaks, and makes its acquaintance.
 *
 * `initialize` comes first: a modern-only server refuses it at once, while a legacy one might never answer
 * `server/discover`. Both go to the same process. A remembered verdict is tried first.
 * Rejects with what the transport threw, or an error that says how the backend refused.
 */
export async function shakeHands(
  peer: Peer,
  transport: Transport,
  options: HandshakeOptions,
  signal: AbortSignal,
): Promise<Introduction> {
  const { protocol, knownEra } = options;
  const eras: Era[] = knownEra === 'modern' ? ['modern', 'legacy'] : ['legacy', 'modern'];
  const [first, second] = protocol === 'auto' ? eras : [protocol];
  const greet = (era: Era | undefined) =>
    era === 'modern' ? discover(peer, options, signal) : initialize(peer, transport, options, signal);
  const reply = await greet(first);
  if (isIntroduction(reply)) return reply;
  // On HTTP a legacy server refuses what comes without a session, and a modern one what names no version in its headers,
  // before they look at what that is.
  const isRefused = reply.kind === 'error' || (reply.kind === 'unsent' && mayBeSse(reply.error));
  const other = isRefused && second ? await greet(second) : reply;
  if (isIntroduction(other)) return other;
  const method = (era: Era | undefined) => (era === 'modern' ? 'server/discover' : 'initialize');
  const refusal = refusalIn(reply, method(first));
  // That it has no such method says only that it is of the other era.
  const isNews = other !== reply && other.kind === 'error' && other.error.code !== METHOD_NOT_FOUND;
  throw isNews ? new Error(`${messageOf(refusal)}; ${messageOf(refusalIn(other, method(second)))}`) : refusal;
}

async function initialize(
  peer: Peer,
  transport: Transport,
  { clientInfo, capabilities }: HandshakeOptions,
  signal: AbortSignal,
): Promise<Introduction | Reply> {
  const params = { protocolVersion: LATEST_PROTOCOL_VERSION, capabilities, clientInfo };
  const reply = await ask(peer, 'initialize', params, signal);
  if (reply.kind !== 'result') return reply;
  const { protocolVersion, ...introduction } = reply.result;
  if (typeof protocolVersion !== 'string' || !SUPPORTED_PROTOCOL_VERSIONS.includes(protocolVersion)) {
    return unsupported(protocolVersion);
  }
  transport.setProtocolVersion?.(protocolVersion);
  peer.notify('notifications/initialized', undefined);
  return introductionIn(introduction, introduction.serverInfo, 'legacy');
}

async function discover(
  peer: Peer,
  { clientInfo, capabilities }: HandshakeOptions,
  signal: AbortSignal,
): Promise<Introduction | Reply> {
  const params = enveloped(undefined, { info: clientInfo, capabilities, logLevel: undefined });
  const reply = await ask(peer, 'server/discover', params, signal);
  if (reply.kind !== 'result') return reply;
  const { supportedVersions } = reply.result;
  if (!Array.isArray(supportedVersions) || !supportedVersions.includes(MODERN_VERSION)) {
    return unsupported(supportedVersions);
  }
  return introductionIn(reply.result, serverInfoIn(reply.result), 'modern');
}

/** Rejects where the answer cannot be told to anybody, because it could not be written as JSON again. */
async function ask(peer: Peer, method: string, params: Params, signal: AbortSignal): Promise<Reply> {
  const reply = await peer.request(method, params, { signal });
  const told = reply.kind === 'result' ? reply.result : reply.kind === 'error' && reply.error.data;
  if (isDeeperThan(told, MAX_DEPTH)) {
    throw new Error(`the answer to ${method} is nested more than ${MAX_DEPTH} levels deep`);
  }
  return reply;
}

function introductionIn(result: Params, serverInfo: unknown, era: Era): Introduction {
  const { capabilities, instructions } = result;
  return {
    era,
    serverInfo: isImplementation(serverInfo) ? serverInfo : { name: 'unknown', version: '' },
    capabilities: isObject(capabilities) ? capabilities : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}

function isIntroduction(reply: Introduction | Reply): reply is Introduction {
  return 'era' in reply;
}

function unsupported(versions: unknown): Reply {
  const told = JSON.stringify(versions) ?? 'none';
  return { kind: 'error', error: { code: 0, message: `it speaks protocol version ${told}, which is not known here` } };
}

/** Why there is no connection: what the transport threw, or what the backend said. */
function refusalIn(reply: Reply, method: string): unknown {
  switch (reply.kind) {
    case 'unsent':
      return reply.error;
    case 'error':
      return new Error(`${method} was refused: ${reply.error.message}${supportedIn(reply.error.data)}`);
    case 'closed':
      return undefined;
    default:
      return new Error(`${method} was not answered`);
  }
}

/** The versions that a server tells with -32022. */
function supportedIn(data: unknown): string {
  return isObject(data) && Array.isArray(data.supported) ? `; it speaks ${JSON.stringify(data.supported)}` : '';
}

function isImplementation(value: unknown): value is Implementation {
  return isObject(value) && typeof value.name === 'string';
}
