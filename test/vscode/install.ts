import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { UserError } from '../../src/core/base/errors.ts';
import { findOnPath, installDebianPackages, keepInCache, programOf } from '../support/machine.ts';
import { runQuietly } from '../support/processGroup.ts';

const codeServerVersion = '4.139.1';
/** code-server compiles its native modules, so it must run on the Node that they are compiled for. */
const nodeVersion = '24.21.0';
const nodePackage = `node-linux-${process.arch}`;

const toolchain = [
  programOf('g++'),
  programOf('make'),
  programOf('python3'),
  { package: 'libkrb5-dev', isThere: () => existsSync('/usr/include/gssapi/gssapi.h') },
];

/** An editor that can be started: `node entry --bind-addr …`. */
export interface InstalledEditor {
  readonly node: string;
  readonly entry: string;
}

/** code-server, installed from npm at the first call on a machine (about two minutes, 0.8 GB) and shared by all clones. */
export async function installEditor(say: (line: string) => void): Promise<InstalledEditor> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new UserError(
      `VS Code for the browser is installed here on Linux (x64, arm64) only, and this is ${process.platform} ${process.arch}. ` +
        'Install desktop VS Code, with its "code" command on the PATH: https://code.visualstudio.com/download',
    );
  }
  const onWait = () => say('Another run is installing VS Code for the browser; waiting for it.');
  const folder = await keepInCache(`code-server-${codeServerVersion}`, onWait, async partial => {
    await installDebianPackages(toolchain, say);
    say(`Installing VS Code for the browser (code-server ${codeServerVersion}, once a machine, about two minutes)…`);
    await installCodeServer(partial);
  });
  return {
    node: join(folder, 'node_modules', nodePackage, 'bin', 'node'),
    entry: join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
}

async function installCodeServer(folder: string): Promise<void> {
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, allowScripts: { 'code-server': true, argon2: true } }),
  );
  const npmInstall = ['install', '--no-audit', '--no-fund', '--ignore-scripts=false', '--loglevel=error'];
  await runQuietly('npm', [...npmInstall, `${nodePackage}@${nodeVersion}`], { cwd: folder });
  const node = join(folder, 'node_modules', nodePackage);
  await runQuietly('npm', [...npmInstall, `code-server@${codeServerVersion}`], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: [join(node, 'bin'), process.env.PATH].join(delimiter),
      // A nodedir of the user's own would have the native modules compiled for another Node.
      npm_config_nodedir: node,
    },
  });
  // One of the compiled modules, as proof that the compiling happened and fits.
  const compiled = join(folder, 'node_modules/code-server/lib/vscode/node_modules/@vscode/spdlog');
  await runQuietly(join(node, 'bin', 'node'), ['-e', 'require(process.argv[1])', compiled], {});
}

/** Debian's Chromium: the path of the program. */
export async function installBrowser(say: (line: string) => void): Promise<string> {
  await installDebianPackages([programOf('chromium')], say);
  const chromium = findOnPath('chromium');
  if (!chromium) throw new UserError('apt-get installed chromium, but it is not on the PATH.');
  return chromium;
}
