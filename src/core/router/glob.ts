import { Minimatch } from 'minimatch';

const OPTIONS = { dot: true, nobrace: true, noext: true, nocomment: true, nonegate: true, noglobstar: true };

/**
 * Whether a name matches any of the patterns, as Python's `fnmatch` has it: `*` `?` `[seq]` `[!seq]`, case-sensitive,
 * and `*` crosses everything, `/` and `.` included.
 */
export function globMatcher(patterns: readonly string[]): (name: string) => boolean {
  const globs = patterns.map(pattern => new Minimatch(withoutSlash(pattern).replaceAll('\\', '\\\\'), OPTIONS));
  return name => globs.some(glob => glob.match(withoutSlash(name)));
}

/** To the library `/` separates, and `*` does not cross it; to us it is a character like any other. */
function withoutSlash(text: string): string {
  return text.replaceAll('/', '\u0001');
}
