import { LOG_LEVELS, type Logger, type LogLevel } from '../core/base/log.ts';

/** Writes lines of `lowest` and above to stderr, with the level before them. */
export function createStderrLog(lowest: LogLevel, { timestamps }: { readonly timestamps: boolean }): Logger {
  const writer = (level: LogLevel) => (message: string) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return;
    process.stderr.write(`${timestamps ? `${new Date().toISOString()} ` : ''}${level}: ${message}\n`);
  };
  return { debug: writer('debug'), info: writer('info'), warning: writer('warning'), error: writer('error') };
}
