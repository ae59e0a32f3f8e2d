// What the MCP conformance suite asks a server to have: its tools, prompts and resources under the names, and with the texts, that its
// scenarios look for. Stdio, or `--port N` for Streamable HTTP.
import { setTimeout as sleep } from 'node:timers/promises';
import { RpcError, readFlags, serve, text } from '../servers/serve.mjs';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** What each session asked for with `logging/setLevel`. */
const levels = new WeakMap();

function log({ session, notify }, level, data) {
  if (LEVELS.indexOf(level) >= LEVELS.indexOf(levels.get(session) ?? 'debug')) {
    notify('notifications/message', { level, logger: 'conformance', data });
  }
}

const embedded = (uri, mimeType, content) => ({ type: 'resource', resource: { uri, mimeType, text: content } });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const object = (properties, required = []) => ({ type: 'object', properties, required });
const string = { type: 'string' };

/** Shows a form to the person at the client; the answer as text. */
async function askForm(call, label, message, requestedSchema) {
  const { action, content = {} } = await call.ask('elicitation/create', { message, requestedSchema });
  return text(`${label}: action=${action}, content=${JSON.stringify(content)}`);
}

const option = (value, title) => ({ const: value, title });

const tools = [
  { name: 'test_simple_text', run: () => text('This is a simple text response for testing.') },
  { name: 'test_image_content', run: () => ({ content: [image] }) },
  {
    name: 'test_audio_content',
    run: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  },
  {
    name: 'test_embedded_resource',
    run: () => ({
      content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
    }),
  },
  {
    name: 'test_multiple_content_types',
    run: () => ({
      content: [
        { type: 'text', text: 'Multiple content types test:' },
        image,
        embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
      ],
    }),
  },
  {
    name: 'test_tool_with_logging',
    async run(_, call) {
      log(call, 'info', 'Tool execution started');
      await sleep(50);
      log(call, 'info', 'Tool processing data');
      await sleep(50);
      log(call, 'info', 'Tool execution completed');
      return text('Logging done');
    },
  },
  {
    name: 'test_tool_with_progress',
    async run(_, { progress }) {
      for (const done of [0, 50, 100]) {
        progress(done, 100, `Completed step ${done} of 100`);
        await sleep(50);
      }
      return text('Progress done');
    },
  },
  {
    name: 'test_error_handling',
    run: () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }),
  },
  {
    name: 'test_sampling',
    inputSchema: object({ prompt: string }, ['prompt']),
    async run({ prompt }, { ask }) {
      const messages = [{ role: 'user', content: { type: 'text', text: prompt } }];
      const { content } = await ask('sampling/createMessage', { messages, maxTokens: 100 });
      return text(`LLM response: ${content.text}`);
    },
  },
  {
    name: 'test_elicitation',
    inputSchema: object({ message: string }, ['message']),
    run: ({ message }, call) =>
      askForm(
        call,
        'User response',
        message,
        object(
          {
            username: { type: 'string', description: "User's response" },
            email: { type: 'string', description: "User's email address" },
          },
          ['username', 'email'],
        ),
      ),
  },
  {
    name: 'test_elicitation_sep1034_defaults',
    run: (_, call) =>
      askForm(
        call,
        'Elicitation completed',
        'Please review the defaults',
        object({
          name: { type: 'string', default: 'John Doe' },
          age: { type: 'integer', default: 30 },
          score: { type: 'number', default: 95.5 },
          status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
          verified: { type: 'boolean', default: true },
        }),
      ),
  },
  {
    name: 'test_elicitation_sep1330_enums',
    run: (_, call) =>
      askForm(
        call,
        'Elicitation completed',
        'Please choose',
        object({
          untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
          titledSingle: {
            type: 'string',
            oneOf: [
              option('value1', 'First Option'),
              option('value2', 'Second Option'),
              option('value3', 'Third Option'),
            ],
          },
          legacyEnum: {
            type: 'string',
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three'],
          },
          untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
          titledMulti: {
            type: 'array',
            items: {
              anyOf: [
                option('value1', 'First Choice'),
                option('value2', 'Second Choice'),
                option('value3', 'Third Choice'),
              ],
            },
          },
        }),
      ),
  },
  {
    name: 'json_schema_2020_12_tool',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { type: 'object', properties: { street: string, city: string } } },
      properties: { name: string, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
    run: args => text(JSON.stringify(args)),
  },
].map(tool => ({ description: `Fixture ${tool.name}`, inputSchema: object({}), ...tool }));

