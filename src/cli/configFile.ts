import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { UserError } from '../core/base/errors.ts';

export interface SearchPlaces {
  readonly cwd: string;
  readonly home: string;
  /** `XDG_CONFIG_HOME`, where it is set. */
  readonly xdgConfigHome: string | undefined;
}

/**
 * The configuration to read, as an absolute path. One that was given outright is taken as it is, and has to exist;
 * otherwise it is the first that exists of the usual places. Throws `UserError` that says where it looked.
 */
export function findConfigFile(given: string | undefined, places: SearchPlaces): string {
  if (given !== undefined) return resolve(places.cwd, given);
  const candidates = [
    join(places.cwd, 'backends.yaml'),
    join(places.cwd, 'config', 'backends.yaml'),
    join(places.cwd, 'mcp.json'),
    join(places.xdgConfigHome || join(places.home, '.config'), 'switchyard', 'backends.yaml'),
    join(places.home, '.mcp', 'config.yaml'),
  ];
  const found = candidates.find(existsSync);
  if (found !== undefined) return found;
  throw new UserError(
    `There is no configuration. Looked for\n${candidates.map(path => `  ${path}\n`).join('')}Create one of these, name another with --config FILE, or make one from another client's: switchyard import FILE`,
  );
}
