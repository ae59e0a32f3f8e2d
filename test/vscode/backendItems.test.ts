import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Problem } from '../../src/core/config/load.ts';
import type { BackendSnapshot, Snapshot, ToolSnapshot } from '../../src/core/snapshot.ts';
import { countsOf, describeBackend, describeTools, rowsOf, statusLines } from '../../src/vscode/backendItems.ts';
import type { Row } from '../../src/vscode/row.ts';

const failed = (message: string, retryAt?: number): BackendSnapshot['state'] => ({
  kind: 'failed',
  at: 1,
  failure: { code: 'exited', message },
  retryAt,
  wasReady: false,
});
const problem = (message: string): Problem => ({
  severity: 'error',
  message,
  file: '/c/backends.yaml',
  line: 7,
  column: 3,
  endLine: 7,
  endColumn: 9,
});
const rejected = (message: string): BackendSnapshot['state'] => ({
  kind: 'rejected',
  problem: problem(message),
});
const ready: BackendSnapshot['state'] = {
  kind: 'ready',
  since: 1,
  transport: 'stdio',
  serverName: 'memory-server',
  serverVersion: '1.0.0',
  pid: 42,
};

/** 12:03:20, wherever the test runs. */
const NOON = new Date(2026, 10, 20, 12, 3, 20).getTime();
const CIRCUITS = {
  open: { kind: 'open', until: NOON, failures: 5 },
  halfOpen: { kind: 'half-open', inFlight: 1, successes: 1 },
  heldOpen: { kind: 'held-open' },
} as const;

function backend(name: string, parts: Partial<BackendSnapshot> = {}): BackendSnapshot {
  const { state = ready, circuit = { kind: 'closed', failures: 0 } } = parts;
  return {
    name,
    namespace: name,
    priority: 10,
    enabled: true,
    kind: 'stdio',
    target: 'npx -y memory',
    state,
    tools: [],
    listedToolCount: 0,
    prompts: [],
    resources: [],
    inFlight: 0,
    latencyMs: undefined,
    era: undefined,
    errorCount: 0,
    lastError: undefined,
    circuit,
    healthy: state.kind === 'ready' && circuit.kind === 'closed',
    restarts: 0,
    ...parts,
  };
}

function tools(number: number, namespace = 'ns'): ToolSnapshot[] {
  return Array.from({ length: number }, (_, index) => ({
    exposedName: `${namespace}__tool${index}`,
    originalName: `tool${index}`,
    title: undefined,
    description: undefined,
    readOnly: false,
    editorProblem: undefined,
  }));
}

function snapshot(backends: BackendSnapshot[], parts: Partial<Snapshot> = {}): Snapshot {
  return {
    configFile: '/c/backends.yaml',
    backends,
    toolCount: 1,
    ownToolCount: 0,
    problems: [],
    configError: undefined,
    ...parts,
  };
}

function only(backend: BackendSnapshot): Row {
  const [row, ...others] = rowsOf(snapshot([backend]));
  assert.ok(row);
  assert.deepEqual(others, []);
  return row;
}

const labels = (rows: readonly Row[]) => rows.map(({ label }) => label);
const descendants = (rows: readonly Row[]): Row[] => rows.flatMap(row => [row, ...descendants(row.children)]);

