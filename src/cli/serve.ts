import { Console } from 'node:console';
import { systemClock } from '../core/base/clock.ts';
import { messageOf, UserError } from '../core/base/errors.ts';
import type { Logger } from '../core/base/log.ts';
import { readEnvironment } from '../core/config/environment.ts';
import { watchConfig } from '../core/config/watch.ts';
import type { HttpListener } from '../core/gateway.ts';
import { accessLog } from './accessLog.ts';
import type { ServeArgs } from './args.ts';
import { type CertificateFiles, type Entrance, entranceOf, readCertificate } from './entrance.ts';
import { onStopSignal, openGateway } from './openGateway.ts';
import { createStderrLog } from './stderrLog.ts';
import { openTracing } from './tracing.ts';

/** Whatever the collector does, everything is gone 9 s after a signal. */
const STOPPED_MS = 8500;
const LAST_SPANS_MS = 2000;

const SHORT_TOKEN = 16;

/** Runs the router until a signal, or on stdio its client, ends it. The exit code: 0, 1 cannot listen, 2 bad configuration. */
export async function serve(args: ServeArgs): Promise<number> {
  const environment = readEnvironment(process.env);
  const entrance = await entranceOf(args, environment);
  const stdout = takeStdout();
  const log = createStderrLog(args.logLevel, { format: args.logFormat, timestamps: true });
  const tracing = await openTracing(process.env, log);
  const gateway = openGateway(args.config, environment, log, { persist: args.persist, tracing });
  const stopRequested = new Promise<void>(resolve => {
    let asked = false;
    onStopSignal(exitCode => {
      if (asked) process.exit(exitCode);
      asked = true;
      log.info('Stopping: calls in flight may finish; a second signal ends them');
      resolve();
    });
  });

  warnAbout(entrance, log);
  const loaded = await gateway.start();
  if (!loaded.ok) return 2;

  if (entrance.kind === 'http') {
    try {
      const onAnswered = args.accessLog ? accessLog(log) : undefined;
      const listener = await gateway.listenHttp({ ...entrance.listen, onAnswered });
      if (entrance.tls) renewWithFiles(listener, entrance.tls, log);
      log.info(`Serving ${gateway.snapshot().configFile} at ${new URL(entrance.path, listener.url)}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      log.error(error.message);
      return 1;
    }
    await stopRequested;
  } else {
    const hint = process.stdin.isTTY ? ': an MCP client is to write to stdin; --port 8000 serves HTTP' : '';
    log.info(`Serving ${gateway.snapshot().configFile} on stdio${hint}`);
    await Promise.race([gateway.serveStdio(process.stdin, stdout), stopRequested]);
  }
  const stoppingAt = systemClock.now();
  await gateway.stop();
  await tracing?.close(Math.max(0, Math.min(LAST_SPANS_MS, stoppingAt + STOPPED_MS - systemClock.now())));
  log.info('Stopped');
  return 0;
}

function warnAbout(entrance: Entrance, log: Logger): void {
  if (entrance.kind === 'stdio') {
    const { ignored } = entrance;
    if (ignored.length > 0)
      log.warning(`${ignored.join(' and ')} ${ignored.length === 1 ? 'means' : 'mean'} nothing on stdio`);
  } else if (entrance.listen.tokens?.some(({ value }) => value.length < SHORT_TOKEN)) {
    log.warning(
      `A token has fewer than ${SHORT_TOKEN} characters, so it can be guessed: make one by "openssl rand -hex 32"`,
    );
  }
}

/** A certificate that is renewed on the disk is used by new connections; one that cannot be used changes nothing. */
function renewWithFiles(listener: HttpListener, files: CertificateFiles, log: Logger): void {
  const renew = async () => {
    try {
      listener.renewCertificate(await readCertificate(files));
      log.info('The TLS certificate was renewed');
    } catch (error) {
      log.warning(`The TLS certificate stays as it was: ${messageOf(error)}`);
    }
  };
  for (const file of [files.cert, files.key]) watchConfig(file, systemClock, () => void renew());
}

/** The real stdout, for the protocol alone: whatever else writes to it or to the console writes to stderr from here on. */
function takeStdout(): NodeJS.WriteStream {
  const { stdout } = process;
  Object.defineProperty(process, 'stdout', { value: process.stderr });
  globalThis.console = new Console(process.stderr);
  return stdout;
}
