// The order in which backends are tried, and the numbers that bring about another one. Pure.

export interface Ranked {
  readonly name: string;
  readonly namespace: string;
  readonly priority: number;
}

/** In the order they are tried: by priority, equal ones as in the file. */
export function inOrder<T extends Ranked>(backends: readonly T[]): T[] {
  return backends.toSorted((a, b) => a.priority - b.priority);
}

/** A step to the front or to the back. */
export interface Move {
  /** The backend that changes places with the one that moves. */
  readonly past: string;
  /** New priorities by name, of as few others as will do: of none wherever a number is free. */
  readonly priorities: ReadonlyMap<string, number>;
}

/**
 * Moves a backend one place among the replicas of its namespace, or among all backends where it is alone,
 * and nothing else out of its place. Undefined if there is no place to go.
 * @param backends in the order of the file
 */
export function moveBackend(backends: readonly Ranked[], name: string, direction: 'front' | 'back'): Move | undefined {
  const namespace = backends.find(backend => backend.name === name)?.namespace;
  const replicas = backends.filter(backend => backend.namespace === namespace);
  const group = replicas.length > 1 ? replicas : backends;

  const order = inOrder(group);
  const from = order.findIndex(backend => backend.name === name);
  const to = direction === 'front' ? from - 1 : from + 1;
  const moved = order[from];
  const past = order[to];
  if (!moved || !past) return undefined;

  const wanted = order.with(from, past).with(to, moved);
  const ahead = wanted.slice(0, to).reverse();
  const behind = wanted.slice(to + 1);
  const plans = group
    .flatMap(({ priority }) => [priority - 1, priority, priority + 1])
    .map(priority => makeRoom(group, { ...moved, priority }, ahead, behind))
    .filter(plan => plan !== undefined);
  const best = plans.sort(
    (a, b) => a.others.size - b.others.size || distance(a.moved, moved) - distance(b.moved, moved),
  )[0];
  if (!best) return undefined;
  const priorities = new Map(best.others);
  if (best.moved.priority !== moved.priority) priorities.set(name, best.moved.priority);
  return { past: past.name, priorities };
}

/**
 * The least changes to the others that put them ahead of `moved` and behind it, each list from the nearest on.
 * Undefined where a number would fall below 0.
 */
function makeRoom(
  file: readonly Ranked[],
  moved: Ranked,
  ahead: readonly Ranked[],
  behind: readonly Ranked[],
): { readonly moved: Ranked; readonly others: ReadonlyMap<string, number> } | undefined {
  const place = ({ name }: Ranked) => file.findIndex(backend => backend.name === name);
  /** How far apart the numbers of two neighbours have to be, of which `a` is to be tried first. */
  const gap = (a: Ranked, b: Ranked) => (place(a) < place(b) ? 0 : 1);
  const others = new Map<string, number>();
  const settle = (backend: Ranked, priority: number): Ranked => {
    if (priority !== backend.priority) others.set(backend.name, priority);
    return { ...backend, priority };
  };

  let next = moved;
  for (const backend of ahead) next = settle(backend, Math.min(backend.priority, next.priority - gap(backend, next)));
  if (next.priority < 0) return undefined;
  let previous = moved;
  for (const backend of behind)
    previous = settle(backend, Math.max(backend.priority, previous.priority + gap(previous, backend)));
  return { moved, others };
}

function distance(a: Ranked, b: Ranked): number {
  return Math.abs(a.priority - b.priority);
}
