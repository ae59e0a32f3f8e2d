// The environment variables of the command line. Names and meaning are those of the older system.
import * as z from 'zod';
import { UserError } from '../base/errors.ts';
import type { Overrides } from './load.ts';
import { healthCheckSchema, routingSchema } from './schema.ts';

/** What the environment says; a variable that is unset or empty says nothing. */
export interface Environment {
  readonly overrides: Overrides;
  readonly host?: string;
  /** Absent for `MCP_PORT=0`, which asks for stdio like no port at all. */
  readonly port?: number;
  readonly serverName?: string;
  /** For everything. */
  readonly authToken?: string;
  /** For what changes nothing. */
  readonly readToken?: string;
  readonly configFile?: string;
}

const tokenSchema = z.string().regex(/^[\x21-\x7e]+$/);

/** Reads the variables; throws a `UserError` that names the one that cannot be read. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const read = <S extends z.ZodType>(name: string, schema: S, accepted: string, parse: (text: string) => unknown) => {
    const text = env[name]?.trim();
    if (!text) return undefined;
    const result = schema.safeParse(parse(text));
    if (result.success) return result.data;
    throw new UserError(`The environment variable ${name} cannot be read: it must be ${accepted}.`);
  };
  const plain = (text: string) => text;
  const seconds = <S extends z.ZodType>(name: string, schema: S) =>
    read(name, schema, `a number of seconds${name.startsWith('MCP_HEALTH') ? ', at least 1' : ' above 0'}`, Number);
  const { shape } = routingSchema;
  const retry = shape.retry.unwrap().shape;
  const health = healthCheckSchema.shape;
  const port = read('MCP_PORT', z.int().min(0).max(65535), 'a port number from 0 to 65535', Number);

  return {
    overrides: present({
      default_strategy: read('MCP_DEFAULT_STRATEGY', shape.default_strategy, 'path, capability or fallback', plain),
      enable_namespace_prefixing: read('MCP_ENABLE_NAMESPACES', z.boolean(), 'true/false, 1/0 or yes/no', booleanOf),
      capability_cache_ttl_seconds: seconds('MCP_CACHE_TTL', shape.capability_cache_ttl_seconds),
      request_timeout_seconds: seconds('MCP_REQUEST_TIMEOUT', shape.request_timeout_seconds),
      retry: present({
        max_attempts: read('MCP_MAX_RETRIES', retry.max_attempts, 'a whole number, at least 1', Number),
        backoff_multiplier: read('MCP_RETRY_BACKOFF', retry.backoff_multiplier, 'a number, at least 1', Number),
        max_backoff_seconds: seconds('MCP_MAX_BACKOFF', retry.max_backoff_seconds),
      }),
      health_check: present({
        interval_seconds: seconds('MCP_HEALTH_CHECK_INTERVAL', health.interval_seconds),
        timeout_seconds: seconds('MCP_HEALTH_CHECK_TIMEOUT', health.timeout_seconds),
      }),
    }),
    ...present({
      host: env.MCP_HOST?.trim() || undefined,
      port: port === 0 ? undefined : port,
      serverName: env.MCP_SERVER_NAME?.trim() || undefined,
      authToken: read('MCP_AUTH_TOKEN', tokenSchema, 'printable ASCII without blanks', plain),
      readToken: read('MCP_READ_TOKEN', tokenSchema, 'printable ASCII without blanks', plain),
      configFile: env.MCP_BACKENDS_CONFIG || undefined,
    }),
  };
}

function booleanOf(text: string): boolean | undefined {
  if (/^(true|1|yes)$/i.test(text)) return true;
  return /^(false|0|no)$/i.test(text) ? false : undefined;
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The members that have a value. */
function present<T extends object>(members: T): Present<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Present<T>;
}
