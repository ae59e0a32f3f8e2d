// The one source of the configuration's types, defaults, JSON schema and of the README's table.
// Keys are written as in the file (snake_case), here and everywhere the configuration is read.
import * as z from 'zod';
import { MAX_SECONDS } from '../base/clock.ts';
import type { EntryProblem } from './problem.ts';

const atLeastOne = z.int().min(1);
const seconds = z.number().positive().max(MAX_SECONDS);
const atLeastOneSecond = z.number().min(1).max(MAX_SECONDS);
const text = z.string().min(1);
/** Numbers and booleans are taken as they are written: only text can be meant. */
const anyText = z.string().meta({ type: ['string', 'number', 'boolean'] });
const identifier = z.string().regex(/^[A-Za-z0-9_-]+$/, 'must have only letters, digits, "-" and "_"');
const globs = z.array(text.max(256));

const strategySchema = z.enum(['path', 'capability', 'fallback']);

const routeSchema = z.strictObject({
  pattern: text.max(256).describe("Glob on the tool's own name; `*` crosses everything."),
  strategy: strategySchema
    .optional()
    .describe('What makes the backend a candidate. Default: `routing.default_strategy`.'),
  fallback_to: text.optional().describe('Backend that comes next when this one cannot answer.'),
});

const toolFilterSchema = z.strictObject({
  include: globs.default(['*']).describe('Globs of the tools to offer.'),
  exclude: globs.default([]).describe('Globs of the tools to leave out.'),
  rename: z.record(z.string(), text).default({}).describe("A tool's own name, and the name to offer it under."),
});

export const healthCheckSchema = z.strictObject({
  enabled: z.boolean().default(true).describe('Probe the backend when no call has just proved that it works.'),
  interval_seconds: atLeastOneSecond.default(30).describe('Time between two probes.'),
  timeout_seconds: atLeastOneSecond.default(5).describe('A probe that takes longer has failed.'),
  endpoint: text.optional().describe('HTTP GET on this path in place of a ping.'),
});

const circuitBreakerSchema = z.strictObject({
  failure_threshold: atLeastOne.default(5).describe('Failures in a row that open the circuit.'),
  timeout_seconds: atLeastOneSecond.default(60).describe('How long an open circuit refuses calls.'),
  half_open_attempts: atLeastOne.default(3).describe('Successes after that which close it again.'),
});

/** One entry of `backends:`, as written in the file. */
export const backendSchema = z.strictObject({
  name: identifier.describe('Unique; letters, digits, `-` and `_`.'),
  namespace: identifier
    .optional()
    .describe('Prefix of its tools. Default: the name. Backends that share one are replicas.'),
  command: text.optional().describe('Program to start; it speaks MCP over stdio.'),
  args: z.array(anyText).default([]).describe('Arguments of the program.'),
  env: z.record(z.string(), anyText).default({}).describe('Added to the full parent environment.'),
  env_file: text.optional().describe('File of `NAME=value` lines, relative to this file. `env` wins over it.'),
  cwd: text.optional().describe('Working directory, relative to this file. Default: the workspace folder.'),
  url: text.optional().describe('Address of a remote server.'),
  headers: z.record(z.string(), anyText).default({}).describe('Sent with every request to the remote server.'),
  type: z
    .enum(['http', 'sse', 'auto'])
    .default('auto')
    .describe('`http`: Streamable HTTP; `sse`: HTTP+SSE; `auto`: the first, then the second.'),
  source: text
    .optional()
    .describe('Shorthand: a URL, `npm:PKG`, `@scope/pkg`, `pypi:PKG`, a bare PyPI name, or `github:owner/repo`.'),
  enabled: z.boolean().default(true).describe('`false`: kept in the file, not started.'),
  auto_start: z.boolean().default(true).describe('`false`: started by the first call that needs it.'),
  priority: z.int().min(0).default(10).describe('Lower is tried first.'),
  routes: z.array(routeSchema).default([]).describe('How calls find this backend; the first match wins.'),
  tools: toolFilterSchema.prefault({}).describe('Which tools are offered, and under which names.'),
  start_timeout_seconds: seconds.default(60).describe('How long it may take to answer `initialize`.'),
  request_timeout_seconds: seconds
    .optional()
    .describe('Silence after which a call fails. Default: `routing.request_timeout_seconds`.'),
  max_request_seconds: seconds.default(3600).describe('Longest a call may take, progress or not.'),
  max_concurrency: z.int().min(0).default(0).describe('Calls at a time; `0`: no limit.'),
  session: z
    .enum(['shared', 'per_client'])
    .default('shared')
    .describe('One connection for all clients, or one for each.'),
  protocol: z
    .enum(['auto', 'legacy', 'modern'])
    .default('auto')
    .describe('`legacy`: with `initialize`; `modern`: 2026-07-28; `auto`: what the backend speaks.'),
  health_check: healthCheckSchema.prefault({}).describe('Active probing.'),
  circuit_breaker: circuitBreakerSchema.prefault({}).describe('When calls stop going to a failing backend.'),
});

const retrySchema = z.strictObject({
  max_attempts: atLeastOne.default(3).describe('Attempts in all, the first included.'),
  initial_backoff_seconds: seconds.default(1).describe('Wait before the same backend is tried again.'),
  backoff_multiplier: z.number().min(1).default(2).describe('Each further wait is longer by this factor.'),
  max_backoff_seconds: seconds.default(10).describe('Longest single wait.'),
});

