// What the management tools see and do, over the gateway.
import { UserError } from './base/errors.ts';
import { isObject } from './base/json.ts';
import { type Entry, nativeEntry } from './config/entry.ts';
import { sourceNames } from './config/launch.ts';
import { formatProblem, type Problem } from './config/load.ts';
import type { Management, RegisterRequest } from './downstream/managementTools.ts';
import type { Gateway } from './gateway.ts';
import type { CircuitState } from './health/circuitBreaker.ts';
import type { Decision } from './router/decisions.ts';
import type { BackendSnapshot } from './snapshot.ts';

const CIRCUITS: Readonly<Record<CircuitState['kind'], string>> = {
  closed: 'CLOSED',
  open: 'OPEN',
  'held-open': 'OPEN',
  'half-open': 'HALF_OPEN',
};

/** How long adding backends waits for what becomes of them. */
const PATIENCE_MS = 5000;

/** The gateway as the management tools need it: the older systems' words for what our snapshot holds. */
export function createManagement(gateway: Gateway): Management {
  const find = (name: string) => gateway.snapshot().backends.find(backend => backend.name === name);
  const found = (name: string): BackendSnapshot => {
    const backend = find(name);
    if (!backend) throw new UserError(`Backend not found: ${name}`);
    return backend;
  };
  return {
    listBackends: () => gateway.snapshot().backends.map(describe),
    backendHealth: name => {
      const backend = find(name);
      return backend && { ...healthOf(backend), last_error: lastErrorOf(backend) };
    },
    overview: () => {
      const { backends, problems, configError } = gateway.snapshot();
      const { name, version, startedAt, configFile, isDraining, sessionCount, now } = gateway.about();
      return {
        active_servers: backends.filter(({ enabled }) => enabled).map(backend => backend.name),
        backends: backends.map(describe),
        router: {
          name,
          version,
          uptime_seconds: Math.floor((now - startedAt) / 1000),
          config_file: configFile,
          draining: isDraining,
          sessions: sessionCount,
        },
        problems: problems.map(describeProblem),
        config_error: configError ?? null,
      };
    },
    toolsByBackend: () => {
      const enabled = gateway.snapshot().backends.filter(backend => backend.enabled);
      return Object.fromEntries(enabled.map(backend => [backend.name, toolsOf(backend)]));
    },
    explainRoute: name => {
      const { candidates, goesTo, steps, ...rest } = gateway.explainRoute(name);
      const chosen = candidates.find(({ backend }) => backend === goesTo);
      return {
        ...rest,
        ...choice(
          goesTo,
          candidates.map(({ backend }) => backend),
        ),
        strategy_used: chosen?.strategy ?? null,
        reason: steps.join(' '),
        steps,
        candidates: candidates.map(({ originalName, wouldBeTried, ...candidate }) => ({
          ...candidate,
          original_name: originalName,
          would_be_tried: wouldBeTried,
        })),
      };
    },
    recentCalls: limit => gateway.recentCalls(limit).map(describeDecision),
    registerBackend: async request => {
      const entry = entryOf(request);
      const { errors } = await gateway.addBackends([entry]);
      const error = errors.get(entry.name);
      if (error !== undefined) throw new UserError(error);
      const backend = found(entry.name);
      return {
        backend_name: backend.name,
        namespace: backend.namespace,
        url: urlOf(backend),
        started: backend.state.kind !== 'idle',
        message: `Backend '${backend.name}' registered successfully`,
      };
    },
    addServers: async servers => {
      const refused = new Map<string, string>();
      const entries = Object.entries(servers).flatMap(([name, entry]) => {
        try {
          return [nativeEntry(name, entry)];
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          refused.set(name, error.message);
          return [];
        }
      });
      const { added, starting, errors, warnings } = await gateway.addBackends(entries, PATIENCE_MS);
      const ported = added.filter(name => wantsPort(servers[name]));
      const hints = ported.map(name => [name, [...(warnings.get(name) ?? []), PORT_HINT]] as const);
      return {
        added,
        starting,
        errors: new Map([...refused, ...errors]),
        warnings: new Map([...warnings, ...hints]),
      };
    },
    removeBackend: name => gateway.removeBackend(name),
    updateBackend: async (name, changes) => {
      const isUpdated = await gateway.updateBackend(name, changes);
      return isUpdated ? describe(found(name)) : undefined;
    },
    reload: async () => ({ ...(await gateway.reload()) }),
  };
}

