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
  fallbacksOf,
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
  /** Takes some of the added out again, and leaves no trace in a file that nothing else has changed. */
  takeBack(names: readonly string[]): Promise<void>;
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

  /**
   * Reads the file, and tells the log what is wrong with it and was not at the last read, or no more. A broken one changes
   * nothing else.
   */
  async read(): Promise<LoadResult> {
    const { configFile, loadOptions, log } = this.options;
    const { enabled, names } = this.overlay;
    const result = await loadConfig(configFile, { ...loadOptions, enabled, others: alone(names) });
    const wasBroken = this.failure !== undefined;
    const known = new Set(this.found.map(formatProblem));
    const news = result.problems.filter(problem => !known.has(formatProblem(problem)));
    this.found = result.problems;
    this.failure = result.ok ? undefined : result.problems.map(formatProblem).join('\n');
    for (const problem of news) log[problem.severity](formatProblem(problem));
    if (result.ok) {
      if (wasBroken) log.info(`${configFile} can be read again`);
      this.text = result.text;
      this.run();
    } else if (this.running !== NOTHING && news.length > 0)
      log.error(`${configFile} is not in use: what was read before still runs`);
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

  /** Those that fall back to a backend, also by way of others. */
  relyingOn(name: string): readonly string[] {
    return relyingOn([name], this.running.backends);
  }

  parseEntry(entry: unknown): ParsedEntry {
    const { configFile, loadOptions } = this.options;
    const others = fallbacksIn(this.running);
    const parsed = parseConfig(JSON.stringify({ backends: [entry] }), configFile, { ...loadOptions, others });
    return parsedEntry(parsed.ok ? parsed.config.backends[0] : undefined, parsed.problems);
  }

  /** The same of several, as they are beside each other and what runs, by name. */
  private parseEntries(entries: readonly Entry[]): ReadonlyMap<string, ParsedEntry> {
    const { running, problems } = this.composed(this.overlay.enabled, entries);
    const configs = new Map(running.backends.map(config => [config.name, config]));
    const parsed = new Map(entries.map(({ name }) => [name, parsedEntry(configs.get(name), problems, name)]));
    const refused = [...parsed].flatMap(([name, { ok }]) => (ok ? [] : name));
    const usable = [...parsed.values()].flatMap(entry => (entry.ok ? entry.config : []));
    for (const name of relyingOn(refused, usable))
      parsed.set(name, { ok: false, message: 'fallback_to: the backend that it names was not added' });
    return parsed;
  }

  /** Adds entries of `backends:`, those that can be. This and the other changes reject with a UserError where none can be made. */
  async add(entries: readonly Entry[]): Promise<RevocableAddition> {
    const errors = new Map<string, string>();
    const warnings = new Map<string, readonly string[]>();
    const usable: Entry[] = [];
    for (const { name } of entries) if (this.has(name)) errors.set(name, `Backend already exists: ${name}`);
    const parsedEntries = this.parseEntries(entries.filter(({ name }) => !this.has(name)));
    for (const entry of entries) {
      const { name } = entry;
      const parsed = parsedEntries.get(name);
      if (!parsed) continue;
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
    const takeBack = (names: readonly string[]) => {
      left = left.filter(({ name }) => !names.includes(name));
      const inFile: ConfigEdit = text => {
        if (text !== written) {
          const present = backendsIn(text);
          return names.filter(name => present.has(name)).reduce((edited, name) => removeBackend(name)(edited), text);
        }
        written = addBackends(left)(before);
        return written;
      };
      return this.change(inFile, overlay => {
        for (const name of names) overlay.remove(name, named(this.inFile, name));
      });
    };
    return { added, errors, warnings: new Map([...warnings].filter(([name]) => added.includes(name))), takeBack };
  }

  /** Gives false if there is none of this name; so does `update`. One that others fall back to cannot go before them. */
  async remove(name: string): Promise<boolean> {
    if (!this.has(name)) return false;
    const [first, ...others] = this.relyingOn(name);
    if (first !== undefined) {
      const who = others.length === 0 ? `"${first}" falls` : `"${first}" and ${others.length} more fall`;
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
    if (rejected)
      throw new UserError(`"${name}" has an error, to be corrected first: ${formatProblem(rejected.problem)}`);
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
    const told = new Set(this.running.rejected.map(lineOf));
    for (const line of running.rejected.filter(({ name }) => !named(inFile, name)).map(lineOf))
      if (!told.has(line)) this.options.log.error(line);
    this.inFile = inFile;
    this.running = running;
    this.overlay.forgetAllBut(namesOf(running), namesOf(inFile));
  }

  /**
   * The file, and what was changed laid over it, as they are with backends switched on or off.
   * @param entries added to that
   */
  private composed(
    enabled: Overlay['enabled'],
    entries: readonly Entry[] = [],
  ): {
    readonly inFile: Config;
    readonly running: Config;
    /** Those of what is in no file. Their places mean nothing. */
    readonly problems: readonly Problem[];
  } {
    const parse = (text: string, others: NonNullable<LoadOptions['others']>) =>
      parseConfig(text, this.options.configFile, { ...this.options.loadOptions, enabled, others });
    const { overlay } = this;
    const file = parse(this.text, alone([...overlay.names, ...entries.map(({ name }) => name)]));
    const inFile = file.ok ? file.config : NOTHING;
    const left = overlay.leftOf(inFile);
    const beside = parse(JSON.stringify({ backends: [...overlay.addedTo(left), ...entries] }), fallbacksIn(left));
    const { backends, rejected } = beside.ok ? beside.config : NOTHING;
    const { problems } = beside;
    const reasonOf = (name: string) => messagesOf(problems, 'error', name).join('; ');
    const waiting = rejected.map(each => ({
      ...each,
      problem: { message: `added while running: ${reasonOf(each.name)}` },
    }));
    const running = {
      ...left,
      backends: [...left.backends, ...backends].map(backend => overlay.prioritised(backend)),
      rejected: [...left.rejected, ...waiting],
    };
    return { inFile, running, problems };
  }
}

function namesOf({ backends, rejected }: Config): string[] {
  return [...backends, ...rejected].map(({ name }) => name);
}

function named(config: Config, name: string): boolean {
  return namesOf(config).includes(name);
}

const lineOf = ({ name, problem }: Config['rejected'][number]) => `${name}: ${formatProblem(problem)}`;

const alone = (names: readonly string[]) => new Map(names.map(name => [name, []]));

function fallbacksIn(config: Config): ReadonlyMap<string, readonly string[]> {
  const fallbacks = config.backends.map(backend => [backend.name, fallbacksOf(backend)] as const);
  return new Map([...alone(namesOf(config)), ...fallbacks]);
}

/** Those that fall back to one of some backends, also by way of others. */
function relyingOn(targets: readonly string[], configs: readonly BackendConfig[]): readonly string[] {
  const found = new Set<string>();
  const next = [...targets];
  for (const target of next) {
    const more = configs.filter(config => !found.has(config.name) && fallbacksOf(config).includes(target));
    for (const { name } of more) found.add(name);
    next.push(...more.map(({ name }) => name));
  }
  return [...found];
}

function messagesOf(problems: readonly Problem[], wanted: Problem['severity'], about?: string): string[] {
  const found = problems.filter(
    ({ severity, backend }) => severity === wanted && (about === undefined || backend === about),
  );
  return found.map(({ message }) => message);
}

/** @param name of the entry, where the problems are not of it alone */
function parsedEntry(config: BackendConfig | undefined, problems: readonly Problem[], name?: string): ParsedEntry {
  if (config) return { ok: true, config, warnings: messagesOf(problems, 'warning', name) };
  // A name with a variable in it becomes another one, which is what the problems are then about.
  const unnamed = 'the name must have only letters, digits, "-" and "_"';
  return { ok: false, message: messagesOf(problems, 'error', name).join('\n') || unnamed };
}
