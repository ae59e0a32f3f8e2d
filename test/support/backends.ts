import assert from 'node:assert/strict';
import { systemClock } from '../../src/core/base/clock.ts';
import { parseConfig } from '../../src/core/config/load.ts';
import { type RoutingConfig, routingSchema } from '../../src/core/config/schema.ts';
import { Backend } from '../../src/core/upstream/backend.ts';
import type { BackendPorts } from '../../src/core/upstream/backendPorts.ts';
import { Children } from '../../src/core/upstream/children.ts';
import type { Lists } from '../../src/core/upstream/lists.ts';
import { Watchdog } from '../../src/core/upstream/watchdog.ts';

const silent = { debug() {}, info() {}, warning() {}, error() {} };
const PORTS: BackendPorts = {
  clock: systemClock,
  log: silent,
  clientInfo: { name: 'switchyard', version: '0' },
  defaultCwd: '.',
  children: new Children(new Watchdog(silent)),
  listTtlMs: () => 1,
  environment: async () => ({}),
  onNotification() {},
  onRequest: async () => ({ kind: 'result', result: {} }),
  onLine() {},
  onChange() {},
  onListsChange() {},
};

/** Backends that are never started, with what they offered in a run before: enough to choose among. */
export function backendsOf(entries: readonly { readonly lists?: Lists; readonly [key: string]: unknown }[]): Backend[] {
  const backends = entries.map(({ lists, ...entry }) => ({ command: 'x', ...entry }));
  const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const result = parseConfig(JSON.stringify({ backends }), 'backends.json', options);
  assert.ok(result.ok, JSON.stringify(result.problems));
  return result.config.backends.map((config, n) => {
    const lists = entries[n]?.lists;
    return new Backend(config, PORTS, lists && { lists, about: undefined });
  });
}

/** The routing of a file that says only this. */
export function routingOf(routing: object): RoutingConfig {
  return routingSchema.parse(routing);
}
