import { Minimatch } from 'minimatch';

const OPTIONS = { dot: true, nobrace: true, noext: true, nocomment: true, nonegate: true, noglobstar: true };
const BEGIN = '\u0002';

/** Patterns come from the configuration again and again: each is compiled once. */
const compiled = new Map<string, Minimatch>();

/**
 * Whether a name matches any of the patterns, as Python's `fnmatch` has it: `*` `?` `[seq]` `[!seq]`, case-sensitive,
 * and `*` crosses everything, `/` and `.` included.
 */
export function globMatcher(patterns: readonly string[]): (name: string) => boolean {
  const globs = patterns.map(compile);
  return name => globs.some(glob => glob.match(asOneName(name)));
}

function compile(pattern: string): Minimatch {
  const glob = compiled.get(pattern) ?? new Minimatch(asOneName(translated(pattern)), OPTIONS);
  compiled.set(pattern, glob);
  return glob;
}

/**
 * To the library `/` separates, and `*` neither crosses it nor matches `.` and `..`; to us they are characters like any
 * other, in one name that begins with none of them.
 */
function asOneName(text: string): string {
  return BEGIN + text.replaceAll('/', '\u0001');
}

/** To the library `\` escapes, and in brackets it knows more than `fnmatch`: `[^a]`, `[[:alpha:]]`. */
function translated(pattern: string): string {
  return pattern.replace(
    /\[(!|(?!!))(\][^\]]*|[^\]]+)\]|[[\\]/g,
    (text: string, not: string | undefined, members: string) =>
      not === undefined ? `\\${text}` : bracket(not, [...members]),
  );
}

function bracket(not: string, members: readonly string[]): string {
  // What is in no name: the set is not empty where all its ranges are the wrong way round, and `^` never its first.
  let set = BEGIN;
  for (let at = 0; at < members.length; ) {
    const [first = '', hyphen, last] = members.slice(at, at + 3);
    const isRange = hyphen === '-' && last !== undefined;
    set += isRange ? range(first, last) : `\\${first}`;
    at += isRange ? 3 : 1;
  }
  return `[${not}${set}]`;
}

/** In names `/` is another character, which its neighbours do not enclose. */
function range(first: string, last: string): string {
  const slash = first <= '/' && '/' <= last ? '/' : '';
  const [from, to] = [first === '/' ? '0' : first, last === '/' ? '.' : last];
  return slash + (from <= to ? `\\${from}-\\${to}` : '');
}
