// What comes well by HTTP and is no MCP, of either era.
import type { Random } from '../../support/random.ts';
import { type Header, type Malformed, odd, post, type Table } from './parts.ts';

const VERSION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';
const META = {
  [`${KEY}protocolVersion`]: VERSION,
  [`${KEY}clientInfo`]: { name: 'fuzz', version: '1' },
  [`${KEY}clientCapabilities`]: {},
};
const METHODS = [
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
  'tasks/get',
  'tasks/cancel',
] as const;
const LEGACY_METHODS = [...METHODS, 'ping', 'logging/setLevel', 'resources/subscribe', 'tasks/list'] as const;
const TOOLS = ['echo__echo', 'echo__add', 'echo__fail', 'no_such_tool', 'list_backends', ''] as const;
const UNKNOWN = [
  '',
  'no/such',
  '__proto__',
  'constructor',
  'tools/call/',
  'TOOLS/CALL',
  'x'.repeat(5000),
  'ü\u0000',
] as const;

function params(random: Random, method: string): Record<string, unknown> {
  const named =
    method === 'tools/call' && random.next() < 0.5 ? { name: random.pick(TOOLS), arguments: odd(random) } : {};
  const keys = ['name', 'arguments', 'uri', 'cursor', 'level', 'ref', 'argument', 'taskId', 'requestState'] as const;
  return { [random.pick(keys)]: odd(random), [random.pick(keys)]: odd(random), ...named };
}

/** Bodies for `/mcp` in a session of the legacy era. */
export const legacy: Table = (random, ground, n) => {
  const session: Header = ['mcp-session-id', ground.session];
  const path = random.pick(['/mcp', '/', '/mcp/']);
  const at = (what: string, body: unknown, ...right: number[]): Malformed => ({
    what: `legacy: ${what}`,
    bytes: post(path, [session], body, ground),
    right,
  });
  const id = `fuzz-${n}`;
  const method = random.pick(LEGACY_METHODS);
  const request = { jsonrpc: '2.0', id, method, params: params(random, method) };
  const text = JSON.stringify(request);
  return random.pick([
    () => at('odd params', request, 200),
    () => at('an unknown method', { ...request, method: random.pick(UNKNOWN) }, 200),
    () => at('params of another type', { ...request, params: random.pick([null, [], 'x', 5, true]) }, 400),
    () => at('a wrong version', { ...request, jsonrpc: random.pick(['1.0', 2, null, '']) }, 400),
    () => at('a wrong id', { ...request, id: random.pick([null, {}, [], true, 1.5]) }, 400),
    () => at('a huge id', text.replace(`"${id}"`, random.pick(['1e400', '1e30', '-9007199254740993'])), 400),
    () => at('a wrong method', { ...request, method: random.pick([null, 5, {}, []]) }, 400),
    () => at('a field too many', { ...request, extra: odd(random) }, 400),
    () => at('an odd value', odd(random), 400),
    () => at('cut off', text.slice(0, random.between(0, text.length - 1)), 400),
    () =>
      at('not JSON', random.pick(['', ' ', '{', 'null,', 'NaN', "{'a':1}", '\ufeff{}', '[1,]', '{"a":1}{"b":2}']), 400),
    () =>
      at('broken UTF-8', Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0xc3, 0x28, 0xff, 0x7d])]), 400),
    () => at('an empty batch', [], 400),
    () => at('a batch with one id twice', [request, request], 400),
    () => at('a batch with something odd in it', [request, odd(random)], 400),
    () =>
      at(
        'a batch of notifications',
        Array.from({ length: random.between(1, 50) }, () => ({ jsonrpc: '2.0', method: 'notifications/x' })),
        202,
      ),
    () => at('an answer to nobody', { jsonrpc: '2.0', id: random.between(0, 1e9), result: {} }, 202),
    () => at('an error to nobody', { jsonrpc: '2.0', id, error: { code: 1, message: '' } }, 202),
    () =>
      at(
        'a notification with odd params',
        {
          jsonrpc: '2.0',
          method: random.pick(['notifications/cancelled', 'notifications/progress', 'notifications/no']),
          params: params(random, ''),
        },
        202,
        400,
      ),
    () => at('deeply nested', nested(request, random.between(100, 20_000)), 200, 400),
    () => at('a key twice', text.replace('{', `{"id":"other-${n}",`), 200),
  ])();
};

