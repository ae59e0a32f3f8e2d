import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { introduce } from '../../../src/core/router/introduction.ts';
import { backendsOf } from '../../support/backends.ts';

const LIMIT = 10_000;

function introduced(...abouts: { readonly capabilities?: object; readonly instructions?: string | undefined }[]) {
  const entries = abouts.map(({ capabilities = {}, instructions }, n) => ({
    name: `b${n}`,
    about: {
      era: 'legacy' as const,
      serverInfo: { name: 's', version: '1' },
      capabilities: { ...capabilities },
      instructions,
    },
  }));
  return introduce(backendsOf([...entries, { name: 'never-there' }]));
}

describe('What a client is told of the router', () => {
  it('holds every group that some backend may come to have, even where there is none', () => {
    assert.deepEqual(introduced().capabilities, {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    });
  });

  it('holds the union of what only some backends have', () => {
    const { capabilities } = introduced(
      { capabilities: { tasks: { list: {}, requests: { tools: { call: {} } } }, odd: {}, tools: { odd: 1 } } },
      { capabilities: { extensions: { 'io.x/ui': { mimeTypes: ['a'] } }, experimental: null } },
      { capabilities: { tasks: { cancel: {}, requests: { x: {} } }, extensions: { 'io.y/z': {} } } },
    );
    assert.deepEqual(capabilities.tasks, { list: {}, cancel: {}, requests: { tools: { call: {} }, x: {} } });
    assert.deepEqual(capabilities.extensions, { 'io.x/ui': { mimeTypes: ['a'] }, 'io.y/z': {} });
    assert.deepEqual(capabilities.tools, { listChanged: true });
    assert.ok(!('experimental' in capabilities) && !('odd' in capabilities));
  });
});

describe('The instructions of all backends', () => {
  it('are there where there are any, each under its heading, in the order of the file', () => {
    assert.equal(introduced({}, { instructions: ' \n ' }).instructions, undefined);
    assert.equal(
      introduced({ instructions: ' First.\n' }, {}, { instructions: '# Third\n\ntext' }).instructions,
      '## b0\n\nFirst.\n\n## b2\n\n# Third\n\ntext',
    );
  });

  it('are whole as long as they fit together', () => {
    const long = 'x'.repeat(9_000);
    assert.equal(
      introduced({ instructions: long }, { instructions: 'short' }).instructions,
      `## b0\n\n${long}\n\n## b1\n\nshort`,
    );
  });

  it('are cut where they do not: the longest ones, to what the short ones leave', () => {
    const { instructions = '' } = introduced(
      { instructions: 'a'.repeat(20_000) },
      { instructions: 'short' },
      { instructions: 'b'.repeat(30_000) },
    );
    assert.ok(instructions.length <= LIMIT && instructions.length > LIMIT - 20, `${instructions.length}`);
    const [, first = '', second, third = ''] =
      /^## b0\n\n(a+ \[…\])\n\n## b1\n\n(.*)\n\n## b2\n\n(b+ \[…\])$/s.exec(instructions) ?? [];
    assert.equal(second, 'short');
    assert.ok(Math.abs(first.length - third.length) <= 1);
  });

  it('are within the limit however many there are', () => {
    for (const count of [20, 200]) {
      const { instructions = '' } = introduced(
        ...Array.from({ length: count }, () => ({ instructions: 'y'.repeat(5_000) })),
      );
      assert.ok(instructions.length <= LIMIT, `${count}: ${instructions.length}`);
    }
  });

  it('are not cut in the middle of a character', () => {
    for (const shift of ['', 'x']) {
      const { instructions = '' } = introduced({ instructions: shift + '🚂'.repeat(6_000) });
      assert.doesNotMatch(instructions, /\p{Surrogate}/u);
    }
  });
});
