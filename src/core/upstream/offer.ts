import { deferred, NEVER } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import type { Connection, RequestOptions } from './connection.ts';
import { ALL_LISTS, type ListKind, type Lists, NO_LISTS, readLists } from './lists.ts';

const FIRST_GAP_MS = 50;
const LONGEST_GAP_MS = 2000;
/** Lists that hold for less are read as often as this: a backend is not to be kept busy by them. */
const SHORTEST_TTL_MS = 5000;

export interface OfferPorts {
  readonly clock: Clock;
  /** Longest age of a list, in milliseconds. */
  listTtlMs(): number;
  /** Timeouts of one page. */
  timeouts(): Omit<RequestOptions, 'signal'>;
  onChange(): void;
  /** Something that the log of the backend should say. */
  onLine(line: string): void;
}

/** What a backend offers: read anew when it says so or when it gets old, and kept while the backend is away. */
export class Offer {
  private readonly ports: OfferPorts;
  private known: Lists | undefined;
  private connection: Connection | undefined;
  private readonly stale = new Set<ListKind>();
  private isReading = false;
  /** When the lists were read, and for how long the backend says that they hold, in milliseconds. */
  private read = { at: 0, ttlMs: Number.POSITIVE_INFINITY };
  private ageing: Disposable | undefined;

  /** @param kept what it offered when it was last there, if that is known */
  constructor(ports: OfferPorts, kept: Lists | undefined) {
    this.ports = ports;
    this.known = kept;
  }

  get lists(): Lists {
    return this.known ?? NO_LISTS;
  }

  /** Whether it has ever told what it has, now or in a run before this one. */
  get hasListed(): boolean {
    return this.known !== undefined;
  }

  /** A connection has brought its lists; what has changed since they were read is read again. */
  attach(connection: Connection, lists: Lists, ttlMs: number | undefined): void {
    this.connection = connection;
    this.known = lists;
    this.age(ttlMs);
    this.ports.onChange();
    void this.refresh();
  }

  /** The connection is gone: its lists stay. */
  detach(): void {
    this.connection = undefined;
    this.ageing?.dispose();
  }

  /** Says that `listTtlMs` may have changed. */
  touch(): void {
    if (this.connection) this.scheduleAgeing();
  }

  /** The backend says that these lists have changed. */
  markStale(kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.stale.add(kind);
    void this.refresh();
  }

  /** Reads the stale lists again, one round at a time. A list that cannot be read stays as it was. */
  private async refresh(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    for (let gap = FIRST_GAP_MS; this.connection && this.stale.size > 0; gap = Math.min(2 * gap, LONGEST_GAP_MS)) {
      const { connection } = this;
      const kinds = [...this.stale];
      this.stale.clear();
      const { lists, failures, omissions, ttlMs } = await readLists(connection, kinds, {
        ...this.ports.timeouts(),
        signal: NEVER,
      });
      if (this.connection !== connection) continue;
      this.age(ttlMs);
      for (const [kind, { message }] of failures) this.ports.onLine(`${kind} could not be read again: ${message}`);
      for (const line of omissions) this.ports.onLine(line);
      if (kinds.some(kind => lists[kind] && JSON.stringify(lists[kind]) !== JSON.stringify(this.lists[kind]))) {
        this.known = { ...this.lists, ...lists };
        this.ports.onChange();
      }
      // One that says "changed" again and again is read less and less often.
      await this.pause(gap);
    }
    this.isReading = false;
  }

  private async pause(ms: number): Promise<void> {
    const over = deferred();
    this.ports.clock.schedule(ms, over.resolve);
    await over.promise;
  }

  private age(ttlMs = Number.POSITIVE_INFINITY): void {
    this.read = { at: this.ports.clock.now(), ttlMs };
    this.scheduleAgeing();
  }

  private scheduleAgeing(): void {
    const { clock } = this.ports;
    this.ageing?.dispose();
    const age = Math.min(this.ports.listTtlMs(), Math.max(this.read.ttlMs, SHORTEST_TTL_MS));
    const left = Math.max(0, this.read.at + age - clock.now());
    this.ageing = clock.schedule(left, () => this.markStale(ALL_LISTS));
  }
}
