import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { globMatcher } from '../../../src/core/router/glob.ts';

const matches = (pattern: string, name: string) => globMatcher([pattern])(name);

describe('globMatcher', () => {
  it('matches as fnmatch does', () => {
    assert.deepEqual(
      [
        matches('query_*', 'query_users'),
        matches('*', 'a/b.c'),
        matches('a*c', 'a/b/.c'),
        matches('?', 'x'),
        matches('[ab]x', 'bx'),
        matches('[!ab]x', 'cx'),
        matches('{a,b}', '{a,b}'),
        matches('#x', '#x'),
        matches('!x', '!x'),
        matches('a\\*', 'a\\b'),
        matches('*', '.'),
        matches('.*', '..'),
      ],
      Array(12).fill(true),
    );
    assert.deepEqual(
      [
        matches('query_*', 'xquery_users'),
        matches('A', 'a'),
        matches('[!ab]x', 'ax'),
        matches('{a,b}', 'a'),
        matches('?', ''),
      ],
      Array(5).fill(false),
    );
  });

  // What Python 3.11 says of each: the names that a pattern matches, and those that it does not.
  for (const [pattern, those, others] of [
    ['[^a]x', ['^x', 'ax'], ['bx']],
    ['[!^]', ['a'], ['^']],
    ['[^]', ['^'], ['a']],
    ['[[:alpha:]]', ['a]', ':]', '[]'], ['a', 'x]']],
    ['[z-a]', [], ['z', '-', 'a', '[z-a]']],
    ['[!z-a]', ['z', '-', '/'], ['']],
    ['[z-am]', ['m'], ['z', 'a', '-']],
    ['[a-c-e]', ['b', '-', 'e'], ['d']],
    ['[-a]', ['-', 'a'], ['b']],
    ['[a-]', ['-', 'a'], ['b']],
    ['[]-a]', [']', '_', 'a'], ['b', '-']],
    ['[!]]', ['a'], [']']],
    ['[!]', ['[!]'], ['a', '[a]']],
    ['[]', ['[]'], ['']],
    ['a[b', ['a[b'], ['ab']],
    ['[\\]', ['\\'], ['a']],
    ['[\\d]', ['d', '\\'], ['0']],
    ['[+-9]', ['/', '.', '5'], ['a']],
    ['[!+-9]', ['a'], ['/', '.', '5']],
    ['[/-1]', ['/', '0'], ['.', '2']],
    ['[{a,b}]', ['{', ',', 'b'], ['ab']],
  ] as const)
    it(`matches as fnmatch does with the brackets ${pattern}`, () => {
      assert.deepEqual(
        [...those, ...others].filter(name => matches(pattern, name)),
        those,
      );
    });

  it('is quick whatever the pattern and however long the name', () => {
    const begun = performance.now();
    assert.equal(matches(`${'*a'.repeat(100)}[^b]*[!a-z]?d`, 'a'.repeat(100_000)), false);
    assert.ok(performance.now() - begun < 2000);
  });

  it('matches nothing without a pattern', () => {
    assert.equal(globMatcher([])('x'), false);
  });
});
