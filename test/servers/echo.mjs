// The everyday backend: a dozen small tools that each show one thing, a prompt, a resource, a template, completion.
//   node echo.mjs [--name echo] [--tools N] [--delay MS] [--unaware] [--port N]
// `--tools N` adds N more tools (listed in pages of 100), `--delay` waits before it reads or listens: a slow start.
// `--unaware` answers the vendor's method as servers of the Python SDK do one that they do not know.
import { setTimeout as sleep } from 'node:timers/promises';
import { RpcError, readFlags, serve, text } from './serve.mjs';

const flags = readFlags({
  name: { type: 'string', default: 'echo' },
  tools: { type: 'string', default: '0' },
  delay: { type: 'string', default: '0' },
  unaware: { type: 'boolean' },
});

const object = (properties = {}, required = Object.keys(properties)) => ({ type: 'object', properties, required });
const string = { type: 'string' };
const number = { type: 'number' };

/** Labels of the slow calls that were cancelled. */
const cancelled = [];

const tools = [
  {
    name: 'echo',
    title: 'Echo',
    description: 'Says it again',
    inputSchema: object({ text: string }),
    annotations: { readOnlyHint: true },
    run: ({ text: said }) => text(said),
  },
  {
    name: 'add',
    description: 'Adds two numbers',
    inputSchema: object({ a: number, b: number }),
    outputSchema: object({ sum: number }),
    annotations: { idempotentHint: true },
    run: ({ a, b }) => ({ ...text(a + b), structuredContent: { sum: a + b } }),
  },
  {
    name: 'fail',
    description: 'Answers with an error of its own',
    inputSchema: object({ message: string }),
    run: ({ message }) => ({ ...text(message), isError: true }),
  },
  {
    name: 'slow',
    description: 'Reports each step as progress, then answers; with 0 ms a step everything leaves in one write',
    inputSchema: object({ label: string, steps: number, stepMs: number }),
    async run({ label, steps, stepMs }, { progress, signal }) {
      try {
        for (let step = 1; step <= steps; step++) {
          if (stepMs > 0) await sleep(stepMs, undefined, { signal });
          progress(step, steps, `step ${step}`);
        }
      } catch (error) {
        cancelled.push(label);
        throw error;
      }
      return text(`${label} done`);
    },
  },
  { name: 'cancelled', description: 'Labels of cancelled slow calls', run: () => text(JSON.stringify(cancelled)) },
  { name: 'pid', description: 'Its process', annotations: { readOnlyHint: true }, run: () => text(process.pid) },
  { name: 'cwd', description: 'Its working directory', run: () => text(process.cwd()) },
  { name: 'env', inputSchema: object({ name: string }), run: ({ name }) => text(process.env[name] ?? '') },
  { name: 'headers', description: 'Of this HTTP request', run: (_, { headers }) => text(JSON.stringify(headers)) },
  { name: 'big', inputSchema: object({ bytes: number }), run: ({ bytes }) => text('x'.repeat(bytes)) },
  { name: 'crash', inputSchema: object({ code: number }), run: ({ code }) => process.exit(code) },
];
for (let n = 1; n <= Number(flags.tools); n++) {
  const name = `tool_${String(n).padStart(3, '0')}`;
  tools.push({ name, description: `Tool ${n} of many`, run: () => text(name) });
}

await sleep(Number(flags.delay));
serve(
  {
    name: flags.name,
    instructions: `Instructions of ${flags.name}`,
    capabilities: { prompts: {}, resources: {}, completions: {} },
    tools: tools.map(tool => ({ inputSchema: object(), ...tool })),
    methods: {
      'prompts/list': () => ({ prompts: [{ name: 'greet', arguments: [{ name: 'who', required: true }] }] }),
      'prompts/get': ({ name, arguments: args }) => {
        if (name !== 'greet') throw new RpcError(-32602, `Unknown prompt: ${name}`);
        return { messages: [{ role: 'user', content: { type: 'text', text: `Greet ${args.who}` } }] };
      },
      'resources/list': () => ({ resources: [{ uri: `${flags.name}://readme`, name: 'readme' }] }),
      'resources/templates/list': () => ({
        resourceTemplates: [{ uriTemplate: `${flags.name}://items/{id}`, name: 'item' }],
      }),
      'resources/read': ({ uri }) => {
        if (!uri.startsWith(`${flags.name}://`)) throw new RpcError(-32002, 'Resource not found', { uri });
        return { contents: [{ uri, mimeType: 'text/plain', text: `Content of ${uri}` }] };
      },
      'vendor.example/pid'() {
        if (flags.unaware) throw new RpcError(-32602, 'Invalid request parameters');
        return { pid: process.pid };
      },
      'completion/complete': ({ argument }) => ({
        completion: { values: ['one', 'two', 'three'].filter(value => value.startsWith(argument.value)) },
      }),
    },
  },
  flags.port,
);
