// The architecture, held by a test: who may import whom. A new arrow is a design decision, made in this table.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { test } from 'node:test';

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'core/base': [],
  'core/config': ['core/base'],
  'core/health': ['core/base'],
  'core/upstream': ['core/base', 'core/config', 'core/health'],
  'core/router': ['core/base', 'core/config', 'core/health', 'core/upstream'],
  'core/downstream': ['core/base', 'core/router'],
  core: ['core/base', 'core/config', 'core/health', 'core/upstream', 'core/router', 'core/downstream'],
  cli: ['core', 'core/base', 'core/config'],
  vscode: ['core', 'core/base', 'core/config'],
};

const src = resolve(import.meta.dirname, '..', 'src');
const files = globSync('**/*.ts', { cwd: src }).map(file => file.replaceAll(sep, '/'));
/** `import … from 'x'`, `export … from 'x'`, `import 'x'` and `import('x')`, types included. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g;

const imports = files.flatMap(file =>
  [...readFileSync(resolve(src, file), 'utf8').matchAll(IMPORT)].map(([, target = '']) => ({ file, target })),
);

test('Every layer imports only what the table allows', () => {
  const wrong = imports
    .filter(({ target }) => target.startsWith('.'))
    .map(({ file, target }) => ({
      from: file,
      to: relative(src, resolve(src, dirname(file), target)).replaceAll(sep, '/'),
    }))
    .filter(({ to }) => to !== '../package.json')
    .filter(({ from, to }) => layerOf(from) !== layerOf(to) && !MAY_IMPORT[layerOf(from)]?.includes(layerOf(to)));
  assert.deepEqual(wrong, []);
});

test("Only the editor's face imports 'vscode'", () => {
  const wrong = imports.filter(({ file, target }) => target === 'vscode' && layerOf(file) !== 'vscode');
  assert.deepEqual(wrong, []);
});

test('Every file of the source is in a layer of the table, and no layer is empty', () => {
  assert.deepEqual([...new Set(files.map(layerOf))].sort(), Object.keys(MAY_IMPORT).sort());
});

function layerOf(file: string): string {
  return dirname(file).replaceAll(sep, '/');
}
