// What every command that runs backends starts from.
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { systemClock } from '../core/base/clock.ts';
import type { Logger } from '../core/base/log.ts';
import type { Environment } from '../core/config/environment.ts';
import { Gateway, type GatewayOptions } from '../core/gateway.ts';
import { findConfigFile } from './configFile.ts';

/**
 * The gateway of a command, not started; nothing of it outlives the process. Throws `UserError`.
 * @param config as `--config` says
 * @param persist whether what is changed while running is kept in the file
 * @param restarts whether a backend that has failed is started again
 */
export function openGateway(
  config: string | undefined,
  environment: Environment,
  log: Logger,
  { persist = false, restarts = true, tracing }: Pick<GatewayOptions, 'persist' | 'restarts' | 'tracing'> = {},
): Gateway {
  const { env } = process;
  // Who has them can change the router; what a backend needs of its environment, its entry can name.
  const { MCP_AUTH_TOKEN: _admin, MCP_READ_TOKEN: _read, ...forBackends } = env;
  const cwd = process.cwd();
  const home = homedir();
  const name = environment.serverName ?? 'switchyard';
  const gateway = new Gateway({
    configFile: findConfigFile(config ?? environment.configFile, { cwd, home, xdgConfigHome: env.XDG_CONFIG_HOME }),
    loadOptions: {
      env,
      workspaceFolder: cwd,
      userHome: home,
      input: id => env[`SWITCHYARD_INPUT_${id}`] ?? env[`SWITCHYARD_INPUT_${id.toUpperCase().replace(/\W/g, '_')}`],
      overrides: environment.overrides,
    },
    persist,
    restarts,
    stateDirectory: join(env.XDG_STATE_HOME || join(home, '.local/state'), 'switchyard'),
    defaultCwd: cwd,
    environment: async () => forBackends,
    serverInfo: { name, title: name, version: manifest.version },
    clock: systemClock,
    tracing,
    log,
  });
  process.once('exit', () => gateway.dispose());
  return gateway;
}

/** Calls `listener` at every signal that asks the process to end, with the exit code that says so. */
export function onStopSignal(listener: (exitCode: number) => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => listener(128 + constants.signals[signal]));
}
