import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exposedNames, MAX_EXPOSED_NAME, type NameOptions, nearNames } from '../../../src/core/router/toolNames.ts';

const PREFIXED: NameOptions = { prefixing: true, separator: '__' };
const BARE: NameOptions = { prefixing: false, separator: '__' };

function exposed(namespace: string, original: string, options = PREFIXED): string {
  return exposedNames(namespace, [original], options).get(original) ?? '';
}

describe('exposed names', () => {
  it('are namespace and original name where nothing has to change', () => {
    assert.equal(exposed('db', 'query'), 'db__query');
    assert.equal(exposed('git-hub', 'createIssue'), 'git-hub__createIssue');
    assert.equal(exposed('db', 'query', BARE), 'query');
    assert.equal(exposed('db', 'query', { prefixing: true, separator: '::' }), 'db::query');
  });

  it('carry a hash of the original when anything was altered', () => {
    assert.match(exposed('db', 'read.all'), /^db__read_all_[0-9a-f]{6}$/);
    assert.match(exposed('DB', 'query'), /^db__query_[0-9a-f]{6}$/);
    assert.match(exposed('a__b', 'c'), /^a_b__c_[0-9a-f]{6}$/);
    assert.match(exposed('db_', 'query'), /^db___query_[0-9a-f]{6}$/);
    assert.match(exposed('db', 'größe'), /^db__gr__e_[0-9a-f]{6}$/);
  });

  it('are never longer than VS Code leaves room for, hash included', () => {
    assert.equal(exposed('db', 'x'.repeat(42)).length, MAX_EXPOSED_NAME);
    assert.equal(exposed('db', 'x'.repeat(42)), `db__${'x'.repeat(42)}`);
    const cut = exposed('db', 'x'.repeat(43));
    assert.equal(cut.length, MAX_EXPOSED_NAME);
    assert.match(cut, /x_[0-9a-f]{6}$/);
    assert.notEqual(exposed('db', `${'x'.repeat(60)}a`), exposed('db', `${'x'.repeat(60)}b`));
  });

  it('differ for names that differ only in case: the one in lower case keeps its name', () => {
    const names = exposedNames('db', ['Query', 'query', 'QUERY'], PREFIXED);
    assert.equal(names.get('query'), 'db__query');
    assert.match(names.get('Query') ?? '', /^db__Query_[0-9a-f]{6}$/);
    assert.match(names.get('QUERY') ?? '', /^db__QUERY_[0-9a-f]{6}$/);
  });

  it('differ for names that differ only in "." and "_": the one that needed no change keeps its name', () => {
    const names = exposedNames('db', ['a.b', 'a_b'], PREFIXED);
    assert.equal(names.get('a_b'), 'db__a_b');
    assert.match(names.get('a.b') ?? '', /^db__a_b_[0-9a-f]{6}$/);
  });

  it('do not confuse a namespace with "__" in it for a shorter one', () => {
    assert.notEqual(exposed('a', 'b__c'), exposed('a__b', 'c'));
  });
});

describe('near names', () => {
  it('are first those that only lack their namespace, whatever separates it, and each once', () => {
    const known = ['db__query', 'db.query', 'db::query', 'queri', 'other'];
    assert.deepEqual(nearNames('query', known), ['db__query', 'db.query', 'db::query']);
    assert.deepEqual(nearNames('register', ['a__register', 'registers']), ['a__register', 'registers']);
  });
});
