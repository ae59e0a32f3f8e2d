import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { UserError } from '../../src/core/base/errors.ts';
import { acquireLock } from './acquireLock.ts';
import { runQuietly } from './processGroup.ts';

const codeServerVersion = '4.139.1';
/** code-server compiles its native modules, so it must run on the Node that they are compiled for. */
const nodeVersion = '24.21.0';

/** What a Debian package is known by, once it is installed. */
const toolchain = [
  { package: 'g++', isThere: () => findOnPath('g++') },
  { package: 'make', isThere: () => findOnPath('make') },
  { package: 'python3', isThere: () => findOnPath('python3') },
  { package: 'libkrb5-dev', isThere: () => existsSync('/usr/include/gssapi/gssapi.h') },
];
const browser = { package: 'chromium', isThere: () => findOnPath('chromium') };

/** An editor that can be started: `node entry --bind-addr …`. */
export interface InstalledEditor {
  readonly node: string;
  readonly entry: string;
}

/** A folder for what is kept from one clone to the next. */
export function cacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'mcp-switchyard');
}

/** The first program of that name on the PATH. */
export function findOnPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  return folders.map(folder => join(folder, program)).find(file => existsSync(file));
}

/**
 * code-server, installed from npm at the first call on a machine (about two minutes, 0.8 GB) and shared by all clones.
 * Two runs at once do not collide, and one that is interrupted leaves nothing that looks installed.
 */
export async function installEditor(say: (line: string) => void): Promise<InstalledEditor> {
  const folder = join(cacheFolder(), `code-server-${codeServerVersion}`);
  const nodePackage = `node-linux-${process.arch}`;
  const editor = {
    node: join(folder, 'node_modules', nodePackage, 'bin', 'node'),
    entry: join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
  if (existsSync(folder)) return editor;

  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new UserError(
      `VS Code for the browser is installed here on Linux (x64, arm64) only, and this is ${process.platform} ${process.arch}. ` +
        'Install desktop VS Code, with its "code" command on the PATH: https://code.visualstudio.com/download',
    );
  }

  const lock = await acquireLock(folder, () =>
    say('Another run is installing VS Code for the browser; waiting for it.'),
  );
  try {
    if (existsSync(folder)) return editor;
    await installDebianPackages(toolchain, say);
    say(`Installing VS Code for the browser (code-server ${codeServerVersion}, once a machine, about two minutes)…`);
    const partial = `${folder}.partial`;
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await writeFile(
      join(partial, 'package.json'),
      JSON.stringify({ private: true, allowScripts: { 'code-server': true, argon2: true } }),
    );
    const npmInstall = ['install', '--no-audit', '--no-fund', '--ignore-scripts=false', '--loglevel=error'];
    await runQuietly('npm', [...npmInstall, `${nodePackage}@${nodeVersion}`], { cwd: partial });
    const node = join(partial, 'node_modules', nodePackage);
    await runQuietly('npm', [...npmInstall, `code-server@${codeServerVersion}`], {
      cwd: partial,
      env: {
        ...process.env,
        PATH: [join(node, 'bin'), process.env.PATH].join(delimiter),
        // A nodedir of the user's own would have the native modules compiled for another Node.
        npm_config_nodedir: node,
      },
    });
    // One of the compiled modules, as proof that the compiling happened and fits.
    const compiled = join(partial, 'node_modules/code-server/lib/vscode/node_modules/@vscode/spdlog');
    await runQuietly(join(node, 'bin', 'node'), ['-e', 'require(process.argv[1])', compiled], {});
    await rename(partial, folder);
    return editor;
  } finally {
    lock.close();
  }
}

/** Debian's Chromium: the path of the program. */
export async function installBrowser(say: (line: string) => void): Promise<string> {
  await installDebianPackages([browser], say);
  const chromium = findOnPath('chromium');
  if (!chromium) throw new UserError('apt-get installed chromium, but it is not on the PATH.');
  return chromium;
}

async function installDebianPackages(wanted: typeof toolchain, say: (line: string) => void): Promise<void> {
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
