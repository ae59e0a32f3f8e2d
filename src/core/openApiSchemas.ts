// The bodies of the REST paths. Those of requests are what requests are held to; those of answers are held to by a test.
import * as z from 'zod';
import { forAuthors } from './config/jsonSchema.ts';
import { entryOfMapSchema } from './config/schema.ts';
import { additionSchema, changeSchema } from './downstream/managementApi.ts';

const backend = z
  .object({
    name: z.string(),
    healthy: z.boolean().describe('Connected, its lists read, its circuit closed.'),
    circuit_state: z.enum(['CLOSED', 'OPEN', 'HALF_OPEN']),
    error_count: z.int().min(0).describe('Failures since the last success.'),
    last_error: z.string().nullable(),
    url: z.string().nullable().describe('Of a remote server.'),
    target: z.string().describe('The command line or the URL, without secrets.'),
    namespace: z.string(),
    priority: z.int().min(0),
    enabled: z.boolean(),
    is_managed: z.boolean().describe('Whether it is a process that the router starts.'),
    is_running: z.boolean(),
    state: z.enum(['idle', 'connecting', 'ready', 'failed', 'draining', 'stopped', 'disabled', 'rejected']),
    paused: z.boolean().describe('Whether its circuit is held open.'),
    tool_count: z.int().min(0),
    in_flight: z.int().min(0),
    latency_ms: z.number().nullable().describe('Median of the last calls.'),
    restarts: z.int().min(0),
  })
  .describe('A backend as it is now.');

const problem = z.object({
  severity: z.enum(['error', 'warning']),
  message: z.string(),
  file: z.string(),
  line: z.int(),
  column: z.int(),
  backend: z.string().nullable(),
});

const overview = z.object({
  active_servers: z.array(z.string()).describe('The enabled backends, in the order of the file.'),
  backends: z.array(backend),
  router: z.object({
    name: z.string(),
    version: z.string(),
    uptime_seconds: z.int().min(0),
    config_file: z.string(),
    draining: z.boolean(),
    sessions: z.int().min(0).describe('Of clients over HTTP.'),
  }),
  problems: z.array(problem).describe('What the last read of the file found.'),
  config_error: z.string().nullable().describe('Why the file as it is now is not in use.'),
});

const byName = z.record(z.string(), z.string());
const addition = additionSchema.extend({ mcpServers: z.record(z.string(), entryOfMapSchema) });
const added = z.object({
  message: z.string(),
  starting: z.array(z.string()).optional().describe('Those that have neither answered nor failed yet.'),
  errors: byName.optional().describe('Why others were not added, by name.'),
  warnings: z.record(z.string(), z.array(z.string())).optional().describe('What is ignored, by name.'),
});
const updated = z.object({ message: z.string(), backend });
const tools = z.object({
  tools: z
    .record(z.string(), z.union([z.array(z.string()), z.string()]))
    .describe('Of each enabled backend the names of its tools as it has them, or why there are none.'),
});
const message = z.object({ message: z.string() });
const error = z.object({ error: z.string(), errors: byName.optional().describe('What is wrong with each, by name.') });
const refusal = z
  .object({
    jsonrpc: z.literal('2.0'),
    error: z.object({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
    id: z.union([z.string(), z.number(), z.null()]),
  })
  .describe('Why a request is not served; without an id where it is not known which.');
const status = z.object({ status: z.string(), awaited: z.int().optional().describe('Backends without an answer.') });

const SCHEMAS = {
  Addition: addition,
  Added: added,
  Backend: backend,
  Change: changeSchema,
  Entry: entryOfMapSchema,
  Error: error,
  Message: message,
  Overview: overview,
  Problem: problem,
  Refusal: refusal,
  Status: status,
  Tools: tools,
  Updated: updated,
};
/** What the document calls them. */
export type SchemaName = keyof typeof SCHEMAS;

/** All of them as the components of an OpenAPI document, which refer to each other. */
export function componentSchemas(): Readonly<Record<string, object>> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    io: 'input',
    uri: id => `#/components/schemas/${id}`,
    override: forAuthors,
  });
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema, $id, ...schema }]) => [id, schema]));
}
