// The extension as it is installed: `npm run package` makes it, and `npm test` has just done so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import manifest from '../package.json' with { type: 'json' };

const vsix = readFileSync(path.resolve(import.meta.dirname, '..', `${manifest.name}-${manifest.version}.vsix`));
const files = unzip(vsix);

/** What a package may hold; everything else is there by mistake. */
const EXPECTED = [
  /^\[Content_Types\]\.xml$/,
  /^extension\.vsixmanifest$/,
  /^extension\/package\.json$/,
  /^extension\/readme\.md$/,
  /^extension\/changelog\.md$/,
  /^extension\/LICENSE\.txt$/,
  /^extension\/config\/backends\.schema\.json$/,
  /^extension\/dist\/[\w-]+\.js$/,
  /^extension\/media\/[\w/-]+\.(svg|png)$/,
];

test('the package is under 1.5 MB', () => {
  assert.ok(vsix.length < 1_500_000, `${vsix.length} bytes`);
});

test('the package holds the bundles and their company, and no sources, tests, maps or dependencies', () => {
  const names = [...files.keys()];
  assert.deepEqual(
    names.filter(name => !EXPECTED.some(pattern => pattern.test(name))),
    [],
  );
  assert.deepEqual(
    EXPECTED.filter(pattern => !names.some(name => pattern.test(name))),
    [],
  );
});

test('the bundles are minified, point to no map and import only what the package holds', () => {
  const all = bundles()
    .map(([, content]) => content)
    .join('\n');
  assert.ok(all.length / all.split('\n').length > 200, 'the lines have a readable length');
  assert.doesNotMatch(all, /^\/\/# sourceMappingURL/m);
  for (const [name, content] of bundles()) {
    for (const [, target = ''] of content.matchAll(/(?:\bfrom|\bimport\(?)\s*"(\.[^"]+)"/g))
      assert.ok(files.has(path.posix.join(path.posix.dirname(name), target)), `${name} imports ${target}`);
  }
});

test("the extension's own bundle has no SDK in it: that is loaded after the activation", () => {
  const sizeOf = (name: string) => files.get(`extension/dist/${name}`)?.length ?? 0;
  const loadedAtActivation = new Set(['extension.js']);
  for (const name of loadedAtActivation) {
    const content = String(files.get(`extension/dist/${name}`));
    for (const [, chunk = ''] of content.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g))
      loadedAtActivation.add(chunk);
  }
  const bytes = [...loadedAtActivation].reduce((sum, name) => sum + sizeOf(name), 0);
  assert.ok(bytes < 150_000, `${[...loadedAtActivation].join(', ')} are ${bytes} bytes`);
});

function bundles(): [string, string][] {
  const found = [...files].filter(([name]) => name.endsWith('.js')).map(([name, content]) => [name, String(content)]);
  return found as [string, string][];
}

/** The files of a zip archive, read by its central directory. */
function unzip(archive: Buffer): Map<string, Buffer> {
  const end = archive.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  const found = new Map<string, Buffer>();
  let entry = archive.readUInt32LE(end + 16);
  for (let count = archive.readUInt16LE(end + 10); count > 0; count--) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map(at => archive.readUInt16LE(entry + at)) as [
      number,
      number,
      number,
    ];
    const name = archive.toString('utf8', entry + 46, entry + 46 + nameLength);
    const header = archive.readUInt32LE(entry + 42);
    const start = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
    const content = archive.subarray(start, start + archive.readUInt32LE(entry + 20));
    const isDeflated = archive.readUInt16LE(entry + 10) === 8;
    found.set(name, isDeflated ? inflateRawSync(content) : content);
    entry += 46 + nameLength + extraLength + commentLength;
  }
  return found;
}
