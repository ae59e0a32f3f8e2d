import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchesTemplate } from '../../../src/core/router/uriTemplates.ts';

describe('matchesTemplate', () => {
  it('knows the URIs of a template', () => {
    const template = 'test://items/{id}/data{?q}';
    assert.equal(matchesTemplate(template, 'test://items/a%20b/data?q=1'), true);
    assert.equal(matchesTemplate(template, 'test://items/1/data'), true);
    assert.equal(matchesTemplate(template, 'test://items/1/other'), false);
    assert.equal(matchesTemplate(template, 'other://items/1/data'), false);
    assert.equal(matchesTemplate('file:///{+path}', 'file:///a/b/c'), true);
    assert.equal(matchesTemplate('x://{a}-{b}.txt', 'x://1-2.txt'), true);
    assert.equal(matchesTemplate('x://{a}-{b}.txt', 'x://1-2.md'), false);
    assert.equal(matchesTemplate('x://{a}aa', 'x://a'), false);
  });

  it('takes a template without expressions for itself', () => {
    assert.equal(matchesTemplate('x://a', 'x://a'), true);
    assert.equal(matchesTemplate('x://a', 'x://ab'), false);
  });

  it('has no URIs for a malformed one', () => {
    assert.equal(matchesTemplate('x://{unclosed', 'x://{unclosed}'), false);
    assert.equal(matchesTemplate('x://{a}{b', 'x://1{b'), false);
  });

  it('is fast for templates made to be slow', () => {
    const begun = performance.now();
    assert.equal(matchesTemplate('x://{a}{b}{c}{d}{e}{f}{g}!', `x://${'a'.repeat(100_000)}`), false);
    assert.ok(performance.now() - begun < 2000);
  });
});
