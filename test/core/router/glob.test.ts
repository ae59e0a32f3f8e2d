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

  it('matches nothing without a pattern', () => {
    assert.equal(globMatcher([])('x'), false);
  });
});
