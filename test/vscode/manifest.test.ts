import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MAX_SECONDS } from '../../src/core/base/clock.ts';
import {
  BACKENDS_VIEW,
  CALLS_VIEW,
  COMMANDS,
  CONTEXT_KEYS,
  PROVIDER,
  ROW_KINDS,
  SETTINGS,
} from '../../src/vscode/contributions.ts';

interface Entry {
  readonly command: string;
  readonly when?: string;
}

interface Manifest {
  readonly icon: string;
  readonly contributes: {
    readonly commands: readonly (Entry & { title: string; category: string; icon?: string })[];
    readonly configuration: {
      readonly properties: Readonly<Record<string, { scope?: string; enum?: string[]; maximum?: number }>>;
    };
    readonly jsonValidation: readonly { url: string }[];
    readonly mcpServerDefinitionProviders: readonly { id: string }[];
    readonly menus: Readonly<Record<string, readonly Entry[]>>;
    readonly views: Readonly<Record<string, readonly { id: string; icon: string }[]>>;
    readonly viewsContainers: Readonly<Record<string, readonly { id: string; icon: string }[]>>;
    readonly viewsWelcome: readonly { view: string; when?: string; contents: string }[];
    readonly yamlValidation: readonly { url: string }[];
  };
}

const root = join(import.meta.dirname, '../..');
const { contributes, icon } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const commands = COMMANDS.map(name => `switchyard.${name}`);
const settings = SETTINGS.map(name => `switchyard.${name}`);
const contextKeys = CONTEXT_KEYS.map(name => `switchyard.${name}`);
const views = [BACKENDS_VIEW, CALLS_VIEW];
const menuEntries = Object.values(contributes.menus).flat();

describe('package.json', () => {
  it('contributes the commands that have a handler, and no other', () => {
    assert.deepEqual(contributes.commands.map(({ command }) => command).sort(), commands.toSorted());
    assert.deepEqual([...new Set(contributes.commands.map(({ category }) => category))], ['Switchyard']);
  });

  it('contributes the settings that are read, and no other', () => {
    assert.deepEqual(Object.keys(contributes.configuration.properties).sort(), settings.toSorted());
  });

  it('lets the user set each of them, with the values that are documented', () => {
    const { properties } = contributes.configuration;
    // In a remote window, as the browser's always is, a machine's settings are not read from the user's, or only now and then.
    for (const [name, { scope = '' }] of Object.entries(properties)) assert.doesNotMatch(scope, /machine/, name);
    assert.deepEqual(properties['switchyard.managementTools']?.enum, ['off', 'readOnly', 'full']);
    assert.equal(properties['switchyard.requestTimeoutSeconds']?.maximum, MAX_SECONDS);
  });

  it('contributes the views and the provider that are registered, and no other', () => {
    assert.deepEqual(
      Object.values(contributes.views).flatMap(views => views.map(({ id }) => id)),
      views,
    );
    assert.deepEqual(
      Object.keys(contributes.views),
      Object.values(contributes.viewsContainers).flatMap(all => all.map(({ id }) => id)),
    );
    assert.deepEqual(
      contributes.mcpServerDefinitionProviders.map(({ id }) => id),
      [PROVIDER],
    );
  });

  it('offers in menus and welcome views only commands that exist', () => {
    const linked = contributes.viewsWelcome.flatMap(({ contents }) =>
      [...contents.matchAll(/\(command:([\w.]+)\)/g)].map(([, id]) => id),
    );
    for (const command of [...menuEntries.map(entry => entry.command), ...linked])
      assert.ok(commands.includes(command ?? ''), command);
  });

  it('names in its conditions only views, context keys and kinds of row that exist', () => {
    const conditions = [...menuEntries, ...contributes.viewsWelcome].flatMap(({ when }) => when ?? []);
    const kindsMatched = new Set<string>();
    for (const condition of conditions) {
      for (const [name] of condition.matchAll(/\bswitchyard\.\w+/g))
        assert.ok([...views, ...contextKeys].includes(name), name);
      const [, equal, pattern] = /viewItem == ([\w.]+)|viewItem =~ \/(.+)\//.exec(condition) ?? [];
      if (!equal && !pattern) continue;
      const matched = ROW_KINDS.filter(kind => (pattern ? new RegExp(pattern).test(kind) : kind === equal));
      assert.notDeepEqual(matched, [], condition);
      for (const kind of matched) kindsMatched.add(kind);
    }
    const withoutMenu = ROW_KINDS.filter(kind => !kindsMatched.has(kind));
    assert.deepEqual(withoutMenu, ['problem', 'namespace', 'group', 'item', 'request', 'step']);
  });

  it('leads from every row of a backend to its entry in the file', () => {
    const menu = contributes.menus['view/item/context'] ?? [];
    const patterns = menu
      .filter(
        entry =>
          entry.command === 'switchyard.openConfig' && !(entry as Entry & { group: string }).group.startsWith('inline'),
      )
      .map(({ when = '' }) => new RegExp(/viewItem =~ \/(.+)\//.exec(when)?.[1] ?? '$^'));
    const kinds = ROW_KINDS.filter(kind => patterns.some(pattern => pattern.test(kind)));
    assert.deepEqual(
      kinds,
      ROW_KINDS.filter(kind => kind.startsWith('backend')),
    );
  });

  it('gives an icon to every command that stands as one in a row or a title', () => {
    const withIcon = new Set(contributes.commands.filter(command => command.icon).map(({ command }) => command));
    const inline = Object.values(contributes.menus)
      .flat()
      .filter(entry => /^(inline|navigation)/.test((entry as Entry & { group: string }).group));
    assert.deepEqual(
      inline.map(({ command }) => command).filter(command => !withIcon.has(command)),
      [],
    );
  });

  it('refers only to files that exist', () => {
    const icons = [...Object.values(contributes.viewsContainers), ...Object.values(contributes.views)]
      .flat()
      .map(entry => entry.icon);
    const schemas = [...contributes.jsonValidation, ...contributes.yamlValidation].map(({ url }) => url);
    for (const file of [icon, ...icons, ...schemas]) assert.ok(existsSync(join(root, file)), file);
  });
});

describe('The editor face', () => {
  it('uses no name of its own prefix that package.json does not contribute', () => {
    const known = new Set([
      ...commands,
      ...settings,
      ...contextKeys,
      ...views,
      `${BACKENDS_VIEW}.focus`,
      'switchyard.status',
    ]);
    const folder = join(root, 'src/vscode');
    const used = readdirSync(folder).flatMap(file =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/'(switchyard\.[\w.]+)'/g)].map(([, name]) => name ?? ''),
    );
    assert.deepEqual(
      used.filter(name => !known.has(name)),
      [],
    );
  });

  it('reads settings in one place', () => {
    const folder = join(root, 'src/vscode');
    const readers = readdirSync(folder).filter(file =>
      readFileSync(join(folder, file), 'utf8').includes('getConfiguration('),
    );
    assert.deepEqual(readers, ['settings.ts']);
  });
});
