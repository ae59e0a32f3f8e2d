// Requests of the commands to a router that runs elsewhere: what went wrong is said with its address and what to do.
import { reasonOf, UserError } from '../core/base/errors.ts';
import type { Environment } from '../core/config/environment.ts';

/** What a router's address may end in, after its base. */
export const DOOR = /\/(mcp|sse|messages|mcp_servers|mcp_tools|healthz|readyz|metrics)\/*$/;

/** How long a router may take to begin an answer. */
const ANSWER_SECONDS = 10;

/**
 * Reads JSON from a router. Rejects with a `UserError` where none is reached, or it refuses, or answers something else.
 * @param token the bearer token to show
 */
export async function readJson(url: URL, token: string | undefined): Promise<unknown> {
  const headers = { accept: 'application/json', ...authorization(token) };
  const request = { headers, signal: AbortSignal.timeout(ANSWER_SECONDS * 1000) };
  const response = await careful(fetch, token)(url, request);
  try {
    return await response.json();
  } catch (cause) {
    throw new UserError(`${url} answers with something that is no JSON: no Switchyard is there.`, { cause });
  }
}

/** Of the tokens that there are, the one that may do more. */
export function tokenToShow({ authToken, readToken }: Environment): string | undefined {
  return authToken ?? readToken;
}

export function authorization(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * `fetch` that rejects with a `UserError` where nothing is reached, and where the answer is a refusal. It follows no
 * redirect: the token is for the address that was named.
 */
export function careful(request: typeof fetch, token: string | undefined): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    let response: Response;
    try {
      response = await request(input, { ...init, redirect: 'manual' });
    } catch (cause) {
      if (init?.signal?.aborted && codeOf(cause) !== 'TimeoutError') throw cause;
      throw new UserError(`${url} cannot be reached: ${explain(cause, url)}`, { cause });
    }
    // What a client offers to be told beside its requests, a server may decline.
    if (response.ok || init?.method === 'GET' || init?.method === 'DELETE') return response;
    await response.body?.cancel();
    throw new UserError(refusal(url, response, token));
  };
}

function explain(error: unknown, { protocol, host }: URL): string {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens there. Start the router with "switchyard serve --port PORT", or name another address with --url.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} is not known. Check the address.`;
    case 'TimeoutError':
      return `no answer within ${ANSWER_SECONDS} seconds. Check the address, and whether the router is overloaded.`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `its certificate is signed by nobody known here. Name the authority's file in NODE_EXTRA_CA_CERTS.`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `its certificate is for another name. Use the name that the certificate has.`;
    case 'CERT_HAS_EXPIRED':
      return `its certificate has expired. Renew it.`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'it does not speak TLS. Use http:// in place of https://.';
    default: {
      const hint = protocol === 'http:' ? ' Does it want https://?' : '';
      return `${reasonOf(error) || code}.${hint}`;
    }
  }
}

/** Of the error, or of what `fetch` wraps in its own. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, cause } = error as NodeJS.ErrnoException;
  if (error.name === 'TimeoutError') return error.name;
  return typeof code === 'string' ? code : codeOf(cause);
}

function refusal(url: URL, { status, headers }: Response, token: string | undefined): string {
  const location = headers.get('location');
  if (status >= 300 && status < 400) {
    const target =
      location !== null && URL.canParse(location, url.href) ? new URL(location, url.href).href : 'another address';
    return `${url} redirects to ${target}. If that is the router, name it with --url.`;
  }
  switch (status) {
    case 401:
      return token === undefined
        ? `${url} asks for a token: put it in MCP_AUTH_TOKEN.`
        : `${url} refuses the token: correct MCP_AUTH_TOKEN.`;
    case 403:
      return `${url} refuses us (403): the token may lack a role, or the router may not know the name ${url.host} (--allow-host).`;
    case 404:
    case 405:
      return `${url} is not where a Switchyard answers (${status}). Its address is like http://127.0.0.1:8000/mcp.`;
    case 429:
      return `${url} refuses us for a while after too many wrong tokens (429). Correct MCP_AUTH_TOKEN and wait a minute.`;
    case 503:
      return `${url} is stopping or not ready (503). Try again.`;
    default:
      return `${url} answers with HTTP ${status}: no Switchyard is there, or something before it fails.`;
  }
}