describe('A backend’s row', () => {
  it('says state, tools and latency', () => {
    assert.equal(describeBackend(backend('a', { tools: tools(13), latencyMs: 4.2 })), 'Ready · 13 tools · 4 ms');
    assert.equal(
      describeBackend(backend('a', { tools: tools(1), latencyMs: 0.3, inFlight: 1 })),
      'Ready · 1 tool · 1 call running · <1 ms',
    );
    assert.equal(describeBackend(backend('a', { latencyMs: 1234 })), 'Ready · 0 tools · 1.2 s');
  });

  it('says that its tools are left out where none is left', () => {
    const described = (left: number) => describeBackend(backend('a', { tools: tools(left), listedToolCount: 11 }));
    assert.equal(described(0), 'Ready · 0 of 11 tools');
    assert.equal(described(2), 'Ready · 2 tools');
  });

  it('says in the person’s words how each state goes on', () => {
    const states: BackendSnapshot['state'][] = [
      { kind: 'idle' },
      { kind: 'connecting', since: 1, after: undefined },
      failed('exited with code 1\nstack', 5),
      failed('no such program: nope'),
      {
        kind: 'failed',
        at: 1,
        failure: { code: 'needs-sign-in', message: 'needs sign-in: the server refused the header (401)' },
        retryAt: undefined,
        wasReady: false,
      },
      { kind: 'draining' },
      { kind: 'stopped' },
      { kind: 'disabled' },
      rejected('command must be text, not a list'),
    ];
    assert.deepEqual(
      states.map(state => describeBackend(backend('a', { state }))),
      [
        'Starts with its first call',
        'Connecting…',
        'Failed · exited with code 1 · trying again…',
        'Failed · no such program: nope',
        'Failed · needs sign-in: the server refused the header (401)',
        'Finishing its calls…',
        'Stopped',
        'Disabled',
        'command must be text, not a list',
      ],
    );
  });

  it('has failed until it works: it looks the same while it is tried again, but like a start when started afresh', () => {
    const failure = { code: 'exited', message: 'exited with code 1' } as const;
    const parts = { errorCount: 2, lastError: { message: failure.message, at: 1 } };
    const shown = (state: BackendSnapshot['state'], restarts: number) => {
      const failing = backend('a', { ...parts, state, restarts });
      return [only(failing), countsOf(snapshot([failing])).failed];
    };
    const waiting = shown(failed(failure.message, 5), 1);
    assert.deepEqual(shown({ kind: 'connecting', since: 2, after: failure }, 2), waiting);
    assert.deepEqual(waiting[1], ['a']);
    const restarted = backend('a', { ...parts, state: { kind: 'connecting', since: 2, after: undefined } });
    assert.deepEqual([only(restarted).description, only(restarted).icon], ['Connecting…', 'loading~spin']);
    assert.deepEqual(countsOf(snapshot([restarted])).failed, []);
  });

  it('says what its circuit does, as a person would', () => {
    const described = (circuit: BackendSnapshot['circuit']) => describeBackend(backend('a', { circuit }));
    assert.deepEqual(Object.values(CIRCUITS).map(described), [
      'Paused until 12:03:20 after 5 failures',
      'Trying it out… · 1 call went well',
      'Paused by you',
    ]);
    assert.equal(described({ kind: 'half-open', inFlight: 1, successes: 0 }), 'Trying it out…');
    assert.equal(described({ kind: 'closed', failures: 4 }), 'Ready · 0 tools');
  });

  it('says that it is not there rather than that its circuit is open; that it is paused, always', () => {
    const state = failed('exited with code 1');
    assert.equal(describeBackend(backend('a', { state, circuit: CIRCUITS.open })), 'Failed · exited with code 1');
    assert.equal(describeBackend(backend('a', { state, circuit: CIRCUITS.heldOpen })), 'Paused by you');
  });

  it('has a menu that fits its circuit', () => {
    const kinds = Object.values(CIRCUITS).map(circuit => only(backend('a', { circuit })).kind);
    assert.deepEqual(kinds, ['backend.circuitOpen', 'backend.circuitOpen', 'backend.paused']);
  });

  it('tells in its tooltip what went wrong last, as long as it is not healthy', () => {
    const parts = { errorCount: 5, lastError: { message: 'timed out', at: NOON }, restarts: 2 };
    const { tooltip } = only(backend('a', { ...parts, circuit: CIRCUITS.open }));
    assert.match(tooltip, /Last error, at 12:03:20: timed out\n\nStarted again 2 times/);
    assert.doesNotMatch(only(backend('a', parts)).tooltip, /error|again/);
  });

  it('has no word of failure while the backend is healthy', () => {
    const lastError = { message: 'timed out', at: 1 };
    const row = only(backend('a', { tools: tools(2), errorCount: 3, lastError }));
    assert.doesNotMatch(JSON.stringify(row), /fail|error|timed out/i);
  });

  it('has groups for what the backend offers, and none for what it does not', () => {
    const item = { exposedName: 'ns__p', originalName: 'p', title: undefined, description: undefined };
    const row = only(backend('a', { tools: tools(2), resources: [item] }));
    assert.deepEqual(labels(row.children), ['Tools', 'Resources']);
    const [first, second] = row.children[0]?.children ?? [];
    assert.deepEqual([first?.label, first?.kind, first?.tool], ['tool0', 'tool', 'ns__tool0']);
    assert.equal(second?.label, 'tool1');
    const [resource] = row.children[1]?.children ?? [];
    assert.deepEqual([resource?.kind, resource?.icon], ['item', 'file']);
  });

  it('says how many of its tools chat does not get, and of each why', () => {
    const problem = 'invalid input schema: "date" is not a type (at /properties/when/type)';
    const [lost, kept] = tools(2).map(tool => ({ ...tool, readOnly: true }));
    assert.ok(lost && kept);
    const row = only(backend('a', { tools: [{ ...lost, editorProblem: problem }, kept], latencyMs: 4 }));
    assert.equal(row.description, 'Ready · 2 tools, 1 not in chat · 4 ms');
    const [left, given] = row.children[0]?.children ?? [];
    assert.deepEqual([left?.icon, left?.description], ['warning', `Not in chat: ${problem}`]);
    assert.match(
      left?.tooltip ?? '',
      /Not in chat, because VS Code would drop it: .*\n\nOnly its server can mend that/,
    );
    assert.doesNotMatch(left?.tooltip ?? '', /In chat:|without asking/);
    assert.deepEqual([given?.icon, given?.description], ['eye', '']);
    assert.match(given?.tooltip ?? '', /In chat: ns\\_\\_tool1\n\nOnly reads/);
  });

  it('says why its entry was rejected, and opens the file there', () => {
    const row = only(backend('a', { state: rejected('wrong') }));
    assert.deepEqual([row.kind, row.description, row.line], ['backend.rejected', 'wrong', 7]);
    assert.match(row.tooltip, /backends\.yaml, line 7: wrong/);
  });

  it('keeps saying that when another error breaks the file', () => {
    const rows = rowsOf(snapshot([backend('a', { state: rejected('wrong') })], { configError: 'not YAML' }));
    assert.deepEqual([rows.at(-1)?.description, rows.at(-1)?.line], ['wrong', 7]);
  });

  it('shows Markdown in what servers say as text', () => {
    const [tool] = tools(1);
    assert.ok(tool);
    const row = only(backend('a', { tools: [{ ...tool, description: '[click](command:evil) *now*' }] }));
    assert.match(row.children[0]?.children[0]?.tooltip ?? '', /\\\[click\\\]\\\(command:evil\\\) \\\*now\\\*/);
  });
});

