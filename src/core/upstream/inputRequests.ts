import { randomUUID } from 'node:crypto';
import { asLegacyResult } from '../base/envelope.ts';
import { isObject } from '../base/json.ts';
import type { Answer, Params, Reply } from '../base/peer.ts';
import { INTERNAL_ERROR } from '../base/rpcErrors.ts';

/** A backend that asks more often than this in one call asks for ever. */
const MAX_ROUNDS = 16;
const ENDLESS = {
  code: INTERNAL_ERROR,
  message: `The backend asked ${MAX_ROUNDS} times in one call, and again: it was given up`,
};

/** Whether a result is the backend's questions instead (MCP 2026-07-28, "Multi Round-Trip Requests"). */
export function isInputRequired(result: Params): boolean {
  return result.resultType === 'input_required';
}

/**
 * Brings the questions in a modern backend's result to a legacy client, as the requests that it knows, and the answers
 * back to the backend, until there is a result.
 * @param ask the client; of the answers to one round all are waited for
 * @param again sends the request anew with the answers and the backend's own state
 */
export async function fulfil(
  first: Params,
  ask: (request: Params) => Promise<Answer>,
  again: (answers: Params) => Promise<Reply>,
): Promise<Reply> {
  let result = first;
  for (let round = 0; isInputRequired(result); round++) {
    if (round === MAX_ROUNDS) return { kind: 'error', error: ENDLESS };
    const { inputRequests, requestState } = result;
    const questions = Object.entries(isObject(inputRequests) ? inputRequests : {});
    const answers = await Promise.all(
      questions.map(async ([key, request]) => [key, await answerTo(request, ask)] as const),
    );
    const refusal = answers.find(([, answer]) => answer.kind === 'error')?.[1];
    if (refusal) return refusal;
    const inputResponses = Object.fromEntries(
      answers.map(([key, answer]) => [key, answer.kind === 'result' ? answer.result : undefined]),
    );
    const reply = await again({
      ...(questions.length > 0 && { inputResponses }),
      ...(requestState !== undefined && { requestState }),
    });
    if (reply.kind !== 'result') return reply;
    result = reply.result;
  }
  return { kind: 'result', result: asLegacyResult(result) };
}

async function answerTo(request: unknown, ask: (request: Params) => Promise<Answer>): Promise<Answer> {
  const { method, params } = isObject(request) ? request : {};
  const isUrl = method === 'elicitation/create' && isObject(params) && params.mode === 'url';
  // The legacy era knows each of these by an id, which the modern one has no use for.
  const whole = isUrl ? { elicitationId: randomUUID(), ...params } : params;
  return ask({ method, params: whole });
}
