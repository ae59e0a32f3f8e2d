// One of the everyday servers that the older systems are shown with.
//   node everyday.mjs weather|calculator|unit_converter
import { serve, text } from './serve.mjs';

const number = { type: 'number' };
const SERVERS = {
  weather: {
    name: 'get_forecast',
    inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    run: ({ city }) => text(`${city}: sunny, 21 °C`),
  },
  calculator: {
    name: 'add',
    inputSchema: { type: 'object', properties: { a: number, b: number }, required: ['a', 'b'] },
    run: ({ a, b }) => text(a + b),
  },
  unit_converter: {
    name: 'celsius_to_fahrenheit',
    inputSchema: { type: 'object', properties: { celsius: number }, required: ['celsius'] },
    run: ({ celsius }) => text((celsius * 9) / 5 + 32),
  },
};

const [name] = process.argv.slice(2);
serve({ name, tools: [SERVERS[name]] });
