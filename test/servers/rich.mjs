// Everything that a router must hand on untouched: definitions with every field of the specification and with fields that it does not
// know, results with unknown content types, and lists in several pages whose cursors look odd.
//   node rich.mjs [--port N]
import { page, RpcError, readFlags, serve } from './serve.mjs';

const icons = [{ src: 'data:image/svg+xml;base64,PHN2Zy8+', mimeType: 'image/svg+xml', sizes: ['any'], theme: 'dark' }];
const unknown = { 'x-vendor': { nested: [1, null, { deep: true }] }, futureField: 'kept' };
const empty = { type: 'object' };

const result = {
  content: [
    { type: 'text', text: 'known', annotations: { audience: ['user'], priority: 0.5 }, _meta: { k: 1 }, ...unknown },
    { type: 'hologram', shape: 'sphere', ...unknown },
    { type: 'resource_link', uri: 'rich://linked', name: 'linked', icons, ...unknown },
    {
      type: 'resource',
      resource: { uri: 'rich://embedded', text: 'inside', _meta: { m: null }, ...unknown },
      ...unknown,
    },
  ],
  structuredContent: { not: 'what outputSchema says' },
  isError: false,
  _meta: { 'acme.example/trace': 'abc', empty: {} },
  ...unknown,
};

const tools = [
  {
    name: 'everything',
    title: 'Everything',
    description: 'Has every field',
    icons,
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { point: { type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }] } },
      properties: { at: { $ref: '#/$defs/point' }, 'odd key': { type: ['string', 'null'], default: null } },
      additionalProperties: false,
      'x-order': ['at'],
    },
    outputSchema: { type: 'object', properties: { size: { type: 'integer' } }, required: ['size'] },
    annotations: {
      title: 'All',
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
      mood: 'calm',
    },
    execution: { taskSupport: 'optional', queue: 'fast' },
    _meta: { ui: { resourceUri: 'rich://ui' }, 'acme.example/rank': 3 },
    ...unknown,
    run: () => result,
  },
  { name: 'noSchemaProperties', inputSchema: empty, run: () => ({ content: [] }) },
  {
    name: 'noDescription',
    description: '',
    inputSchema: empty,
    run: () => ({ content: [], toolResult: 'of an old revision' }),
  },
  {
    name: 'arguments',
    inputSchema: empty,
    run: args => ({ content: [], structuredContent: args }),
  },
  {
    name: 'protocolError',
    inputSchema: empty,
    run() {
      throw new RpcError(-31999, 'Custom code', { reason: ['kept', null] });
    },
  },
];

const prompts = Array.from({ length: 5 }, (_, n) => ({
  name: `prompt_${n}`,
  title: `Prompt ${n}`,
  icons,
  arguments: [{ name: 'a', title: 'A', required: n % 2 === 0, ...unknown }],
  ...unknown,
}));
const resources = Array.from({ length: 5 }, (_, n) => ({
  uri: `rich://resource/${n}?q=ä%20&x=#${n}`,
  name: `resource ${n}`,
  size: n * 2 ** 40,
  annotations: { lastModified: '2026-01-01T00:00:00Z' },
  ...unknown,
}));
const resourceTemplates = Array.from({ length: 5 }, (_, n) => ({
  uriTemplate: `rich://template/${n}/{+path}{?query*}`,
  name: `template ${n}`,
  ...unknown,
}));

const oddCursors = ['never used', '0', ' a b/ü?&=%00"\\', '{"offset":4}', 'null'];
const pageOfTwo = (key, items) => params => page(key, items, params, 2, oddCursors);

serve(
  {
    name: 'rich',
    version: '0.0.0-rc.1+build',
    instructions: 'Rich.',
    capabilities: {
      prompts: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      experimental: { 'acme/x': {} },
    },
    tools,
    methods: {
      'tools/list': pageOfTwo(
        'tools',
        tools.map(({ run, ...tool }) => tool),
      ),
      'prompts/list': pageOfTwo('prompts', prompts),
      'prompts/get': ({ name }) => ({
        description: name,
        messages: [{ role: 'user', content: result.content[1], ...unknown }],
        ...unknown,
      }),
      'resources/list': pageOfTwo('resources', resources),
      'resources/templates/list': pageOfTwo('resourceTemplates', resourceTemplates),
      'resources/read': ({ uri }) => ({ contents: [{ uri, blob: 'AAEC', mimeType: 'x/y', ...unknown }], ...unknown }),
    },
  },
  readFlags().port,
);
