import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Decision, type Explanation, routeText, rowsOfCalls } from '../../src/vscode/callItems.ts';
import type { Row } from '../../src/vscode/row.ts';

/** 12:03:20, wherever the test runs. */
const NOON = new Date(2026, 10, 20, 12, 3, 20).getTime();

function decision(parts: Partial<Decision> = {}): Decision {
  return {
    id: 7,
    at: NOON,
    ms: 12.4,
    method: 'tools/call',
    name: 'db__query',
    strategy: 'capability',
    candidates: ['primary', 'replica'],
    passedOver: [],
    attempts: [{ backend: 'primary', at: NOON, ms: 12, outcome: 'answered' }],
    outcome: 'answered',
    ...parts,
  };
}

function rowOf(parts: Partial<Decision> = {}): Row {
  const [row] = rowsOfCalls([decision(parts)]);
  assert.ok(row);
  return row;
}

const steps = (parts: Partial<Decision>) => rowOf(parts).children.map(({ label, description }) => [label, description]);

describe('The row of a call', () => {
  it('says who answered, how long it took and when', () => {
    const row = rowOf();
    assert.deepEqual(
      [row.label, row.description, row.kind, row.tool],
      ['db__query', 'primary · 12 ms · 12:03:20', 'call', 'db__query'],
    );
  });

  it('says whom it failed over from, or that nobody was asked', () => {
    const attempts: Decision['attempts'] = [
      { backend: 'primary', at: NOON, ms: 2, outcome: 'failed', error: 'exited', sent: false },
      { backend: 'replica', at: NOON, ms: 9, outcome: 'answered' },
    ];
    assert.match(rowOf({ attempts }).description, /^primary → replica · /);
    assert.match(rowOf({ attempts: [], outcome: 'nobody' }).description, /^no backend · /);
  });

  it('says why nobody could answer, by the last reason', () => {
    const passedOver = [{ backend: 'primary', reason: 'paused by the user' }];
    const attempts: Decision['attempts'] = [
      { backend: 'replica', at: NOON, ms: 2, outcome: 'failed', error: 'HTTP 500\n<html>', sent: true },
    ];
    const described = (parts: Partial<Decision>) => rowOf({ outcome: 'nobody', ...parts }).description;
    assert.equal(described({ passedOver, attempts }), 'no backend · HTTP 500 · 12 ms · 12:03:20');
    assert.equal(described({ passedOver, attempts: [] }), 'no backend · paused by the user · 12 ms · 12:03:20');
    assert.equal(described({ attempts: [] }), 'no backend · 12 ms · 12:03:20');
    assert.match(rowOf({ attempts }).children[1]?.tooltip ?? '', /failed · HTTP 500\n\\<html\\> · 2 ms/);
  });

  it('says of what is no call of a tool what it is, and offers no route for it', () => {
    const row = rowOf({ method: 'prompts/get', name: 'db__plan' });
    assert.deepEqual(
      [row.description, row.kind, row.tool],
      ['prompts/get · primary · 12 ms · 12:03:20', 'request', undefined],
    );
  });

  it('looks like its outcome', () => {
    const outcomes = ['answered', 'tool error', 'rejected', 'nobody', 'cancelled'] as const;
    assert.deepEqual(
      outcomes.map(outcome => rowOf({ outcome }).icon),
      ['pass', 'warning', 'warning', 'error', 'circle-slash'],
    );
  });

  it('opens into candidates, who was passed over and why, and the attempts', () => {
    assert.deepEqual(
      steps({
        candidates: ['paused', 'primary', 'replica'],
        passedOver: [{ backend: 'paused', reason: 'circuit open', retryAt: NOON + 60_000 }],
        attempts: [
          { backend: 'primary', at: NOON, ms: 2.2, outcome: 'failed', error: 'HTTP 503\n<html>', sent: true },
          { backend: 'replica', at: NOON + 2000, ms: 9, outcome: 'answered' },
        ],
      }),
      [
        ['Candidates', 'paused, primary, replica · by capability'],
        ['Passed over', 'paused: circuit open until 12:04:20'],
        ['Attempt 1', 'primary failed · HTTP 503 · 2 ms · 12:03:20 · it may have run'],
        ['Attempt 2', 'replica answered · 9 ms · 12:03:22'],
      ],
    );
  });

  it('says of a name that nobody knows that there was no candidate', () => {
    assert.deepEqual(steps({ candidates: [], strategy: undefined, attempts: [], outcome: 'rejected' }), [
      ['Candidates', 'none: no backend knows the name'],
    ]);
  });

  it('has an id of its own, as has each of its steps', () => {
    const attempt = { backend: 'primary', at: NOON, ms: 1, outcome: 'failed', error: 'exited', sent: false } as const;
    const rows = rowsOfCalls([decision({ id: 2, attempts: [attempt, attempt] }), decision({ id: 1 })]);
    const ids = rows.flatMap(row => [row, ...row.children]).map(({ id }) => id);
    assert.deepEqual(ids, [...new Set(ids)]);
  });

  it('shows Markdown in what backends say as text', () => {
    const row = rowOf({ passedOver: [{ backend: 'a', reason: '[click](command:evil)' }] });
    assert.match(row.children[1]?.tooltip ?? '', /\\\[click\\\]\\\(command:evil\\\)/);
  });
});

describe('The route of a tool', () => {
  const candidate = { originalName: 'query', strategy: 'capability', priority: 10, wouldBeTried: true };
  const explanation: Explanation = {
    name: 'db__query',
    known: true,
    steps: ['Its own name is "query".', 'primary would get the call.'],
    candidates: [
      { ...candidate, backend: 'old', wouldBeTried: false, reason: 'paused by the user' },
      { ...candidate, backend: 'primary' },
      { ...candidate, backend: 'replica', priority: 20 },
    ],
  };

  it('reads from the name to the order, and says of each candidate what would become of it', () => {
    assert.equal(
      routeText(explanation),
      `# Where a call of db__query would go now

1. Its own name is "query".
2. primary would get the call.

## 3 candidates, in this order

1. **old** passed over: paused by the user
   as "query", by capability, priority 10
2. **primary** gets the call
   as "query", by capability, priority 10
3. **replica** next, if those before it fail
   as "query", by capability, priority 20
`,
    );
  });

  it('is one sentence for a tool that nobody has', () => {
    const steps = ['No backend has a tool of this name. Near it: db__query.'];
    assert.equal(
      routeText({ name: 'db__qery', known: false, steps, candidates: [] }),
      '# Where a call of db__qery would go now\n\n1. No backend has a tool of this name. Near it: db__query.\n',
    );
  });
});
