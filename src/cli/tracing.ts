// Whether calls are traced, and to where, as the standard variables of OpenTelemetry say.
import { UserError } from '../core/base/errors.ts';
import type { Logger } from '../core/base/log.ts';
import type { TraceExport } from './traceExport.ts';

/**
 * What exports traces; undefined unless OTEL_EXPORTER_OTLP_ENDPOINT, its variant for traces, or OTEL_TRACES_EXPORTER=otlp ask
 * for it. Throws `UserError` for a variable that asks for what is not here.
 */
export async function openTracing(env: NodeJS.ProcessEnv, log: Logger): Promise<TraceExport | undefined> {
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return undefined;
  const exporter = env.OTEL_TRACES_EXPORTER?.trim() || undefined;
  if (exporter === 'none') return undefined;
  const endpoint = setting(env, 'ENDPOINT');
  if (!endpoint && exporter === undefined) return undefined;
  if (exporter !== undefined && exporter !== 'otlp')
    throw new UserError(`OTEL_TRACES_EXPORTER is otlp or none here, not "${exporter}".`);
  // What it says may hold a password.
  if (endpoint && !(/^https?:/i.test(endpoint.value) && URL.canParse(endpoint.value)))
    throw new UserError(`${endpoint.variable} is not an http or https address.`);
  const protocol = setting(env, 'PROTOCOL');
  if (protocol && protocol.value !== 'http/json' && protocol.value !== 'http/protobuf')
    throw new UserError(
      `${protocol.variable} is http/protobuf or http/json here, not "${protocol.value}": collectors take them on port 4318.`,
    );
  const { TraceExport } = await import('./traceExport.ts');
  return new TraceExport(protocol?.value === 'http/json' ? 'http/json' : 'http/protobuf', log);
}

/** As OTLP's variables go: the one for traces before the general one, and an empty one is none. */
function setting(
  env: NodeJS.ProcessEnv,
  what: string,
): { readonly variable: string; readonly value: string } | undefined {
  const variables = [`OTEL_EXPORTER_OTLP_TRACES_${what}`, `OTEL_EXPORTER_OTLP_${what}`];
  return variables
    .map(variable => ({ variable, value: env[variable]?.trim() ?? '' }))
    .find(({ value }) => value !== '');
}
