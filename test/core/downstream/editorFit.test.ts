import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fitForEditor, resourceForEditor, withFitIcons } from '../../../src/core/downstream/editorFit.ts';

type Tool = Record<string, unknown>;

const PNG = 'data:image/png;base64,iVBORw0KGgo=';
const noIcon = () => undefined;

function fit(tool: Tool, namespace = 'db', icon: (src: string) => string | undefined = noIcon): Tool {
  return fitForEditor({ inputSchema: { type: 'object', properties: {} }, ...tool }, { namespace, icon }).definition;
}

describe('the title of a tool in VS Code', () => {
  const titleOf = (tool: Tool, namespace?: string) => fit(tool, namespace).title;

  it('says its namespace', () => {
    assert.equal(titleOf({ name: 'db__query', title: 'Run a query' }), 'db: Run a query');
    assert.equal(titleOf({ name: 'db__query', annotations: { title: 'Run a query' } }), 'db: Run a query');
  });

  it('is the name made readable where there is none', () => {
    assert.equal(titleOf({ name: 'db__query' }), 'db: Query');
    assert.equal(titleOf({ name: 'db__list-all_tables', title: ' ' }), 'db: List all tables');
    assert.equal(titleOf({ name: 'db__getTableByID' }), 'db: Get table by ID');
    assert.equal(titleOf({ name: 'db__parseURLPath', title: 7 }), 'db: Parse URL path');
    assert.equal(titleOf({ name: 'db::query' }), 'db: Query');
    assert.equal(titleOf({ name: 'db.query' }), 'db: Query');
    assert.equal(titleOf({ name: 'my_data__query' }, 'My Data'), 'My Data: Query');
  });

  it('needs no prefix in the name', () => {
    assert.equal(titleOf({ name: 'query' }), 'db: Query');
    assert.equal(titleOf({ name: 'dbquery' }), 'db: Dbquery');
    assert.equal(titleOf({ name: '___' }), 'db: ___');
  });

  it('says its namespace once', () => {
    assert.equal(titleOf({ name: 'github__x', title: 'GitHub: Create issue' }, 'github'), 'GitHub: Create issue');
    assert.equal(titleOf({ name: 'x', title: 'My DB query' }, 'my_db'), 'My DB query');
    assert.equal(titleOf({ name: 'x', title: 'git' }, 'git'), 'git');
    assert.equal(titleOf({ name: 'x', title: 'GitHub issue' }, 'git'), 'git: GitHub issue');
  });

  it('is in the annotations too where VS Code looks there first', () => {
    const { title, annotations } = fit({
      name: 'db__q',
      title: 'Query',
      annotations: { title: 'Ask', readOnlyHint: true },
    });
    assert.deepEqual([title, annotations], ['db: Query', { title: 'db: Ask', readOnlyHint: true }]);
    assert.deepEqual(fit({ name: 'db__q', annotations: { title: 5 } }).annotations, { title: 'db: Q' });
    assert.deepEqual(fit({ name: 'db__q', annotations: { readOnlyHint: true } }).annotations, { readOnlyHint: true });
    assert.equal(fit({ name: 'db__q', annotations: null }).annotations, null);
  });
});

