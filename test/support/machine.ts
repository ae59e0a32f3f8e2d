// What tests need on the machine they run on: installed or made once, and kept for all clones.
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { UserError } from '../../src/core/base/errors.ts';
import { acquireLock } from './acquireLock.ts';
import { runQuietly } from './processGroup.ts';

/** What a Debian package is known by, once it is installed. */
export interface DebianPackage {
  readonly package: string;
  isThere(): boolean;
}

/** The package of a program. */
export function programOf(name: string, program = name): DebianPackage {
  return { package: name, isThere: () => findOnPath(program) !== undefined };
}

/** Installs what is missing. Throws `UserError` with the command to type where that cannot be done. */
export async function installDebianPackages(
  wanted: readonly DebianPackage[],
  say: (line: string) => void,
): Promise<void> {
  const missing = wanted.filter(({ isThere }) => !isThere()).map(({ package: name }) => name);
  if (missing.length === 0) return;
  const install = ['install', '--yes', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0 || !findOnPath('apt-get')) {
    throw new UserError(`${missing.join(', ')} must be installed first. On Debian: sudo apt-get ${install.join(' ')}`);
  }
  say(`Installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await runQuietly('apt-get', ['update'], { env });
  await runQuietly('apt-get', install, { env });
}

/** The first program of that name on the PATH. */
export function findOnPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  return folders.map(folder => join(folder, program)).find(file => existsSync(file));
}

/** A folder for what is kept from one clone to the next. */
export function cacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'mcp-switchyard');
}

/**
 * The folder of that name in the cache. `make` fills it at the first call on a machine, as another folder that takes the
 * name when it is complete: two runs at once do not collide, and one that is interrupted leaves nothing that looks made.
 */
export async function keepInCache(
  name: string,
  onWait: () => void,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  const lock = await acquireLock(folder, onWait);
  try {
    if (existsSync(folder)) return folder;
    const partial = `${folder}.partial`;
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await make(partial);
    await rename(partial, folder);
    return folder;
  } finally {
    lock.close();
  }
}
