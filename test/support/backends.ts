import assert from 'node:assert/strict';
import { systemClock } from '../../src/core/base/clock.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { type RoutingConfig, routingSchema } from '../../src/core/config/schema.ts';
import { Backend } from '../../src/core/upstream/backend.ts';
import type { BackendPorts } from '../../src/core/upstream/backendPorts.ts';
import { Children } from '../../src/core/upstream/children.ts';
import type { Introduction } from '../../src/core/upstream/handshake.ts';
import { type Lists, NO_LISTS } from '../../src/core/upstream/lists.ts';
import { Watchdog } from '../../src/core/upstream/watchdog.ts';

const silent = { debug() {}, info() {}, warning() {}, error() {} };
const PORTS: BackendPorts = {
  clock: systemClock,
  log: silent,
  clientInfo: { name: 'switchyard', version: '0' },
  defaultCwd: '.',
  children: new Children(new Watchdog(silent)),
  restarts: true,
  listTtlMs: () => 1,
  environment: async () => ({}),
  onNotification() {},
  onRequest: async () => ({ kind: 'result', result: {} }),
  onLine() {},
  onChange() {},
  onListsChange() {},
};

/** An entry of `backends:`, with what that backend was in a run before. */
export interface BackendEntry {
  readonly lists?: Lists;
  readonly about?: Introduction;
  readonly [key: string]: unknown;
}

/** Backends that are never started, with what they offered in a run before: enough to choose among. */
export function backendsOf(entries: readonly BackendEntry[]): Backend[] {
  const backends = entries.map(({ lists, about, ...entry }) => ({ command: 'x', ...entry }));
  const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const result = parseConfig(JSON.stringify({ backends }), 'backends.json', options);
  assert.ok(result.ok, JSON.stringify(result.problems));
  return result.config.backends.map((config, n) => {
    const { lists, about } = entries[n] ?? {};
    return new Backend(config, PORTS, (lists || about) && { lists: lists ?? NO_LISTS, about });
  });
}

/** The routing of a file that says only this. */
export function routingOf(routing: object): RoutingConfig {
  return routingSchema.parse(routing);
}
