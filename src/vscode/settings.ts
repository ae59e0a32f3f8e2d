import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import * as vscode from 'vscode';
import { MAX_SECONDS } from '../core/base/clock.ts';
import type { Disposable } from '../core/base/disposable.ts';
import { Emitter, type Event } from '../core/base/event.ts';
import { LOG_LEVELS, type LogLevel } from '../core/base/log.ts';
import type { ServerConfig } from '../core/config/schema.ts';
import type { SettingName } from './contributions.ts';

const DEFAULT_REQUEST_TIMEOUT_SECONDS = 300;
const MANAGEMENT_TOOLS = { off: 'off', readOnly: 'read_only', full: 'full' } as const;

/** The settings of the editor, as values that are always usable: what cannot be used counts as not set. */
export class Settings implements Disposable {
  private readonly changed = new Emitter();
  private readonly subscription: Disposable;
  private readonly defaultConfigFile: string;

  /** One of our settings has another value. */
  readonly onDidChange: Event<void> = this.changed.event;

  /** @param storage the folder that holds `backends.yaml` where the setting does not say otherwise */
  constructor(storage: string) {
    this.defaultConfigFile = join(storage, 'backends.yaml');
    this.subscription = vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('switchyard')) this.changed.fire();
    });
  }

  /** The first workspace folder; without one, the home directory. */
  get workspaceFolder(): string {
    return vscode.workspace.workspaceFolders?.find(folder => folder.uri.scheme === 'file')?.uri.fsPath ?? homedir();
  }

  /** Absolute. */
  get configFile(): string {
    const configured = this.read('configFile');
    if (typeof configured !== 'string' || configured.trim() === '') return this.defaultConfigFile;
    const path = configured
      .trim()
      .replace(/^~(?=$|[/\\])/, () => homedir())
      .replace(/\$\{userHome\}/g, () => homedir())
      .replace(/\$\{workspaceFolder\}/g, () => this.workspaceFolder);
    return isAbsolute(path) ? path : resolve(this.workspaceFolder, path);
  }

  /** Whether the file is our own, which need not exist; one that the setting names must. */
  get isDefaultConfigFile(): boolean {
    return this.configFile === this.defaultConfigFile;
  }

  get logLevel(): LogLevel {
    return LOG_LEVELS.find(level => level === this.read('logLevel')) ?? 'info';
  }

  /** Undefined: what the file says, which the setting's default does not replace. */
  get managementTools(): ServerConfig['management_tools'] | undefined {
    const configured = this.section.inspect('managementTools' satisfies SettingName)?.globalValue;
    return Object.entries(MANAGEMENT_TOOLS).find(([name]) => name === configured)?.[1];
  }

  get requestTimeoutSeconds(): number {
    const configured = this.read('requestTimeoutSeconds');
    const isUsable = typeof configured === 'number' && configured > 0 && configured <= MAX_SECONDS;
    return isUsable ? configured : DEFAULT_REQUEST_TIMEOUT_SECONDS;
  }

  dispose(): void {
    this.subscription.dispose();
  }

  private read(name: SettingName): unknown {
    return this.section.get(name);
  }

  private get section(): vscode.WorkspaceConfiguration {
    return vscode.workspace.getConfiguration('switchyard');
  }
}
