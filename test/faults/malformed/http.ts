// What is wrong before anybody reads the body, and REST.
import { requestBytes } from '../../support/rawHttp.ts';
import { type Header, HOST, JSON_TYPE, type Malformed, odd, type Table } from './parts.ts';

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

/** Who asks, and for which session. */
export const visitors: Table = (random, ground) => {
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
export const targets: Table = (random, { token }) => {
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
export const rest: Table = (random, ground, n) => {
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
export const bytes: Table = (random, { token }) => {
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
