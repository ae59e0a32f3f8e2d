// What is served over HTTP, as an OpenAPI 3.1 document made from the schemas that requests are held to.
import { FRONT_TEXTS } from './downstream/httpListener.ts';
import { DOCUMENT_PATH, REFUSALS, SERVERS_PATH, TOOLS_PATH } from './downstream/managementApi.ts';
import { componentSchemas, type SchemaName } from './openApiSchemas.ts';

type Json = Readonly<Record<string, unknown>>;

/** The document of everything that a listener for any client serves. */
export function createOpenApi({ title, version }: { readonly title: string; readonly version: string }): Json {
  return {
    openapi: '3.1.0',
    info: {
      title,
      version,
      description: 'One MCP server for many. Beside MCP itself, this is how the router is watched and changed.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths: PATHS,
    components: {
      schemas: componentSchemas(),
      responses: {
        Unauthorized: refused('A token is asked for, and none or a wrong one came.', FRONT_TEXTS.token),
        Forbidden: refused('The token may only read; or the Host or Origin header is not allowed here.', REFUSALS.role),
        TooMany: refused('Too many wrong tokens came from this address.', FRONT_TEXTS.limited),
        Encoded: refused('The body is compressed.', FRONT_TEXTS.encoded),
        Internal: refused('Something is wrong with the router.', FRONT_TEXTS.internal),
        McpUnauthorized: answer('A token is asked for, and none or a wrong one came.', 'Refusal'),
        McpForbidden: answer('The Host or Origin header is not allowed here.', 'Refusal'),
        McpTooMany: answer('Too many wrong tokens came from this address.', 'Refusal'),
        McpEncoded: answer('The body is compressed.', 'Refusal'),
        McpInternal: answer('Something is wrong with the router.', 'Refusal'),
        Method: refused('Another method.', REFUSALS.method('PUT')),
      },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of the role `read` may use what is there, one of the role `admin` also change it.',
        },
      },
    },
  };
}

const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });
const json = (name: SchemaName, example?: Json) => ({
  content: { 'application/json': { schema: ref(name), ...(example && { example }) } },
});
const answer = (description: string, name: SchemaName, example?: Json) => ({ description, ...json(name, example) });
const refused = (description: string, text: string, more: Json = {}) =>
  answer(description, 'Error', { error: text, ...more });

/** What everybody can be answered, and what only those are who need a token. */
const PUBLIC_FRONT = {
  403: { $ref: '#/components/responses/Forbidden' },
  405: { $ref: '#/components/responses/Method' },
  415: { $ref: '#/components/responses/Encoded' },
  500: { $ref: '#/components/responses/Internal' },
};
const FRONT = {
  ...PUBLIC_FRONT,
  401: { $ref: '#/components/responses/Unauthorized' },
  429: { $ref: '#/components/responses/TooMany' },
};
const MCP_FRONT = {
  401: { $ref: '#/components/responses/McpUnauthorized' },
  403: { $ref: '#/components/responses/McpForbidden' },
  405: answer('Another method.', 'Refusal'),
  415: { $ref: '#/components/responses/McpEncoded' },
  500: { $ref: '#/components/responses/McpInternal' },
  429: { $ref: '#/components/responses/McpTooMany' },
};
const BODY = {
  413: refused('The body is too large.', REFUSALS.tooLarge),
  415: refused('The body is not JSON, or compressed.', REFUSALS.notJson),
};
const CHANGE = {
  ...FRONT,
  500: refused('It could not be done.', 'The file was not changed.'),
  503: refused('The router is stopping.', REFUSALS.stopping),
};
const UNKNOWN = refused('There is no backend of this name.', REFUSALS.unknown('weather'));

const NAME = { name: 'name', in: 'path', required: true, schema: { type: 'string' }, example: 'weather' };
const WEATHER = { command: 'npx', args: ['-y', '@acme/weather-mcp'] };
const NONE = { errors: { weather: 'Backend already exists: weather' } };

const mcp = (
  summary: string,
  description: string,
  operationId: string,
  statuses: Readonly<Record<number, string>>,
) => ({
  tags: ['mcp'],
  summary,
  description,
  operationId,
  responses: {
    ...MCP_FRONT,
    ...Object.fromEntries(
      Object.entries(statuses).map(([code, text]) => [
        code,
        Number(code) < 400 ? { description: text } : answer(text, 'Refusal'),
      ]),
    ),
  },
});
const probe = (summary: string, operationId: string, responses: Json) => ({
  get: { tags: ['health'], summary, operationId, security: [], responses: { ...PUBLIC_FRONT, ...responses } },
});

