// `npm start [-- --fresh]`: a real VS Code with the extension in it, on a copy of config/backends.yaml.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import spawn from 'cross-spawn';
import { UserError } from '../../src/core/base/errors.ts';
import { acquireLock } from '../support/acquireLock.ts';
import { cacheFolder, findOnPath } from '../support/machine.ts';
import { startCodeServer, userDataFolder, writeSettings } from './codeServer.ts';
import { installEditor } from './install.ts';
import { packageVsix } from './packageVsix.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(cacheFolder(), 'start');
const configFile = join(folder, 'backends.yaml');
/** The demo as it was copied: while the copy is like it, nobody has touched the copy. */
const original = join(folder, 'backends.original.yaml');
const say = (line: string) => console.log(line);

try {
  const [option] = process.argv.slice(2);
  if (option !== undefined && option !== '--fresh') throw new UserError(`There is no option ${option}, only --fresh.`);
  const desktop = findDesktop();
  await (desktop ? openDesktop(desktop, option === '--fresh') : serveInBrowser(option === '--fresh'));
} catch (error) {
  console.error(error instanceof UserError ? error.message : error);
  process.exitCode = 1;
}

/** Until it is stopped. */
async function serveInBrowser(fresh: boolean): Promise<void> {
  const editor = await installEditor(say);
  await acquireLock(folder, () => {
    throw new UserError('MCP Switchyard was started already: stop the other `npm start` first.');
  });
  const port = await choosePort();
  await prepare(fresh, userDataFolder(folder));
  say('Building the extension…');
  const server = await startCodeServer({
    editor,
    profile: folder,
    extensions: [await packageVsix(root, folder)],
    port,
    env: process.env,
  });
  say('\nMCP Switchyard runs in VS Code. Open it in a browser, and choose Switchyard at its left edge:\n');
  say(`    ${server.address}/?folder=${encodeURIComponent(root).replaceAll('%2F', '/')}\n`);
  sayWhatIsKept();
  say('Stop: Ctrl-C');

  const stopped = await Promise.race([interruption(), server.ended.then(() => undefined)]);
  if (stopped) say('\nStopping…');
  await server.stop();
  if (!stopped) throw new UserError(`VS Code for the browser ended by itself:\n${server.output.join('\n')}`);
}

/** Until its window is closed, or it is stopped. */
async function openDesktop(program: string, fresh: boolean): Promise<void> {
  const userData = join(folder, 'desktop');
  await prepare(fresh, userData);
  say('Building the extension…');
  await promisify(execFile)(process.execPath, ['esbuild.mjs'], { cwd: root });
  // Where VS Code writes the id of its main process.
  const processFile = join(userData, 'code.lock');
  await rm(processFile, { force: true });
  const flags = ['--new-window', '--wait', '--user-data-dir', userData, `--extensionDevelopmentPath=${root}`];
  const code = spawn(program, [...flags, root], { stdio: 'inherit' });
  say(`\nMCP Switchyard opens in desktop VS Code (${program}): choose Switchyard at the left edge of its window.\n`);
  sayWhatIsKept();
  say('Stop: close the window, or Ctrl-C');

  const exit = once(code, 'exit').then(([exitCode]) => exitCode as number | null);
  const exitCode = await Promise.race([interruption().then(() => undefined), exit]);
  if (exitCode === undefined) {
    if (existsSync(processFile)) process.kill(Number(await readFile(processFile, 'utf8')));
    code.kill();
  } else if (exitCode !== 0) {
    throw new UserError(`${program} ended with exit code ${exitCode}.`);
  }
}

/** Desktop VS Code. In a terminal of a remote window, or in WSL, `code` opens a window of another machine. */
function findDesktop(): string | undefined {
  if (process.env.VSCODE_IPC_HOOK_CLI || process.env.WSL_DISTRO_NAME) return undefined;
  return findOnPath(process.platform === 'win32' ? 'code.cmd' : 'code');
}

/** The copy of the demo configuration follows the demo until the person changes it; settings are made once. */
async function prepare(fresh: boolean, userData: string): Promise<void> {
  if (fresh) await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const demo = await readFile(join(root, 'config/backends.yaml'), 'utf8');
  const isUntouched =
    existsSync(original) && (await readFile(configFile, 'utf8')) === (await readFile(original, 'utf8'));
  if (!existsSync(configFile) || isUntouched)
    await Promise.all([writeFile(configFile, demo), writeFile(original, demo)]);
  // The demo names it in its first line.
  await copyFile(join(root, 'config/backends.schema.json'), join(folder, 'backends.schema.json'));
  await writeSettings(userData, {
    'switchyard.configFile': configFile,
    // It would say so for every port that a backend opens.
    'remote.autoForwardPorts': false,
    'security.workspace.trust.enabled': false,
    'telemetry.telemetryLevel': 'off',
    'workbench.startupEditor': 'none',
  });
}

function sayWhatIsKept(): void {
  say(`Backends: ${configFile}`);
  say('          a copy of config/backends.yaml. Your changes to it stay; npm start -- --fresh starts over.');
}

/** The port that PORT asks for, or 8443, or any if that is taken. */
async function choosePort(): Promise<number> {
  const wanted = process.env.PORT;
  const port = Number(wanted || 8443);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new UserError(`PORT is not a port: ${wanted}`);
  if (await isFree(port)) return port;
  if (wanted) throw new UserError(`PORT ${port} is taken by another program.`);
  say(`Port ${port} is taken by another program, so this takes any other. PORT=… npm start chooses one.`);
  return 0;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    server.close();
  }
}

/** The first signal that asks to stop. A second one ends this process, and all that it started with it. */
function interruption(): Promise<true> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(true));
  });
}
