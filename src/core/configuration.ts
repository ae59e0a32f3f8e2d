import type { Clock } from './base/clock.ts';
import type { Disposable } from './base/disposable.ts';
import { UserError } from './base/errors.ts';
import type { Logger } from './base/log.ts';
import { addBackend, type ConfigEdit, editConfigFile, removeBackend, setBackendKey } from './config/edit.ts';
import {
  formatProblem,
  type LoadOptions,
  type LoadResult,
  loadConfig,
  type Problem,
  parseConfig,
} from './config/load.ts';
import { type BackendConfig, type Config, routingSchema, serverSchema } from './config/schema.ts';
import { watchConfig } from './config/watch.ts';
import { Overlay } from './overlay.ts';

export interface ConfigurationOptions {
  /** Absolute path. */
  readonly configFile: string;
  /** Whether what is changed while running is written to the file; else it lasts until the end of the run. */
  readonly persist?: boolean;
  readonly loadOptions: LoadOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What an entry of `backends:` is, or why it cannot be used. */
export type ParsedEntry =
  | { readonly ok: true; readonly config: BackendConfig }
  | { readonly ok: false; readonly message: string };

const NOTHING: Config = {
  backends: [],
  rejected: [],
  routing: routingSchema.parse({}),
  server: serverSchema.parse({}),
};

/** The configuration that runs: what the file says, with what was changed while running. */
export class Configuration {
  private readonly options: ConfigurationOptions;
  private readonly overlay = new Overlay();
  private inFile = NOTHING;
  private running = NOTHING;
  private found: readonly Problem[] = [];
  private failure: string | undefined;

  constructor(options: ConfigurationOptions) {
    this.options = options;
  }

  /** As it is to run; that of the last good file. */
  get current(): Config {
    return this.running;
  }

  /** What the last read of the file found, errors and warnings. */
  get problems(): readonly Problem[] {
    return this.found;
  }

  /** Set when the last read failed as a whole. */
  get error(): string | undefined {
    return this.failure;
  }

  /** Reads the file, and tells the log what is wrong with it. A broken one changes nothing else. */
  async read(): Promise<LoadResult> {
    const { configFile, loadOptions, log } = this.options;
    const result = await loadConfig(configFile, loadOptions);
    this.found = result.problems;
    this.failure = result.ok ? undefined : result.problems.map(formatProblem).join('\n');
    for (const problem of result.problems) log[problem.severity](formatProblem(problem));
    if (result.ok) {
      this.inFile = result.config;
      this.running = this.overlay.over(this.inFile);
    }
    return result;
  }

  watch(onChange: () => void): Disposable {
    return watchConfig(this.options.configFile, this.options.clock, onChange);
  }

  parseEntry(entry: unknown): ParsedEntry {
    const { configFile, loadOptions } = this.options;
    const parsed = parseConfig(JSON.stringify({ backends: [entry] }), configFile, loadOptions);
    const config = parsed.ok ? parsed.config.backends[0] : undefined;
    if (config) return { ok: true, config };
    return { ok: false, message: parsed.problems.map(({ message }) => message).join('\n') };
  }

  /** Adds an entry of `backends:`. This and the other changes reject with a UserError where they cannot be made. */
  async add(entry: Record<string, unknown> & { readonly name: string }): Promise<void> {
    await this.change(addBackend(entry), overlay => {
      const parsed = this.parseEntry(entry);
      if (!parsed.ok) throw new UserError(parsed.message);
      overlay.add(parsed.config);
    });
  }

  async remove(name: string): Promise<void> {
    await this.change(removeBackend(name), overlay => overlay.remove(name));
  }

  async setPriority(name: string, priority: number): Promise<void> {
    await this.change(setBackendKey(name, 'priority', priority), overlay => overlay.setPriority(name, priority));
  }

  private async change(inFile: ConfigEdit, forThisRun: (overlay: Overlay) => void): Promise<void> {
    if (this.options.persist) {
      await editConfigFile(this.options.configFile, inFile);
      await this.read();
    } else {
      forThisRun(this.overlay);
      this.running = this.overlay.over(this.inFile);
    }
  }
}
