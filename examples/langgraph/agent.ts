// An agent on LangGraph whose tools all come from one MCP server: the router, with a weather and a calculator behind it.
//   node --env-file=.env agent.ts [stdio | http | sse] [URL]
import { type Connection, MultiServerMCPClient } from '@langchain/mcp-adapters';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent } from 'langchain';

const PROMPTS = ['What is the weather in London?', 'What is 10 + 5?'];

const [transport = 'stdio', url] = process.argv.slice(2);
const client = new MultiServerMCPClient({ 'multi-mcp': connection(transport) });
try {
  const agent = createAgent({
    model: new ChatOpenAI({
      model: variable('MODEL_NAME'),
      apiKey: variable('OPENAI_API_KEY'),
      configuration: { baseURL: variable('BASE_URL') },
    }),
    tools: await client.getTools(),
  });
  for (const prompt of PROMPTS) {
    console.log(`> ${prompt}`);
    const { messages } = await agent.invoke({ messages: [{ role: 'user', content: prompt }] });
    for (const message of messages.slice(1)) console.log(`${message.type}: ${message.text || '(calls a tool)'}`);
  }
} finally {
  await client.close();
}

function connection(name: string): Connection {
  switch (name) {
    case 'stdio':
      // The router of this clone, started by the agent. Elsewhere: command 'npx', args ['-y', 'mcp-switchyard', 'serve', …].
      return {
        command: 'node',
        args: ['../../dist/cli.js', 'serve', '--config', 'backends.yaml', '--log-level', 'warning'],
        cwd: import.meta.dirname,
      };
    case 'http':
      return { transport: 'http', url: url ?? 'http://127.0.0.1:8000/mcp', headers: headers() };
    case 'sse':
      return { transport: 'sse', url: url ?? 'http://127.0.0.1:8080/sse', headers: headers() };
    default:
      throw new Error(`The transport is stdio, http or sse, not "${name}".`);
  }
}

/** With the token of a router that asks for one. */
function headers(): Record<string, string> {
  const token = process.env.MCP_AUTH_TOKEN;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: copy .env.example to .env and fill it in.`);
  return value;
}
