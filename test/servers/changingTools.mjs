// Its list of tools grows while it runs: `grow` adds `grown_1`, `grown_2`, … every 10 ms and announces each.
//   node changingTools.mjs [--port N]
import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags, serve, text } from './serve.mjs';

const inputSchema = { type: 'object', properties: { count: { type: 'number' } } };
const tools = [
  {
    name: 'grow',
    inputSchema,
    async run({ count = 1 }, { session }) {
      for (let n = 0; n < count; n++) {
        const name = `grown_${tools.length}`;
        tools.push({ name, inputSchema, run: () => text(name) });
        session.notify('notifications/tools/list_changed');
        await sleep(10);
      }
      return text(`${tools.length} tools`);
    },
  },
];
serve({ name: 'changing-tools', tools }, readFlags().port);
