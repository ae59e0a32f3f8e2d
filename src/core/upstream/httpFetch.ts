// What every HTTP exchange with a backend keeps to: redirects stay with the server, bodies have a limit, errors keep their status.
import { createParser, type ParserCallbacks } from 'eventsource-parser';
import { MAX_MESSAGE_BYTES } from '../base/lineReader.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Of these a POST is sent again as it was. */
const KEEP_METHOD: ReadonlySet<number> = new Set([307, 308]);

/** A message was answered with an HTTP error. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor({ status, headers, url }: Response) {
    const retryAfter = headers.get('retry-after');
    const location = REDIRECTS.has(status) ? targetOf(url, headers) : undefined;
    const notes = [
      ...(retryAfter === null ? [] : [`Retry-After: ${retryAfter}`]),
      ...(location ? [`it points to ${location.origin}${location.pathname}, which is not followed`] : []),
    ];
    super(`the server answered HTTP ${status}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`);
    this.status = status;
  }
}

/** 4xx that say "not now" rather than "not here". */
const LATER: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** Whether the same would be answered so again. */
export function isFinal(status: number): boolean {
  return status < 500 && !LATER.has(status);
}

/** A request was refused because the server does not know the session that it was for: it did not run. */
export class SessionLostError extends Error {
  override readonly name = 'SessionLostError';

  constructor(status: number) {
    super(`the server forgot our session (HTTP ${status})`);
  }
}

/** A message exceeded {@link MAX_MESSAGE_BYTES}. */
export class TooLongError extends Error {
  override readonly name = 'TooLongError';

  constructor() {
    super(`a message exceeded ${MAX_MESSAGE_BYTES} bytes`);
  }
}

/**
 * `fetch`, but for redirects: one is followed only where it keeps the method and stays with the server, so that what the
 * headers hold goes nowhere else. Any other is the response.
 */
export async function fetchWithinOrigin(
  url: URL,
  init: RequestInit & { readonly method: 'GET' | 'POST' | 'DELETE' },
): Promise<Response> {
  let at = url;
  for (let followed = 0; ; followed++) {
    const response = await fetch(at, { ...init, redirect: 'manual' });
    if (!REDIRECTS.has(response.status) || followed === MAX_REDIRECTS) return response;
    const target = targetOf(at.href, response.headers);
    const keepsMethod = init.method === 'GET' || KEEP_METHOD.has(response.status);
    if (!target || !keepsMethod || !isSameServer(at, target)) return response;
    await response.body?.cancel();
    at = target;
  }
}

/** The whole body; rejects with {@link TooLongError}. */
export async function textOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_MESSAGE_BYTES) throw new TooLongError();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * Reads a stream of server-sent events to its end. Rejects with {@link TooLongError}, with what broke it off, or with what
 * a listener threw.
 */
export async function readEvents(
  { body }: Response,
  listeners: Pick<ParserCallbacks, 'onEvent' | 'onRetry'>,
): Promise<void> {
  const decoder = new TextDecoder();
  let isTooLong = false;
  const parser = createParser({
    ...listeners,
    maxBufferSize: MAX_MESSAGE_BYTES,
    onError: ({ type }) => {
      isTooLong ||= type === 'max-buffer-size-exceeded';
    },
  });
  for await (const chunk of body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (isTooLong) throw new TooLongError();
  }
}

function targetOf(url: string, headers: Headers): URL | undefined {
  const location = headers.get('location') ?? '';
  return location !== '' && URL.canParse(location, url) ? new URL(location, url) : undefined;
}

/** The same origin, or the same host with TLS. */
function isSameServer(from: URL, to: URL): boolean {
  if (to.username !== from.username || to.password !== from.password) return false;
  const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:' && !from.port && !to.port;
  return from.origin === to.origin || (isUpgrade && from.hostname === to.hostname);
}
