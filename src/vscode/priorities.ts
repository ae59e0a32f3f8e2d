// The order in which backends are tried, and the numbers that bring about another one. Pure.
import { groupBy } from '../core/base/groupBy.ts';

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
  /** What the one that moves has passed: a backend, or a namespace with all of its backends. */
  readonly past: string;
  /** New priorities by name, of as few others as will do: of none wherever a number is free. */
  readonly priorities: ReadonlyMap<string, number>;
}

/**
 * Moves a backend past the next one of its namespace, or where it is alone past the next namespace, and nothing else out of
 * its place. Undefined if there is no place to go.
 * @param backends in the order of the file
 */
export function moveBackend(backends: readonly Ranked[], name: string, direction: 'front' | 'back'): Move | undefined {
  const moved = backends.find(backend => backend.name === name);
  if (!moved) return undefined;
  const replicas = backends.filter(({ namespace }) => namespace === moved.namespace);
  const isAlone = replicas.length === 1;
  const group = isAlone ? backends : replicas;

  const order = inOrder(group);
  const places = [...groupBy(order, backend => (isAlone ? backend.namespace : backend.name)).values()];
  const from = places.findIndex(place => place.includes(moved));
  const past = places[direction === 'front' ? from - 1 : from + 1];
  const [first, last] = [past?.[0], past?.at(-1)];
  if (!past || !first || !last) return undefined;

  const others = order.filter(backend => backend !== moved);
  const to = direction === 'front' ? others.indexOf(first) : others.indexOf(last) + 1;
  const ahead = others.slice(0, to).reverse();
  const behind = others.slice(to);
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
  return { past: past.length > 1 ? first.namespace : first.name, priorities };
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
