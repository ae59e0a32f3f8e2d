// The fixtures that say all that they have to say in their result, or while they work.
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from '../servers/serve.mjs';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

export const image = { type: 'image', data: PNG, mimeType: 'image/png' };
export const embedded = (uri, mimeType, content) => ({ type: 'resource', resource: { uri, mimeType, text: content } });
export const object = (properties, required = []) => ({ type: 'object', properties, required });
export const string = { type: 'string' };

/** Tools that need nobody's answer. */
export const plainTools = [
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
    async run(_, { log }) {
      log('info', 'Tool execution started');
      await sleep(50);
      log('info', 'Tool processing data');
      await sleep(50);
      log('info', 'Tool execution completed');
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
    name: 'test_logging_tool',
    run(_, { log }) {
      log('info', 'Said only to those who asked for it');
      return text('Logged');
    },
  },
  {
    name: 'test_custom_headers',
    inputSchema: object({ region: { ...string, 'x-mcp-header': 'Region' }, query: string }),
    run: args => text(JSON.stringify(args)),
  },
  {
    name: 'json_schema_2020_12_tool',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } } },
      properties: {
        name: string,
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word.
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    run: args => text(JSON.stringify(args)),
  },
];
