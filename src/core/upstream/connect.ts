import type { Clock } from '../base/clock.ts';
import type { BackendConfig } from '../config/schema.ts';
import { Connection, type ConnectionPorts, closeTransport, type RequestOptions } from './connection.ts';
import type { HandshakeOptions } from './handshake.ts';
import { type Lists, type ListsRead, NO_LISTS, readLists } from './lists.ts';
import type { Attempted, Failure } from './outcome.ts';
import { StdioTransport } from './stdioTransport.ts';
import { failureOf, type LaunchContext, mayBeSse, type TransportKind, transportsFor } from './transports.ts';

export interface ConnectOptions extends LaunchContext, Pick<HandshakeOptions, 'clientInfo' | 'knownEra'> {
  /** What the backend is told that its client can do. By default all that some client may be able to do. */
  readonly capabilities?: HandshakeOptions['capabilities'];
  /** Whether what it offers is read; default true. */
  readonly readsLists?: boolean;
}

/** A shared connection is made before any client is there, and a server that was not offered something never asks for it. */
const EVERYTHING = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
};

/** A session with its lists read: a backend that can be used. */
export interface Connected {
  readonly connection: Connection;
  /** Empty if they were not asked for. */
  readonly lists: Lists;
  /** How long the backend says that they hold. */
  readonly ttlMs: number | undefined;
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
  const { clock, readsLists = true } = options;
  const abort = new AbortController();
  const giveUp = () => abort.abort('was stopped');
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  const startMs = config.start_timeout_seconds * 1000;
  const due = clock.now() + startMs;
  const timer = clock.schedule(startMs, () => abort.abort(TIMED_OUT));
  let failure: Failure | undefined;
  const handshake: HandshakeOptions = {
    protocol: config.protocol,
    knownEra: options.knownEra,
    clientInfo: options.clientInfo,
    capabilities: options.capabilities ?? EVERYTHING,
  };
  for (const { kind, create } of transportsFor(config.launch, options)) {
    if (abort.signal.aborted) break;
    const transport = create();
    try {
      const connection = await Connection.open(transport, handshake, clock, ports, abort.signal);
      const timeouts = { quietMs: config.request_timeout_seconds * 1000, maxMs: config.max_request_seconds * 1000 };
      const read = { ...timeouts, signal: abort.signal };
      const { lists, failures, omissions, ttlMs } = readsLists
        ? await readAll(connection, read, clock, due)
        : NOTHING_READ;
      const failed = connection.end ?? failures.get('tools');
      if (!failed && !abort.signal.aborted) {
        for (const [list, { message }] of failures) ports.onTrouble(`${list} could not be read: ${message}`);
        for (const line of omissions) ports.onTrouble(line);
        const pid = transport instanceof StdioTransport ? transport.pid : undefined;
        timer.dispose();
        signal.removeEventListener('abort', giveUp);
        return { ok: true, value: { connection, lists: { ...NO_LISTS, ...lists }, ttlMs, transport: kind, pid } };
      }
      if (failed) failure = failed;
      await connection.close();
      break;
    } catch (error) {
      // That it is no older server either is no news.
      if (!failure || !mayBeSse(error)) failure = failureOf(error, transport);
      await closeTransport(transport, clock);
      if (!mayBeSse(error)) break;
    }
  }
  timer.dispose();
  signal.removeEventListener('abort', giveUp);
  if (abort.signal.reason === TIMED_OUT) {
    const message = `did not answer within ${config.start_timeout_seconds} s of its start`;
    failure = { code: 'start-timeout', message };
  } else if (abort.signal.aborted) failure = STOPPED;
  return { ok: false, failure: failure ?? STOPPED };
}

const NOTHING_READ: ListsRead = { lists: {}, failures: new Map(), omissions: [], ttlMs: undefined };
const TIMED_OUT = 'timed out';
const STOPPED: Failure = { code: 'closed', message: 'it was stopped' };

/**
 * Reads all lists. Those that a backend is of use without get a third of the time that is left until `due`, so that one
 * that hangs does not cost the tools.
 */
async function readAll(connection: Connection, options: RequestOptions, clock: Clock, due: number): Promise<ListsRead> {
  const patience = new AbortController();
  const patienceMs = (due - clock.now()) / 3;
  const timer = clock.schedule(patienceMs, () => patience.abort(`took longer than ${Math.round(patienceMs / 1000)} s`));
  options.signal.addEventListener('abort', () => patience.abort(options.signal.reason), { once: true });
  const [tools, others] = await Promise.all([
    readLists(connection, ['tools'], options),
    readLists(connection, ['prompts', 'resources', 'templates'], { ...options, signal: patience.signal }),
  ]);
  timer.dispose();
  const ttls = [tools.ttlMs, others.ttlMs].filter(ttlMs => ttlMs !== undefined);
  return {
    lists: { ...tools.lists, ...others.lists },
    failures: new Map([...tools.failures, ...others.failures]),
    omissions: [...tools.omissions, ...others.omissions],
    ttlMs: ttls.length > 0 ? Math.min(...ttls) : undefined,
  };
}
