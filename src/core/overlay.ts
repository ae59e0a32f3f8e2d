import type { Entry } from './config/entry.ts';
import type { BackendConfig, Config } from './config/schema.ts';
import type { BackendChanges } from './downstream/managementTools.ts';

/** What was changed while running and is in no file: laid over every configuration that is read. */
export class Overlay {
  private readonly added = new Map<string, Entry>();
  private readonly removed = new Set<string>();
  private readonly priorities = new Map<string, number>();
  private readonly switched = new Map<string, boolean>();

  /** Backends that are switched on or off whatever their entry says. */
  get enabled(): ReadonlyMap<string, boolean> {
    return this.switched;
  }

  /** Backends that are in no file. */
  get names(): readonly string[] {
    return [...this.added.keys()];
  }

  add(entry: Entry): void {
    this.added.set(entry.name, entry);
  }

  /** @param isInFile whether the file has one of that name, which is not to be seen any more */
  remove(name: string, isInFile: boolean): void {
    this.added.delete(name);
    if (isInFile) this.removed.add(name);
    this.priorities.delete(name);
    this.switched.delete(name);
  }

  change(name: string, { priority, enabled }: BackendChanges): void {
    if (priority !== undefined) this.priorities.set(name, priority);
    if (enabled !== undefined) this.switched.set(name, enabled);
  }

  /** What is left of the configuration of the file, read with what is `enabled` here. What it has by now is the file's. */
  leftOf(config: Config): Config {
    const isLeft = ({ name }: { readonly name: string }) => !this.removed.has(name);
    const { backends, rejected } = config;
    return { ...config, backends: backends.filter(isLeft), rejected: rejected.filter(isLeft) };
  }

  /** The entries that were added beside that. */
  addedTo({ backends, rejected }: Config): readonly Entry[] {
    const taken = new Set([...backends, ...rejected].map(({ name }) => name));
    return [...this.added.values()].filter(({ name }) => !taken.has(name));
  }

  /**
   * Forgets what was said of backends that are gone: when one of that name comes back, that is another.
   * @param running the names of what runs
   * @param inFile the names in the file
   */
  forgetAllBut(running: readonly string[], inFile: readonly string[]): void {
    for (const name of this.removed) if (!inFile.includes(name)) this.removed.delete(name);
    for (const changed of [this.priorities, this.switched])
      for (const name of changed.keys()) if (!running.includes(name)) changed.delete(name);
  }

  /** With the priority that it was given while running. */
  prioritised(backend: BackendConfig): BackendConfig {
    return { ...backend, priority: this.priorities.get(backend.name) ?? backend.priority };
  }
}
