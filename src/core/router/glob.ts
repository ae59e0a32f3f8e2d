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
  return name => globs.some(glob => glob.match(withoutSlash(name)));
}

function compile(pattern: string): Minimatch {
  const glob = compiled.get(pattern) ?? new Minimatch(withoutSlash(pattern).replaceAll('\\', '\\\\'), OPTIONS);
  compiled.set(pattern, glob);
  return glob;
}

/** To the library `/` separates, and `*` does not cross it; to us it is a character like any other. */
function withoutSlash(text: string): string {
  return text.replaceAll('/', '\u0001');
}
