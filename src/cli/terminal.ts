// What the person sees: colours and widths on a terminal, plain text of any length in a pipe.
import { WriteStream } from 'node:tty';
import { inspect } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** Where a text is going to be shown. */
export interface Page {
  /** In characters; undefined where lines may have any length. */
  readonly width: number | undefined;
  /** The text in a colour, where there are any. NO_COLOR and FORCE_COLOR are respected. */
  paint(style: Style, text: string): string;
}

/** A pipe or a file. */
export const PLAIN: Page = { width: undefined, paint: (_, text) => text };

export function pageOf(stream: NodeJS.WriteStream): Page {
  return {
    width: stream.isTTY ? stream.columns : undefined,
    paint: hasColours(stream) ? colour : (_, text) => text,
  };
}

/** A terminal has, unless NO_COLOR says otherwise; FORCE_COLOR gives them to a pipe too. */
function hasColours(stream: NodeJS.WriteStream): boolean {
  const { getColorDepth } = WriteStream.prototype;
  return (stream.isTTY || process.env.FORCE_COLOR !== undefined) && getColorDepth.call(stream) > 1;
}

function colour(style: Style, text: string): string {
  const [begin, end] = inspect.colors[style] ?? [0, 0];
  return `\x1b[${begin}m${text}\x1b[${end}m`;
}

/** One line on stderr that is written again and again; nothing at all where stderr is no terminal. */
export class ProgressLine {
  private readonly stream = process.stderr;

  show(text: string): void {
    if (!this.stream.isTTY) return;
    this.stream.write(`\r${cut(text, this.stream.columns - 1)}\x1b[K`);
  }

  clear(): void {
    if (this.stream.isTTY) this.stream.write('\r\x1b[K');
  }
}

export interface Cell {
  readonly text: string;
  readonly style: Style;
}

/**
 * Rows under their titles, with columns as wide as their widest cell; columns of numbers are aligned to the right. The last
 * column may be long: on a terminal it is wrapped, below its row where little room is left beside it.
 */
export function table(titles: readonly string[], rows: readonly (readonly (string | Cell)[])[], page: Page): string {
  const lines = rows.map(row => row.map(cell => (typeof cell === 'string' ? { text: cell, style: undefined } : cell)));
  const fixed = titles.slice(0, -1).map((title, column) => {
    const cells = lines.map(line => line[column]?.text ?? '');
    const isNumeric = cells.every(cell => /^(\d[\d.]*( m?s)?|-)$/.test(cell));
    const width = Math.max(title.length, ...cells.map(cell => cell.length));
    return (cell: string) => (isNumeric ? cell.padStart(width) : cell.padEnd(width));
  });
  const used = fixed.reduce((sum, pad) => sum + pad('').length + GAP.length, 0);
  const room = (page.width ?? Number.POSITIVE_INFINITY) - used;
  const longest = Math.max(0, ...lines.map(line => line[fixed.length]?.text.length ?? 0));
  const isBeside = room >= Math.min(MIN_ROOM, longest);
  const heading = titles.map(text => ({ text, style: 'bold' as const }));
  const row = (cells: readonly { readonly text: string; readonly style: Style | undefined }[]): string => {
    const painted = (index: number, text: string) => {
      const style = cells[index]?.style;
      return style === undefined || text === '' ? text : page.paint(style, text);
    };
    const start = fixed.map((pad, index) => painted(index, pad(cells[index]?.text ?? ''))).join(GAP);
    const long = cells[fixed.length]?.text ?? '';
    const indent = ' '.repeat(isBeside ? used : 4);
    const [first = '', ...more] = wrap(long, isBeside ? room : (page.width ?? 80) - indent.length);
    const isTitle = cells === heading;
    const below = isBeside ? more : long === '' || isTitle ? [] : [first, ...more];
    return [
      (isBeside ? start + GAP + painted(fixed.length, first) : start).trimEnd(),
      ...below.map(line => indent + painted(fixed.length, line)),
    ].join('\n');
  };
  return [heading, ...lines].map(row).join('\n');
}

const GAP = '  ';
/** Below that, a wrapped column is a ladder of single words. */
const MIN_ROOM = 32;

/** Lines of at most `width` characters, broken at blanks, or at the colons of a path, where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    while (line.length > width) {
      const end = line.lastIndexOf(':', width - 1) + 1 || width;
      lines.push(line.slice(0, end));
      line = line.slice(end);
    }
  }
  return [...lines, line];
}

/** The text in one line, shortened where it is too long. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