export const routingSchema = z.strictObject({
  default_strategy: strategySchema.default('capability').describe('Strategy where no route of the backend matches.'),
  enable_namespace_prefixing: z.boolean().default(true).describe('Show `namespace__tool`; `false`: bare tool names.'),
  namespace_separator: z
    .enum(['__', '.', '::'])
    .default('__')
    .describe('Between namespace and tool. `.` and `::` are refused by many clients.'),
  capability_cache_ttl_seconds: seconds.default(300).describe('Longest age of a list before it is read again.'),
  request_timeout_seconds: seconds.default(30).describe('Silence after which a call fails; 300 in the editor.'),
  load_balancing: z
    .enum(['priority', 'round_robin', 'least_request'])
    .default('priority')
    .describe('Order among equal priority; `priority`: that of the file.'),
  retry: retrySchema.prefault({}).describe('When a call is tried again.'),
});

export const serverSchema = z.strictObject({
  management_tools: z
    .enum(['off', 'read_only', 'full'])
    .default('read_only')
    .describe('Tools about the router itself that clients see.'),
  drain_seconds: z.number().min(0).max(8).default(5).describe('Grace for calls in flight when something stops.'),
  allowed_hosts: z.array(text).default([]).describe('Host names accepted beside loopback and the bound address.'),
  allowed_origins: z.array(text).default([]).describe('Origins accepted beside loopback ones.'),
});

export type Strategy = z.infer<typeof strategySchema>;
export type Route = z.infer<typeof routeSchema>;
export type ToolFilter = z.infer<typeof toolFilterSchema>;
export type RoutingConfig = z.infer<typeof routingSchema>;
export type ServerConfig = z.infer<typeof serverSchema>;
/** One entry with its defaults, but `source`, `env_file` and relative paths still as written. */
export type BackendEntry = z.infer<typeof backendSchema>;

const ignored = z.unknown().describe('Accepted from older configurations, and ignored.').optional();

const ignoredPort = z
  .unknown()
  .describe('Accepted from older configurations, and ignored: a package of `source` speaks over stdio.')
  .optional();

/** Keys of the two older systems and of other clients that are read without complaint and mean nothing here. */
export const ignoredKeys = {
  list: { port: ignoredPort },
  map: { name: ignored, port: ignoredPort, encoding: ignored, encoding_error_handler: ignored, autoApprove: ignored },
};

/** One entry of `backends:`, with what is ignored in it. */
export const entryOfListSchema = backendSchema.extend(ignoredKeys.list);

/** One entry of `mcpServers:` or `servers:`. */
export const entryOfMapSchema = backendSchema.omit({ name: true }).extend({
  ...ignoredKeys.map,
  type: z
    .enum(['stdio', 'http', 'streamable-http', 'sse', 'auto'])
    .optional()
    .describe('How to reach it. Default: `command` is started, a `url` is tried as Streamable HTTP, then SSE.'),
  envFile: text.optional().describe('The same as `env_file`.'),
  disabled: z.boolean().optional().describe('`true`: kept in the file, not started.'),
});

/** The whole file, for the JSON schema; reading goes entry by entry, so that one bad entry spoils no other. */
export const fileSchema = z.strictObject({
  $schema: z.string().optional().describe('Address of this schema, for the editor.'),
  backends: z.array(entryOfListSchema).optional().describe('The backends, as a list.'),
  mcpServers: z
    .record(z.string(), entryOfMapSchema)
    .optional()
    .describe('The backends, by name, as most clients write them.'),
  servers: z
    .record(z.string(), entryOfMapSchema)
    .optional()
    .describe("The backends, by name, as in VS Code's `mcp.json`."),
  inputs: z.array(z.unknown()).optional().describe("Inputs of VS Code's `mcp.json`: accepted, and ignored."),
  routing: routingSchema.prefault({}).describe('How calls find their backend.'),
  server: serverSchema.prefault({}).describe('The side that clients connect to.'),
});

/** How a backend is reached, after `source`, variables and `env_file` were worked out. */
export type Launch =
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      /** Added to the parent environment. */
      readonly env: Readonly<Record<string, string>>;
      /** Absolute, or undefined: the face's default (workspace folder, or the process's own). */
      readonly cwd: string | undefined;
    }
  | {
      readonly kind: 'remote';
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly type: 'http' | 'sse' | 'auto';
    };

/** The keys that `Launch` replaces. */
type LaunchKey = 'command' | 'args' | 'env' | 'env_file' | 'cwd' | 'url' | 'headers' | 'type' | 'source';

/** A backend ready to be started: every default filled in; variables too, unless it is disabled. */
export type BackendConfig = Readonly<
  Omit<BackendEntry, LaunchKey | 'namespace' | 'request_timeout_seconds'> & {
    namespace: string;
    launch: Launch;
    request_timeout_seconds: number;
  }
>;

/** A backend that the file names but that cannot run because of an error in its own entry. */
export interface RejectedBackend {
  /** Unique among all backends: `#3` is the third entry, where its name is missing or taken. */
  readonly name: string;
  readonly namespace: string;
  /** As the file has it, or the default where that is wrong. */
  readonly priority: number;
  /** How it would be reached; undefined where that cannot be told. */
  readonly launch: Launch | undefined;
  /** The first thing that is wrong with it. */
  readonly problem: EntryProblem;
}

/** A whole configuration, with defaults. */
export interface Config {
  /** In the order of the file. */
  readonly backends: readonly BackendConfig[];
  readonly rejected: readonly RejectedBackend[];
  readonly routing: RoutingConfig;
  readonly server: ServerConfig;
}
