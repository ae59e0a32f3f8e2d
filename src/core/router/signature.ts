import { metaOf } from '../base/envelope.ts';
import { asText, isObject, mapMembers } from '../base/json.ts';
import type { Params, RpcError } from '../base/peer.ts';
import { URL_ELICITATION_REQUIRED } from '../base/rpcErrors.ts';
import type { Backend } from '../upstream/backend.ts';

/** In `_meta` of what a client is asked. */
const ASKING_BACKEND = 'switchyard/backend';

/** The params of what a client is asked, with the name of the backend that asks, for the person who is to answer. */
export function signed(backend: Backend, method: string, params: Params | undefined): Params {
  const isSpoken = method === 'elicitation/create' && typeof params?.message === 'string';
  const message = isSpoken ? { message: `${backend.name}: ${params.message}` } : {};
  return { ...params, ...message, _meta: { ...metaOf(params), [ASKING_BACKEND]: backend.name } };
}

/** A modern backend's result that asks (MCP 2026-07-28, "Multi Round-Trip Requests"), with each question signed. */
export function withSignedQuestions(backend: Backend, result: Params): Params {
  const { inputRequests } = result;
  if (!isObject(inputRequests)) return result;
  const questions = mapMembers(inputRequests, question => {
    if (!isObject(question)) return question;
    const params = isObject(question.params) ? question.params : undefined;
    return { ...question, params: signed(backend, asText(question.method), params) };
  });
  return { ...result, inputRequests: questions };
}

/** A legacy backend's error that sends the person to pages first (MCP 2025-11-25, -32042), with each of them signed. */
export function withSignedPages(backend: Backend, error: RpcError): RpcError {
  const { code, data } = error;
  if (code !== URL_ELICITATION_REQUIRED || !isObject(data) || !Array.isArray(data.elicitations)) return error;
  const elicitations = data.elicitations.map(page =>
    isObject(page) ? signed(backend, 'elicitation/create', page) : page,
  );
  return { ...error, data: { ...data, elicitations } };
}