const PATHS: Json = {
  [SERVERS_PATH]: {
    get: {
      tags: ['backends'],
      summary: 'The backends, and the router itself',
      operationId: 'listServers',
      responses: { ...FRONT, 200: answer('As they are now.', 'Overview') },
    },
    post: {
      tags: ['backends'],
      summary: 'Adds backends',
      description:
        'Answers after the first answer or failure of each, at most 5 s. One that fails to start within that time is not ' +
        'added; one that is still starting is.',
      operationId: 'addServers',
      requestBody: { required: true, ...json('Addition', { mcpServers: { weather: WEATHER } }) },
      responses: {
        ...CHANGE,
        ...BODY,
        200: answer('What this request added.', 'Added', { message: "Added ['weather']" }),
        400: refused('The body is not what it should be.', REFUSALS.missingServers),
        500: refused('None was added.', REFUSALS.noneCreated, NONE),
      },
    },
  },
  [`${SERVERS_PATH}/{name}`]: {
    parameters: [NAME],
    delete: {
      tags: ['backends'],
      summary: 'Ends a backend and removes it',
      operationId: 'removeServer',
      responses: {
        ...CHANGE,
        200: answer('It is gone.', 'Message', { message: "Client 'weather' removed successfully" }),
        400: refused('The path names none.', REFUSALS.missingName),
        404: UNKNOWN,
      },
    },
    patch: {
      tags: ['backends'],
      summary: 'Changes when a backend is tried, or switches it on or off',
      operationId: 'updateServer',
      requestBody: { required: true, ...json('Change', { priority: 5 }) },
      responses: {
        ...CHANGE,
        ...BODY,
        200: answer('As it is now.', 'Updated'),
        400: refused('The change is not what it should be.', REFUSALS.change),
        404: UNKNOWN,
      },
    },
  },
  [TOOLS_PATH]: {
    get: {
      tags: ['backends'],
      summary: 'The tools of each enabled backend',
      operationId: 'listTools',
      responses: {
        ...FRONT,
        200: answer('By backend.', 'Tools', { tools: { weather: ['forecast'], broken: '❌ Error: it ended' } }),
      },
    },
  },
  [DOCUMENT_PATH]: {
    get: {
      tags: ['health'],
      summary: 'This document',
      operationId: 'describe',
      responses: {
        ...FRONT,
        200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
      },
    },
  },
  '/healthz': probe('Whether the process serves', 'isAlive', { 200: answer('It does.', 'Status', { status: 'ok' }) }),
  '/readyz': probe('Whether it is wise to send clients here', 'isReady', {
    200: answer('It is.', 'Status', { status: 'ready' }),
    503: answer('It is starting or stopping.', 'Status', { status: 'starting', awaited: 1 }),
  }),
  '/metrics': {
    get: {
      tags: ['health'],
      summary: 'Figures for Prometheus',
      operationId: 'readMetrics',
      responses: {
        ...FRONT,
        200: { description: 'Its text format.', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
  '/mcp': {
    post: mcp(
      'MCP over Streamable HTTP',
      'JSON-RPC messages of any version of MCP: 2025-11-25 and before in a session that `initialize` begins, 2026-07-28 in ' +
        'requests that stand alone. The answer is JSON or an event stream.',
      'postMessage',
      {
        200: 'The answer.',
        202: 'Taken.',
        400: 'Not a message of MCP.',
        404: 'No such session: initialize a new one. Or, of 2026-07-28, no such method.',
        413: 'The body is too large.',
        415: 'The body is not JSON, or compressed.',
        503: 'The router is stopping, or too many sessions are open.',
      },
    ),
    get: mcp('What the router says unasked', 'The event stream of a session.', 'openStream', {
      200: 'An event stream.',
      400: 'No session is named, or a version of MCP that is not known.',
      404: 'No such session: initialize a new one.',
    }),
    delete: mcp('Ends a session', 'That of the `Mcp-Session-Id` header.', 'endSession', {
      200: 'It is over.',
      400: 'No session is named, or a version of MCP that is not known.',
      404: 'No such session.',
    }),
  },
  '/sse': {
    get: mcp(
      'MCP over HTTP+SSE',
      'The transport of MCP 2024-11-05: the first event names the address below `/messages/` to post to.',
      'openSse',
      { 200: 'An event stream.', 503: 'The router is stopping, or too many sessions are open.' },
    ),
  },
  '/messages/': {
    post: mcp('A message to a session of HTTP+SSE', 'Its answer comes as an event.', 'postSseMessage', {
      202: 'Taken.',
      400: 'Not a message of MCP, or no session is named.',
      404: 'No such session.',
      413: 'The body is too large.',
      415: 'The body is not JSON, or compressed.',
      503: 'The router is stopping.',
    }),
  },
};
