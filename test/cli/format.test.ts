import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Checked, checkReport, formatCheck, formatResult } from '../../src/cli/format.ts';
import { PLAIN } from '../../src/cli/terminal.ts';
import type { BackendSnapshot } from '../../src/core/snapshot.ts';

test('a check is a table, then the problems, then the sum', () => {
  const report = checked(
    backend(
      'db',
      { kind: 'ready', since: 1_812, transport: 'stdio', serverName: 'db-server', serverVersion: '1.2', pid: 1 },
      12,
    ),
    backend('gone', {
      kind: 'failed',
      at: 1_009,
      failure: { code: 'not-found', message: 'No "gone"\n  on the PATH' },
      retryAt: 1,
      wasReady: false,
    }),
    backend('off', { kind: 'disabled' }),
    backend('wrong', {
      kind: 'rejected',
      problem: {
        severity: 'error',
        message: 'priority: not a number',
        file: 'b.yaml',
        line: 9,
        column: 5,
        endLine: 9,
        endColumn: 6,
      },
    }),
  );
  assert.equal(
    formatCheck(checkReport(report), PLAIN),
    `NAME   STATE     TOOLS   MS  DETAIL
db     ready        12  812  db-server 1.2 over stdio
gone   failed        -    9  No "gone" on the PATH
off    disabled      -    -
wrong  rejected      -    -  b.yaml:9:5: priority: not a number

warning: /b.yaml:3:1: unknown key

/b.yaml: 1 of 3 ready.
`,
  );
});

test('a check counts nothing of a backend that has failed, whatever it had in an earlier run', () => {
  const failure = { code: 'exited', message: 'exited with code 3' } as const;
  const failed = { kind: 'failed', at: 1_009, failure, retryAt: undefined, wasReady: false } as const;
  const [report] = checkReport(checked(backend('kept', failed, 12))).backends;
  assert.deepEqual([report?.state, report?.tools], ['failed', 0]);
});

test('a result is its text, and a word for what is no text', () => {
  assert.equal(
    formatResult({
      content: [
        { type: 'text', text: 'hello' },
        { type: 'image', mimeType: 'image/png', data: 'AA==' },
        { type: 'resource_link', uri: 'file:///a' },
        { type: 'resource', resource: { uri: 'file:///b', text: 'inside' } },
        { type: 'resource', resource: { uri: 'file:///c', blob: 'AA==' } },
      ],
    }),
    'hello\n[image image/png]\n[resource file:///a]\ninside\n[resource file:///c]',
  );
  assert.equal(formatResult({ content: [], structuredContent: { sum: 3 } }), '{\n  "sum": 3\n}');
});

function checked(...backends: BackendSnapshot[]): Checked {
  const position = { file: '/b.yaml', line: 3, column: 1, endLine: 3, endColumn: 4 };
  const problems = [{ severity: 'warning', message: 'unknown key', ...position }] as const;
  return { configFile: '/b.yaml', backends, problems, startedAt: 1_000 };
}

function backend(name: string, state: BackendSnapshot['state'], toolCount = 0): BackendSnapshot {
  const item = {
    exposedName: 'x',
    originalName: 'x',
    title: undefined,
    description: undefined,
    readOnly: false,
    editorProblem: undefined,
  };
  return {
    name,
    namespace: name,
    priority: 10,
    enabled: true,
    kind: 'stdio',
    target: name,
    state,
    tools: Array.from({ length: toolCount }, () => item),
    prompts: [],
    listedToolCount: toolCount,
    resources: [],
    inFlight: 0,
    latencyMs: undefined,
    era: undefined,
    errorCount: 0,
    lastError: undefined,
    circuit: { kind: 'closed', failures: 0 },
    healthy: true,
    restarts: 0,
  };
}
