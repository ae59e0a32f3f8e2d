import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ProcessGroup, runQuietly } from '../support/processGroup.ts';
import type { InstalledEditor } from './install.ts';

export interface CodeServerOptions {
  readonly editor: InstalledEditor;
  /** The folder of settings, extensions and logs. A new folder is a new profile. */
  readonly profile: string;
  /** `.vsix` files: these and no other extensions are installed. */
  readonly extensions: readonly string[];
  /** 0 for any free one. */
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
}

export interface CodeServer {
  /** `http://127.0.0.1:PORT` */
  readonly address: string;
  /** The last lines that it printed. */
  readonly output: readonly string[];
  /** Settles when it ends, stopped or not. */
  readonly ended: Promise<unknown>;
  /** Ends it and everything that its extensions started. */
  stop(): Promise<void>;
}

/** What extensions get to let go of what they hold. They need 2 to 4 s. */
const stopGraceMs = 8_000;

/** Starts VS Code for the browser on 127.0.0.1, without a password. Returns when it answers. */
export async function startCodeServer({
  editor,
  profile,
  extensions,
  port,
  env,
}: CodeServerOptions): Promise<CodeServer> {
  const { VSCODE_IPC_HOOK_CLI: _outerEditor, LOG_LEVEL: _logLevel, PORT: _port, ...ownEnv } = env;
  const extensionsFolder = join(profile, 'extensions');
  const config = join(profile, 'config.yaml');
  await rm(extensionsFolder, { recursive: true, force: true });
  await mkdir(extensionsFolder, { recursive: true });
  await writeFile(config, '');

  const folders = ['--user-data-dir', userDataFolder(profile), '--extensions-dir', extensionsFolder];
  const command = [editor.entry, '--config', config, ...folders];
  if (extensions.length > 0) {
    const installs = extensions.flatMap(file => ['--install-extension', file]);
    await runQuietly(editor.node, [...command, ...installs], { env: ownEnv });
  }

  const bind = ['--auth', 'none', '--host', '127.0.0.1', '--port', String(port)];
  const offline = ['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];
  const flags = [...bind, ...offline, '--disable-workspace-trust', '--ignore-last-opened'];
  const server = await ProcessGroup.start(editor.node, [...command, ...flags], { env: ownEnv });
  const stop = () => server.stop(stopGraceMs);
  const listening = server.printed(/HTTP server listening on (http:\/\/[\d.:]+)/);
  const address = await Promise.race([listening.then(([, url]) => url), server.ended.then(() => undefined)]);
  if (address === undefined) {
    await stop();
    throw new Error(`VS Code for the browser did not start:\n${server.output.join('\n')}`);
  }
  return { address, output: server.output, ended: server.ended, stop };
}

/** Writes the user's settings, where there are none. */
export async function writeSettings(userData: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const file = join(userData, 'User', 'settings.json');
  if (existsSync(file)) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(settings, undefined, 2)}\n`);
}

/** VS Code's own folder in a profile. */
export function userDataFolder(profile: string): string {
  return join(profile, 'user-data');
}
