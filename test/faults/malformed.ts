// Requests that nobody should send, each with the statuses that are right for it. A table is a function of a random source.
import type { Random } from '../support/random.ts';
import { requestBytes } from '../support/rawHttp.ts';

export interface Malformed {
  readonly what: string;
  readonly bytes: Buffer;
  /** 0: the connection is closed without an answer. */
  readonly right: readonly number[];
}

/** What is true of the router that they are for. */
export interface Ground {
  readonly token: string;
  /** Of a client of the legacy era, that stays. */
  readonly session: string;
}

type Header = readonly [string, string];
type Table = (random: Random, ground: Ground, n: number) => Malformed;

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

/** The path of each door, with what its methods get from somebody who brings nothing else but the token. */
const DOORS: readonly [string, Readonly<Record<string, readonly number[]>>][] = [
  ['/mcp', { GET: [400], DELETE: [400], POST: [415] }],
  ['/', { GET: [400], DELETE: [400], POST: [415] }],
  ['/sse', { GET: [200] }],
  ['/messages/', { POST: [415] }],
  ['/healthz', { GET: [200], HEAD: [200] }],
  ['/readyz', { GET: [200], HEAD: [200] }],
  ['/mcp_servers', { GET: [200], HEAD: [200], POST: [415] }],
  ['/mcp_servers/', { GET: [200], HEAD: [200], POST: [415], DELETE: [400], PATCH: [400] }],
  ['/mcp_servers/none', { DELETE: [404], PATCH: [415] }],
  ['/mcp_tools', { GET: [200], HEAD: [200] }],
  ['/openapi.json', { GET: [200], HEAD: [200] }],
  ['/metrics', { GET: [200], HEAD: [200] }],
];
const VERBS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH'] as const;

const JSON_TYPE: Header = ['content-type', 'application/json'];
const HOST: Header = ['host', 'localhost'];

/** What no schema expects. */
function odd(random: Random, depth = 0): unknown {
  const deeper = () => (depth > 3 ? null : odd(random, depth + 1));
  return random.pick([
    () => null,
    () => true,
    () => random.pick([0, -1, 1.5, 2 ** 53, -1e308, 1e21]),
    () => random.pick(['', ' ', '\u0000', '\ud800', '../../etc/passwd', '$(id)', 'x'.repeat(random.between(1, 3000))]),
    () => [],
    () => [deeper(), deeper()],
    () => ({}),
    () => ({ [random.pick(['name', 'uri', 'id', 'toString', ''])]: deeper() }),
    () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  ])();
}

function params(random: Random, method: string): Record<string, unknown> {
  const named =
    method === 'tools/call' && random.next() < 0.5 ? { name: random.pick(TOOLS), arguments: odd(random) } : {};
  const keys = ['name', 'arguments', 'uri', 'cursor', 'level', 'ref', 'argument', 'taskId', 'requestState'] as const;
  return { [random.pick(keys)]: odd(random), [random.pick(keys)]: odd(random), ...named };
}

function post(path: string, headers: readonly Header[], body: unknown, { token }: Ground): Buffer {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return requestBytes('POST', path, [HOST, ['authorization', `Bearer ${token}`], JSON_TYPE, ...headers], text);
}

