import * as vscode from 'vscode';
import { messageOf, UserError } from '../core/base/errors.ts';
import { LOG_LEVELS, type Logger, type LogLevel } from '../core/base/log.ts';

/** The router's log: the output channel `Switchyard`, from the level of the setting on. */
export class OutputLog implements Logger {
  private readonly level: () => LogLevel;
  private readonly channel = vscode.window.createOutputChannel('Switchyard', { log: true });

  constructor(level: () => LogLevel) {
    this.level = level;
  }

  debug(message: string): void {
    if (!this.admits('debug')) return;
    // Only the editor sets the channel's own level; what our setting asks for is shown all the same.
    if (this.channel.logLevel <= vscode.LogLevel.Debug) this.channel.debug(message);
    else this.channel.info(`[debug] ${message}`);
  }

  info(message: string): void {
    if (this.admits('info')) this.channel.info(message);
  }

  warning(message: string): void {
    if (this.admits('warning')) this.channel.warn(message);
  }

  error(message: string): void {
    this.channel.error(message);
  }

  /** Tells the person, and the log: the message alone of what they can act on, all of anything else. */
  report(error: unknown): void {
    const isExpected = error instanceof UserError;
    this.error(isExpected || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message));
    void vscode.window.showErrorMessage(messageOf(error), ...(isExpected ? [] : ['Show Log'])).then(choice => {
      if (choice) this.show();
    });
  }

  show(): void {
    this.channel.show(true);
  }

  dispose(): void {
    this.channel.dispose();
  }

  private admits(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.level());
  }
}
