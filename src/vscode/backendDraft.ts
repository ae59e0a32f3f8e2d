// What a person types when adding a backend → its entry in the configuration file. Pure.
import { UserError } from '../core/base/errors.ts';

/** An entry of `backends:`, but for its name. */
export type Entry = Readonly<Record<string, unknown>>;

/** `PACKAGE [ARGUMENT…]`, as one would give it to npx. */
export function entryOfPackage(text: string): Entry {
  return { command: 'npx', args: ['-y', ...wordsOf(text)] };
}

/** `[NAME=VALUE…] COMMAND [ARGUMENT…]`, as one would type it in a terminal. */
export function entryOfCommand(text: string): Entry {
  const words = wordsOf(text);
  const start = words.findIndex(word => !/^[A-Za-z_]\w*=/.test(word));
  const [command, ...args] = start < 0 ? [] : words.slice(start);
  if (!command) throw new UserError('Only variables are given: add the program that they are for.');
  const variables = words
    .slice(0, start)
    .map(word => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
  return {
    command,
    ...(args.length > 0 && { args }),
    ...(variables.length > 0 && { env: Object.fromEntries(variables) }),
  };
}

/** An address, and `Name: value` of a header or nothing. */
export function entryOfUrl(text: string, header: string): Entry {
  const url = URL.parse(text.trim());
  if (!url || !/^https?:$/.test(url.protocol)) throw new UserError('That is not an http or https address.');
  if (header.trim() === '') return { url: text.trim() };
  const [, name, value] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*:\s*(\S.*?)\s*$/.exec(header) ?? [];
  if (!name || !value) throw new UserError('A header is written "Name: value", as in "Authorization: Bearer …".');
  return { url: text.trim(), headers: { [name]: value } };
}

/** A name that says what the entry is, is valid in the file, and is not taken; like `wanted` where that is given. */
export function suggestName(entry: Entry, taken: readonly string[], wanted = sourceOf(entry)): string {
  const plain =
    wanted
      .replace(/[^A-Za-z0-9_-]+/g, '-')
      .replace(/^(mcp-)?server-|^mcp-|-mcp(-server)?$|-server$/g, '')
      .replace(/^[-_]+|[-_]+$/g, '')
      .toLowerCase()
      .slice(0, 40) || 'backend';
  let name = plain;
  for (let number = 2; taken.includes(name); number++) name = `${plain}-${number}`;
  return name;
}

/** Why a name cannot be used; undefined if it can. */
export function refusalOfName(name: string, taken: readonly string[]): string | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(name)) return 'Only letters, digits, "-" and "_".';
  return taken.includes(name) ? `There is a backend "${name}" already.` : undefined;
}

/** The last ten lines that say something: those of a stack trace would push them out. */
export function lastWritten(lines: readonly string[]): string {
  const telling = lines.filter(line => line.trim() !== '' && !/^\s+at /.test(line));
  return telling.slice(-10).join('\n');
}

/** Whether a snippet has a `//` remark. It ends with its line, and a box of one line takes its end away. */
export function hasRemark(text: string): boolean {
  return /(?<!:)\/\//.test(text.replace(/"(?:\\.|[^"\\])*"/g, ''));
}

/** The text with the lines that it had when it was copied. Throws a `UserError` where it is not what was copied. */
export function withLinesOf(text: string, copied: string): string {
  const compact = (text: string) => text.replace(/\s+/g, '');
  if (compact(text) === compact(copied)) return copied;
  throw new UserError('Where a remark (// …) ends cannot be told on one line: paste the snippet without its remarks.');
}

/** Splits as a POSIX shell does: blanks separate, quotes and backslashes keep them. */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  const piece = /\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)/y;
  const end = text.trimEnd();
  while (piece.lastIndex < end.length) {
    const match = piece.exec(end);
    if (!match?.[1]) throw new UserError('A quotation mark is not closed.');
    words.push(
      match[1].replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g,
        (_, double?: string, single?: string, escaped?: string) =>
          double === undefined ? (single ?? escaped ?? '') : double.replace(/\\(["\\$`])/g, '$1'),
      ),
    );
  }
  if (words.length === 0) throw new UserError('Nothing is given yet.');
  return words;
}

/** The part of an entry that tells it best: the package, the program, or the company in the host's name. */
function sourceOf(entry: Entry): string {
  if (typeof entry.url === 'string') {
    const host = URL.parse(entry.url)?.hostname ?? '';
    return /\.[a-z-]+$/i.test(host) ? (host.split('.').at(-2) ?? host) : host;
  }
  const command = String(entry.command ?? '');
  const program = (command.split(/[/\\]/).at(-1) ?? '').replace(/\.(exe|cmd|bat)$/i, '');
  const args: readonly unknown[] = Array.isArray(entry.args) ? entry.args : [];
  const words = args.filter(argument => typeof argument === 'string' && !argument.startsWith('-'));
  // A runner says nothing; what it runs does.
  const told = /^(npx|bunx|uvx|pipx|node|python3?|deno|bun|docker|uv)$/.test(program)
    ? String(words[0] ?? program)
    : program;
  const withoutVersion = told.replace(/(?<=.)@[^/@]*$/, '');
  return (withoutVersion.split(/[/\\]/).at(-1) ?? '').replace(/\.(m?js|ts|py)$/, '');
}