/** Bodies for `/mcp` in a session of the legacy era. */
const legacy: Table = (random, ground, n) => {
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
const modern: Table = (random, ground, n) => {
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

/** Who asks, and for which session. */
const visitors: Table = (random, ground) => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const token: Header = ['authorization', `Bearer ${ground.token}`];
  const session: Header = ['mcp-session-id', ground.session];
  const at = (what: string, headers: readonly Header[], ...right: number[]): Malformed => ({
    what: `visitor: ${what}`,
    bytes: requestBytes('POST', '/mcp', headers, body),
    right,
  });
  const junk = 'x'.repeat(random.between(1, 200));
  return random.pick([
    () => at('no token', [HOST, JSON_TYPE, session], 401),
    () => at('a wrong token', [HOST, JSON_TYPE, session, ['authorization', `Bearer ${junk}`]], 401, 429),
    () => at('another scheme', [HOST, JSON_TYPE, session, ['authorization', `Basic ${junk}`]], 401),
    () =>
      at(
        'a foreign host',
        [['host', random.pick(['evil.test', 'localhost.evil.test', '', '[::2]', 'a:b:c'])], token, JSON_TYPE, session],
        403,
      ),
    () => at('two hosts', [HOST, HOST, token, JSON_TYPE, session], 400),
    () =>
      at(
        'a foreign origin',
        [HOST, token, JSON_TYPE, session, ['origin', random.pick(['null', 'https://evil.test', '', junk])]],
        403,
      ),
    () => at('no session', [HOST, token, JSON_TYPE], 400),
    () => at('an unknown session', [HOST, token, JSON_TYPE, ['mcp-session-id', junk]], 404),
    () => at('two sessions', [HOST, token, JSON_TYPE, session, ['mcp-session-id', junk]], 404),
    () => at('no content type', [HOST, token, session], 415),
    () =>
      at(
        'another content type',
        [HOST, token, session, ['content-type', random.pick(['text/plain', 'application/jsonp', '', junk])]],
        415,
      ),
    () =>
      at(
        'an encoding',
        [HOST, token, session, JSON_TYPE, ['content-encoding', random.pick(['gzip', 'br', junk])]],
        415,
      ),
    () => at('an unknown version', [HOST, token, session, JSON_TYPE, ['mcp-protocol-version', junk]], 400),
    () =>
      at(
        'headers without end',
        [HOST, token, session, JSON_TYPE, ['x-junk', 'x'.repeat(random.between(17_000, 60_000))]],
        431,
      ),
    () =>
      at(
        'many headers',
        [HOST, token, session, JSON_TYPE, ...Array.from({ length: 300 }, (_, n): Header => [`x-${n}`, 'y'])],
        200,
      ),
    () => at('an expectation', [HOST, token, session, JSON_TYPE, ['expect', junk]], 417),
  ])();
};

/** Methods and paths. */
const targets: Table = (random, { token }) => {
  const headers: readonly Header[] = [HOST, ['authorization', `Bearer ${token}`]];
  const [path, known] = random.pick(DOORS as unknown as [(typeof DOORS)[number]]);
  const verb = random.pick(VERBS);
  const query = random.pick(['', '?', '?a=b', '?%zz', `?${'x'.repeat(500)}`]);
  if (random.next() < 0.7) {
    return {
      what: `target: ${verb} ${path}${query}`,
      bytes: requestBytes(verb, path + query, headers),
      right: known[verb] ?? [405],
    };
  }
  const elsewhere = random.pick([
    '/nowhere',
    '//mcp',
    '/mcp/x',
    '/mcp%2f',
    '/%zz',
    '/..',
    '/../mcp',
    '*',
    '/healthz/x',
    '/\u00ff',
    'mcp',
    '/MCP',
    '/mcp;x',
  ]);
  return { what: `target: ${verb} ${elsewhere}`, bytes: requestBytes(verb, elsewhere, headers), right: [404, 400] };
};

/** REST. A server that cannot be added is a 500 in the older systems, whose clients know that. */
const rest: Table = (random, ground, n) => {
  const at = (verb: string, path: string, body: unknown, ...right: number[]): Malformed => ({
    what: `REST: ${verb} ${path.slice(0, 60)}`,
    bytes: requestBytes(
      verb,
      path,
      [HOST, ['authorization', `Bearer ${ground.token}`], JSON_TYPE],
      typeof body === 'string' ? body : JSON.stringify(body),
    ),
    right,
  });
  const name = random.pick(['none', '%00', '..%2f..', 'x'.repeat(2000), '%F0%9F%98%80', '__proto__', 'constructor']);
  return random.pick([
    () => at('POST', '/mcp_servers', odd(random), 400),
    () => at('POST', '/mcp_servers', { mcpServers: random.pick([null, [], 5, 'x', [1]]) }, 400),
    () =>
      at(
        'POST',
        '/mcp_servers',
        { mcpServers: { [`bad${n}`]: random.pick([null, 5, 'x', [], {}, { command: 5 }, { url: 'no url' }]) } },
        500,
      ),
    () => at('POST', '/mcp_servers', random.pick(['', '{', '[', 'nothing']), 400),
    () => at('POST', '/mcp_servers', ' '.repeat(2 ** 20 + 1), 413),
    () => at('DELETE', `/mcp_servers/${name}`, '', 404),
    () => at('DELETE', '/mcp_servers/%zz', '', 400),
    () => at('PATCH', `/mcp_servers/${name}`, { priority: 1 }, 404),
    () => at('PATCH', '/mcp_servers/echo', { priority: random.pick<unknown>([-1, 1.5, '1', null, 1e300, {}]) }, 400),
    () => at('PATCH', '/mcp_servers/echo', { enabled: random.pick<unknown>(['yes', 1, null, []]) }, 400),
    () =>
      at('PATCH', '/mcp_servers/echo', random.pick<unknown>([{}, [], { command: 'rm' }, { priority: 1, x: 1 }]), 400),
    () =>
      at(
        'POST',
        `/messages/${random.pick(['', '?', '?session_id=1'])}`,
        { jsonrpc: '2.0', id: 1, method: 'ping' },
        400,
      ),
    () => at('POST', `/messages/?sessionId=${name}`, { jsonrpc: '2.0', id: 1, method: 'ping' }, 404),
    () => at('POST', '/messages/?sessionId=1', odd(random), 400),
  ])();
};

/** What is no HTTP. */
const bytes: Table = (random, { token }) => {
  const head = `POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n`;
  const noise = Buffer.from(Array.from({ length: random.between(1, 500) }, () => random.between(0, 255)));
  const at = (what: string, sent: string | Buffer): Malformed => ({
    what: `bytes: ${what}`,
    bytes: Buffer.from(sent as string, 'latin1'),
    right: [400],
  });
  return random.pick([
    () => at('noise', Buffer.concat([noise, Buffer.from('\x01\r\n\r\n')])),
    () => at('no host', 'GET /mcp HTTP/1.1\r\nconnection: close\r\n\r\n'),
    () => at('an unknown version', 'GET /mcp HTTP/9.9\r\nhost: localhost\r\n\r\n'),
    () => at('two lengths', `${head}content-length: 1\r\ncontent-length: 2\r\n\r\nab`),
    () => at('a length that is none', `${head}content-length: ${random.pick(['-1', 'x', '1,2', '0x10'])}\r\n\r\n`),
    () =>
      at(
        'a broken chunk',
        `${head}transfer-encoding: chunked\r\n\r\n${random.pick(['zz', '-1', 'fffffffffffffffff'])}\r\n`,
      ),
    () => at('a length and chunks', `${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
    () => at('a control character', `${head}x: a${random.pick(['\x00', '\x01', '\x7f'])}b\r\n\r\n`),
  ])();
};

/** Some MB. */
const sizes: Table = (random, ground, n) => {
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

/** Each with its share of a hundred. */
const TABLES: readonly [number, Table][] = [
  [38, legacy],
  [18, modern],
  [14, visitors],
  [12, targets],
  [12, rest],
  [5, bytes],
  [1, sizes],
];

export function malformed(random: Random, ground: Ground, n: number): Malformed {
  let rest = random.between(0, 99);
  for (const [share, table] of TABLES) {
    if (rest < share) return table(random, ground, n);
    rest -= share;
  }
  return legacy(random, ground, n);
}

/** As text: what is written again for nesting would be written by recursion. */
function nested(request: object, depth: number): string {
  const inner = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  return JSON.stringify({
    ...request,
    method: 'tools/call',
    params: { name: 'echo__echo', arguments: { text: '@' } },
  }).replace('"@"', inner);
}
