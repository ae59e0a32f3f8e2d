import { groupBy } from '../base/groupBy.ts';
import type { RoutingConfig } from '../config/schema.ts';

/** What an order can go by. */
export interface Pickable {
  readonly priority: number;
  readonly inFlight: number;
}

/**
 * Puts candidates in the order in which they are tried. Never drops one, never invents one.
 * @param turn of `round_robin`: the calls that went before; the other pickers ignore it
 */
export type Picker = <T extends Pickable>(candidates: readonly T[], turn: number) => T[];

/** Ascending priority; the policies differ in what they do among equals, which come in the order of the file. */
export const PICKERS: Readonly<Record<RoutingConfig['load_balancing'], Picker>> = {
  priority: candidates => byPriority(candidates, equals => equals),
  round_robin: (candidates, turn) => byPriority(candidates, equals => rotated(equals, turn % equals.length)),
  least_request: candidates => byPriority(candidates, equals => equals.toSorted((a, b) => a.inFlight - b.inFlight)),
};

function byPriority<T extends Pickable>(candidates: readonly T[], arrange: (equals: T[]) => T[]): T[] {
  const groups = groupBy(candidates, ({ priority }) => priority);
  return [...groups].sort(([a], [b]) => a - b).flatMap(([, equals]) => arrange(equals));
}

function rotated<T>(values: readonly T[], by: number): T[] {
  return [...values.slice(by), ...values.slice(0, by)];
}
