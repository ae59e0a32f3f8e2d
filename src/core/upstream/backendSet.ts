import type { BackendConfig } from '../config/schema.ts';
import { type Acquaintance, Backend } from './backend.ts';
import type { BackendPorts } from './backendPorts.ts';

/** Names of the backends that a change of configuration touched. */
export interface Difference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly updated: readonly string[];
}

/** The running backends, made equal to the configured ones by touching only what differs. */
export class BackendSet {
  private readonly ports: BackendPorts;
  private readonly kept: (config: BackendConfig) => Acquaintance | undefined;
  private members: readonly Backend[] = [];
  /** Those that were replaced or removed, until they are gone. */
  private readonly leaving = new Set<Promise<void>>();
  private isStopped = false;

  /** @param kept what a backend was when it was last there, if that is known */
  constructor(ports: BackendPorts, kept: (config: BackendConfig) => Acquaintance | undefined) {
    this.ports = ports;
    this.kept = kept;
  }

  /** In the order of the file. */
  get all(): readonly Backend[] {
    return this.members;
  }

  find(name: string): Backend | undefined {
    return this.members.find(backend => backend.name === name);
  }

  /** Starts, replaces, reconfigures and drains until the running backends are those enabled in `configs`. */
  apply(configs: readonly BackendConfig[], drainMs: number): Difference {
    if (this.isStopped) return { added: [], removed: [], updated: [] };
    const enabled = configs.filter(config => config.enabled);
    const before = new Map(this.members.map(backend => [backend.name, backend]));
    const added: string[] = [];
    const updated: string[] = [];
    this.members = enabled.map(config => {
      const present = before.get(config.name);
      if (present && same(present.config, config)) return present;
      (present ? updated : added).push(config.name);
      if (present?.reconfigure(config)) return present;
      // What it offered stays listed until the new connection tells, and who paused it has not resumed it.
      const next = new Backend(config, this.ports, present?.hasListed ? present : this.kept(config));
      if (present?.breaker.state.kind === 'held-open') next.breaker.hold();
      return next;
    });
    for (const backend of this.members) {
      backend.touch();
      if (backend.config.auto_start && backend.state.kind === 'idle') backend.start();
    }
    for (const backend of before.values()) if (!this.members.includes(backend)) this.retire(backend, drainMs);
    const removed = [...before.keys()].filter(name => !enabled.some(config => config.name === name));
    return { added, removed, updated };
  }

  /** Drains and ends all of them, for good; resolves when they are gone. */
  async stop(drainMs: number): Promise<void> {
    this.isStopped = true;
    for (const backend of this.members) this.retire(backend, drainMs);
    this.members = [];
    await Promise.all(this.leaving);
  }

  private retire(backend: Backend, drainMs: number): void {
    const gone = backend.stop(drainMs).finally(() => this.leaving.delete(gone));
    this.leaving.add(gone);
  }
}

function same(a: BackendConfig, b: BackendConfig): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
