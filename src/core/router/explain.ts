import { groupBy } from '../base/groupBy.ts';
import { formatProblem } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { restBehind, type Surroundings, selectForTool, type ToolCandidate, type Turns } from './candidates.ts';
import type { Entry } from './catalog.ts';
import { awaitedOf } from './patience.ts';
import { nearNames } from './toolNames.ts';

/** What would become of a call now. */
export interface Explanation {
  /** As it was asked for. */
  readonly name: string;
  /** Whether anybody can be asked for it. */
  readonly known: boolean;
  /** From the name to the order, in sentences. */
  readonly steps: readonly string[];
  /** The backend that would get the call, now or once it is ready; undefined: none can take it. */
  readonly goesTo?: string | undefined;
  /** In the order in which they would be tried. */
  readonly candidates: readonly {
    readonly backend: string;
    readonly originalName: string;
    readonly strategy: string;
    readonly priority: number;
    /** One of these gets the call: the first that need not be waited for, or else the first; the others follow if it fails. */
    readonly wouldBeTried: boolean;
    /** Why not, or why not at once. */
    readonly reason?: string;
  }[];
}

/** A backend of the configuration that no call goes to. */
export interface Absentee {
  readonly name: string;
  readonly namespace: string;
  /** As what follows its name. */
  readonly why: string;
}

export function absenteesOf({ backends, rejected }: Config): Absentee[] {
  const disabled = backends.filter(({ enabled }) => !enabled);
  return [
    ...disabled.map(({ name, namespace }) => ({ name, namespace, why: 'is disabled' })),
    ...rejected.map(({ name, namespace, problem }) => ({
      name,
      namespace,
      why: `is left out: ${formatProblem(problem)}`,
    })),
  ];
}

/**
 * The first steps of a call, without the call. Pure.
 * @param exposed the tools as clients see them; one without candidates is the router's own
 * @param absentees who may be meant by a name that nobody knows
 */
export function explainTool(
  name: string,
  exposed: ReadonlyMap<string, Entry>,
  surroundings: Surroundings,
  turns: Turns,
  absentees: readonly Absentee[],
): Explanation {
  if (exposed.get(name)?.candidates.length === 0) {
    return { name, known: true, steps: ['It is a tool of the router itself.'], candidates: [] };
  }
  const selection = selectForTool(name, surroundings, turns);
  if (!selection) {
    const near = nearNames(name, exposed.keys());
    const hint = near.length > 0 ? ` Near it: ${near.join(', ')}.` : '';
    const meant = absentees.filter(({ namespace }) => restBehind(namespace, name) !== undefined);
    const steps = [
      `No backend has a tool of this name.${hint}`,
      ...meant.map(({ name: absentee, why }) => `${absentee} ${why}.`),
    ];
    return { name, known: false, steps, candidates: [] };
  }
  const { routing } = surroundings;
  const { ownName, pool, isListed, isRepeatable, candidates } = selection;
  const equals = routing.load_balancing === 'priority' ? '' : `, equals by ${routing.load_balancing},`;
  const names = pool.map(backend => backend.name).join(', ');
  const explained = candidates.map(candidate => explainCandidate(candidate));
  const admitted = groupBy(candidates, ({ backend }) => backend.admissibility.kind);
  const [ready] = admitted.get('ready') ?? [];
  const starting = awaitedOf((admitted.get('starting') ?? []).map(({ backend }) => backend));
  return {
    name,
    known: true,
    steps: [
      isListed ? `Its own name is "${ownName}".` : `No backend lists it; its own name would be "${ownName}".`,
      pool.length === 1 ? `The only backend of its namespace is ${names}.` : `It can go to the backends ${names}.`,
      `In the order of priority${equals} it would be tried on ${candidates.map(({ backend }) => backend.name).join(', then ')}.`,
      ready
        ? `${ready.backend.name} would get the call.`
        : starting.length > 0
          ? `The call would wait for ${starting.map(backend => backend.name).join(' or ')} to be ready.`
          : 'None of them can take a call now.',
      isRepeatable
        ? 'The tool says that repeating it is harmless: a call that failed is tried again.'
        : 'Repeating it may do harm: a call that may already have run is not tried again.',
    ],
    goesTo: ready?.backend.name ?? starting[0]?.name,
    candidates: explained,
  };
}

function explainCandidate({
  backend,
  originalName,
  strategy,
  standsInFor,
}: ToolCandidate): Explanation['candidates'][number] {
  const { admissibility } = backend;
  const parts = [
    standsInFor === undefined ? undefined : `stands in for ${standsInFor}`,
    admissibility.kind === 'ready' ? undefined : admissibility.reason,
  ].filter(part => part !== undefined);
  return {
    backend: backend.name,
    originalName,
    strategy,
    priority: backend.config.priority,
    wouldBeTried: admissibility.kind !== 'refused',
    ...(parts.length > 0 && { reason: parts.join('; ') }),
  };
}