/** The older system told a package by its `PORT` where to serve HTTP. */
function wantsPort(entry: unknown): boolean {
  return isObject(entry) && entry.source !== undefined && entry.port !== undefined;
}

const PORT_HINT = 'port is ignored: a package of "source" speaks over stdio';

function describe(backend: BackendSnapshot): Record<string, unknown> {
  const { namespace, priority, enabled, kind, target, state, tools, inFlight, restarts, latencyMs } = backend;
  return {
    ...healthOf(backend),
    last_error: lastErrorOf(backend),
    url: urlOf(backend),
    target,
    namespace,
    priority,
    enabled,
    is_managed: kind === 'stdio',
    is_running:
      state.kind === 'ready' || state.kind === 'draining' || (state.kind === 'connecting' && kind === 'stdio'),
    state: state.kind,
    paused: backend.circuit.kind === 'held-open',
    tool_count: tools.length,
    in_flight: inFlight,
    latency_ms: latencyMs ?? null,
    restarts,
  };
}

function healthOf({ name, healthy, circuit, errorCount }: BackendSnapshot): Record<string, unknown> {
  return { name, healthy, circuit_state: CIRCUITS[circuit.kind], error_count: errorCount };
}

/** What is wrong with it now, or else what went wrong last. */
function lastErrorOf({ state, lastError }: BackendSnapshot): string | null {
  if (state.kind === 'rejected') return formatProblem(state.problem);
  return state.kind === 'failed' ? state.failure.message : (lastError?.message ?? null);
}

/** The names as the backend has them; of one that has failed the reason, in the older system's words. */
function toolsOf(backend: BackendSnapshot): string | readonly string[] {
  const { state, errorCount, tools } = backend;
  // What is only being started again has not got over its failure yet.
  const isFailing = state.kind === 'failed' || (state.kind === 'connecting' && errorCount > 0);
  return isFailing ? `❌ Error: ${lastErrorOf(backend)}` : tools.map(({ originalName }) => originalName);
}

function describeProblem({ severity, message, file, line, column, backend }: Problem): Record<string, unknown> {
  return { severity, message, file, line, column, backend: backend ?? null };
}

function urlOf({ kind, target }: BackendSnapshot): string | null {
  return kind === 'remote' ? target : null;
}

/** The older system's words for where a call went, and where else it could have gone. */
function choice(backend: string | undefined, candidates: readonly string[]): Record<string, unknown> {
  return { backend_name: backend ?? null, alternatives: candidates.filter(name => name !== backend) };
}

function describeDecision({ at, passedOver, attempts, ...decision }: Decision): Record<string, unknown> {
  const failed = attempts.flatMap(({ backend, error }) => (error === undefined ? [] : `${backend}: ${error}`));
  const others = passedOver.map(({ backend, reason }) => `${backend}: ${reason}`);
  return {
    ...decision,
    ...choice(attempts.at(-1)?.backend, decision.candidates),
    strategy_used: decision.strategy ?? null,
    reason:
      [...failed, ...others].join('; ') || (attempts.length > 0 ? 'it is the first candidate' : 'nobody was asked'),
    at: new Date(at).toISOString(),
    passed_over: passedOver.map(({ retryAt, ...each }) => ({
      ...each,
      ...(retryAt !== undefined && { retry_at: new Date(retryAt).toISOString() }),
    })),
    attempts: attempts.map(attempt => ({ ...attempt, at: new Date(attempt.at).toISOString() })),
  };
}

/** An entry of `backends:`; where no name or namespace is given it is that of the repository or package. */
function entryOf({ source, name, namespace, priority, autoStart }: RegisterRequest): Entry {
  const own = sourceNames(source);
  const called = name ?? own?.name ?? namespace;
  if (called === undefined) throw new UserError('The source says no name: give "name" or "namespace" too.');
  const prefix = namespace ?? own?.namespace;
  return { name: called, source, priority, auto_start: autoStart, ...(prefix !== undefined && { namespace: prefix }) };
}
