import type { BackendConfig, Config } from './config/schema.ts';

/** What was changed while running and is in no file: laid over every configuration that is read. */
export class Overlay {
  private readonly added = new Map<string, BackendConfig>();
  private readonly removed = new Set<string>();
  private readonly priorities = new Map<string, number>();

  add(backend: BackendConfig): void {
    this.added.set(backend.name, backend);
    this.removed.delete(backend.name);
  }

  remove(name: string): void {
    if (!this.added.delete(name)) this.removed.add(name);
    this.priorities.delete(name);
  }

  setPriority(name: string, priority: number): void {
    this.priorities.set(name, priority);
  }

  /** The configuration as it is to run. What the file has by now is the file's. */
  over(config: Config): Config {
    const own = config.backends.filter(({ name }) => !this.removed.has(name));
    const added = [...this.added.values()].filter(({ name }) => !own.some(backend => backend.name === name));
    const backends = [...own, ...added].map(backend => ({
      ...backend,
      priority: this.priorities.get(backend.name) ?? backend.priority,
    }));
    return { ...config, backends };
  }
}
