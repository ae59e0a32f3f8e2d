// A backend whose tools ask the client, but not before they are let: `ask` says by progress that it has begun, and waits for a `go` with
// its label; so a test knows how many of them are in flight when one asks. Everything is said with the id of this process.
// `wait` waits in the same way, until it is cancelled. `--answers-cancelled` answers it then, with an error.
// `asking.example/ask` asks for roots, and says what came of it; so does `completion/complete`, where there is a prompt (`--completes`).
//   node asking.mjs [--answers-cancelled] [--completes] [--port N]
import { once } from 'node:events';
import { RpcError, readFlags, serve } from './serve.mjs';

const flags = readFlags({ 'answers-cancelled': { type: 'boolean' }, completes: { type: 'boolean' } });
const REQUESTS = {
  form: label => ['elicitation/create', { message: label, requestedSchema: { type: 'object', properties: {} } }],
  url: label => [
    'elicitation/create',
    { mode: 'url', message: label, elicitationId: label, url: 'https://asking.example/' },
  ],
  sampling: label => [
    'sampling/createMessage',
    { messages: [{ role: 'user', content: { type: 'text', text: label } }], maxTokens: 1 },
  ],
  roots: label => ['roots/list', { _meta: { 'asking.example/label': label } }],
};

const inputSchema = { type: 'object' };
let signIns = 0;
/** Sends its caller to a page, the first two times. */
function signIn() {
  signIns += 1;
  if (signIns > 2) return say({ signIns });
  const page = { mode: 'url', message: 'Sign in', elicitationId: `${signIns}`, url: 'https://asking.example/' };
  throw new RpcError(-32042, 'Sign in first', { elicitations: [page] });
}

/** Those who wait for their `go`, by label. */
const waiting = new Map();
const askedForRoots = call => call.ask('roots/list', {}).then(JSON.stringify, ({ message }) => message);
const say = told => ({ content: [], structuredContent: { pid: process.pid, ...told } });

serve(
  {
    name: 'asking',
    answersCancelled: flags['answers-cancelled'],
    ...(flags.completes && { capabilities: { prompts: {}, completions: {} } }),
    tools: [
      {
        name: 'ask',
        inputSchema,
        async run({ what, label, waits = true }, call) {
          if (waits) {
            const go = new Promise(resolve => waiting.set(label, resolve));
            call.progress(0);
            await go;
          }
          return call.ask(...REQUESTS[what](label)).then(
            answer => say({ answer }),
            ({ code, message, data }) => say({ error: { code, message, data } }),
          );
        },
      },
      {
        name: 'go',
        inputSchema,
        run({ label }) {
          waiting.get(label)();
          waiting.delete(label);
          return say();
        },
      },
      {
        name: 'wait',
        inputSchema,
        async run(_, { progress, signal }) {
          progress(0);
          await once(signal, 'abort');
          throw new RpcError(-32000, 'Cancelled');
        },
      },
      { name: 'offered', inputSchema, run: (_, { clientCapabilities }) => say({ clientCapabilities }) },
      { name: 'signIn', inputSchema, run: signIn },
      { name: 'crash', inputSchema, run: () => process.exit(7) },
    ],
    methods: {
      ...(flags.completes && {
        'prompts/list': () => ({ prompts: [{ name: 'greet', arguments: [{ name: 'who' }] }] }),
        'completion/complete': (_, call) => askedForRoots(call).then(told => ({ completion: { values: [told] } })),
      }),
      'asking.example/ask': (_, call) => askedForRoots(call).then(told => ({ told })),
    },
  },
  flags.port,
);
