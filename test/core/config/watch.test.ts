import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/core/base/clock.ts';
import { watchConfig } from '../../../src/core/config/watch.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';

describe('watchConfig', () => {
  test('tells a file that is written in place, replaced, deleted and made again, well before the next look', async t => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'backends.yaml');
    fs.writeFileSync(file, '1');
    const seen = watchWith(t, file, () => read(file));
    const steps: [() => void, string][] = [
      [() => fs.writeFileSync(file, 'second'), 'second'],
      [() => replace(file, 'third'), 'third'],
      [() => fs.rmSync(file), 'missing'],
      [() => fs.writeFileSync(file, 'fifth'), 'fifth'],
    ];
    for (const [act, expected] of steps) {
      act();
      await eventually(`"${expected}"`, () => seen.at(-1) === expected, 1_500);
    }
    assert.deepEqual(seen, ['second', 'third', 'missing', 'fifth']);
  });

  test('tells the swap of a folder behind two links, as Kubernetes does it', async t => {
    const folder = temporaryFolder(t);
    const version = (name: string) => {
      fs.mkdirSync(join(folder, name));
      fs.writeFileSync(join(folder, name, 'backends.yaml'), name);
    };
    version('v1');
    version('v2');
    fs.symlinkSync('v1', join(folder, '..data'));
    fs.symlinkSync(join('..data', 'backends.yaml'), join(folder, 'backends.yaml'));
    const file = join(folder, 'backends.yaml');
    const seen = watchWith(t, file, () => read(file));
    fs.symlinkSync('v2', join(folder, '..tmp'));
    fs.renameSync(join(folder, '..tmp'), join(folder, '..data'));
    await eventually('v2', () => seen.at(-1) === 'v2', 1_500);
    assert.deepEqual(seen, ['v2']);
  });

  test('tells a link that leads to itself, and a file where its folder was, and goes on', t => {
    const folder = join(temporaryFolder(t), 'folder');
    const file = join(folder, 'backends.yaml');
    fs.mkdirSync(folder);
    fs.writeFileSync(file, '1');
    const { clock, changes } = watchByHand(t, file);
    fs.rmSync(file);
    fs.symlinkSync('backends.yaml', file);
    clock.advance(4_000);
    assert.equal(changes(), 1);
    fs.rmSync(folder, { recursive: true });
    fs.writeFileSync(folder, 'no folder');
    clock.advance(4_000);
    assert.equal(changes(), 2);
    fs.rmSync(folder);
    fs.mkdirSync(folder);
    fs.writeFileSync(file, '1');
    clock.advance(4_000);
    assert.equal(changes(), 3);
  });

  test('finds by looking a file whose folder was missing', t => {
    const file = join(temporaryFolder(t), 'later', 'backends.yaml');
    const { clock, changes } = watchByHand(t, file);
    clock.advance(4_000);
    fs.mkdirSync(join(file, '..'));
    fs.writeFileSync(file, 'x');
    clock.advance(2_100);
    assert.equal(changes(), 1);
  });

  test('tells many writes once, after the last of them', t => {
    const file = join(temporaryFolder(t), 'none', 'backends.yaml');
    const { clock, changes } = watchByHand(t, file);
    fs.mkdirSync(join(file, '..'));
    fs.writeFileSync(file, '1');
    clock.advance(2_000);
    fs.writeFileSync(file, '12');
    clock.advance(90);
    assert.equal(changes(), 0);
    fs.writeFileSync(file, '123');
    clock.advance(90);
    assert.equal(changes(), 0);
    clock.advance(200);
    assert.equal(changes(), 1);
  });

  test('is silent about what did not change, and after it was disposed', t => {
    const file = join(temporaryFolder(t), 'backends.yaml');
    fs.writeFileSync(file, '1');
    const { clock, changes, watch } = watchByHand(t, file);
    fs.writeFileSync(join(file, '..', 'other'), 'x');
    clock.advance(10_000);
    fs.writeFileSync(file, '12');
    clock.advance(2_000);
    watch.dispose();
    clock.advance(10_000);
    assert.deepEqual([changes(), clock.pending], [0, 0]);
  });
});

/** What was seen at each change, with the real clock. */
function watchWith(t: TestContext, file: string, look: () => string): string[] {
  const seen: string[] = [];
  const watch = watchConfig(file, systemClock, () => seen.push(look()));
  t.after(() => watch.dispose());
  return seen;
}

function watchByHand(t: TestContext, file: string) {
  const clock = new FakeClock();
  let count = 0;
  const watch = watchConfig(file, clock, () => count++);
  t.after(() => watch.dispose());
  return { clock, watch, changes: () => count };
}

const read = (file: string) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : 'missing');

function replace(file: string, text: string): void {
  fs.writeFileSync(`${file}~`, text);
  fs.renameSync(`${file}~`, file);
}

function temporaryFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'switchyard-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
