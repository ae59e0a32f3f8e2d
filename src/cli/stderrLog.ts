import { stripVTControlCharacters } from 'node:util';
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from '../core/base/log.ts';
import { type Page, pageOf, type Style } from './terminal.ts';

export interface StderrLogOptions {
  /** `pretty`, for people: text after the time, if it is wanted, and the level. `json`: an object a line. */
  readonly format: 'pretty' | 'json';
  readonly timestamps: boolean;
}

const STYLES: Readonly<Record<LogLevel, Style>> = { debug: 'dim', info: 'green', warning: 'yellow', error: 'red' };

/** Writes lines of `lowest` and above to stderr. */
export function createStderrLog(lowest: LogLevel, { format, timestamps }: StderrLogOptions): Logger {
  // Whoever read it may be gone (EPIPE), which is no reason to stop routing; and nowhere is left to tell it.
  process.stderr.on('error', () => {});
  const page = pageOf(process.stderr);
  const writer = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return;
    const time = new Date().toISOString();
    const line =
      format === 'json'
        ? JSON.stringify({ time, level, message, ...fields })
        : `${timestamps ? `${page.paint('dim', time)} ` : ''}${prettyLine(level, message, page)}`;
    process.stderr.write(`${line}\n`);
  };
  return { debug: writer('debug'), info: writer('info'), warning: writer('warning'), error: writer('error') };
}

/** What comes from elsewhere can neither begin a line of its own, nor steer the terminal. */
function prettyLine(level: LogLevel, message: string, page: Page): string {
  const text = stripVTControlCharacters(message).replace(CONTROL, '\ufffd').replace(/\r?\n/g, '\n  ');
  return `${page.paint(STYLES[level], `${level}:`)} ${text}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\r(?!\n)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]/g;
