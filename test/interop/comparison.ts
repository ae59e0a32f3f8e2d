// What a client of a router is to receive, given what a client of the backend itself received.
import { isDeepStrictEqual } from 'node:util';
import type { BareClient, Message } from '../support/bareClient.ts';
import { type Received, take } from './conversation.ts';
import { Names, type RouterKind, withExposedContents, withExposedNames } from './names.ts';
import { ITEM_IDS, LIST_KEYS, type Params, type Step } from './steps.ts';

export interface Difference {
  readonly reason: string;
  /** What becomes of a message that the backend itself sent; undefined: it does not come. */
  readonly of: (message: Message, step: Step, router: RouterKind) => Message | undefined;
}

/** Holds the conversation with a router; one line for each step of which something else comes than is to come. */
export async function complaints(
  client: BareClient,
  steps: readonly Step[],
  expected: readonly Received[],
  router: RouterKind,
  differences: readonly Difference[],
): Promise<string[]> {
  const names = new Names(router);
  const found: string[] = [];
  let got: Received | undefined;
  for (const [at, step] of steps.entries()) {
    const received = expected[at];
    if (!received) throw new Error(`Nothing is known of ${step.title}`);
    const wanted = wantedOf(received, step, router, names, differences);
    got = await take(client, withExposedNames(step, names), got);
    const difference =
      step.isUnlisted && router.hasTwin ? undefined : firstDifference(wanted, masked(got, step, names));
    if (difference) found.push(`${step.title}: ${difference}`);
  }
  return found;
}

/** The reasons of differences that make none: with every router the client is to receive what it would anyway. */
export function unneeded(
  differences: readonly Difference[],
  steps: readonly Step[],
  expected: readonly Received[],
  routers: readonly RouterKind[],
): string[] {
  const changes = ({ of }: Difference) =>
    routers.some(router =>
      steps.some((step, at) => {
        const { answer, ofRequest = [], ofSession = [] } = expected[at] ?? {};
        const all = [...(answer ? [answer] : []), ...ofRequest, ...ofSession];
        return all.some(each => !isDeepStrictEqual(of(each, step, router), each));
      }),
    );
  return differences.filter(each => !changes(each)).map(({ reason }) => reason);
}

/** What a client of the router is to receive where a client of the backend received this. */
function wantedOf(
  { answer, ofRequest, ofSession, ...rest }: Received,
  step: Step,
  router: RouterKind,
  names: Names,
  differences: readonly Difference[],
): Received {
  const changed = (message: Message) => {
    let found: Message | undefined = message;
    for (const { of } of differences) found = found && of(found, step, router);
    return found && withExposedContents(found, step, names);
  };
  const all = (messages: readonly Message[]) => messages.map(changed).filter(message => message !== undefined);
  const wanted = { ...rest, answer: answer && changed(answer), ofRequest: all(ofRequest), ofSession: all(ofSession) };
  return masked(wanted, step, names);
}

/**
 * Without what need not be the same: the words of a refusal that is the router’s own, what other backends list, and
 * how often it is said that lists have changed, for those of the router are others and change when it thinks fit.
 */
function masked(all: Received, step: Step, names: Names): Received {
  const isAwaited = ({ method = '' }: Message) => !method.endsWith('/list_changed') || step.awaits?.includes(method);
  const received = { ...all, ofSession: all.ofSession.filter(isAwaited) };
  const { answer } = received;
  if ((step.isUnknown || step.isNew) && answer?.error) {
    return { ...received, answer: { ...answer, error: { ...answer.error, message: '(words)' } } };
  }
  const key = LIST_KEYS[step.method];
  if (step.kind !== 'list' || !key) return received;
  const items = answer?.result[key];
  if (!Array.isArray(items)) return received;
  const ours = items.filter((item: Params) => names.isOurs(String(item[ITEM_IDS[key]])));
  return { ...received, answer: { jsonrpc: '2.0', result: { [key]: ours } } };
}

/** Where two values differ, short enough to be read; undefined where they do not. */
function firstDifference(expected: unknown, actual: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined;
  if (isObject(expected) && isObject(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const found = firstDifference(expected[key], actual[key], `${path}.${key}`);
      if (found) return found;
    }
  }
  const show = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 300);
  return `${path} is ${show(actual)}, not ${show(expected)}`;
}

function isObject(value: unknown): value is Params {
  return typeof value === 'object' && value !== null;
}
