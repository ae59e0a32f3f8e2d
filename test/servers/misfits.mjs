// Tools as servers really write them: VS Code as it is drops one, refuses a chat over the next, and shows no icon of the last.
//   node misfits.mjs [--port N]
import { readFlags, serve, text } from './serve.mjs';

const annotations = { readOnlyHint: true };
const object = properties => ({ type: 'object', properties });
const icon = new URL('../../media/icon.png', import.meta.url).href;
const drawing = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg"/>')}`;

const tools = [
  {
    name: 'schedule',
    title: 'Plan a meeting',
    description: 'Its schema names a type that JSON Schema does not have.',
    inputSchema: object({ when: { type: 'date' } }),
  },
  {
    name: 'label',
    description: 'Its schema has an array that says nothing of its items.',
    inputSchema: object({ labels: { type: 'array' } }),
  },
  {
    name: 'count',
    description: 'Its schema names draft-06.',
    inputSchema: { $schema: 'http://json-schema.org/draft-06/schema#', ...object({ to: { type: 'integer' } }) },
  },
  {
    name: 'draw',
    description: 'Its icons are a drawing and a file.',
    inputSchema: object({}),
    icons: [
      { src: drawing, mimeType: 'image/svg+xml' },
      { src: icon, mimeType: 'image/png' },
    ],
  },
];
const run = args => text(JSON.stringify(args));

serve({ name: 'misfits', tools: tools.map(tool => ({ ...tool, annotations, run })) }, readFlags().port);
