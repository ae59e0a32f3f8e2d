// The fixtures that ask the client for something: in the legacy era with a request of their own, in the modern one with `input_required`.
import { text } from '../servers/serve.mjs';
import { object, string } from './plainTools.mjs';

const form = (message, requestedSchema) => ({ method: 'elicitation/create', params: { message, requestedSchema } });
const sampling = (question, maxTokens = 100) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens },
});
const roots = { method: 'roots/list', params: {} };

/** Shows a form to the person at the client; the answer as text. */
async function askForm({ ask }, label, message, requestedSchema) {
  const { method, params } = form(message, requestedSchema);
  const { action, content = {} } = await ask(method, params);
  return text(`${label}: action=${action}, content=${JSON.stringify(content)}`);
}

const option = (value, title) => ({ const: value, title });
const name = form('What is your name?', object({ name: string }, ['name']));
const confirmation = form('Please confirm', object({ ok: { type: 'boolean' } }, ['ok']));

/** What a prompt asks for before it can be had. */
export const context = form('What context should the prompt use?', object({ context: string }, ['context']));

export const askingTools = [
  {
    name: 'test_sampling',
    inputSchema: object({ prompt: string }, ['prompt']),
    async run({ prompt }, { ask }) {
      const { method, params } = sampling(prompt);
      const { content } = await ask(method, params);
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
    name: 'test_missing_capability',
    async run(_, { ask }) {
      const { method, params } = sampling('Are you there?');
      await ask(method, params);
      return text('The client can be asked');
    },
  },
  {
    name: 'test_streaming_elicitation',
    run: (_, call) => askForm(call, 'Streaming', 'Still there?', object({ ok: string }, ['ok'])),
  },
  {
    name: 'test_input_required_result_elicitation',
    async run(_, { askAll }) {
      const { user_name } = await askAll({ user_name: name });
      return text(`Hello, ${user_name.content?.name}!`);
    },
  },
  {
    name: 'test_input_required_result_sampling',
    async run(_, { askAll }) {
      const { capital_question } = await askAll({ capital_question: sampling('What is the capital of France?') });
      return text(capital_question.content.text);
    },
  },
  {
    name: 'test_input_required_result_list_roots',
    async run(_, { askAll }) {
      const { client_roots } = await askAll({ client_roots: roots });
      return text(`Roots: ${client_roots.roots.map(({ uri }) => uri).join(', ')}`);
    },
  },
  {
    name: 'test_input_required_result_request_state',
    async run(_, { askAll }) {
      await askAll({ confirm: confirmation });
      return text('state-ok');
    },
  },
  {
    name: 'test_input_required_result_tampered_state',
    async run(_, { askAll }) {
      await askAll({ confirm: confirmation });
      return text('Nobody touched the state');
    },
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    async run(_, { askAll }) {
      const { user_name, greeting, client_roots } = await askAll({
        user_name: name,
        greeting: sampling('Generate a greeting', 50),
        client_roots: roots,
      });
      return text(`${greeting.content.text}, ${user_name.content?.name} of ${client_roots.roots.length} roots`);
    },
  },
  {
    name: 'test_input_required_result_multi_round',
    async run(_, { askAll }) {
      const { step1 } = await askAll({ step1: form('Step 1: What is your name?', object({ name: string }, ['name'])) });
      const color = form('Step 2: What is your favorite color?', object({ color: string }, ['color']));
      const { step2 } = await askAll({ step2: color });
      return text(`${step1.content?.name} likes ${step2.content?.color}`);
    },
  },
  {
    name: 'test_input_required_result_capabilities',
    async run(_, { askAll, clientCapabilities }) {
      const { sampling: canSample, elicitation: canElicit, roots: hasRoots } = clientCapabilities;
      await askAll({
        ...(canSample && { sample: sampling('Are you there?') }),
        ...(canElicit && { form: name }),
        ...(hasRoots && { roots }),
      });
      return text('Asked for what the client can do');
    },
  },
];
