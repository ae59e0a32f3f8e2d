// What every fixture is made of, whichever era it speaks. Fixtures import it from serve.mjs.

/** Least important first. */
export const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const TOOLS_PER_PAGE = 100;

/** A JSON-RPC error answer. */
export class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** A tool result of one text. */
export const text = value => ({ content: [{ type: 'text', text: String(value) }] });

/**
 * One page of a list result. The cursor for page `n` is `cursors[n]`, so that a fixture can have odd ones.
 * A cursor that was never given out is an error, as it is with real servers.
 */
export function page(key, items, params, size, cursors = items.map((_, index) => `page-${index}`)) {
  const index = params.cursor === undefined ? 0 : cursors.indexOf(params.cursor);
  if (index < 0) throw new RpcError(-32602, `Invalid cursor: ${params.cursor}`);
  const hasMore = (index + 1) * size < items.length;
  const result = { [key]: items.slice(index * size, (index + 1) * size) };
  return hasMore ? { ...result, nextCursor: cursors[index + 1] } : result;
}

/** What a server says of itself in both eras. */
export const serverInfoOf = ({ name, version = '1.0.0' }) => ({ name, version });
export const capabilitiesOf = ({ capabilities }) => ({ tools: { listChanged: true }, ...capabilities });

/** The methods that a definition brings to both eras. */
export const methodsOf = definition => ({
  'tools/list': params =>
    page(
      'tools',
      (definition.tools ?? []).map(({ run, ...tool }) => tool),
      params,
      TOOLS_PER_PAGE,
    ),
  'tools/call': (params, call) => {
    const tool = definition.tools?.find(({ name }) => name === params.name);
    if (!tool) throw new RpcError(-32602, `Unknown tool: ${params.name}`);
    return tool.run(params.arguments ?? {}, call);
  },
  ...definition.methods,
});

/** What a handler can say on its call's own stream. `minLevel()` is the least important that the client wants logged; undefined: nothing. */
export function voiceOf(definition, params, minLevel, send) {
  const notify = (method, params) => send({ jsonrpc: '2.0', method, params });
  const progressToken = params._meta?.progressToken;
  return {
    notify,
    progress(progress, total, message) {
      if (progressToken !== undefined) notify('notifications/progress', { progressToken, progress, total, message });
    },
    log(level, data) {
      const least = minLevel();
      if (least === undefined || LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
      notify('notifications/message', { level, logger: definition.name, data });
    },
  };
}
