// Asks its client for everything that a server may ask for, and has one of everything that a client can use.
//   node survey.mjs [--port N]
import { readFlags, serve, text } from './serve.mjs';

const readOnly = { annotations: { readOnlyHint: true } };
const inputSchema = { type: 'object' };
const guests = ['Ada', 'Grace'];
const listUri = 'survey://tools';

const form = {
  type: 'object',
  properties: {
    name: { type: 'string', title: 'Your name', minLength: 2 },
    meal: {
      type: 'string',
      title: 'What you eat',
      oneOf: [
        { const: 'soup', title: 'Soup of the day' },
        { const: 'salad', title: 'Green salad' },
      ],
    },
    dessert: { type: 'boolean', title: 'Dessert' },
  },
  required: ['name', 'meal'],
};

const tools = [
  {
    name: 'invite',
    title: 'Invite a guest',
    description: 'Shows a form, and answers what was filled in.',
    inputSchema,
    ...readOnly,
    async run(_args, call) {
      const answer = await call.ask('elicitation/create', { message: 'Who is coming?', requestedSchema: form });
      return text(JSON.stringify(answer));
    },
  },
  {
    name: 'think',
    title: 'Ask the model',
    description: 'Puts a question to the model of the client.',
    inputSchema: { ...inputSchema, properties: { question: { type: 'string' } } },
    ...readOnly,
    async run({ question }, call) {
      const messages = [{ role: 'user', content: { type: 'text', text: question } }];
      const { content } = await call.ask('sampling/createMessage', { messages, maxTokens: 100 });
      return text(`It thinks: ${content.text}`);
    },
  },
  {
    name: 'grow',
    title: 'Add a tool',
    description: 'Adds a tool, also to the resource that lists them.',
    inputSchema: { ...inputSchema, properties: { name: { type: 'string' } } },
    run({ name }, { session }) {
      const announce = () => session.notify('notifications/resources/updated', { uri: listUri });
      tools.push({
        name,
        inputSchema,
        ...readOnly,
        run() {
          announce();
          return text(`${name} is here`);
        },
      });
      session.notify('notifications/tools/list_changed');
      announce();
      return text(`Added ${name}`);
    },
  },
  {
    name: 'seats',
    description: 'Its schema is of draft-04, where an exclusive limit is a boolean.',
    inputSchema: { ...inputSchema, properties: { count: { type: 'number', minimum: 0, exclusiveMinimum: true } } },
    ...readOnly,
    run: ({ count }) => text(`${count} seats`),
  },
];

serve(
  {
    name: 'survey',
    capabilities: { prompts: {}, resources: { subscribe: true }, completions: {} },
    tools,
    methods: {
      'prompts/list': () => ({ prompts: [{ name: 'greet', arguments: [{ name: 'guest', required: true }] }] }),
      'prompts/get': ({ arguments: { guest } }) => ({
        messages: [{ role: 'user', content: { type: 'text', text: `Greet ${guest} for me` } }],
      }),
      'completion/complete': ({ argument: { value } }) => ({
        completion: { values: guests.filter(guest => guest.startsWith(value)) },
      }),
      'resources/list': () => ({ resources: [{ uri: listUri, name: 'tools', title: 'All tools' }] }),
      'resources/templates/list': () => ({ resourceTemplates: [] }),
      'resources/read': ({ uri }) => ({ contents: [{ uri, text: tools.map(({ name }) => name).join('\n') }] }),
      'resources/subscribe': () => ({}),
      'resources/unsubscribe': () => ({}),
    },
  },
  readFlags().port,
);
