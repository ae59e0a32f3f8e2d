/** More names than this are not compared: a wrong name must not cost everybody's time. */
const MAX_COMPARED = 2000;

/**
 * The names most like a mistyped one, best first, for "did you mean". Case, `_`, `-` and blanks count nothing.
 * @returns at most `most` names, none if nothing is alike
 */
export function nearest(word: string, known: Iterable<string>, most = 3): string[] {
  const wanted = folded(word);
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const near: { readonly name: string; readonly distance: number }[] = [];
  let compared = 0;
  for (const name of known) {
    const distance = distanceOf(wanted, folded(name), limit);
    if (distance === undefined) continue;
    if (distance <= limit) near.push({ name, distance });
    compared += 1;
    if (compared === MAX_COMPARED) break;
  }
  return near
    .sort((a, b) => a.distance - b.distance)
    .slice(0, most)
    .map(({ name }) => name);
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const [best] = nearest(word, known, 1);
  return best === undefined ? '' : `; did you mean "${best}"?`;
}

/** Cut, because what is compared may come from anywhere and the work grows with the square of the length. */
function folded(word: string): string {
  return word
    .slice(0, 64)
    .toLowerCase()
    .replace(/[\s_-]/g, '');
}

/** Undefined: their lengths alone are too far apart. A word cut short is near the whole all the same. */
function distanceOf(wanted: string, name: string, limit: number): number | undefined {
  const excess = name.length - wanted.length;
  if (wanted.length > 2 && name.startsWith(wanted)) return Math.min(limit, excess);
  return Math.abs(excess) > limit ? undefined : editDistance(wanted, name, limit);
}

/** Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; infinite above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(last, j) + 1,
        at(row, j - 1) + 1,
        at(last, j - 1) + same,
        swapped ? at(beforeLast, j - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    // No later row gets below the least of this one, not even by a swap.
    if (Math.min(...row) > limit) return Number.POSITIVE_INFINITY;
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number) => row[index] ?? Number.POSITIVE_INFINITY;