const user = content => ({ role: 'user', content });

const prompts = {
  test_simple_prompt: {
    arguments: [],
    get: () => [user({ type: 'text', text: 'This is a simple prompt for testing.' })],
  },
  test_prompt_with_arguments: {
    arguments: ['arg1', 'arg2'],
    get: ({ arg1, arg2 }) => [user({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` })],
  },
  test_prompt_with_embedded_resource: {
    arguments: ['resourceUri'],
    get: ({ resourceUri }) => [
      user(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
      user({ type: 'text', text: 'Please process the embedded resource above.' }),
    ],
  },
  test_prompt_with_image: {
    arguments: [],
    get: () => [user(image), user({ type: 'text', text: 'Please analyze the image above.' })],
  },
};

const resources = {
  'test://static-text': {
    name: 'Static text',
    mimeType: 'text/plain',
    content: { text: 'This is the content of the static text resource.' },
  },
  'test://static-binary': { name: 'Static binary', mimeType: 'image/png', content: { blob: PNG } },
  'test://watched-resource': { name: 'Watched', mimeType: 'text/plain', content: { text: 'Watched resource content' } },
};
const TEMPLATE = /^test:\/\/template\/([^/]+)\/data$/;

function readResource({ uri }) {
  const resource = resources[uri];
  if (resource) return { contents: [{ uri, mimeType: resource.mimeType, ...resource.content }] };
  const id = TEMPLATE.exec(uri)?.[1];
  if (id === undefined) throw new RpcError(-32002, 'Resource not found', { uri });
  const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  return { contents: [{ uri, mimeType: 'application/json', text: data }] };
}

serve(
  {
    name: 'conformance-backend',
    instructions: 'Fixtures of the conformance suite.',
    capabilities: {
      prompts: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      completions: {},
      logging: {},
    },
    tools,
    methods: {
      'logging/setLevel': ({ level }, { session }) => {
        if (!LEVELS.includes(level)) throw new RpcError(-32602, `Invalid level: ${level}`);
        levels.set(session, level);
        return {};
      },
      'prompts/list': () => ({
        prompts: Object.entries(prompts).map(([name, prompt]) => ({
          name,
          description: `Fixture ${name}`,
          arguments: prompt.arguments.map(argument => ({ name: argument, description: argument, required: true })),
        })),
      }),
      'prompts/get': ({ name, arguments: args = {} }) => {
        const prompt = prompts[name];
        if (!prompt) throw new RpcError(-32602, `Unknown prompt: ${name}`);
        return { messages: prompt.get(args) };
      },
      'resources/list': () => ({
        resources: Object.entries(resources).map(([uri, { name, mimeType }]) => ({ uri, name, mimeType })),
      }),
      'resources/templates/list': () => ({
        resourceTemplates: [
          { uriTemplate: 'test://template/{id}/data', name: 'Template', mimeType: 'application/json' },
        ],
      }),
      'resources/read': readResource,
      'resources/subscribe': () => ({}),
      'resources/unsubscribe': () => ({}),
      'completion/complete': ({ argument }) => {
        const values = ['paris', 'park', 'party'].filter(value => value.startsWith(argument.value));
        return { completion: { values, total: values.length, hasMore: false } };
      },
    },
  },
  readFlags().port,
);