describe('The tree', () => {
  it('shows replicas under a namespace that looks like the worst of them', () => {
    const rows = rowsOf(
      snapshot([
        backend('second', { namespace: 'db', priority: 20, state: failed('exited with code 1'), tools: tools(2) }),
        backend('first', { namespace: 'db', tools: tools(2) }),
        backend('alone'),
      ]),
    );
    assert.deepEqual(labels(rows), ['db', 'alone']);
    assert.deepEqual(labels(rows[0]?.children ?? []), ['first', 'second']);
    assert.deepEqual([rows[0]?.isExpanded, rows[0]?.icon], [true, 'error']);
    assert.equal(rows[0]?.description, '1 of 2 ready · Failed · exited with code 1 · 2 tools');
  });

  it('shows a namespace with one backend as that backend', () => {
    const [row] = rowsOf(snapshot([backend('db-primary', { namespace: 'db' })]));
    assert.deepEqual([row?.label, row?.kind, row?.backend], ['db-primary', 'backend', 'db-primary']);
  });

  it('does not blame a namespace for a replica that is disabled', () => {
    const disabled = backend('b', { namespace: 'db', state: { kind: 'disabled' } });
    const [row] = rowsOf(snapshot([backend('a', { namespace: 'db', tools: tools(2) }), disabled]));
    assert.deepEqual([row?.icon, row?.description], ['pass-filled', 'Ready · 2 replicas, 1 disabled · 2 tools']);
    const [off] = rowsOf(snapshot([disabled, { ...disabled, name: 'c' }]));
    assert.deepEqual([off?.icon, off?.description], ['circle-slash', 'Disabled · 2 replicas · 0 tools']);
  });

  it('shows a namespace like a replica whose circuit is open, and as less than ready with one that is paused', () => {
    const withReplica = (circuit: BackendSnapshot['circuit']) => {
      const [row] = rowsOf(snapshot([backend('a', { namespace: 'db' }), backend('b', { namespace: 'db', circuit })]));
      return [row?.icon, row?.description];
    };
    assert.deepEqual(withReplica(CIRCUITS.open), [
      'watch',
      '1 of 2 ready · Paused until 12:03:20 after 5 failures · 0 tools',
    ]);
    assert.deepEqual(withReplica(CIRCUITS.heldOpen), ['debug-pause', '1 of 2 ready · Paused by you · 0 tools']);
  });

  it('is in the order of priority, and shows priorities where they differ', () => {
    const same = rowsOf(snapshot([backend('b'), backend('a')]));
    assert.deepEqual(
      same.map(row => [row.label, row.description]),
      [
        ['b', 'Ready · 0 tools'],
        ['a', 'Ready · 0 tools'],
      ],
    );
    const differing = rowsOf(snapshot([backend('b'), backend('a', { priority: 5 })]));
    assert.deepEqual(
      differing.map(row => [row.label, row.description]),
      [
        ['a', 'Ready · 0 tools · priority 5'],
        ['b', 'Ready · 0 tools · priority 10'],
      ],
    );
  });

  it('warns above everything of more tools than chat takes', () => {
    const at = (toolCount: number) => labels(rowsOf(snapshot([backend('a')], { toolCount })));
    assert.deepEqual(at(128), ['a']);
    assert.deepEqual(at(129), ['129 tools, chat takes 128', 'a']);
  });

  it('says above everything what error the file has and where, and leaves an empty tree to the welcome view', () => {
    const configError = '/c/backends.yaml:12:3: routing: must be a map';
    const ofBackend = { ...problem('wrong'), backend: 'a' };
    const ofFile = { ...problem('routing: must be a map'), line: 12 };
    const rows = rowsOf(snapshot([backend('a')], { configError, problems: [ofBackend, ofFile] }));
    assert.deepEqual(labels(rows), ['backends.yaml, line 12', 'a']);
    assert.deepEqual([rows[0]?.description, rows[0]?.line], ['routing: must be a map', 12]);
    assert.match(rows[0]?.tooltip ?? '', /What ran before still runs/);
    assert.deepEqual(rowsOf(snapshot([], { configError })), []);
  });

  it('gives every row an id of its own, also where names repeat', () => {
    const [tool] = tools(1);
    assert.ok(tool);
    const twice = backend('a', { namespace: 'a', tools: [tool, tool] });
    const taken = backend('a', { namespace: 'x', state: rejected('the name is taken') });
    const ids = descendants(rowsOf(snapshot([twice, taken]))).map(({ id }) => id);
    assert.deepEqual(ids, [...new Set(ids)]);
  });

  it('keeps a row’s id when its state changes', () => {
    const ids = (state: BackendSnapshot['state']) =>
      descendants([only(backend('a', { state, tools: tools(2) }))]).map(({ id }) => id);
    assert.deepEqual(ids(ready), ids(failed('exited')));
  });
});

