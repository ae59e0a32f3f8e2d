/** The variables of a file of `NAME=value` lines, or the number of the first line that is none. */
export type EnvFile =
  | { readonly kind: 'read'; readonly variables: Readonly<Record<string, string>> }
  | { readonly kind: 'bad'; readonly line: number };

const NAME = /[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*/y;
const LITERAL = /'([^']*)'/y;
const ESCAPED = /"((?:[^"\\]|\\[\s\S])*)"/y;
/** Up to the end of the line, or to a `#` with a blank before it; a quote at its start was never closed. */
const BARE = /(?!['"])((?:(?![ \t]+#|[ \t]*\r?\n|[ \t]+$)[^\n])*)/y;
const REST = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/**
 * Reads what shells and dotenv agree on: comments, `export`, 'literal' and "escaped" values, over several lines too.
 * Nothing is expanded.
 */
export function parseEnvFile(text: string): EnvFile {
  const variables: [string, string][] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match ? (match[1] ?? '') : undefined;
  };
  while (at < text.length) {
    const line = at;
    const name = take(NAME);
    if (name !== undefined) {
      const plain = (value: string) => value.replace(/\\([\s\S])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
      const literal = take(LITERAL);
      const escaped = literal === undefined ? take(ESCAPED) : undefined;
      variables.push([name, literal ?? (escaped === undefined ? (take(BARE) ?? '') : plain(escaped))]);
    }
    if (take(REST) === undefined) return { kind: 'bad', line: text.slice(0, line).split('\n').length };
  }
  return { kind: 'read', variables: Object.fromEntries(variables) };
}
