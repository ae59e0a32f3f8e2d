// A server that works, but for the one fault it is asked for.
//   node faulty.mjs [--tools KIND] [--flood] [--stubborn] [--orphan] [--hang-while FILE] [--refuse STATUS,N] [--ledger FILE]
//     [--wait MS] [--unknown-session STATUS] [--refuse-listen STATUS] [--port N]
// `--tools`: `duplicate` names, `many` (5,000 over 50 pages), `endless` (one cursor for ever), `schemaless`, `restless` (another
// every 100 ms). `--flood` writes 1 MB lines to stderr for ever; `--stubborn` ignores SIGTERM and the end of its input; `--orphan` has a child
// in its own group; `--hang-while` never reads while that file is there. `--refuse` answers the first N HTTP requests with a status.
// `--unknown-session` answers so to a session that it does not know, `--refuse-listen` to `subscriptions/listen`. `--ledger` takes a
// line `label pid` for each call of `look` and `act`, which take `--wait` ms, and of `confirm`, which asks before. The other tools fail
// as they are named.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { page, readFlags, refuse, serve, startEventStream, text } from './serve.mjs';

const flags = readFlags({
  tools: { type: 'string' },
  flood: { type: 'boolean' },
  stubborn: { type: 'boolean' },
  orphan: { type: 'boolean' },
  'hang-while': { type: 'string' },
  refuse: { type: 'string', default: '0,0' },
  ledger: { type: 'string' },
  wait: { type: 'string', default: '0' },
  'refuse-listen': { type: 'string' },
  'unknown-session': { type: 'string', default: '404' },
});

const never = () => new Promise(() => {});
const readOnly = { readOnlyHint: true };

async function record({ label = '' }) {
  if (flags.ledger) appendFileSync(flags.ledger, `${label} ${process.pid}\n`);
  if (Number(flags.wait) > 0) await sleep(Number(flags.wait));
  return text(`${label} ${process.pid}`);
}

const calls = [
  { name: 'look', annotations: readOnly, run: record },
  { name: 'act', run: record },
  { name: 'hang', annotations: readOnly, run: never },
  {
    name: 'confirm',
    async run(args, { ask }) {
      await ask('elicitation/create', { message: 'Really?', requestedSchema: { type: 'object', properties: {} } });
      return record(args);
    },
  },
  {
    name: 'tick',
    async run({ times, ms }, { progress }) {
      for (let n = 1; n <= times; n++) {
        await sleep(ms);
        progress(n, times);
      }
      return text('ticked');
    },
  },
  { name: 'exit', run: () => process.exit(7) },
  {
    name: 'half',
    run() {
      process.stdout.write('{"jsonrpc":"2.0","id":', () => process.exit(0));
      return never();
    },
  },
];

/** Faults of HTTP, by the tool that is called. */
const faults = {
  http_500: ({ response }) => refuse(response, 500),
  http_403: ({ response }) => refuse(response, 403),
  http_400({ response }, { id }) {
    response.writeHead(400, { 'content-type': 'application/json' });
    const error = { code: -32602, message: 'x is missing', data: { argument: 'x' } };
    response.end(JSON.stringify({ jsonrpc: '2.0', id, error }));
  },
  http_503: ({ response }) => refuse(response, 503, { 'retry-after': '1' }),
  http_404({ response, forget }) {
    forget();
    refuse(response, 404);
  },
  reset({ response }) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"jsonrpc":"2.0",', () => response.socket.resetAndDestroy());
  },
  stall: ({ response }) => startEventStream(response),
};
for (const name of Object.keys(faults)) calls.push({ name, annotations: readOnly, run: never });

const inputSchema = { type: 'object' };
const many = Array.from({ length: 5000 }, (_, n) => ({ name: `tool_${n + 1}`, run: () => text(n + 1) }));
const again = { name: 'look', description: 'The second of this name', run: record };
const offered = { many, duplicate: [...calls, again] }[flags.tools] ?? calls;
const tools = flags.tools === 'schemaless' ? offered : offered.map(tool => ({ inputSchema, ...tool }));
const listed = () => tools.map(({ run, ...tool }) => tool);

let isRestless = false;
/** Puts another tool in the place of the last one every 100 ms, and says so. */
function beRestless(session) {
  if (isRestless) return;
  isRestless = true;
  tools.push({ name: 'restless_0', inputSchema, run: record });
  setInterval(() => {
    const name = `restless_${Number(tools.pop().name.split('_')[1]) + 1}`;
    tools.push({ name, inputSchema, run: record });
    session.notify('notifications/tools/list_changed');
  }, 100);
}

const methods = {
  endless: { 'tools/list': () => ({ tools: listed(), nextCursor: 'again' }) },
  restless: {
    'tools/list'(params, { session }) {
      beRestless(session);
      return page('tools', listed(), params, 100);
    },
  },
}[flags.tools];

let [status, refusals] = flags.refuse.split(',').map(Number);
function intercept(message, http) {
  const { method, params } = message;
  if (refusals > 0) {
    refusals -= 1;
    refuse(http.response, status, { 'retry-after': '1' });
    return true;
  }
  if (method === 'subscriptions/listen' && flags['refuse-listen']) {
    refuse(http.response, Number(flags['refuse-listen']));
    return true;
  }
  const fault = method === 'tools/call' ? faults[params.name] : undefined;
  if (fault && flags.ledger) appendFileSync(flags.ledger, `${params.name} ${process.pid}\n`);
  fault?.(http, message);
  return fault !== undefined;
}

if (flags.stubborn) {
  process.on('SIGTERM', () => {});
  process.exit = () => setInterval(() => {}, 1000);
}
if (flags.orphan) {
  const stay = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);";
  console.error(`child ${spawn(process.execPath, ['-e', stay], { stdio: 'ignore' }).pid}`);
}
if (flags.flood) {
  const line = `${'x'.repeat(1024 * 1024)}\n`;
  const write = () => process.stderr.write(line, () => setImmediate(write));
  write();
}
if (flags['hang-while'] && existsSync(flags['hang-while'])) {
  process.stdin.resume();
  await never();
}
serve({ name: 'faulty', tools, methods, intercept, unknownSession: Number(flags['unknown-session']) }, flags.port);
