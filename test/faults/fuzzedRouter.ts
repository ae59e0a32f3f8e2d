// The router that fuzz.test.ts sends its requests to, in a process of its own: what it holds is not what the test holds.
//   node fuzzedRouter.ts CONFIG TOKEN
// Says `{ url }` to its parent, then at every message what it holds; ends with the parent.

import { openGateway } from '../../src/cli/openGateway.ts';
import { readEnvironment } from '../../src/core/config/environment.ts';
import { memoryHeld } from '../support/memory.ts';

export interface Stock {
  readonly memory: number;
  readonly sessions: number;
  /** Sockets, pipes, timers and requests that the event loop knows. */
  readonly handles: number;
  /** Characters that were logged so far, at the level that `serve` has by default. */
  readonly logged: number;
  /** What a `__proto__` in some body has left on all objects. */
  readonly polluted: readonly string[];
}

const [, , config, token = ''] = process.argv;
let logged = 0;
const count = (line: string) => {
  logged += line.length;
};
const gateway = openGateway(config, readEnvironment({}), { debug() {}, info: count, warning: count, error: count });
await gateway.start();
const tokens = [{ role: 'admin', value: token } as const];
const listener = await gateway.listenHttp({ clients: 'any', host: '127.0.0.1', port: 0, tokens });
await gateway.whenSettled();

process.on('message', () => {
  const polluted: string[] = [];
  for (const key in {}) polluted.push(key);
  const handles = process.getActiveResourcesInfo().length;
  process.send?.({ memory: memoryHeld(), sessions: listener.sessionCount, handles, logged, polluted } satisfies Stock);
});
process.once('disconnect', () => process.exit());
process.send?.({ url: listener.url });
