// An MCP server with one tool. Its weather is made up, always the same, and says so.
import { McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const server = new McpServer({ name: 'weather', version: '1.0.0' });

server.registerTool(
  'get_weather',
  {
    description: 'The weather in a city. Example data: the same for every city, every day.',
    inputSchema: z.object({ city: z.string() }),
    annotations: { readOnlyHint: true },
  },
  ({ city }) => ({
    content: [{ type: 'text', text: `${city}: 18 °C, light rain (example data, not a forecast)` }],
  }),
);

await server.connect(new StdioServerTransport());