/** Bodies and headers of the modern era. */
export const modern: Table = (random, ground, n) => {
  const method = random.pick(METHODS);
  const given = params(random, method);
  const right = { jsonrpc: '2.0', id: n, method: 'tools/list', params: { _meta: META } };
  const version: Header = ['mcp-protocol-version', VERSION];
  const about = (name: string): Header => ['mcp-method', name];
  const at = (what: string, headers: readonly Header[], body: unknown, ...statuses: number[]): Malformed => ({
    what: `modern: ${what}`,
    bytes: post('/mcp', headers, body, ground),
    right: statuses,
  });
  const named = typeof given.name === 'string' && /^[\x21-\x7e]+$/.test(given.name) ? given.name : 'x';
  const names: readonly Header[] = [version, about(method), ['mcp-name', named]];
  const fields = Object.keys(META);
  const field = fields[random.between(0, fields.length - 1)] ?? '';
  return random.pick([
    () => at('odd params', names, { ...right, method, params: { ...given, _meta: META } }, 200, 400, 404),
    () => at('no headers', [], right, 400),
    () => at('no method in the headers', [version], right, 400),
    () => at('another method in the headers', [version, about('tools/call')], right, 400),
    () =>
      at('another version in the headers', [['mcp-protocol-version', '2025-11-25'], about('tools/list')], right, 400),
    () => at('the headers alone', [version, about('tools/list')], { ...right, params: {} }, 400),
    () =>
      at(
        'an envelope with a hole',
        [version, about('tools/list')],
        { ...right, params: { _meta: { ...META, [field]: undefined } } },
        field === `${KEY}clientInfo` ? 200 : 400,
      ),
    () =>
      at(
        'an envelope of odd things',
        [version, about('tools/list')],
        { ...right, params: { _meta: { ...META, [field]: odd(random) } } },
        200,
        400,
      ),
    () =>
      at(
        'an unknown version',
        [['mcp-protocol-version', '2099-01-01'], about('tools/list')],
        { ...right, params: { _meta: { ...META, [`${KEY}protocolVersion`]: '2099-01-01' } } },
        400,
      ),
    () => at('a batch', [version, about('tools/list')], [right, right], 400),
    () => at('a method that is gone', [version, about('ping')], { ...right, method: 'ping' }, 404),
    () => at('an unknown method', [version, about('no/such')], { ...right, method: 'no/such' }, 404),
    () =>
      at(
        'a name that is none',
        [version, about('tools/call'), ['mcp-name', '=?base64?%%%?=']],
        { ...right, method: 'tools/call', params: { name: 'echo__echo', _meta: META } },
        400,
      ),
    () =>
      at(
        'a notification',
        [version, about('notifications/x')],
        { jsonrpc: '2.0', method: 'notifications/x', params: { _meta: META } },
        202,
      ),
  ])();
};

/** Some MB. */
export const sizes: Table = (random, ground, n) => {
  const session: Header = ['mcp-session-id', ground.session];
  const length = random.between(100_000, 4_000_000);
  const at = (what: string, body: string | Buffer, ...right: number[]): Malformed => ({
    what: `size: ${what}, ${length}`,
    bytes: post('/mcp', [session], body, ground),
    right,
  });
  const request = (args: unknown) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: `big-${n}`,
      method: 'tools/call',
      params: { name: 'echo__echo', arguments: args },
    });
  return random.pick([
    () => at('blanks', ' '.repeat(length), 400),
    () => at('zeros', Buffer.alloc(length), 400),
    () => at('brackets', '['.repeat(length), 400),
    () => at('many numbers', `[${'1,'.repeat(length / 2)}1]`, 400),
    () => at('a long text', request({ text: 'x'.repeat(length) }), 200),
    () =>
      at(
        'many keys',
        request(Object.fromEntries(Array.from({ length: length / 100 }, (_, key) => [`k${key}`, key]))),
        200,
      ),
  ])();
};

/** As text: what is written again for nesting would be written by recursion. */
function nested(request: object, depth: number): string {
  const inner = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  return JSON.stringify({
    ...request,
    method: 'tools/call',
    params: { name: 'echo__echo', arguments: { text: '@' } },
  }).replace('"@"', inner);
}
