// What the MCP conformance suite asks a server to have: its tools, prompts and resources under the names, and with the texts, that its
// scenarios look for.
//   node backend.mjs [--half first|second] [--era …] [--port N]
// With `--half` it has only its part of the tools, prompts and resources, so that two of them have each once.
import { RpcError, readFlags, serve, text } from '../servers/serve.mjs';
import { askingTools, context } from './askingTools.mjs';
import { embedded, image, object, plainTools } from './plainTools.mjs';

const flags = readFlags({ half: { type: 'string' } });

function offered(items) {
  const middle = Math.ceil(items.length / 2);
  return { first: items.slice(0, middle), second: items.slice(middle) }[flags.half] ?? items;
}

/** Changes something that is listed, and says so. */
function change(listed, method, session) {
  changes += 1;
  listed.description = `Changed ${changes} times`;
  session.notify(method);
  return text(listed.description);
}
let changes = 0;

const tools = offered(
  [
    ...plainTools,
    ...askingTools,
    {
      name: 'test_trigger_tool_change',
      run: (_, { session }) => change(tools[0], 'notifications/tools/list_changed', session),
    },
    {
      name: 'test_trigger_prompt_change',
      run: (_, { session }) => change(prompts[0], 'notifications/prompts/list_changed', session),
    },
  ].map(tool => ({ description: `Fixture ${tool.name}`, inputSchema: object({}), ...tool })),
);

const user = content => ({ role: 'user', content });

const prompts = offered(
  [
    { name: 'test_simple_prompt', get: () => [user({ type: 'text', text: 'This is a simple prompt for testing.' })] },
    {
      name: 'test_prompt_with_arguments',
      arguments: ['arg1', 'arg2'],
      get: ({ arg1, arg2 }) => [user({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` })],
    },
    {
      name: 'test_prompt_with_embedded_resource',
      arguments: ['resourceUri'],
      get: ({ resourceUri }) => [
        user(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
        user({ type: 'text', text: 'Please process the embedded resource above.' }),
      ],
    },
    {
      name: 'test_prompt_with_image',
      get: () => [user(image), user({ type: 'text', text: 'Please analyze the image above.' })],
    },
    {
      name: 'test_input_required_result_prompt',
      async get(_, { askAll }) {
        const { user_context } = await askAll({ user_context: context });
        return [user({ type: 'text', text: `Context: ${user_context.content?.context}` })];
      },
    },
  ].map(({ arguments: names = [], ...prompt }) => ({
    ...prompt,
    description: `Fixture ${prompt.name}`,
    arguments: names.map(name => ({ name, description: name, required: true })),
  })),
);

function promptOf(name) {
  const prompt = prompts.find(prompt => prompt.name === name);
  if (!prompt) throw new RpcError(-32602, `Unknown prompt: ${name}`);
  return prompt;
}

const resources = offered([
  {
    uri: 'test://static-text',
    name: 'Static text',
    mimeType: 'text/plain',
    content: { text: 'This is the content of the static text resource.' },
  },
  { uri: 'test://static-binary', name: 'Static binary', mimeType: 'image/png', content: { blob: image.data } },
  {
    uri: 'test://watched-resource',
    name: 'Watched',
    mimeType: 'text/plain',
    content: { text: 'Watched resource content' },
  },
]);
const resourceTemplates = offered([
  { uriTemplate: 'test://template/{id}/data', name: 'Template', mimeType: 'application/json' },
]);

function read(uri) {
  const resource = resources.find(resource => resource.uri === uri);
  if (resource) return { uri, mimeType: resource.mimeType, ...resource.content };
  const id = resourceTemplates.length > 0 && /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (!id) throw new RpcError(-32002, 'Resource not found', { uri });
  const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  return { uri, mimeType: 'application/json', text: data };
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
      'prompts/list': () => ({ prompts: prompts.map(({ get, ...prompt }) => prompt) }),
      'prompts/get': async ({ name, arguments: args = {} }, call) => ({
        messages: await promptOf(name).get(args, call),
      }),
      'resources/list': () => ({ resources: resources.map(({ content, ...resource }) => resource) }),
      'resources/templates/list': () => ({ resourceTemplates }),
      'resources/read': ({ uri }) => ({ contents: [read(uri)] }),
      'resources/subscribe': () => ({}),
      'resources/unsubscribe': () => ({}),
      'completion/complete': ({ ref, argument }) => {
        if (ref.type === 'ref/prompt') promptOf(ref.name);
        const values = ['paris', 'park', 'party'].filter(value => value.startsWith(argument.value));
        return { completion: { values, total: values.length, hasMore: false } };
      },
    },
  },
  flags.port,
);
