import type { BackendConfig } from '../config/schema.ts';
import { Connection, type ConnectionPorts, closeTransport } from './connection.ts';
import { ALL_LISTS, type Lists, NO_LISTS, readLists } from './lists.ts';
import type { Attempted, Failure } from './outcome.ts';
import { StdioTransport } from './stdioTransport.ts';
import { failureOf, type LaunchContext, mayBeSse, type TransportKind, transportsFor } from './transports.ts';

export interface ConnectOptions extends LaunchContext {
  /** Of this product, told to the backend. */
  readonly version: string;
}

/** A session with its lists read: a backend that can be used. */
export interface Connected {
  readonly connection: Connection;
  readonly lists: Lists;
  readonly transport: TransportKind;
  /** Of the process, for stdio. */
  readonly pid: number | undefined;
}

/**
 * Connects to a backend and reads what it offers, within its start timeout.
 * What was started for an attempt that fails is gone when this resolves.
 * @param signal gives up the attempt
 */
export async function connect(
  config: BackendConfig,
  options: ConnectOptions,
  ports: ConnectionPorts,
  signal: AbortSignal,
): Promise<Attempted<Connected>> {
  const { clock } = options;
  const abort = new AbortController();
  const giveUp = () => abort.abort('stopped');
  signal.addEventListener('abort', giveUp, { once: true });
  const timer = clock.schedule(config.start_timeout_seconds * 1000, () => abort.abort('timed out'));
  let failure: Failure = { code: 'closed', message: 'it was stopped' };
  for (const { kind, create } of transportsFor(config.launch, options)) {
    if (signal.aborted) break;
    const transport = create();
    try {
      const connection = await Connection.open(transport, options.version, clock, ports, abort.signal);
      const timeouts = { quietMs: config.request_timeout_seconds * 1000, maxMs: config.max_request_seconds * 1000 };
      const read = await readLists(connection, ALL_LISTS, { ...timeouts, signal: abort.signal });
      if (read.ok && !abort.signal.aborted) {
        const pid = transport instanceof StdioTransport ? transport.pid : undefined;
        timer.dispose();
        signal.removeEventListener('abort', giveUp);
        return { ok: true, value: { connection, lists: { ...NO_LISTS, ...read.value }, transport: kind, pid } };
      }
      if (!read.ok) failure = read.failure;
      await connection.close();
      break;
    } catch (error) {
      failure = failureOf(error, transport);
      await closeTransport(transport, clock);
      if (!mayBeSse(error)) break;
    }
  }
  timer.dispose();
  signal.removeEventListener('abort', giveUp);
  if (abort.signal.reason === 'timed out') {
    failure = {
      code: 'start-timeout',
      message: `did not answer within ${config.start_timeout_seconds} s of its start`,
    };
  }
  return { ok: false, failure };
}
