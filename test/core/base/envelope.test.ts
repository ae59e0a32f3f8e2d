import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  asLegacyError,
  asLegacyResult,
  asModernResult,
  enveloped,
  hasEnvelope,
  openEnvelope,
  tagged,
  untagged,
} from '../../../src/core/base/envelope.ts';
import type { Params } from '../../../src/core/base/peer.ts';

const meta = (name: string) => `io.modelcontextprotocol/${name}`;
const text = (value: string) => ({ type: 'text', text: value });

describe('An envelope', () => {
  const client = { info: { name: 'n', version: '1', odd: [null] }, capabilities: { sampling: {} }, logLevel: 'error' };

  it('is put around params and taken off again', () => {
    const params = { name: 'x', _meta: { progressToken: 0, odd: null } };
    const sent = enveloped(params, client);
    assert.ok(hasEnvelope(sent));
    assert.deepEqual(openEnvelope(sent), { client: { era: 'modern', ...client }, params });
    assert.deepEqual(params, { name: 'x', _meta: { progressToken: 0, odd: null } });
    const bare = enveloped(undefined, { info: undefined, capabilities: {}, logLevel: undefined });
    assert.deepEqual(openEnvelope(bare).params, {});
    assert.equal(openEnvelope(bare).client.logLevel, undefined);
  });

  it('is none where the version is of the legacy era, or missing', () => {
    for (const version of ['2025-11-25', '2024-11-05', undefined])
      assert.equal(hasEnvelope({ _meta: { [meta('protocolVersion')]: version } }), false);
    for (const params of [undefined, {}, { _meta: null }, { _meta: [1] }])
      assert.equal(hasEnvelope(params as Params | undefined), false);
    for (const version of ['2026-07-28', '2031-01-01', 7, null])
      assert.equal(hasEnvelope({ _meta: { [meta('protocolVersion')]: version } }), true);
  });
});

describe('A modern error for a legacy client', () => {
  it('has the code of the legacy era where it names a resource that is not there, and is otherwise as it is', () => {
    const missing = { code: -32602, message: 'm', data: { uri: 'x:y' }, odd: 1 };
    assert.deepEqual(asLegacyError(missing), { ...missing, code: -32002 });
    for (const error of [
      { code: -32602, message: 'm' },
      { code: -32602, message: 'm', data: { uri: 'x:y', argument: 'a' } },
      { code: -32603, message: 'm', data: { uri: 'x:y' } },
    ])
      assert.equal(asLegacyError(error), error);
  });
});

describe('A modern result for a legacy client', () => {
  it('is without what only the modern era has, and otherwise as it is', () => {
    const result = {
      resultType: 'complete',
      ttlMs: 5,
      cacheScope: 'public',
      content: [],
      odd: { ttlMs: 1 },
      _meta: { [meta('serverInfo')]: {}, kept: 1 },
    };
    assert.deepEqual(asLegacyResult(result), { content: [], odd: { ttlMs: 1 }, _meta: { kept: 1 } });
    assert.deepEqual(asLegacyResult({ resultType: 'complete', _meta: { [meta('serverInfo')]: {} } }), {});
  });

  it('keeps structured content that is an object', () => {
    const result = { content: [], structuredContent: { a: [1] } };
    assert.deepEqual(asLegacyResult(result), result);
  });

  for (const value of [[1, { a: 2 }], 'ü', 7, 0, false, null, ''])
    it(`says structured content that is ${JSON.stringify(value)} in text, once`, () => {
      const said = { content: [text(JSON.stringify(value))] };
      for (const content of [undefined, [], 'odd'])
        assert.deepEqual(asLegacyResult({ structuredContent: value, ...(content !== undefined && { content }) }), said);
      assert.deepEqual(asLegacyResult({ content: [text('own words')], structuredContent: value, isError: true }), {
        content: [text('own words')],
        isError: true,
      });
    });
});

describe('A result for a modern client', () => {
  it('says its kind and whose it is', () => {
    const serverInfo = { name: 's', version: '1' };
    assert.deepEqual(asModernResult({ a: 1, _meta: { b: 2 } }, serverInfo), {
      resultType: 'complete',
      a: 1,
      _meta: { b: 2, [meta('serverInfo')]: serverInfo },
    });
    assert.equal(asModernResult({ resultType: 'input_required' }, serverInfo).resultType, 'input_required');
  });
});

it('tags what belongs to a stream of changes, and takes the tag off', () => {
  const params = { uri: 'a:/b', _meta: { odd: 1 } };
  assert.deepEqual(untagged(tagged(params, 7)), params);
  assert.equal(untagged(tagged(undefined, 'l')), undefined);
  assert.equal(untagged(params), params);
  assert.equal(untagged(undefined), undefined);
});
