import { asText } from '../base/json.ts';
import { METHOD_NOT_FOUND } from '../base/rpcErrors.ts';
import type { BackendConfig } from '../config/schema.ts';
import { type ConnectOptions, connect } from './connect.ts';
import { LastWords, plainLine } from './lastWords.ts';

/** What trying a backend found. */
export type TryReport =
  | { readonly ok: true; readonly serverName: string; readonly tools: readonly string[] }
  | { readonly ok: false; readonly message: string; readonly stderrTail: readonly string[] };

const TAIL_LINES = 20;

/** Connects a backend once, reads what it offers and ends it again. Never rejects. */
export async function tryBackend(
  config: BackendConfig,
  options: Omit<ConnectOptions, 'onLine'>,
  signal: AbortSignal,
): Promise<TryReport> {
  const stderrTail: string[] = [];
  const lastWords = new LastWords();
  const note = (line: string) => {
    if (stderrTail.push(line) > TAIL_LINES) stderrTail.shift();
  };
  const onLine = (line: string) => {
    const plain = plainLine(line);
    lastWords.add(plain);
    note(plain);
  };
  const error = { code: METHOD_NOT_FOUND, message: 'It is only being tried: nobody can be asked' };
  const nobody = {
    onNotification: () => {},
    onRequest: async () => ({ kind: 'error' as const, error }),
    onEnd: () => {},
    onTrouble: note,
  };
  const tried = await connect(config, { ...options, onLine }, nobody, signal);
  if (!tried.ok) return { ok: false, message: lastWords.explain(tried.failure), stderrTail };
  const { connection, lists } = tried.value;
  await connection.close();
  return { ok: true, serverName: connection.about.serverInfo.name, tools: lists.tools.map(({ name }) => asText(name)) };
}
