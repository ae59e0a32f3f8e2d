import { deferred } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import { type Disposable, DisposableStore } from './base/disposable.ts';
import type { Config } from './config/schema.ts';
import { withManagementTools } from './downstream/managementTools.ts';
import { type Digests, digestsOf, ListFeed } from './listFeed.ts';
import { buildCatalog, type Catalog } from './router/catalog.ts';
import type { Backend } from './upstream/backend.ts';

/** A first list waits this long for backends that have neither answered nor failed. */
const FIRST_LIST_MS = 1000;

export interface LiveCatalogPorts {
  readonly clock: Clock;
  config(): Config;
  backends(): readonly Backend[];
  /** Sends a notification without parameters to all clients. */
  broadcast(method: string): void;
}

/** What clients are offered just now: made anew when it is asked for after a change, which they are told of. */
export class LiveCatalog implements Disposable {
  private readonly ports: LiveCatalogPorts;
  private readonly feed: ListFeed;
  private readonly disposables = new DisposableStore();
  private merged: Catalog | undefined;
  private exposed: Catalog | undefined;
  private hashes: Digests | undefined;
  private firstLists: Promise<unknown> = Promise.resolve();

  constructor(ports: LiveCatalogPorts) {
    this.ports = ports;
    this.feed = this.disposables.add(new ListFeed(ports.clock, () => this.digests, ports.broadcast));
  }

  /** What all backends offer. */
  get ofBackends(): Catalog {
    this.merged ??= buildCatalog(this.ports.backends(), this.ports.config().routing);
    return this.merged;
  }

  /** As clients see it: with the management tools. */
  get forClients(): Catalog {
    this.exposed ??= withManagementTools(this.ofBackends, this.ports.config().server.management_tools);
    return this.exposed;
  }

  /** Hashes of everything that clients see. */
  get digests(): Digests {
    this.hashes ??= digestsOf(this.forClients);
    return this.hashes;
  }

  /** From now on first lists wait for the backends that have never told what they have, but not for long. */
  begin(): void {
    const patience = deferred();
    const timer = this.disposables.add(this.ports.clock.schedule(FIRST_LIST_MS, patience.resolve));
    const unknown = this.ports.backends().filter(({ config, hasListed }) => config.auto_start && !hasListed);
    const known = Promise.all(unknown.map(backend => backend.whenSettled()));
    this.firstLists = Promise.race([known.finally(() => timer.dispose()), patience.promise]);
  }

  /** What to list. */
  async whenBegun(): Promise<Catalog> {
    await this.firstLists;
    return this.forClients;
  }

  /** The backends, what they offer, or the configuration changed. */
  changed(): void {
    this.merged = undefined;
    this.exposed = undefined;
    this.hashes = undefined;
    this.feed.changed();
  }

  dispose(): void {
    this.disposables.dispose();
  }
}
