// What changes the configuration of a router that runs, one change at a time: the file's new text, or somebody over HTTP.
import { isDeepStrictEqual } from 'node:util';
import { deferred, Turns } from './base/async.ts';
import type { Clock } from './base/clock.ts';
import { UserError } from './base/errors.ts';
import type { Logger } from './base/log.ts';
import type { Entry } from './config/entry.ts';
import { formatProblem } from './config/load.ts';
import type { Addition, Configuration, RevocableAddition } from './configuration.ts';
import { STOPPING } from './downstream/door.ts';
import type { BackendChanges } from './downstream/managementTools.ts';
import type { Backend } from './upstream/backend.ts';
import type { Difference } from './upstream/backendSet.ts';

/** What a reload did; where the whole file is broken, nothing. */
export interface ReloadReport extends Difference {
  /** What is wrong with the file, or with single backends of it. */
  readonly errors: readonly string[];
}

/** What became of backends that were to be added, by name. */
export interface AdditionReport extends Addition {
  /** Those of the added that have neither answered nor failed yet. */
  readonly starting: readonly string[];
}

export interface LiveChangesParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether what is changed while running is written to the file. */
  readonly persist: boolean;
  readonly configuration: Configuration;
  backend(name: string): Backend | undefined;
  /** Makes what runs equal to the configuration. */
  apply(): Difference;
  isStopping(): boolean;
}

/** Takes changes of the configuration in turn, and sees what becomes of them. */
export class LiveChanges {
  private readonly parts: LiveChangesParts;
  private readonly turns = new Turns();

  constructor(parts: LiveChangesParts) {
    this.parts = parts;
  }

  /** Reads the configuration again and applies the difference. A broken file changes nothing that runs. */
  reload(): Promise<ReloadReport> {
    return this.turns.take(() => this.readAgain());
  }

  private async readAgain(): Promise<ReloadReport> {
    const { configuration } = this.parts;
    const before = configuration.current;
    const result = await configuration.read();
    const errors = result.problems.filter(({ severity }) => severity === 'error').map(formatProblem);
    if (result.ok) {
      const difference = this.parts.apply();
      const changes = Object.entries(difference).flatMap(([kind, names]) =>
        names.length > 0 ? `${kind}: ${names.join(', ')}` : [],
      );
      for (const part of ['routing', 'server'] as const)
        if (!isDeepStrictEqual(configuration.current[part], before[part])) changes.push(part);
      if (changes.length > 0) this.parts.log.info(`Configuration applied (${changes.join('; ')})`);
      return { ...difference, errors };
    }
    return { added: [], removed: [], updated: [], errors };
  }

  /**
   * Adds backends: to the file if changes made while running are kept there, else until the end of this run.
   * @param patienceMs how long to wait for what becomes of them; one that fails to start within that time is not added
   */
  async add(entries: readonly Entry[], patienceMs: number): Promise<AdditionReport> {
    const addition = await this.change(async () => {
      const made = await this.parts.configuration.add(entries);
      this.parts.apply();
      if (made.added.length > 0) this.noteChange(`Added ${made.added.join(', ')}`);
      return made;
    });
    const { added, errors, warnings } = addition;
    const patience = deferred();
    const timer = this.parts.clock.schedule(patienceMs, patience.resolve);
    const isStarting = await Promise.all(
      added.map(name =>
        patienceMs > 0
          ? this.dropIfFailing(name, patience.promise, addition)
          : this.parts.backend(name)?.state.kind === 'connecting',
      ),
    );
    timer.dispose();
    const left = added.filter(name => !errors.has(name));
    const starting = added.filter((name, index) => isStarting[index] && !errors.has(name));
    return { added: left, starting, errors, warnings };
  }

  /** Ends a backend and removes it, from the file or until the end of this run. False: there is none of this name. */
  remove(name: string): Promise<boolean> {
    return this.change(async () => {
      const isRemoved = await this.parts.configuration.remove(name);
      if (isRemoved) {
        this.parts.apply();
        this.noteChange(`Removed ${name}`);
      }
      return isRemoved;
    });
  }

  /** Changes a backend, in the file or until the end of this run. False: there is none of this name. */
  update(name: string, changes: BackendChanges): Promise<boolean> {
    return this.change(async () => {
      const isUpdated = await this.parts.configuration.update(name, changes);
      if (isUpdated) {
        this.parts.apply();
        const changed = Object.entries(changes).flatMap(([key, value]) =>
          value === undefined ? [] : `${key} ${value}`,
        );
        this.noteChange(`Changed ${name}: ${changed.join(', ')}`);
      }
      return isUpdated;
    });
  }

  /** Changes the configuration in its turn; rejects with a UserError while the router stops. */
  private change<T>(action: () => Promise<T>): Promise<T> {
    return this.turns.take(() => {
      if (this.parts.isStopping()) throw new UserError(STOPPING);
      return action();
    });
  }

  /** Tells the log what was changed while running, and not by an edit of the file. */
  private noteChange(what: string): void {
    this.parts.log.info(this.parts.persist ? what : `${what} (not kept in the file)`);
  }

  /**
   * Takes a new backend away again if it fails before it has ever been ready, with what was added to fall back to it.
   * @returns whether it was still starting when the patience, or the router, came to its end
   */
  private async dropIfFailing(
    name: string,
    patience: Promise<void>,
    { added, errors, takeBack }: RevocableAddition,
  ): Promise<boolean> {
    const { configuration } = this.parts;
    const backend = this.parts.backend(name);
    if (!backend?.config.auto_start) return false;
    await Promise.race([backend.whenSettled(), patience]);
    const isThere = () => this.parts.backend(name) === backend;
    const isStopping = this.parts.isStopping();
    const present = this.parts.backend(name);
    if (!present && !isStopping && !errors.has(name)) errors.set(name, 'it was removed meanwhile');
    if (present && present !== backend) return present.state.kind === 'connecting';
    const { state } = backend;
    if (state.kind === 'connecting' || (state.kind === 'stopped' && isStopping)) return true;
    if (state.kind !== 'failed' || state.wasReady) return false;
    errors.set(name, state.failure.message);
    await this.turns.take(async () => {
      // Another may have taken its place meanwhile.
      if (!isThere()) return;
      const relying = configuration.relyingOn(name);
      if (!relying.every(each => added.includes(each))) {
        // Another addition counts on it by now, so it stays, and is tried again.
        errors.delete(name);
        return;
      }
      for (const each of relying) errors.set(each, `it falls back to "${name}", which failed to start`);
      await takeBack([name, ...relying]);
      this.parts.apply();
      const others = relying.length === 0 ? '' : `, and with it ${relying.join(', ')}`;
      this.noteChange(`Removed ${name} again, as it failed to start${others}`);
    });
    return false;
  }
}
