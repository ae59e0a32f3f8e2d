// What edits of a text need to know about its lines and its indentation.
import type { Span } from './problem.ts';

/** Puts `text` in place of a span. */
export interface Splice extends Span {
  readonly text: string;
}

/** What is added to a map; a list takes the value alone. */
export type KeyAndValue = readonly [key: string, value: unknown];

/** Spans must not overlap; of two at the same place, the first comes first. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  const ordered = [...splices].sort((a, b) => a.start - b.start);
  let result = '';
  let at = 0;
  for (const splice of ordered) {
    result += text.slice(at, splice.start) + splice.text;
    at = splice.end;
  }
  return result + text.slice(at);
}

/** The line end that the text uses. */
export const eolOf = (text: string) => (text.includes('\r\n') ? '\r\n' : '\n');

export const lineStart = (text: string, at: number) => text.lastIndexOf('\n', at - 1) + 1;

/** Past the line's text, before its `\n` or `\r\n`. */
export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  if (end < 0) return text.length;
  return end > at && text[end - 1] === '\r' ? end - 1 : end;
}

/** The start of the line after that of `at`, or the end of the text. */
export function nextLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end + 1;
}

/** The blanks that the line of `at` begins with. */
export function indentAt(text: string, at: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, at), lineEnd(text, at)))?.[0] ?? '';
}

/** Whether the line of `at` has nothing but blanks. There is none before the text. */
export const isBlankLine = (text: string, at: number) =>
  at >= 0 && text.slice(lineStart(text, at), lineEnd(text, at)).trim() === '';

/** Whether nothing but blanks stands before `at` on its line. */
export const startsLine = (text: string, at: number) => /^[ \t]*$/.test(text.slice(lineStart(text, at), at));

/** Whether nothing but blanks stands after `at` on its line. */
export const endsLine = (text: string, at: number) => /^[ \t]*$/.test(text.slice(at, lineEnd(text, at)));

interface Gap {
  /** Where the comma is. */
  readonly comma: number | undefined;
  readonly comments: readonly Span[];
}

/** What stands between two nodes: at most a comma, and comments of JSONC or YAML. */
export function readGap(text: string, start: number, end: number): Gap {
  const comments: Span[] = [];
  let comma: number | undefined;
  const pieces = /,|(?:\/\/|#)[^\r\n]*|\/\*[\s\S]*?\*\//g;
  for (const match of text.slice(start, end).matchAll(pieces)) {
    const at = start + match.index;
    if (match[0] === ',') comma ??= at;
    else comments.push({ start: at, end: at + match[0].length });
  }
  return { comma, comments };
}

/** What an entry begins with: `- name: x`, `- {`, `"name": …`, `name:`, `name: {`. */
const ENTRY = /^(?:-\s+(?:\S+:|\{)|["'][^"']+["']\s*:|[\w-]+:\s*(?:\{|$))/;

/**
 * The first of the lines that belong to an entry. Comments right above belong to it, but not an entry that is commented
 * out, nor what is above that.
 * @param above where the comments right above begin, each on lines of its own, from the top
 * @param line where the entry's own first line begins
 */
export function firstOwnLine(text: string, above: readonly number[], line: number): number {
  let first = 0;
  let depth: number | undefined;
  for (const [index, start] of above.entries()) {
    const comment = text.slice(start, above[index + 1] ?? line);
    const content = comment.replace(/^\s*(?:#|\/[/*])/, '').trimEnd();
    const indent = content.search(/\S|$/);
    if (ENTRY.test(content.trim())) depth = indent;
    else if (depth !== undefined && indent <= depth && !/^[}\]]/.test(content.trim())) depth = undefined;
    if (depth !== undefined) first = index + 1;
  }
  return above[first] ?? line;
}
