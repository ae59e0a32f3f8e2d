// Spans of calls over OTLP, in the words of OpenTelemetry's conventions for MCP.
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  defaultTextMapSetter,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import manifest from '../../package.json' with { type: 'json' };
import { deferred } from '../core/base/async.ts';
import { systemClock } from '../core/base/clock.ts';
import { metaOf } from '../core/base/envelope.ts';
import type { Logger } from '../core/base/log.ts';
import type { Params } from '../core/base/peer.ts';
import type { CallTrace, Tracing } from '../core/gateway.ts';

type AttemptTrace = ReturnType<CallTrace['attempt']>;

/** Of a session's id: enough to find its calls, too little to be in it. */
const SESSION_CHARACTERS = 8;

/** Of what comes from outside: names that clients make up, messages of backends. */
const MAX_TEXT = 300;

/** One server span for each call, and in it one client span for each attempt. */
export class TraceExport implements Tracing {
  private readonly provider: BasicTracerProvider;
  private readonly tracer: Tracer;
  private readonly propagator = new W3CTraceContextPropagator();

  /** Takes endpoint, headers, sampler, resource, limits and time-outs from the variables of the process. */
  constructor(protocol: 'http/json' | 'http/protobuf', log: Logger) {
    // Told is what is wrong with the variables; what goes wrong later would be told again and again.
    const warn = (message: string) => log.warning(`OpenTelemetry: ${message}`);
    const quiet = () => {};
    diag.setLogger({ error: warn, warn, info: quiet, debug: quiet, verbose: quiet }, { logLevel: DiagLogLevel.WARN });
    const exporter = protocol === 'http/json' ? new JsonExporter() : new ProtobufExporter();
    const ours = resourceFromAttributes({ 'service.name': 'switchyard', 'service.version': manifest.version });
    this.provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(ours)
        .merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(announcing(exporter, log))],
    });
    diag.disable();
    this.tracer = this.provider.getTracer('mcp-switchyard', manifest.version);
  }

  begin(method: string, name: string, { params, caller }: Parameters<Tracing['begin']>[2]): CallTrace {
    const parent = this.propagator.extract(ROOT_CONTEXT, metaOf(params) ?? {}, defaultTextMapGetter);
    const isLegacy = caller.client.era === 'legacy';
    const span = this.start(
      SpanKind.SERVER,
      method,
      name,
      parent,
      isLegacy ? { 'mcp.session.id': caller.sessionId.slice(0, SESSION_CHARACTERS) } : {},
    );
    const context = trace.setSpan(parent, span);
    return {
      attempt: (backend, sent) => this.attempt(method, backend, sent, context),
      end: ({ outcome, attempts }, answer) => {
        span.setAttribute('switchyard.outcome', outcome);
        span.setAttribute('switchyard.attempts', attempts.length);
        if (outcome === 'tool error') fail(span, 'tool_error');
        else if (outcome === 'nobody') fail(span, 'no_backend');
        else if (answer.kind === 'error' && outcome === 'rejected') reject(span, answer.error);
        span.end();
      },
    };
  }

  /** Sends what has not been sent yet, for at most so long. */
  async close(ms: number): Promise<void> {
    const late = deferred();
    const timer = systemClock.schedule(ms, late.resolve);
    // That it failed has been told by then.
    await Promise.race([Promise.allSettled([this.provider.shutdown()]), late.promise]);
    timer.dispose();
  }

  private attempt(method: string, backend: string, params: Params, parent: Context): AttemptTrace {
    const name = String(params.name ?? params.uri ?? '');
    const span = this.start(SpanKind.CLIENT, method, name, parent, { 'switchyard.backend': backend });
    const carrier = { ...metaOf(params) };
    this.propagator.inject(trace.setSpan(parent, span), carrier, defaultTextMapSetter);
    return {
      params: { ...params, _meta: carrier },
      end: outcome => {
        span.setAttribute('switchyard.outcome', outcome.kind);
        if (outcome.kind === 'answered' && outcome.result.isError === true) fail(span, 'tool_error');
        else if (outcome.kind === 'failed') fail(span, outcome.failure.code, outcome.failure.message);
        else if (outcome.kind === 'rejected') reject(span, outcome.error);
        span.end();
      },
    };
  }

  private start(kind: SpanKind, method: string, wanted: string, parent: Context, attributes: Attributes): Span {
    const name = wanted.slice(0, MAX_TEXT);
    const isNamed = method === 'tools/call' || method === 'prompts/get';
    const about = { 'mcp.method.name': method, ...attributes, ...aboutTarget(method, name) };
    return this.tracer.startSpan(isNamed ? `${method} ${name}` : method, { kind, attributes: about }, parent);
  }
}

function aboutTarget(method: string, name: string): Attributes {
  if (method === 'tools/call') return { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': name };
  if (method === 'prompts/get') return { 'gen_ai.prompt.name': name };
  return method.startsWith('resources/') ? { 'mcp.resource.uri': name } : {};
}

function reject(span: Span, { code, message }: { readonly code: number; readonly message: string }): void {
  span.setAttribute('rpc.response.status_code', `${code}`);
  fail(span, `${code}`, message);
}

function fail(span: Span, type: string, message?: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message: message.slice(0, MAX_TEXT) }) });
}

/** Says once that spans cannot be delivered, and once that they can be again. */
function announcing(exporter: SpanExporter, log: Logger): SpanExporter {
  let isFailing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, result => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed && !isFailing) log.warning(`Traces cannot be delivered, and are dropped: ${reasonOf(result.error)}`);
        if (!failed && isFailing) log.info('Traces are delivered again');
        isFailing = failed;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}

/** Of a name with several addresses that all fail the message is empty. */
function reasonOf(error: (Error & { readonly code?: string | number }) | undefined): string {
  const code = error?.code === undefined ? '' : ` (${error.code})`;
  return `${error?.message || 'the collector cannot be reached'}${code}`;
}
