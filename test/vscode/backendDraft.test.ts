import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserError } from '../../src/core/base/errors.ts';
import {
  entryOfCommand,
  entryOfPackage,
  entryOfUrl,
  hasRemark,
  lastWritten,
  refusalOfName,
  suggestName,
  withLinesOf,
  wordsOf,
} from '../../src/vscode/backendDraft.ts';

describe('wordsOf', () => {
  it('splits as a shell does', () => {
    assert.deepEqual(wordsOf(`  a "b c" 'd "e' f\\ g h"i j"k "" "\\"q\\""  `), [
      'a',
      'b c',
      'd "e',
      'f g',
      'hi jk',
      '',
      '"q"',
    ]);
    assert.deepEqual(wordsOf('run "C:\\\\tools\\new"'), ['run', 'C:\\tools\\new']);
  });

  it('refuses what is empty or not closed', () => {
    for (const text of ['', '   ', 'a "b', "it's"]) assert.throws(() => wordsOf(text), UserError, text);
  });
});

describe('A draft', () => {
  it('of a package runs it with npx', () => {
    assert.deepEqual(entryOfPackage('@scope/server-files "/my files"'), {
      command: 'npx',
      args: ['-y', '@scope/server-files', '/my files'],
    });
  });

  it('of a command takes variables in front of it', () => {
    assert.deepEqual(entryOfCommand('uvx'), { command: 'uvx' });
    assert.deepEqual(entryOfCommand('KEY="a=b" LEVEL=2 node x.js MODE=1'), {
      command: 'node',
      args: ['x.js', 'MODE=1'],
      env: { KEY: 'a=b', LEVEL: '2' },
    });
    assert.throws(() => entryOfCommand('KEY=1'), UserError);
  });

  it('of an address takes a header or none', () => {
    assert.deepEqual(entryOfUrl(' https://example.com/mcp ', ''), { url: 'https://example.com/mcp' });
    assert.deepEqual(entryOfUrl('http://h/mcp', 'Authorization:  Bearer a:b '), {
      url: 'http://h/mcp',
      headers: { Authorization: 'Bearer a:b' },
    });
    for (const [url, header] of [
      ['example.com', ''],
      ['ftp://h', ''],
      ['http://h', 'secret'],
      ['http://h', 'A b: c'],
    ] as const) {
      assert.throws(() => entryOfUrl(url, header), UserError, `${url} ${header}`);
    }
  });
});

describe('A suggested name', () => {
  it('says what the entry is', () => {
    const names = [
      entryOfPackage('@modelcontextprotocol/server-memory@1.2.3'),
      entryOfPackage('mcp-server-git'),
      entryOfPackage('@acme/db-mcp --read-only'),
      entryOfCommand('/usr/local/bin/My-Tool.exe --port 1'),
      entryOfCommand('node ./build/notes.mjs'),
      entryOfCommand('uvx --quiet mcp-server-time'),
      entryOfUrl('https://mcp.linear.app/sse', ''),
      entryOfUrl('http://localhost:3000/mcp', ''),
      entryOfUrl('http://127.0.0.1:3000/mcp', ''),
    ].map(entry => suggestName(entry, []));
    assert.deepEqual(names, ['memory', 'git', 'db', 'my-tool', 'notes', 'time', 'linear', 'localhost', '127-0-0-1']);
  });

  it('is valid and free', () => {
    assert.equal(suggestName(entryOfPackage('memory'), ['memory', 'memory-2']), 'memory-3');
    assert.equal(suggestName({}, []), 'backend');
    assert.equal(suggestName(entryOfPackage('memory'), ['notes'], 'notes'), 'notes-2', 'like the one it comes with');
    assert.equal(refusalOfName('memory-3', ['memory']), undefined);
    assert.match(refusalOfName('memory', ['memory']) ?? '', /already/);
    assert.match(refusalOfName('a b', []) ?? '', /letters/);
  });
});

describe('A snippet with remarks', () => {
  it('is told from one with addresses', () => {
    for (const text of ['{ // mine "a": 1 }', '// mine {"url": "http://x"}', '"a \\" b" // c'])
      assert.ok(hasRemark(text), text);
    for (const text of ['{"url": "http://x"}', '{url: http://x}', '{"a": "\\" // b"}'])
      assert.ok(!hasRemark(text), text);
  });

  it('gets back the lines that it had when it was copied, and is refused where nobody knows them', () => {
    const copied = '{\n  // mine\n  "a": { "command": "x" }\r\n}\n';
    for (const pasted of [copied.replace(/\s*\n\s*/g, ' '), copied.replace(/[\r\n]/g, '')])
      assert.equal(withLinesOf(pasted, copied), copied);
    assert.throws(() => withLinesOf('{ // mine }', copied), UserError);
    assert.throws(() => withLinesOf('{ // mine }', ''), UserError);
  });
});

describe('lastWritten', () => {
  it('leaves out stack traces before it takes the last lines', () => {
    const trace = Array.from({ length: 10 }, (_, depth) => `    at call${depth} (/srv/x.js:${depth}:1)`);
    assert.equal(
      lastWritten(['Starting', 'Error: TOKEN is missing', ...trace, '', 'Node.js v20.20.2']),
      'Starting\nError: TOKEN is missing\nNode.js v20.20.2',
    );
    assert.equal(lastWritten(trace), '');
    assert.equal(lastWritten(Array.from({ length: 12 }, (_, n) => `${n}`)).split('\n').length, 10);
  });
});
