import type { Clock } from './base/clock.ts';
import type { Disposable } from './base/disposable.ts';
import { UserError } from './base/errors.ts';
import type { Logger } from './base/log.ts';
import {
  addBackends,
  backendsIn,
  type ConfigEdit,
  editConfigFile,
  removeBackend,
  setBackendKey,
} from './config/edit.ts';
import { type Entry, knownPart } from './config/entry.ts';
import {
  formatProblem,
  type LoadOptions,
  type LoadResult,
  loadConfig,
  MAX_FILE_BYTES,
  type Problem,
  parseConfig,
} from './config/load.ts';
import { type BackendConfig, type Config, routingSchema, serverSchema } from './config/schema.ts';
import { watchConfig } from './config/watch.ts';
import type { BackendChanges } from './downstream/managementTools.ts';
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
  | { readonly ok: true; readonly config: BackendConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly message: string };

/** What became of entries that were to be added, by name. */
export interface Addition {
  readonly added: readonly string[];
  /** Why others were not. */
  readonly errors: Map<string, string>;
  /** What is ignored of those that were. */
  readonly warnings: ReadonlyMap<string, readonly string[]>;
}

/** One that can be undone for each of the added. */
export interface RevocableAddition extends Addition {
  /** Takes one of the added out again, and leaves no trace in a file that nothing else has changed. */
  takeBack(name: string): Promise<void>;
}

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
  /** Of the last good file. */
  private text = 'backends: []';
  private inFile = NOTHING;
  private running = NOTHING;
  private found: readonly Problem[] = [];
  private failure: string | undefined;
  private readonly onRead: () => void;

  /** @param onRead what the last read found may have changed, also where that is nothing that can run */
  constructor(options: ConfigurationOptions, onRead: () => void) {
    this.options = options;
    this.onRead = onRead;
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

  /** Reads the file, and tells the log what is wrong with it, or no more. A broken one changes nothing else. */
  async read(): Promise<LoadResult> {
    const { configFile, loadOptions, log } = this.options;
    const { enabled, names: others } = this.overlay;
    const result = await loadConfig(configFile, { ...loadOptions, enabled, others });
    const wasBroken = this.failure !== undefined;
    this.found = result.problems;
    this.failure = result.ok ? undefined : result.problems.map(formatProblem).join('\n');
    for (const problem of result.problems) log[problem.severity](formatProblem(problem));
    if (result.ok) {
      if (wasBroken) log.info(`${configFile} can be read again`);
      this.text = result.text;
      this.run();
    } else if (this.running !== NOTHING) log.error(`${configFile} is not in use: what was read before still runs`);
    this.onRead();
    return result;
  }

  watch(onChange: () => void): Disposable {
    return watchConfig(this.options.configFile, this.options.clock, onChange);
  }

  /** Whether there is a backend of this name, one that cannot run included. */
  has(name: string): boolean {
    return named(this.running, name);
  }

  parseEntry(entry: unknown): ParsedEntry {
    const { configFile, loadOptions } = this.options;
    const others = namesOf(this.running);
    const parsed = parseConfig(JSON.stringify({ backends: [entry] }), configFile, { ...loadOptions, others });
    const messages = (severity: Problem['severity']) =>
      parsed.problems.filter(problem => problem.severity === severity).map(({ message }) => message);
    const config = parsed.ok ? parsed.config.backends[0] : undefined;
    if (config) return { ok: true, config, warnings: messages('warning') };
    return { ok: false, message: messages('error').join('\n') };
  }

  /** Adds entries of `backends:`, those that can be. This and the other changes reject with a UserError where none can be made. */
  async add(entries: readonly Entry[]): Promise<RevocableAddition> {
    const errors = new Map<string, string>();
    const warnings = new Map<string, readonly string[]>();
    const usable: Entry[] = [];
    for (const entry of entries) {
      const { name } = entry;
      const parsed = this.has(name)
        ? { ok: false as const, message: `Backend already exists: ${name}` }
        : this.parseEntry(entry);
      if (!parsed.ok) {
        errors.set(name, parsed.message);
        continue;
      }
      usable.push(knownPart(entry));
      if (parsed.warnings.length > 0) warnings.set(name, parsed.warnings);
    }
    let left: readonly Entry[] = [];
    let [before, written] = ['', ''];
    if (usable.length > 0) {
      const inFile: ConfigEdit = text => {
        // Another may have been written there since it was read.
        const taken = backendsIn(text);
        for (const { name } of usable) if (taken.has(name)) errors.set(name, `Backend already exists: ${name}`);
        left = usable.filter(({ name }) => !taken.has(name));
        before = text;
        written = addBackends(left)(text);
        return written;
      };
      await this.change(inFile, overlay => {
        for (const entry of usable) overlay.add(entry);
      });
    }
    const added = usable.map(({ name }) => name).filter(name => !errors.has(name));
    const takeBack = (taken: string) => {
      left = left.filter(({ name }) => name !== taken);
      const inFile: ConfigEdit = text => {
        if (text !== written) return removeBackend(taken)(text);
        written = addBackends(left)(before);
        return written;
      };
      return this.change(inFile, overlay => overlay.remove(taken, named(this.inFile, taken)));
    };
    return { added, errors, warnings: new Map([...warnings].filter(([name]) => added.includes(name))), takeBack };
  }

  /** Gives false if there is none of this name; so does `update`. One that others fall back to cannot go before them. */
  async remove(name: string): Promise<boolean> {
    if (!this.has(name)) return false;
    const [first, ...others] = this.running.backends.filter(config => fallbacksOf(config).includes(name));
    if (first) {
      const who = others.length === 0 ? `"${first.name}" falls` : `"${first.name}" and ${others.length} more fall`;
      throw new UserError(`${who} back to "${name}": change that first`);
    }
    await this.change(removeBackend(name), overlay => overlay.remove(name, named(this.inFile, name)));
    return true;
  }

  async update(name: string, changes: BackendChanges): Promise<boolean> {
    const { priority, enabled } = changes;
    if (!this.has(name)) return false;
    // What is switched on may lack what nobody asked of it before.
    const switched = enabled === undefined ? [] : [[name, enabled] as const];
    const { running } = this.composed(new Map([...this.overlay.enabled, ...switched]));
    const rejected = running.rejected.find(each => each.name === name);
    if (rejected) throw new UserError(`"${name}" has an error, to be corrected first: ${rejected.message}`);
    const edits = [
      ...(priority === undefined ? [] : [setBackendKey(name, 'priority', priority)]),
      ...(enabled === undefined ? [] : [setBackendKey(name, 'enabled', enabled)]),
    ];
    await this.change(
      text => edits.reduce((edited, edit) => edit(edited), text),
      overlay => overlay.change(name, changes),
    );
    return true;
  }

  private async change(inFile: ConfigEdit, forThisRun: (overlay: Overlay) => void): Promise<void> {
    if (this.options.persist) {
      // It may be empty, gone or half written for the moment that an editor takes to save it.
      await editConfigFile(this.options.configFile, text => this.usable(inFile(this.usable(text))), 'is refused');
      const read = await this.read();
      if (!read.ok) throw new UserError(`The file was changed, and then broken by something else: ${this.failure}`);
    } else {
      forThisRun(this.overlay);
      this.run();
    }
  }

  /** A text of the file, if it can be run. Throws a `UserError` otherwise. */
  private usable(text: string): string {
    const { configFile, loadOptions } = this.options;
    if (Buffer.byteLength(text) > MAX_FILE_BYTES) throw new UserError('It would be larger than 1 MiB.');
    const parsed = parseConfig(text, configFile, loadOptions);
    if (parsed.ok) return text;
    const reasons = parsed.problems.filter(({ severity }) => severity === 'error').map(formatProblem);
    throw new UserError(`It has an error; correct it, or try again once it is saved: ${reasons.join('\n')}`);
  }

  private run(): void {
    const { inFile, running } = this.composed(this.overlay.enabled);
    this.inFile = inFile;
    this.running = running;
    this.overlay.forgetAllBut(namesOf(running), namesOf(inFile));
  }

  /** The file, and what was changed laid over it, as they are with backends switched on or off. */
  private composed(enabled: Overlay['enabled']): { readonly inFile: Config; readonly running: Config } {
    const parse = (text: string, others: readonly string[]) => {
      const parsed = parseConfig(text, this.options.configFile, { ...this.options.loadOptions, enabled, others });
      return parsed.ok ? parsed.config : NOTHING;
    };
    const inFile = parse(this.text, this.overlay.names);
    const running = this.overlay.over(inFile, entries =>
      parse(JSON.stringify({ backends: entries }), [...namesOf(inFile), ...this.overlay.names]),
    );
    return { inFile, running };
  }
}

function namesOf({ backends, rejected }: Config): string[] {
  return [...backends, ...rejected].map(({ name }) => name);
}

function named(config: Config, name: string): boolean {
  return namesOf(config).includes(name);
}

function fallbacksOf({ routes }: BackendConfig): string[] {
  return routes.flatMap(({ fallback_to }) => fallback_to ?? []);
}
