import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addBackend, removeBackend } from '../../src/core/config/edit.ts';
import { formatProblem, parseConfig } from '../../src/core/config/load.ts';
import { starterOf } from '../../src/vscode/starter.ts';

function namesOf(text: string): string[] {
  const options = { env: { DOCS_TOKEN: 't' }, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const result = parseConfig(text, 'backends.yaml', options);
  assert.deepEqual(result.problems.map(formatProblem), []);
  return result.ok ? result.config.backends.map(({ name }) => name) : [];
}

test('the file that one begins with holds no backends, and those in its comments work when they are uncommented', () => {
  const text = starterOf('backends.yaml');
  assert.deepEqual(namesOf(text), []);
  const uncommented = text.replace(/^( +)# /gm, '$1');
  assert.deepEqual(namesOf(uncommented), ['memory', 'docs']);
  assert.deepEqual(namesOf(starterOf('mcp.json')), []);
});

test('a backend that is added to it and removed again leaves its comments', () => {
  const text = starterOf('backends.yaml');
  const added = addBackend({ name: 'a', command: 'x' })(text);
  assert.deepEqual(namesOf(added), ['a']);
  assert.match(added, /^ {2}- name: a\n {4}command: x\n$/m);
  assert.equal(removeBackend('a')(added), text);
});
