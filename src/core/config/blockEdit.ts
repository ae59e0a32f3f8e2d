// Edits of YAML written without braces: whole lines come and go.
import { Document, isScalar, isSeq, visit } from 'yaml';
import type { ListNode, MapEntry, MapNode } from './document.ts';
import {
  eolOf,
  firstOwnLine,
  indentAt,
  isBlankLine,
  type KeyAndValue,
  lineStart,
  nextLine,
  type Splice,
  startsLine,
} from './lines.ts';
import type { Span } from './problem.ts';

/** Adds items, or keys with their values, behind the last one of a list or map that is not empty. */
export function appendToBlock(text: string, container: ListNode | MapNode, entries: readonly KeyAndValue[]): Splice[] {
  const children = childrenOf(text, container);
  const last = children.at(-1);
  if (!last) return [];
  const column = columnOf(text, last);
  const previous = children.at(-2);
  const isSpaced = previous !== undefined && isBlankLine(text, firstLine(text, last, previous) - 1);
  const at = belowComments(text, nextLine(text, lastCharacter(text, last)), column + 1);
  const unit = unitOf(text, container);
  const lines = entries.flatMap(([key, value]) => {
    const rendered = render(container.kind === 'list' ? [value] : { [key]: value }, column, unit);
    return isSpaced ? ['', ...rendered] : rendered;
  });
  return [insertLines(text, at, lines)];
}

/** Gives a top key without content, or with empty brackets, its first item or first key and value. */
export function fillBlock(text: string, { keySpan, value: empty }: MapEntry, content: object): Splice[] {
  const column = columnOf(text, keySpan);
  const hasBrackets = empty.end > empty.start;
  const below = nextLine(text, hasBrackets ? empty.end : keySpan.end);
  const at = belowComments(text, below, column + 1);
  const lines = render(content, column + 2, 2);
  // Comments that were there before are not about it, so it does not touch them.
  const added = insertLines(text, at, at > below ? ['', ...lines] : lines);
  const colon = text.indexOf(':', keySpan.end) + 1;
  return hasBrackets ? [{ start: colon, end: empty.end, text: '' }, added] : [added];
}

/** Adds a top key at the end of the text. */
export function appendTopKey(text: string, key: string, content: object): Splice[] {
  return [insertLines(text, text.length, render({ [key]: content }, 0, 2))];
}

/**
 * Takes out an item or key with the comments that are about it: those right above, and deeper ones right below.
 * @param holder the top key of the container, which keeps comments, or else empty brackets, when its last child goes
 */
export function removeFromBlock(
  text: string,
  container: ListNode | MapNode,
  index: number,
  holder?: MapEntry,
): Splice[] {
  const children = childrenOf(text, container);
  const child = children[index];
  if (!child) return [];
  const column = columnOf(text, child);
  const below = nextLine(text, lastCharacter(text, child));
  // A key right behind the dash of its item: the next one moves up to the dash.
  if (!startsLine(text, child.start)) {
    return [{ start: child.start, end: below + indentAt(text, below).length, text: '' }];
  }
  const previous = children[index - 1];
  let start = firstLine(text, child, previous);
  const isLast = children.length === 1 && holder !== undefined;
  const hasCommentsAbove = isLast && text.slice(nextLine(text, holder.keySpan.end), start).trim() !== '';
  if ((previous || hasCommentsAbove) && isBlankLine(text, start - 1)) start = lineStart(text, start - 1);
  const end = belowComments(text, below, column + 1);
  // A text that ended without a line end still does.
  if (end === text.length && !text.endsWith('\n')) start = Math.max(0, start - eolOf(text).length);
  const removed = { start, end, text: '' };
  if (!isLast || hasCommentsAbove) return [removed];
  const colon = text.indexOf(':', holder.keySpan.end) + 1;
  return [{ start: colon, end: colon, text: container.kind === 'list' ? ' []' : ' {}' }, removed];
}

/** Items from their dash, keys from their name, both to the end of their content. */
function childrenOf(text: string, container: ListNode | MapNode): Span[] {
  if (container.kind === 'map') {
    const own = container.entries.filter(({ inherited }) => !inherited);
    return own.map(({ keySpan, value }) => ({ start: keySpan.start, end: Math.max(keySpan.end, value.end) }));
  }
  let dash = container.start;
  return container.items.map(({ end }) => {
    const item = { start: dash, end: Math.max(dash + 1, end) };
    dash = skipBlanksAndComments(text, item.end);
    return item;
  });
}

function skipBlanksAndComments(text: string, at: number): number {
  const trivia = /(?:\s|#.*)*/y;
  trivia.lastIndex = at;
  trivia.test(text);
  return trivia.lastIndex;
}

const columnOf = (text: string, { start }: Span) => start - lineStart(text, start);

/** A block scalar's span goes past the end of its last line. */
const lastCharacter = (text: string, { end }: Span) => (text[end - 1] === '\n' ? end - 1 : end);

/** Where the lines of a child begin, with the comments about it, which are not indented deeper. */
function firstLine(text: string, child: Span, previous: Span | undefined): number {
  const limit = previous ? nextLine(text, lastCharacter(text, previous)) : 0;
  const line = lineStart(text, child.start);
  const above: number[] = [];
  for (let start = line; start > limit && isCommentLine(text, start - 1); [start = 0] = above) {
    if (indentAt(text, start - 1).length > columnOf(text, child)) break;
    above.unshift(lineStart(text, start - 1));
  }
  return firstOwnLine(text, above, line);
}

/** The first line from `at` on that is not a comment of at least this indentation. */
function belowComments(text: string, at: number, indentation: number): number {
  let line = at;
  while (line < text.length && isCommentLine(text, line) && indentAt(text, line).length >= indentation) {
    line = nextLine(text, line);
  }
  return line;
}

const isCommentLine = (text: string, at: number) => text[lineStart(text, at) + indentAt(text, at).length] === '#';

/** How much deeper the keys of a child are than the child itself. */
function unitOf(text: string, container: ListNode | MapNode): number {
  const [first] = childrenOf(text, container);
  const content = container.kind === 'list' ? container.items[0] : container.entries[0]?.value;
  if (!first || content?.kind !== 'map' || content.flow || content.alias) return 2;
  const unit = columnOf(text, content) - columnOf(text, first);
  return unit > 0 ? unit : 2;
}

/** YAML lines at a column; short lists of plain values stay on one line. */
function render(content: object, column: number, indent: number): string[] {
  const document = new Document(content);
  visit(document, {
    Seq(_, list) {
      const values = list.items.map(item => (isScalar(item) ? String(item.value) : undefined));
      if (isSeq(list) && values.every(value => value !== undefined) && values.join(', ').length < 60) list.flow = true;
    },
  });
  const yaml = document.toString({ indent, lineWidth: 0, flowCollectionPadding: false });
  return yaml
    .trimEnd()
    .split('\n')
    .map(line => (line === '' ? '' : ' '.repeat(column) + line));
}

/** `at` is the start of a line, or the end of a text whose last line has no end. */
function insertLines(text: string, at: number, lines: readonly string[]): Splice {
  const eol = eolOf(text);
  const added = lines.join(eol);
  return { start: at, end: at, text: at > 0 && text[at - 1] !== '\n' ? eol + added : added + eol };
}
