// One conversation: what is said to a server step by step, and what comes of it.
import { isObject } from '../../src/core/base/json.ts';
import { type BareClient, BareHttpClient, type Message } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { ANSWERS, CAPABILITIES } from './legacySteps.ts';
import { LIST_KEYS, type Params, type Step, tokenOf } from './steps.ts';

const PLAY = 'recorded.example/play';
/** For what is said to come after an answer and does not. */
const PATIENCE_MS = 2000;

/** What came of one step. */
export interface Received {
  /** Undefined: none. */
  readonly answer: Message | undefined;
  /** That of HTTP, in the modern era, where it is said. */
  readonly status: number | undefined;
  /** What came for this request, in order. */
  readonly ofRequest: readonly Message[];
  /** What the session was told, in order. */
  readonly ofSession: readonly Message[];
}

/** What may reach a client on any of its streams: it belongs to no request. */
const OF_SESSION = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/tasks/status',
  'notifications/elicitation/complete',
  'notifications/subscriptions/acknowledged',
]);

/** Connects a client of the legacy era, which answers what it is asked. */
export async function begin(client: BareClient): Promise<void> {
  for (const [method, answering] of Object.entries(ANSWERS)) {
    client.answers(method, async params => {
      const progressToken = tokenOf(params);
      if (progressToken !== undefined) await client.notify('notifications/progress', { progressToken, progress: 0.5 });
      return answering(params);
    });
  }
  await client.initialize(CAPABILITIES);
  if (client instanceof BareHttpClient) await client.listen();
}

/** Holds a whole conversation. */
export async function takeAll(client: BareClient, steps: readonly Step[]): Promise<Received[]> {
  const all: Received[] = [];
  for (const step of steps) all.push(await take(client, step, all.at(-1)));
  return all;
}

/** Says one thing and collects all that comes of it; `before` is what came of the step before. */
export async function take(client: BareClient, step: Step, before?: Received): Promise<Received> {
  client.received.length = 0;
  const answer = await sent(client, step, before?.answer?.result?.requestState);
  const missing = [...(step.awaits ?? [])];
  const isComplete = () => missing.every(method => client.received.some(message => message.method === method));
  // What does not come is missed when it is compared, where more can be said about it.
  await eventually('what comes after the answer', isComplete, PATIENCE_MS).catch(() => {});
  const messages = withoutIds(client.received);
  const isOfSession = ({ method = '' }: Message) => OF_SESSION.has(method);
  const status = client instanceof BareModernClient ? client.statuses.get(answer?.id) : undefined;
  return {
    answer: step.id === undefined && answer ? { ...answer, id: 'any' } : answer,
    status,
    ofRequest: messages.filter(message => !isOfSession(message)),
    ofSession: messages.filter(isOfSession),
  };
}

/** Resolves with the answer; undefined if there is none to wait for. */
async function sent(client: BareClient, step: Step, state: unknown): Promise<Message | undefined> {
  const { kind, method, id = `request ${++requests}`, cancelOn } = step;
  const message = { jsonrpc: '2.0', ...said(step, state) } as Message;
  const key = LIST_KEYS[method];
  if (kind === 'notification') {
    await client.send(message);
    return undefined;
  }
  if (kind === 'end') {
    client.cancel(id, 'not needed any more');
    return undefined;
  }
  if (kind === 'list' && key) {
    const items = client.list(key).catch(({ message }: Error) => message);
    return { jsonrpc: '2.0', result: { [key]: await items } };
  }
  // Its stream may end without an answer.
  const answered = client.ask({ ...message, id }).catch(() => undefined);
  if (kind === 'listen') return undefined;
  if (cancelOn !== undefined) {
    await client.notifications(cancelOn);
    client.cancel(id, 'not needed any more');
  }
  return answered;
}

let requests = 0;

function said({ method, params, play }: Step, state: unknown): { readonly method: string; readonly params?: unknown } {
  if (!isObject(params)) return { method, ...(params !== undefined && { params }) };
  const { _meta, ...others } = params;
  return {
    method,
    params: {
      ...others,
      ...(others.requestState === '$state' && { requestState: state }),
      ...((_meta !== undefined || play) && { _meta: { ...(_meta as Params), ...(play && { [PLAY]: play }) } }),
    },
  };
}

/**
 * Ids and progress tokens of requests to the client are anything: two backends may choose the same. What counts is which of
 * them a cancellation means, and that the progress arrives.
 */
function withoutIds(messages: readonly Message[]): Message[] {
  const asked = messages.filter(({ id, method }) => id !== undefined && method !== undefined && method !== 'ping');
  const numbers = new Map(asked.map(({ id }, n) => [id, `request ${n + 1}`]));
  return messages.map(message => {
    const requestId = message.params?.requestId as Message['id'];
    if (message.method === 'notifications/cancelled')
      return { ...message, params: { ...message.params, requestId: numbers.get(requestId) } };
    if (message.id === undefined) return message;
    const _meta = message.params?._meta as Params | undefined;
    return {
      ...message,
      id: numbers.get(message.id) ?? null,
      ...(_meta?.progressToken !== undefined && {
        params: { ...message.params, _meta: { ..._meta, progressToken: 'any' } },
      }),
    };
  });
}