describe('the icons of a tool in VS Code', () => {
  const iconsOf = (icons: unknown, icon?: (src: string) => string | undefined) =>
    fit({ name: 'db__q', icons }, 'db', icon).icons;

  it('stay where they are images in themselves', () => {
    const icons = [{ src: PNG, mimeType: 'image/png', sizes: ['48x48'], theme: 'dark', vendor: 1 }];
    assert.equal(iconsOf(icons), icons);
  });

  it('are what the loader has of them, as the type that it is', () => {
    const icon = (src: string) => (src === 'https://host/a.png' ? PNG : undefined);
    assert.deepEqual(
      iconsOf(
        [{ src: 'https://host/a.png', sizes: '48x48', mimeType: 'image/svg+xml' }, { src: 'https://host/b.png' }],
        icon,
      ),
      [{ src: PNG, sizes: '48x48', mimeType: 'image/png' }],
    );
  });

  it('are left out where VS Code shows none of them', () => {
    const tool = fit({
      name: 'db__q',
      icons: [{ src: 'data:image/svg+xml;base64,PHN2Zy8+' }, { src: 'file:///a.png' }],
    });
    assert.ok(!Object.hasOwn(tool, 'icons'));
  });

  it('are left out where they are malformed, which would lose VS Code the whole list', () => {
    for (const icons of [null, {}, 'x', 5, [null], ['x'], [{}], [{ src: 5 }], [{ src: 'ht!tp://x' }], [[PNG]]])
      assert.ok(!Object.hasOwn(fit({ name: 'q', icons }), 'icons'), JSON.stringify(icons));
    assert.deepEqual(iconsOf([{ src: PNG, mimeType: 5, sizes: [48] }]), [{ src: PNG, mimeType: 'image/png' }]);
  });

  it('are fitted alike in prompts and resources, which stay the very same without any', () => {
    const prompt = { name: 'p', title: 'Prompt' };
    assert.equal(withFitIcons(prompt, noIcon), prompt);
    assert.deepEqual(
      withFitIcons({ ...prompt, icons: [{ src: 'file:///a.png' }] }, () => PNG),
      {
        ...prompt,
        icons: [{ src: PNG, mimeType: 'image/png' }],
      },
    );
  });
});

describe('a resource in VS Code', () => {
  const fitted = (resource: Record<string, unknown>, namespace = 'docs') =>
    resourceForEditor(resource, { namespace, icon: noIcon });

  it('has a title that says its namespace, once', () => {
    assert.deepEqual(fitted({ uri: 'a://b', name: 'b', title: 'Notes', size: 1 }), {
      uri: 'a://b',
      name: 'b',
      title: 'docs: Notes',
      size: 1,
    });
    const resource = { uri: 'a://b', name: 'b', title: 'Docs of everything' };
    assert.equal(fitted(resource), resource);
  });

  it('is titled by its name as it is where it has no title, as that is often of a file', () => {
    assert.equal(fitted({ uri: 'a://b', name: 'to_do.md' }).title, 'docs: to_do.md');
    assert.equal(fitted({ uri: 'a://b', name: 'to_do.md', title: '' }).title, 'docs: to_do.md');
    const nameless = { uri: 'a://b' };
    assert.equal(fitted(nameless), nameless);
  });
});

describe('a tool in VS Code', () => {
  it('is the very same definition where nothing has to be changed', () => {
    const tool = {
      name: 'db__q',
      title: 'db: Q',
      inputSchema: { type: 'object' },
      annotations: { readOnlyHint: true },
    };
    const { definition, problem } = fitForEditor(tool, { namespace: 'db', icon: noIcon });
    assert.equal(definition, tool);
    assert.equal(problem, undefined);
  });

  it('has its schema repaired, and keeps everything else', () => {
    const tool = {
      name: 'db__q',
      title: 'db: Q',
      description: 'd',
      inputSchema: { type: 'object', properties: { ids: { type: 'array' } } },
      outputSchema: { type: 'oddity' },
      execution: { taskSupport: 'optional' },
      _meta: { ui: { resourceUri: 'ui://x' } },
    };
    assert.deepEqual(fitForEditor(tool, { namespace: 'db', icon: noIcon }), {
      definition: { ...tool, inputSchema: { type: 'object', properties: { ids: { type: 'array', items: {} } } } },
      problem: undefined,
    });
  });

  it('that it drops all the same comes with the reason', () => {
    const { problem } = fitForEditor(
      { name: 'db__q', inputSchema: { type: 'object', properties: { f: { type: 'file' } } } },
      { namespace: 'db', icon: noIcon },
    );
    assert.equal(problem, 'invalid input schema: "file" is not a type (at /properties/f/type)');
  });
});
