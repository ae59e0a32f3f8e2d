// What every backend offered when it was last asked, on disk: what clients are answered until it can be asked again.
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import * as z from 'zod';
import { Debounced } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import { messageOf } from './base/errors.ts';
import { isObject } from './base/json.ts';
import type { Logger } from './base/log.ts';
import type { BackendConfig } from './config/schema.ts';
import { type Acquaintance, connectionKey } from './upstream/backend.ts';
import type { Introduction } from './upstream/handshake.ts';
import type { Item } from './upstream/lists.ts';

export interface KeptCatalogOptions {
  /** Where the files are, one for each configuration file; made when it is first needed. */
  readonly directory: string;
  /** Absolute path. */
  readonly configFile: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Kept extends Acquaintance {
  /** A hash: what it is made of may hold secrets. */
  readonly config: string;
}

const WRITE_DEBOUNCE_MS = 500;
const VERSION = 1;

/** An item is passed on exactly as it was, so nothing of it is parsed. */
const itemsWith = (id: string) =>
  z.array(
    z.custom<Item>(
      value => typeof value === 'object' && value !== null && typeof (value as Item)[id] === 'string',
      `not an item with "${id}"`,
    ),
  );

const listsSchema = z.object({
  tools: itemsWith('name'),
  prompts: itemsWith('name'),
  resources: itemsWith('uri'),
  templates: itemsWith('uriTemplate'),
});

const aboutSchema = z.custom<Introduction>(
  value => isObject(value) && (value.era === 'legacy' || value.era === 'modern') && isObject(value.capabilities),
  'not what a backend tells of itself',
);

const jsonSchema = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    context.addIssue(messageOf(error));
    return z.NEVER;
  }
});

/** The text of the file. The version changes when an older program could no longer read what is written. */
const fileSchema = (configFile: string) =>
  jsonSchema.pipe(
    z.object({
      version: z.literal(VERSION),
      configFile: z.literal(configFile),
      backends: z.array(
        z.object({ name: z.string(), config: z.string(), lists: listsSchema, about: aboutSchema.optional() }),
      ),
    }),
  );

/** What the backends of one configuration file are and offer, kept from one run of the router to the next. */
export class KeptCatalog {
  private readonly file: string;
  private readonly configFile: string;
  private readonly log: Logger;
  private readonly backends = new Map<string, Kept>();
  private readonly writeSoon: Debounced;
  private writing: Promise<void> = Promise.resolve();
  private isChanged = false;
  /** Whether the person was told that nothing can be kept. */
  private isFailing = false;

  /** Reads what the last run kept. Never rejects: what cannot be used is set aside with a warning. */
  static async open(options: KeptCatalogOptions): Promise<KeptCatalog> {
    const kept = new KeptCatalog(options);
    await kept.read();
    return kept;
  }

  private constructor({ directory, configFile, clock, log }: KeptCatalogOptions) {
    this.file = path.join(directory, `${hash(configFile).slice(0, 16)}.json`);
    this.configFile = configFile;
    this.log = log;
    this.writeSoon = new Debounced(clock, WRITE_DEBOUNCE_MS, () => void this.flush());
  }

  /** What the backend was when it was last asked, unless it was configured otherwise then. */
  kept(config: BackendConfig): Acquaintance | undefined {
    const kept = this.backends.get(config.name);
    return kept?.config === hashOf(config) ? kept : undefined;
  }

  /** Keeps what the backend is now; written within half a second. */
  keep(config: BackendConfig, { lists, about }: Acquaintance): void {
    this.backends.set(config.name, { config: hashOf(config), lists, about });
    this.change();
  }

  /** Forgets all backends but these. */
  retain(names: readonly string[]): void {
    const forgotten = [...this.backends.keys()].filter(name => !names.includes(name));
    for (const name of forgotten) this.backends.delete(name);
    if (forgotten.length > 0) this.change();
  }

  /** Writes now what is not written yet; resolves when that is done, or a warning has said why it cannot be. */
  flush(): Promise<void> {
    this.writeSoon.cancel();
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  private change(): void {
    this.isChanged = true;
    this.writeSoon.trigger();
  }

  private async read(): Promise<void> {
    let text: string;
    try {
      text = await fs.readFile(this.file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') await this.setAside(messageOf(error));
      return;
    }
    const { data, error } = fileSchema(this.configFile).safeParse(text);
    const [issue] = error?.issues ?? [];
    if (issue) return this.setAside([issue.path.join('.'), issue.message].filter(Boolean).join(': '));
    for (const { name, ...kept } of data?.backends ?? []) this.backends.set(name, { about: undefined, ...kept });
  }

  private async setAside(reason: string): Promise<void> {
    const aside = `${this.file}.set-aside`;
    const without = 'Backends are listed only when they are ready, this time';
    try {
      await fs.rename(this.file, aside);
      this.log.warning(`The kept catalog ${this.file} cannot be used (${reason}). ${without}; it is now ${aside}.`);
    } catch (error) {
      this.isFailing = true;
      this.log.warning(`The kept catalog ${this.file} cannot be used (${reason}; ${messageOf(error)}). ${without}.`);
    }
  }

  /** Whole or not at all: whoever reads at the same time, or writes, sees no half of it. */
  private async write(): Promise<void> {
    if (!this.isChanged) return;
    this.isChanged = false;
    const temporary = `${this.file}.${randomUUID()}.tmp`;
    try {
      const { configFile } = this;
      const backends = Array.from(this.backends, ([name, kept]) => ({ name, ...kept }));
      const text = JSON.stringify({ version: VERSION, configFile, backends });
      await fs.mkdir(path.dirname(this.file), { recursive: true, mode: 0o700 });
      try {
        await fs.writeFile(temporary, text, { flag: 'wx', mode: 0o600 });
        await fs.rename(temporary, this.file);
      } catch (error) {
        await fs.rm(temporary, { force: true });
        throw error;
      }
      this.isFailing = false;
    } catch (error) {
      this.isChanged = true;
      if (!this.isFailing) this.log.warning(`The tools of this run cannot be kept for the next: ${messageOf(error)}`);
      this.isFailing = true;
    }
  }
}

/** Of what decides which lists a backend gives. */
function hashOf(config: BackendConfig): string {
  return hash(connectionKey(config));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
