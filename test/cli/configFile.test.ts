import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { findConfigFile } from '../../src/cli/configFile.ts';
import { UserError } from '../../src/core/base/errors.ts';
import { temporaryFolder } from './program.ts';

const PLACES = [
  'cwd/backends.yaml',
  'cwd/config/backends.yaml',
  'cwd/mcp.json',
  'home/.config/switchyard/backends.yaml',
  'home/.mcp/config.yaml',
];

test('the first configuration that exists of the usual places is read', async t => {
  const root = await temporaryFolder(t);
  const places = { cwd: path.join(root, 'cwd'), home: path.join(root, 'home'), xdgConfigHome: undefined };
  for (const place of PLACES) {
    await mkdir(path.join(root, path.dirname(place)), { recursive: true });
    await writeFile(path.join(root, place), 'backends: []');
  }
  const found: string[] = [];
  for (const place of PLACES) {
    found.push(path.relative(root, findConfigFile(undefined, places)));
    await rm(path.join(root, place));
  }
  assert.deepEqual(found, PLACES);
  assert.throws(
    () => findConfigFile(undefined, places),
    error =>
      error instanceof UserError &&
      PLACES.every(place => error.message.includes(path.join(root, place))) &&
      error.message.endsWith('switchyard import FILE'),
  );
});

test('XDG_CONFIG_HOME moves the place of the person', async t => {
  const root = await temporaryFolder(t);
  const file = path.join(root, 'xdg', 'switchyard', 'backends.yaml');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, 'backends: []');
  assert.equal(findConfigFile(undefined, { cwd: root, home: root, xdgConfigHome: path.join(root, 'xdg') }), file);
});

test('a file given outright is taken whether or not it exists, relative to the working directory', () => {
  const places = { cwd: path.resolve('/project'), home: '/', xdgConfigHome: undefined };
  assert.equal(findConfigFile('a/b.yaml', places), path.resolve('/project/a/b.yaml'));
});