describe('The status', () => {
  it('is of the whole, then of the backends that need the person, then of the others', () => {
    const backends = [
      backend('a_1'),
      backend('b', { state: failed('exited with code 3') }),
      backend('c', { circuit: CIRCUITS.heldOpen }),
      backend('d', { state: rejected('wrong') }),
    ];
    assert.deepEqual(statusLines(snapshot(backends, { toolCount: 3, configError: 'not YAML' })), [
      'Switchyard: 1 of 4 backends available, 3 / 128 tools',
      'not YAML',
      'b: Failed · exited with code 3',
      'd: wrong',
      'a_1: Ready · 0 tools',
      'c: Paused by you',
    ]);
  });
});

describe('The counts', () => {
  it('are of all tools, and say how many are the router’s own where some are', () => {
    const described = (toolCount: number, ownToolCount: number) =>
      describeTools(snapshot([], { toolCount, ownToolCount }));
    assert.equal(described(13, 4), '13 / 128 tools, 4 built in');
    assert.equal(described(9, 0), '9 / 128 tools');
  });

  it('are of enabled backends; one that starts on demand is available', () => {
    const counts = countsOf(
      snapshot([
        backend('a'),
        backend('b', { state: { kind: 'idle' } }),
        backend('c', { state: failed('exited') }),
        backend('d', { state: { kind: 'disabled' }, enabled: false }),
        backend('e', { state: rejected('wrong') }),
        backend('f', { state: { kind: 'connecting', since: 1, after: undefined } }),
      ]),
    );
    assert.deepEqual(counts, { available: 2, enabled: 5, failed: ['c', 'e'] });
  });

  it('leave out of the available whose circuit is open, and out of the failed whom the person paused', () => {
    const counts = countsOf(
      snapshot([
        backend('a', { circuit: CIRCUITS.open }),
        backend('b', { circuit: CIRCUITS.halfOpen }),
        backend('c', { circuit: CIRCUITS.heldOpen, state: failed('exited') }),
      ]),
    );
    assert.deepEqual(counts, { available: 1, enabled: 3, failed: [] });
  });
});
