export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line is about, for those who search in logs; its text says it too. */
export type LogFields = Readonly<Record<string, string | number | undefined>>;

/** Takes one line of text at a level; a face decides where it goes, and whether fields do. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warning(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
