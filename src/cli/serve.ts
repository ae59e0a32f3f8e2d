import { Console } from 'node:console';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { messageOf, UserError } from '../core/base/errors.ts';
import { type Environment, readEnvironment } from '../core/config/environment.ts';
import type { ServeArgs } from './args.ts';
import { onStopSignal, openGateway } from './openGateway.ts';
import { createStderrLog } from './stderrLog.ts';

/** Runs the router until a signal, or on stdio its client, ends it. The exit code: 0, 1 cannot listen, 2 bad configuration. */
export async function serve(args: ServeArgs): Promise<number> {
  const environment = readEnvironment(process.env);
  const door = await doorOf(args, environment);
  const stdout = takeStdout();
  const log = createStderrLog(args.logLevel, { timestamps: true });
  const gateway = openGateway(args.config, environment, log);
  const stopRequested = new Promise<void>(resolve => {
    let asked = false;
    onStopSignal(exitCode => {
      if (asked) process.exit(exitCode);
      asked = true;
      log.info('Stopping: calls in flight may finish; a second signal ends them');
      resolve();
    });
  });

  const loaded = await gateway.start();
  if (!loaded.ok) return 2;

  if (door.kind === 'http') {
    try {
      const listener = await gateway.listenHttp(door);
      log.info(`Serving ${gateway.snapshot().configFile} at ${listener.url}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      log.error(error.message);
      return 1;
    }
    await stopRequested;
  } else {
    log.info(`Serving ${gateway.snapshot().configFile} on stdio`);
    await Promise.race([gateway.serveStdio(process.stdin, stdout), stopRequested]);
  }
  await gateway.stop();
  return 0;
}

type Door =
  | { readonly kind: 'stdio' }
  | {
      readonly kind: 'http';
      readonly host: string;
      readonly port: number;
      readonly token?: string;
      readonly allowedHosts: string[];
    };

/** How clients come in: flags before variables, and stdio unless something asks for HTTP. Throws `UserError`. */
async function doorOf(args: ServeArgs, environment: Environment): Promise<Door> {
  const port = args.port ?? environment.port;
  const transport = args.transport ?? (port === undefined ? 'stdio' : 'http');
  if (transport === 'stdio') {
    if (args.host !== undefined || args.authTokenFile !== undefined || args.noAuth || args.allowHosts.length > 0)
      throw new UserError('--host, --auth-token-file, --no-auth and --allow-host are for HTTP: add --transport http.');
    return { kind: 'stdio' };
  }

  const host = args.host ?? environment.host ?? '127.0.0.1';
  const token = args.noAuth ? undefined : await tokenOf(args, environment);
  if (token === undefined && !args.noAuth && !isLoopback(host))
    throw new UserError(
      `Others can reach ${host}, so clients have to show a token: give one with --auth-token-file or MCP_AUTH_TOKEN, or say --no-auth.`,
    );
  return {
    kind: 'http',
    host,
    port: port ?? 8000,
    ...(token === undefined ? {} : { token }),
    allowedHosts: [...args.allowHosts],
  };
}

async function tokenOf(args: ServeArgs, environment: Environment): Promise<string | undefined> {
  const file = args.authTokenFile;
  if (file === undefined) return environment.authToken;
  const token = await readFile(file, 'utf8').then(
    text => text.trim(),
    cause => {
      throw new UserError(`The token file cannot be read: ${messageOf(cause)}.`, { cause });
    },
  );
  if (token === '') throw new UserError(`The token file ${file} is empty.`);
  return token;
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

/** The real stdout, for the protocol alone: whatever else writes to it or to the console writes to stderr from here on. */
function takeStdout(): NodeJS.WriteStream {
  const { stdout } = process;
  Object.defineProperty(process, 'stdout', { value: process.stderr });
  globalThis.console = new Console(process.stderr);
  return stdout;
}
