import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { modernRefusal, paramRefusal, statusOf } from '../../../src/core/downstream/modernHeaders.ts';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const HEADERS = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'x' };
const call = (params: object = {}, more: object = {}) => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name: 'x', arguments: {}, _meta: META, ...params },
  ...more,
});
const without = (key: keyof typeof HEADERS) => ({ ...HEADERS, [key]: undefined });

describe('A modern POST', () => {
  for (const [what, headers, body] of [
    ['headers that say what its body says', HEADERS, call()],
    ['blanks around them', { ...HEADERS, 'mcp-name': ' x ', 'mcp-method': ' tools/call' }, call()],
    ['a name in Base64', { ...HEADERS, 'mcp-name': '=?base64?w6nwn5qC?=' }, call({ name: 'é🚂' })],
    [
      'no name where it names nothing',
      { ...without('mcp-name'), 'mcp-method': 'tools/list' },
      call({ name: undefined }, { method: 'tools/list' }),
    ],
    [
      'the URI of a resource as its name',
      { ...HEADERS, 'mcp-method': 'resources/read', 'mcp-name': 'a:/b' },
      call({ uri: 'a:/b' }, { method: 'resources/read' }),
    ],
    [
      'no id, being a notification',
      { ...without('mcp-name'), 'mcp-method': 'notifications/x' },
      { jsonrpc: '2.0', method: 'notifications/x', params: { _meta: META } },
    ],
  ] as const) {
    it(`is served with ${what}`, () => assert.equal(modernRefusal(headers, body), undefined));
  }

  for (const [what, headers, body, code, id, message] of [
    ['no version', without('mcp-protocol-version'), call(), -32020, 7, /MCP-Protocol-Version/i],
    ['no method', without('mcp-method'), call(), -32020, 7, /Mcp-Method/i],
    ['another method', { ...HEADERS, 'mcp-method': 'tools/list' }, call(), -32020, 7, /Mcp-Method/i],
    ['no name', without('mcp-name'), call(), -32020, 7, /Mcp-Name is missing, and the body names "x"/],
    ['another name', { ...HEADERS, 'mcp-name': 'y' }, call(), -32020, 7, /Mcp-Name/],
    ['a name in broken Base64', { ...HEADERS, 'mcp-name': '=?base64?eA?=' }, call(), -32020, 7, /Mcp-Name/],
    [
      'a prompt of another name',
      { ...HEADERS, 'mcp-method': 'prompts/get', 'mcp-name': 'y' },
      call({}, { method: 'prompts/get' }),
      -32020,
      7,
      /Mcp-Name/,
    ],
    ['another version', { ...HEADERS, 'mcp-protocol-version': '2025-11-25' }, call(), -32020, 7, /version/i],
    ['no envelope', HEADERS, call({ _meta: undefined }), -32602, 7, /_meta/],
    [
      'no capabilities',
      HEADERS,
      call({ _meta: { ...META, 'io.modelcontextprotocol/clientCapabilities': undefined } }),
      -32602,
      7,
      /clientCapabilities/,
    ],
    ['several messages', HEADERS, [call(), call()], -32600, null, /batch/i],
  ] as const) {
    it(`is refused with ${what}`, () => {
      const refused = modernRefusal(headers, body);
      assert.deepEqual([refused?.status, refused?.code, refused?.id], [400, code, id], JSON.stringify(refused));
      assert.match(refused?.message ?? '', message);
    });
  }

  it('of a version that is not known is refused with those that are', () => {
    const _meta = { ...META, 'io.modelcontextprotocol/protocolVersion': '2031-01-01' };
    const refused = modernRefusal({ ...HEADERS, 'mcp-protocol-version': '2031-01-01' }, call({ _meta }));
    // What it is answered comes later, from whoever serves it.
    assert.ok(refused === undefined || refused.code === -32022, JSON.stringify(refused));
  });
});

describe('The headers of a tool call', () => {
  const schema = {
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      size: { type: 'integer', 'x-mcp-header': 'Size' },
      on: { type: 'boolean', 'x-mcp-header': 'On' },
      deep: { type: 'object', properties: { name: { type: 'string', 'x-mcp-header': 'Deep-Name' } } },
      plain: { type: 'string' },
    },
  };
  const refused = (headers: Record<string, string>, args: unknown, inputSchema: unknown = schema) =>
    paramRefusal(headers, inputSchema, { id: 7, params: { arguments: args } });

  it('repeat what its schema wants repeated', () => {
    for (const [headers, args] of [
      [{}, {}],
      [{}, { plain: 'x', region: null, deep: {} }],
      [{ 'mcp-param-region': 'eu' }, { region: 'eu' }],
      [{ 'mcp-param-region': '=?base64?w6k=?=' }, { region: 'é' }],
      [{ 'mcp-param-region': '=?base64?IGVu?=' }, { region: ' en' }],
      [{ 'mcp-param-region': '=?base64?PT9iYXNlNjQ/eD89?=' }, { region: '=?base64?x?=' }],
      [{ 'mcp-param-size': '10' }, { size: 10 }],
      [{ 'mcp-param-size': '1e1' }, { size: 10 }],
      [{ 'mcp-param-on': 'false' }, { on: false }],
      [{ 'mcp-param-deep-name': 'n' }, { deep: { name: 'n' } }],
    ] as const)
      assert.equal(refused(headers, args), undefined, JSON.stringify([headers, args]));
    assert.equal(refused({}, { region: 'eu' }, true), undefined);
    assert.equal(refused({}, 'no object'), undefined);
  });

  it('are refused where they do not', () => {
    for (const [headers, args] of [
      [{}, { region: 'eu' }],
      [{ 'mcp-param-region': 'us' }, { region: 'eu' }],
      [{ 'mcp-param-region': '=?base64?broken?=' }, { region: 'eu' }],
      [{ 'mcp-param-region': '' }, { region: '0' }],
      [{ 'mcp-param-size': '11' }, { size: 10 }],
      [{ 'mcp-param-size': '' }, { size: 0 }],
      [{ 'mcp-param-on': 'true' }, { on: false }],
      [{}, { deep: { name: 'n' } }],
    ] as const) {
      const { status, code, id, message } = refused(headers, args) ?? assert.fail(JSON.stringify([headers, args]));
      assert.deepEqual([status, code, id], [400, -32020, 7]);
      assert.match(message, /^Header mismatch: Mcp-Param-/);
    }
  });
});

it('shows errors about the request itself in the HTTP status, and no others', () => {
  const status = (code: number) => statusOf({ kind: 'error', error: { code, message: '' } });
  assert.deepEqual(
    [-32601, -32600, -32020, -32021, -32022, -32602, -32603, -32000, -32002, 7].map(status),
    [404, 400, 400, 400, 400, 200, 200, 200, 200, 200],
  );
  assert.equal(statusOf({ kind: 'result', result: {} }), 200);
});
