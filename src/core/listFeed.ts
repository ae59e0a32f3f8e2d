import { createHash } from 'node:crypto';
import { Debounced } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import type { Disposable } from './base/disposable.ts';
import type { Catalog, Entry } from './router/catalog.ts';

const DEBOUNCE_MS = 50;

/** Tells clients which of their lists differ from what they were last told of; a burst of changes is told once. */
export class ListFeed implements Disposable {
  private readonly soon: Debounced;
  private told = digestsOf({ tools: new Map(), prompts: new Map(), resources: new Map(), templates: new Map() });

  /** @param broadcast sends a notification without parameters to all clients */
  constructor(clock: Clock, digests: () => Digests, broadcast: (method: string) => void) {
    this.soon = new Debounced(clock, DEBOUNCE_MS, () => {
      const now = digests();
      const before = this.told;
      this.told = now;
      for (const kind of ['tools', 'prompts', 'resources'] as const) {
        if (now[kind] !== before[kind]) broadcast(`notifications/${kind}/list_changed`);
      }
    });
  }

  changed(): void {
    this.soon.trigger();
  }

  dispose(): void {
    this.soon.dispose();
  }
}

export interface Digests {
  readonly tools: string;
  readonly prompts: string;
  readonly resources: string;
}

/** Hashes of everything that clients see. */
export function digestsOf({
  tools,
  prompts,
  resources,
  templates,
}: Pick<Catalog, 'tools' | 'prompts' | 'resources' | 'templates'>): Digests {
  const of = (...maps: ReadonlyMap<string, Entry>[]) =>
    digest(maps.map(map => Array.from(map.values(), ({ definition }) => definition)));
  return { tools: of(tools), prompts: of(prompts), resources: of(resources, templates) };
}

export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
