import { systemClock } from '../core/base/clock.ts';
import type { Logger } from '../core/base/log.ts';
import { readEnvironment } from '../core/config/environment.ts';
import type { Gateway } from '../core/gateway.ts';
import type { BackendSnapshot } from '../core/snapshot.ts';
import type { CheckArgs } from './args.ts';
import { checkReport, formatCheck } from './format.ts';
import { onStopSignal, openGateway } from './openGateway.ts';
import { ProgressLine, pageOf } from './terminal.ts';

/** Connects to every enabled backend once and prints what became of it. The exit code: 0 all ready, 1 some not, 2 bad configuration. */
export async function check(args: CheckArgs): Promise<number> {
  onStopSignal(exitCode => process.exit(exitCode));
  const gateway = openGateway(args.config, readEnvironment(process.env), SILENT, { restarts: false });
  const startedAt = systemClock.now();
  const { problems } = await gateway.start();
  const backends = await firstFates(gateway);

  const report = checkReport({ configFile: gateway.snapshot().configFile, backends, problems, startedAt });
  process.stdout.write(
    args.json ? `${JSON.stringify(report, undefined, 2)}\n` : formatCheck(report, pageOf(process.stdout)),
  );
  await gateway.stop();
  if (problems.some(({ severity }) => severity === 'error')) return 2;
  return report.backends.every(({ state }) => state === 'ready' || state === 'disabled') ? 0 : 1;
}

/** Every backend as it was when it had first answered or failed, in the order of the file. A terminal shows who is waited for. */
function firstFates(gateway: Gateway): Promise<BackendSnapshot[]> {
  // What waits for its first call is tried here like the others.
  for (const { name, state } of gateway.snapshot().backends) if (state.kind === 'idle') gateway.restart(name);
  const fates = new Map<string, BackendSnapshot>();
  const progress = new ProgressLine();
  return new Promise(resolve => {
    const look = () => {
      const { backends } = gateway.snapshot();
      for (const backend of backends) {
        const isPending = backend.state.kind === 'idle' || backend.state.kind === 'connecting';
        if (!isPending && !fates.has(backend.name)) fates.set(backend.name, backend);
      }
      const known = backends.flatMap(({ name }) => fates.get(name) ?? []);
      if (known.length === backends.length) {
        progress.clear();
        resolve(known);
      } else {
        const waiting = backends.filter(({ name }) => !fates.has(name)).map(({ name }) => name);
        progress.show(`${known.length} of ${backends.length}: waiting for ${waiting.join(', ')}`);
      }
    };
    gateway.onDidChange(look);
    look();
  });
}

/** The problems of the configuration are in the report. */
const SILENT: Logger = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} };
