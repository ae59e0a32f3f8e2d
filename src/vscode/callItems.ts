// Routing decisions as rows and as text: where calls went, where one would go now, and why. Pure.
import type { Gateway } from '../core/gateway.ts';
import { count, duration, escapeMarkdown, firstLine, type Row, timeOfDay } from './row.ts';

export type Decision = ReturnType<Gateway['recentCalls']>[number];
export type Explanation = ReturnType<Gateway['explainRoute']>;
type Attempt = Decision['attempts'][number];

interface Look {
  readonly text: string;
  readonly icon: string;
  readonly color?: string;
}

const OUTCOMES: Readonly<Record<Decision['outcome'], Look>> = {
  answered: { text: 'Answered', icon: 'pass', color: 'testing.iconPassed' },
  'tool error': { text: 'Answered with an error of the tool', icon: 'warning', color: 'list.warningForeground' },
  rejected: { text: 'Rejected: the request was not right', icon: 'warning', color: 'list.warningForeground' },
  nobody: { text: 'No backend could answer', icon: 'error', color: 'list.errorForeground' },
  cancelled: { text: 'Cancelled by the client', icon: 'circle-slash', color: 'disabledForeground' },
};

const ATTEMPT_OUTCOMES: Readonly<Record<Attempt['outcome'], Look>> = {
  answered: { text: 'answered', icon: 'pass', color: 'testing.iconPassed' },
  rejected: { text: 'rejected it', icon: 'warning', color: 'list.warningForeground' },
  failed: { text: 'failed', icon: 'error', color: 'list.errorForeground' },
  cancelled: { text: 'cancelled', icon: 'circle-slash', color: 'disabledForeground' },
};

/** One row for each decision, in the order given, opening into how it was made. */
export function rowsOfCalls(decisions: readonly Decision[]): Row[] {
  return decisions.map(rowOfCall);
}

function rowOfCall(decision: Decision): Row {
  const { id, at, ms, method, name, outcome } = decision;
  const isTool = method === 'tools/call';
  const { text, icon, color } = OUTCOMES[outcome];
  return {
    id: `call:${id}`,
    kind: isTool ? 'call' : 'request',
    label: name,
    description: [...(isTool ? [] : [method]), ...answererOf(decision), duration(ms), timeOfDay(at)].join(' · '),
    tooltip: `**${escapeMarkdown(name)}** ${escapeMarkdown(method)}\n\n${text}, ${escapeMarkdown(duration(ms))} after ${timeOfDay(at)}`,
    icon,
    ...(color && { color }),
    children: stepsOf(decision),
    isExpanded: false,
    ...(isTool && { tool: name }),
  };
}

/** Who was asked, one after the other; where nobody could answer, the last reason why. */
function answererOf({ attempts, passedOver, outcome }: Decision): string[] {
  if (outcome !== 'nobody') return [attempts.map(({ backend }) => backend).join(' → ') || 'no backend'];
  const reason = attempts.at(-1)?.error ?? passedOver.at(-1)?.reason;
  return ['no backend', ...(reason === undefined ? [] : [firstLine(reason)])];
}

function stepsOf({ id, candidates, strategy, passedOver, attempts }: Decision): Row[] {
  const step = (key: string, label: string, text: string, { icon, color }: Omit<Look, 'text'>, whole = text): Row => ({
    id: `call:${id}/${key}`,
    kind: 'step',
    label,
    description: firstLine(text),
    tooltip: escapeMarkdown(whole),
    icon,
    ...(color && { color }),
    children: [],
    isExpanded: false,
  });
  const order = candidates.length === 0 ? 'none: no backend knows the name' : candidates.join(', ');
  const by = strategy === undefined ? '' : ` · by ${strategy}`;
  return [
    step('candidates', 'Candidates', `${order}${by}`, { icon: 'list-ordered' }),
    ...passedOver.map(({ backend, reason, retryAt }) => {
      const until = retryAt === undefined ? '' : ` until ${timeOfDay(retryAt)}`;
      return step(`passedOver/${backend}`, 'Passed over', `${backend}: ${reason}${until}`, { icon: 'debug-step-over' });
    }),
    ...attempts.map((attempt, index) => {
      const [text, whole] = [describeAttempt(attempt, firstLine), describeAttempt(attempt)];
      return step(`attempt/${index}`, `Attempt ${index + 1}`, text, ATTEMPT_OUTCOMES[attempt.outcome], whole);
    }),
  ];
}

function describeAttempt({ backend, at, ms, outcome, error, sent }: Attempt, shorten = (text: string) => text): string {
  const parts = [`${backend} ${ATTEMPT_OUTCOMES[outcome].text}`];
  if (error !== undefined) parts.push(shorten(error));
  parts.push(duration(ms), timeOfDay(at));
  if (outcome === 'failed') parts.push(sent ? 'it may have run' : 'it did not run');
  return parts.join(' · ');
}

/** Where a call would go now, as Markdown that reads well also where it is not rendered. */
export function routeText({ name, steps, candidates }: Explanation): string {
  const lines = [`# Where a call of ${name} would go now`, '', ...steps.map((step, index) => `${index + 1}. ${step}`)];
  if (candidates.length > 0) lines.push('', `## ${count(candidates.length, 'candidate')}, in this order`, '');
  const first = candidates.findIndex(({ wouldBeTried }) => wouldBeTried);
  for (const [index, { backend, originalName, strategy, priority, wouldBeTried, reason }] of candidates.entries()) {
    const verdict = !wouldBeTried ? 'passed over' : index === first ? 'gets the call' : 'next, if those before it fail';
    const why = reason === undefined ? '' : `: ${firstLine(reason)}`;
    lines.push(
      `${index + 1}. **${backend}** ${verdict}${why}`,
      `   as "${originalName}", by ${strategy}, priority ${priority}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
