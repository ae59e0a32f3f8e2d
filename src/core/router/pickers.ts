import { groupBy } from '../base/groupBy.ts';
import type { RoutingConfig } from '../config/schema.ts';

/** What an order can go by. */
export interface Pickable {
  readonly priority: number;
  readonly inFlight: number;
  /** Which request was the last that it was given, counting all; 0 before the first. */
  readonly lastTurn: number;
}

/** Puts candidates in the order in which they are tried. Never drops one, never invents one. */
export type Picker = <T extends Pickable>(candidates: readonly T[]) => T[];

/** Ascending priority; the policies differ in what they do among equals, which come in the order of the file. */
export const PICKERS: Readonly<Record<RoutingConfig['load_balancing'], Picker>> = {
  priority: candidates => byPriority(candidates, equals => equals),
  round_robin: candidates => byPriority(candidates, equals => equals.toSorted((a, b) => a.lastTurn - b.lastTurn)),
  least_request: candidates => byPriority(candidates, equals => equals.toSorted((a, b) => a.inFlight - b.inFlight)),
};

function byPriority<T extends Pickable>(candidates: readonly T[], arrange: (equals: T[]) => T[]): T[] {
  const groups = groupBy(candidates, ({ priority }) => priority);
  return [...groups].sort(([a], [b]) => a - b).flatMap(([, equals]) => arrange(equals));
}
