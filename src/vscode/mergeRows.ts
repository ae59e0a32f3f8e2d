// New rows brought into a tree that is shown, so that no more of it is drawn again than differs. Pure but for those rows.
import type { Row } from './row.ts';

export interface Merged {
  readonly rows: readonly Row[];
  /** What to draw again: the top level as a whole, or these rows, each with what is below it. */
  readonly stale: 'all' | readonly Row[];
}

/**
 * The new rows, with those that are shown already as the objects that they are, changed in place: the editor knows a row by
 * its object, and what is drawn again loses its hover and the row that a click on it is about.
 */
export function mergeRows(shown: readonly Row[], rows: readonly Row[]): Merged {
  const stale: Row[] = [];
  const merged = merge(shown, rows, stale);
  return { rows: merged, stale: idsOf(shown) === idsOf(merged) ? stale : 'all' };
}

function merge(shown: readonly Row[], rows: readonly Row[], stale: Row[]): readonly Row[] {
  const known = new Map(shown.map(row => [row.id, row]));
  return rows.map(row => {
    const kept = known.get(row.id);
    if (!kept) return row;
    if (drawn(kept) !== drawn(row)) stale.push(kept);
    become(kept, { ...row, children: merge(kept.children, row.children, stale) });
    return kept;
  });
}

/** What is seen of a row itself, and which rows are below it. */
function drawn({ children, ...row }: Row): string {
  return JSON.stringify([row, idsOf(children)]);
}

function idsOf(rows: readonly Row[]): string {
  return JSON.stringify(rows.map(({ id }) => id));
}

function become(kept: Row, row: Row): void {
  for (const key of Object.keys(kept)) if (!(key in row)) Reflect.deleteProperty(kept, key);
  Object.assign(kept, row);
}
