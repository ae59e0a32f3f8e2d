import { Minimatch } from 'minimatch';

const OPTIONS = { dot: true, nobrace: true, noext: true, nocomment: true, nonegate: true, noglobstar: true };

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
  const glob = compiled.get(pattern) ?? new Minimatch(asOneName(pattern).replaceAll('\\', '\\\\'), OPTIONS);
  compiled.set(pattern, glob);
  return glob;
}

/**
 * To the library `/` separates, and `*` neither crosses it nor matches `.` and `..`; to us they are characters like any
 * other, in one name that begins with none of them.
 */
function asOneName(text: string): string {
  return `\u0002${text.replaceAll('/', '\u0001')}`;
}
