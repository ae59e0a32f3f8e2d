import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';

const POLL_MS = 2_000;
/** How long the file has to stay the same before its change is told: an editor writes it in several steps. */
const SETTLE_MS = 100;

/**
 * Calls `onChange` when the file was written, replaced, created or deleted, or a link on the way to it leads elsewhere.
 * The file and its folder may be missing. A watch on the folder makes it quick; a look every two seconds makes it
 * sure, for links into other folders, network drives, and folders that come and go.
 */
export function watchConfig(file: string, clock: Clock, onChange: () => void): Disposable {
  let told = identityOf(file);
  let settling: { readonly identity: string; readonly timer: Disposable } | undefined;
  let folderWatch: fs.FSWatcher | undefined;
  let nextPoll: Disposable | undefined;

  const look = () => {
    const identity = identityOf(file);
    if (identity === told || identity === settling?.identity) return;
    settling?.timer.dispose();
    const timer = clock.schedule(SETTLE_MS, () => {
      settling = undefined;
      if (identityOf(file) !== identity) return look();
      told = identity;
      onChange();
    });
    settling = { identity, timer };
  };
  const poll = () => {
    folderWatch ??= watchFolder(path.dirname(file), look, () => {
      folderWatch = undefined;
    });
    look();
    nextPoll = clock.schedule(POLL_MS, poll);
  };
  poll();

  return {
    dispose() {
      settling?.timer.dispose();
      nextPoll?.dispose();
      folderWatch?.close();
    },
  };
}

/** Undefined where the folder cannot be watched (yet): it is missing, or the system allows no more watches. */
function watchFolder(folder: string, onEvent: () => void, onEnd: () => void): fs.FSWatcher | undefined {
  try {
    const watch = fs.watch(folder, { persistent: false }, onEvent);
    watch.on('error', () => {
      watch.close();
      onEnd();
    });
    return watch;
  } catch {
    // Polling goes on alone, and tries again.
    return undefined;
  }
}

/** Differs whenever the content may; links are followed. */
function identityOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = fs.statSync(file, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch (error) {
    // Missing, a link that leads to itself, a folder that may not be read: whoever reads it next says so.
    return `error:${(error as NodeJS.ErrnoException).code}`;
  }
}
