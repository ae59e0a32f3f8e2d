// A server of the 2024 revision: HTTP+SSE only.
//   node sse.mjs --port N
import { readFlags, serveSse, text } from './serve.mjs';

serveSse(
  {
    name: 'sse-only',
    tools: [
      {
        name: 'echo',
        inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
        run: args => text(args.text),
      },
    ],
  },
  Number(readFlags().port),
);
