import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LastWords, plainLine } from '../../../src/core/upstream/lastWords.ts';

function wordsOf(text: string): string {
  const words = new LastWords();
  for (const line of text.split('\n')) words.add(line);
  return words.take();
}

describe('LastWords', () => {
  it('finds the reason among what Node adds to it', () => {
    const text =
      "/srv/x.js:1\nthrow new Error('DATABASE_URL is missing')\n^\n\nError: DATABASE_URL is missing\n    at Object.<anonymous> (/srv/x.js:1:7)\n\nNode.js v20.20.2";
    assert.equal(wordsOf(text), 'Error: DATABASE_URL is missing');
  });

  it('finds the reason among what npm adds to it', () => {
    const text =
      'npm error code E404\nnpm error 404 Not Found - GET no-such-package\nnpm error A complete log of this run can be found in: x.log';
    assert.equal(wordsOf(text), 'npm error 404 Not Found - GET no-such-package');
    const longer =
      "npm error 404\nnpm error 404  The requested resource 'nope@*' could not be found.\nnpm error 404\nnpm error 404 Note that you can also install from a\nnpm error 404 tarball, folder, http url, or git url.";
    assert.equal(wordsOf(longer), "npm error 404  The requested resource 'nope@*' could not be found.");
  });

  it('takes the last line where none reads like an error', () => {
    assert.equal(wordsOf('starting\nmissing key\n\n'), 'missing key');
    assert.equal(wordsOf(''), '');
  });
});

describe('plainLine', () => {
  it('leaves nothing that a terminal would act on', () => {
    assert.equal(plainLine('\u001b[31mred\u001b[0m \u001b[2J\u0007text\ttab'), 'red text\ttab');
  });
});
