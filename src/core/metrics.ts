// What Prometheus is told: counts of what was decided, and at each scrape the picture of that moment. The data path makes one call.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type Door, refuseMethod, type Visit } from './downstream/door.ts';
import type { AnsweredRequest } from './downstream/httpListener.ts';
import type { Decision } from './router/decisions.ts';
import type { BackendSnapshot, Snapshot } from './snapshot.ts';

export interface MetricsPorts {
  readonly version: string;
  snapshot(): Snapshot;
  /** Open sessions of all listeners. */
  sessions(): number;
  /** A tool as it is exposed, by any of its spellings; undefined: nobody lists it. */
  exposedTool(name: string): string | undefined;
}

/** Tools with series of their own; what is called beyond them counts as one, `other`. */
const MAX_TOOLS = 200;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const CIRCUITS = { closed: 'closed', open: 'open', 'half-open': 'half_open', 'held-open': 'paused' } as const;

/**
 * Every label is one of few: backends and tools that are there now, methods that the router routes, outcomes, paths of doors.
 * A series goes when the backend or the tool that it is about does.
 */
export class Metrics implements Door {
  readonly paths = ['/metrics'];
  private readonly ports: MetricsPorts;
  private readonly registry = new Registry();
  private readonly tools = new Set<string>();
  private hasProcess = false;

  private readonly requests = this.counter(
    'requests_total',
    'Requests of clients, by the backend that had the last word.',
    ['backend', 'tool', 'method', 'outcome'],
  );
  private readonly durations = new Histogram({
    name: 'switchyard_request_duration_seconds',
    help: 'From a request of a client to its answer, retries and waiting included.',
    labelNames: ['backend', 'tool', 'method'],
    buckets: SECONDS,
    registers: [this.registry],
  });
  private readonly attempts = this.counter(
    'attempts_total',
    'Requests sent to backends: first tries, retries, failovers.',
    ['backend', 'outcome'],
  );
  private readonly responses = this.counter('http_responses_total', 'HTTP responses, by the door that gave them.', [
    'path',
    'code',
  ]);
  private readonly up = this.gauge('backend_up', 'Whether the backend is connected.', ['backend']);
  private readonly healthy = this.gauge('backend_healthy', 'Connected, lists read, circuit closed.', ['backend']);
  private readonly circuit = this.gauge('backend_circuit_state', '1 for the state that the circuit is in.', [
    'backend',
    'state',
  ]);
  private readonly inFlight = this.gauge('backend_in_flight', 'Requests sent to the backend and not answered.', [
    'backend',
  ]);
  private readonly listed = this.gauge('backend_tools', 'Tools that the backend lists.', ['backend']);
  private readonly restarts = this.counter('backend_restarts_total', 'How often it was started again.', ['backend']);
  private readonly exposed = this.gauge('tools', 'Tools that clients see.');
  private readonly openSessions = this.gauge('sessions', 'Open sessions of clients over HTTP.');
  private readonly configured = this.gauge(
    'config_valid',
    'Whether the configuration could be read when it last changed.',
  );

  constructor(ports: MetricsPorts) {
    this.ports = ports;
    this.gauge('build_info', 'Which Switchyard this is.', ['version']).set({ version: ports.version }, 1);
  }

  decided({ method, name, outcome, ms, attempts }: Decision): void {
    const backend = attempts.at(-1)?.backend;
    const about = {
      method,
      ...(backend !== undefined && { backend }),
      ...(method === 'tools/call' && { tool: this.toolLabel(name) }),
    };
    this.requests.inc({ ...about, outcome: outcome.replaceAll(' ', '_') });
    this.durations.observe(about, ms / 1000);
    for (const attempt of attempts) this.attempts.inc({ backend: attempt.backend, outcome: attempt.outcome });
  }

  answered({ door = 'none', status }: AnsweredRequest): void {
    this.responses.inc({ path: door, code: status === 0 ? 'aborted' : `${status}` });
  }

  /** In the text format of Prometheus. */
  async visit(visit: Visit): Promise<void> {
    const { request, response } = visit;
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(visit, ['GET', 'HEAD']);
    // Watching the event loop and the garbage collector costs a little: who never scrapes does not pay it.
    if (!this.hasProcess) collectDefaultMetrics({ register: this.registry });
    this.hasProcess = true;
    const snapshot = this.ports.snapshot();
    await this.forget(new Set(snapshot.backends.map(({ name }) => name)));
    this.picture(snapshot);
    const text = await this.registry.metrics();
    response
      .writeHead(200, { 'content-type': this.registry.contentType, 'content-length': Buffer.byteLength(text) })
      .end(text);
  }

  private picture({ backends, toolCount, configError }: Snapshot): void {
    for (const each of [this.up, this.healthy, this.circuit, this.inFlight, this.listed, this.restarts]) each.reset();
    // What is not meant to run is not down.
    for (const backend of backends)
      if (backend.state.kind !== 'disabled' && backend.state.kind !== 'rejected') this.pictureOf(backend);
    this.exposed.set(toolCount);
    this.openSessions.set(this.ports.sessions());
    this.configured.set(configError === undefined ? 1 : 0);
  }

  private pictureOf({ name, state, healthy, circuit, inFlight, tools, restarts }: BackendSnapshot): void {
    const backend = { backend: name };
    this.up.set(backend, state.kind === 'ready' ? 1 : 0);
    this.healthy.set(backend, healthy ? 1 : 0);
    for (const [kind, label] of Object.entries(CIRCUITS))
      this.circuit.set({ ...backend, state: label }, kind === circuit.kind ? 1 : 0);
    this.inFlight.set(backend, inFlight);
    this.listed.set(backend, tools.length);
    this.restarts.inc(backend, restarts);
  }

  private async forget(backends: ReadonlySet<string>): Promise<void> {
    for (const tool of this.tools) if (this.ports.exposedTool(tool) === undefined) this.tools.delete(tool);
    const isGone = ({ backend, tool }: Labels) =>
      (backend !== undefined && !backends.has(`${backend}`)) ||
      (tool !== undefined && tool !== 'unknown' && tool !== 'other' && !this.tools.has(`${tool}`));
    for (const metric of [this.requests, this.durations, this.attempts]) {
      const { values } = await metric.get();
      for (const { le: _, ...labels } of values.map(value => value.labels as Labels))
        if (isGone(labels)) metric.remove(labels as Record<string, string>);
    }
  }

  private toolLabel(name: string): string {
    const tool = this.ports.exposedTool(name);
    if (tool === undefined) return 'unknown';
    if (this.tools.size < MAX_TOOLS) this.tools.add(tool);
    return this.tools.has(tool) ? tool : 'other';
  }

  private counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name: `switchyard_${name}`, help, labelNames, registers: [this.registry] });
  }

  private gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name: `switchyard_${name}`, help, labelNames, registers: [this.registry] });
  }
}

type Labels = Readonly<Record<string, string | number | undefined>>;
