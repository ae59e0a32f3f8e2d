// Prints to stdout what belongs on stderr: a banner, log lines, blank lines, JSON that is no JSON-RPC and half a line before each answer.
// Many real servers do some of this. The protocol's own messages are whole and in order.
import { serve, text } from './serve.mjs';

const noise = [
  '',
  'Noisy server v1.0 listening',
  '{"level":"info","msg":"ready"}',
  '[1,2,3]',
  '{"broken": ',
  'null',
  '42',
  'ünïcødé 🚂',
];
const makeNoise = () => process.stdout.write(`${noise.join('\n')}\n`);

makeNoise();
serve({
  name: 'noisy',
  tools: [
    {
      name: 'say',
      inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
      run(args) {
        makeNoise();
        return text(args.text);
      },
    },
  ],
  methods: {
    ping() {
      makeNoise();
      return {};
    },
  },
});
