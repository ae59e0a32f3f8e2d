import { stripVTControlCharacters } from 'node:util';
import type { Failure } from './outcome.ts';

const KEPT = 30;
const MAX_LENGTH = 200;
/** `Error: …`, `TypeError: …`, `npm error 404 …`, `fatal: …`, `panic: …` */
const TELLING = /(?:^|\s)(?:\w*(?:error|exception)|fatal|panic)\b/i;
/** What programs add after the reason. */
const EMPTY_TALK =
  /complete log of this run|^npm error(?: \d+)?\s*$|also install from a$|tarball, folder, http url|^Node\.js v|--help|^\s*at /;

/** The last lines that a process wrote, of which one says best why it ended. */
export class LastWords {
  private lines: string[] = [];

  add(line: string): void {
    this.lines.push(line);
    if (this.lines.length > KEPT) this.lines.shift();
  }

  /** The last line that reads like an error, or else the last one; then forgets them all. Empty if there were none. */
  take(): string {
    const lines = this.lines.filter(line => line.trim() !== '' && !EMPTY_TALK.test(line));
    this.lines = [];
    return (lines.findLast(line => TELLING.test(line)) ?? lines.at(-1) ?? '').trim().slice(0, MAX_LENGTH);
  }

  /** What to say of a failure: of a process that ended, with what it said last itself. Then forgets it. */
  explain({ code, message }: Failure): string {
    const words = this.take();
    return code === 'exited' && words !== '' ? `${message}: ${words}` : message;
  }
}

/** Text of a program as a log or a terminal can show it: without colours, and without anything that moves a cursor. */
export function plainLine(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return stripVTControlCharacters(line).replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
}
