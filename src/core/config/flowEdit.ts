// Edits between brackets and braces: JSON, JSON with comments, and YAML's flow style.
import type { ListNode, MapNode } from './document.ts';
import {
  endsLine,
  eolOf,
  firstOwnLine,
  indentAt,
  isBlankLine,
  type KeyAndValue,
  lineStart,
  nextLine,
  readGap,
  type Splice,
  startsLine,
} from './lines.ts';
import type { Span } from './problem.ts';

/** Adds items, or keys with their values, behind the last one. */
export function appendToFlow(text: string, container: ListNode | MapNode, entries: readonly KeyAndValue[]): Splice[] {
  const children = childrenOf(container);
  const inner = { start: container.start + 1, end: container.end - 1 };
  const [first, last] = [children[0], children.at(-1)];
  const isOnLines = text.slice(first ? inner.start : 0, first?.start ?? text.length).includes('\n');
  const colon = isOnLines || /[:,]\s/.test(text.slice(0, inner.end)) ? ': ' : ':';
  const prefix = (key: string) => (container.kind === 'list' ? '' : keyLike(text, first, key) + colon);

  if (!isOnLines) {
    const space = colon === ': ' ? ' ' : '';
    const added = entries.map(([key, value]) => prefix(key) + renderInline(value, colon === ': ')).join(`,${space}`);
    if (!last) return [{ start: inner.start, end: inner.start, text: added }];
    const { comma } = readGap(text, last.end, inner.end);
    return comma === undefined
      ? [{ start: last.end, end: last.end, text: `,${space}${added}` }]
      : [{ start: comma + 1, end: comma + 1, text: `${space}${added},` }];
  }

  const outer = indentAt(text, container.start);
  const indent = first ? indentAt(text, first.start) : outer + unitOf(text);
  const eol = eolOf(text);
  const unit = unitOf(text);
  const added = entries
    .map(
      ([key, value]) => eol + indent + prefix(key) + JSON.stringify(value, null, unit).replaceAll('\n', eol + indent),
    )
    .join(',');
  if (!last) {
    const comment = readGap(text, inner.start, inner.end).comments.at(-1);
    // Comments that were there before are not about it, so it does not touch them.
    return comment
      ? [{ start: comment.end, end: comment.end, text: eol + added }]
      : [{ ...inner, text: added + eol + outer }];
  }
  const { comma, comments } = readGap(text, last.end, inner.end);
  const tail = tailOf(text, last.end, comma, comments);
  const separator = { start: last.end, end: last.end, text: comma === undefined ? ',' : '' };
  return [separator, { start: tail, end: tail, text: comma === undefined ? added : `${added},` }];
}

/** Takes out an item or key, its comma, and the comments that are about it: on its own lines, and right above. */
export function removeFromFlow(text: string, container: ListNode | MapNode, index: number): Splice[] {
  const children = childrenOf(container);
  const child = children[index];
  if (!child) return [];
  const inner = { start: container.start + 1, end: container.end - 1 };
  const next = children[index + 1];
  const before = readGap(text, children[index - 1]?.end ?? inner.start, child.start);
  const after = readGap(text, child.end, next?.start ?? inner.end);
  const hasComments = before.comments.length > 0 || after.comments.length > 0;
  if (children.length === 1 && !hasComments) return [{ ...inner, text: '' }];

  // Without a comma of its own, the last one leaves that of the one before it too many.
  const orphan = next || after.comma !== undefined ? undefined : before.comma;
  const comma = orphan === undefined ? [] : [{ start: orphan, end: orphan + 1, text: '' }];
  const tail = tailOf(text, child.end, after.comma, after.comments);
  if (startsLine(text, child.start) && endsLine(text, tail)) {
    const first = firstLine(text, child, before.comments);
    const start = children.length === 1 && isBlankLine(text, first - 1) ? lineStart(text, first - 1) : first;
    return [...comma, { start, end: nextLine(text, tail), text: '' }];
  }
  if (next) {
    const end = after.comments.length === 0 ? next.start : (after.comma ?? child.end - 1) + 1;
    return [{ start: child.start, end, text: '' }];
  }
  if (before.comma !== undefined && before.comments.length === 0) {
    return [{ start: before.comma, end: child.end, text: '' }];
  }
  return [...comma, { start: child.start, end: child.end, text: '' }];
}

function childrenOf(container: ListNode | MapNode): Span[] {
  if (container.kind === 'list') return [...container.items];
  const own = container.entries.filter(({ inherited }) => !inherited);
  return own.map(({ keySpan, value }) => ({ start: keySpan.start, end: Math.max(keySpan.end, value.end) }));
}

/** Past the comma of a child and the comment behind it on the same line. */
function tailOf(text: string, end: number, comma: number | undefined, comments: readonly Span[]): number {
  let tail = comma === undefined ? end : comma + 1;
  for (const comment of comments) {
    if (!text.slice(tail, comment.start).includes('\n')) tail = Math.max(tail, comment.end);
  }
  return tail;
}

/** Where the lines of a child begin, with the comments about it, on the lines right above. */
function firstLine(text: string, child: Span, comments: readonly Span[]): number {
  const line = lineStart(text, child.start);
  const above: number[] = [];
  for (const comment of comments.toReversed()) {
    if (nextLine(text, comment.end) !== (above[0] ?? line) || !startsLine(text, comment.start)) break;
    above.unshift(lineStart(text, comment.start));
  }
  return firstOwnLine(text, above, line);
}

/** A key, with quotes where its neighbour has them or it cannot do without. JSON has them everywhere. */
function keyLike(text: string, neighbour: Span | undefined, key: string): string {
  const isPlain = neighbour !== undefined && /\w/.test(text[neighbour.start] ?? '');
  return isPlain && /^[A-Za-z][\w-]*$/.test(key) ? key : JSON.stringify(key);
}

/** One step of indentation, as the text has it. */
const unitOf = (text: string) => /^(?:\t| +)(?=\S)/m.exec(text)?.[0] ?? '  ';

function renderInline(value: unknown, isSpaced: boolean): string {
  return isSpaced ? JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ') : JSON.stringify(value);
}
