import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { UserError } from '../../../src/core/base/errors.ts';
import {
  addBackend,
  addBackends,
  type ConfigEdit,
  editConfigFile,
  placeOfBackend,
  removeBackend,
  setBackendKey,
} from '../../../src/core/config/edit.ts';
import { parseConfig } from '../../../src/core/config/load.ts';

const NEW = { name: 'new', command: 'npx', args: ['-y', '@a/b'], priority: 3 };

interface Writing {
  readonly title: string;
  /** Backends `a`, of priority 5, and `z`. */
  readonly text: string;
  /** What goes when `z` is removed. */
  readonly z: string;
}

const WRITINGS: readonly Writing[] = [
  {
    title: 'YAML, list indented, with comments everywhere',
    text: `# head

backends:
  # about a
  - name: a # the first
    command: x
    priority: 5   # lower is first
    # url: https://old.example

  # about nobody

  # right above z
  - name: z
    url: https://z.example # where it is
    # args: []

# about routing
routing: {}
`,
    z: `
  # right above z
  - name: z
    url: https://z.example # where it is
    # args: []
`,
  },
  {
    title: 'YAML, list not indented, no line end at the end',
    text: 'backends:\n- priority: 5\n  name: a\n  command: x\n- name: z\n  command: |\n    # many\n    lines',
    z: '\n- name: z\n  command: |\n    # many\n    lines',
  },
  {
    title: 'YAML, indented by four, with Windows line ends',
    text: 'routing: {}\r\nbackends:\r\n    -   name: a\r\n        priority: 5\r\n        command: x # c\r\n\r\n    -   name: z\r\n        command: y\r\n\r\nserver: {}\r\n',
    z: '\r\n    -   name: z\r\n        command: y\r\n',
  },
  {
    title: 'YAML, items in braces',
    text: 'backends:\n  - { name: a, command: x, priority: 5 } # about a\n  - {name: z, command: y}\n',
    z: '  - {name: z, command: y}\n',
  },
  {
    title: 'YAML, all in brackets',
    text: 'backends: [{name: a, command: x, priority: 5}, {name: z, command: y}] # all\nrouting: {}\n',
    z: ', {name: z, command: y}',
  },
  {
    title: 'YAML, brackets over lines',
    text: `backends: [
  { name: a, command: x, priority: 5 }, # about a
  # about z
  { name: z, command: y }, # last
]
`,
    z: '  # about z\n  { name: z, command: y }, # last\n',
  },
  {
    title: 'YAML, map',
    text: `mcpServers:
    a:
        command: x
        priority: 5

    z:
        command: y
        args: [
          one,
        ]
`,
    z: '\n    z:\n        command: y\n        args: [\n          one,\n        ]\n',
  },
  {
    title: 'YAML, document mark, anchors, merges and quoted keys',
    text: `---
inputs:
  - &base { command: x, priority: 7 }
servers:
  "a":
    <<: *base
    priority: 5
  z:
    <<: *base
    cwd: /tmp
`,
    z: '  z:\n    <<: *base\n    cwd: /tmp\n',
  },
  {
    title: 'JSON on one line',
    text: '{"mcpServers":{"a":{"command":"x","priority":5},"z":{"command":"y"}}}',
    z: ',"z":{"command":"y"}',
  },
  {
    title: 'JSON on one line, with blanks',
    text: '{ "backends": [ { "name": "a", "command": "x", "priority": 5 }, { "name": "z", "command": "y" } ] }\n',
    z: ', { "name": "z", "command": "y" }',
  },
  {
    title: 'JSON with tabs',
    text: '{\n\t"servers": {\n\t\t"a": {\n\t\t\t"command": "x",\n\t\t\t"priority": 5\n\t\t},\n\t\t"z": {\n\t\t\t"command": "y"\n\t\t}\n\t},\n\t"inputs": []\n}\n',
    z: ',\n\t\t"z": {\n\t\t\t"command": "y"\n\t\t}',
  },
  {
    title: 'JSON with comments and trailing commas',
    text: `// mine
{
  "mcpServers": {
    // about a
    "a": { "command": "x", /* low */ "priority": 5 }, // still about a
    /* about z */
    "z": {
      "command": "y", // the last
    }, // still about z
    // the end
  },
}
`,
    z: '    /* about z */\n    "z": {\n      "command": "y", // the last\n    }, // still about z\n',
  },
  {
    title: 'JSON list, brackets together',
    text: '{\n  "backends": [{\n    "name": "a",\n    "command": "x",\n    "priority": 5\n  }, {\n    "name": "z",\n    "command": "y"\n  }]\n}\n',
    z: ', {\n    "name": "z",\n    "command": "y"\n  }',
  },
];

function namesOf(text: string): string[] {
  const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
  const result = parseConfig(text, 'backends.yaml', options);
  assert.deepEqual([result.ok, result.problems], [true, []]);
  return result.ok ? result.config.backends.map(({ name }) => name) : [];
}

for (const { title, text, z } of WRITINGS) {
  describe(title, () => {
    test('setting a value changes that value and no other byte', () => {
      const position = text.search(/priority"?: ?5/);
      const at = text.indexOf('5', position);
      assert.equal(setBackendKey('a', 'priority', 12)(text), `${text.slice(0, at)}12${text.slice(at + 1)}`);
    });

    test('a key that is set and taken out again leaves every byte as it was', () => {
      for (const name of ['a', 'z']) {
        const set = setBackendKey(name, 'enabled', false)(text);
        assert.notEqual(set, text);
        assert.equal(setBackendKey(name, 'enabled', undefined)(set), text);
      }
    });

    test('a backend that is added and removed again leaves every byte as it was', () => {
      const added = addBackend(NEW)(text);
      const more = { name: 'more', url: 'https://more.example' };
      assert.equal(addBackends([NEW, more])(text), addBackend(more)(added));
      assert.deepEqual(namesOf(added), ['a', 'z', 'new']);
      assert.equal(removeBackend('new')(added), text);
    });

    test('a removal takes the entry with its comments, and no other byte', () => {
      assert.ok(text.includes(z));
      assert.equal(removeBackend('z')(text), text.replace(z, ''));
    });

    test('line ends stay what they are', () => {
      const edited = addBackend(NEW)(setBackendKey('z', 'enabled', false)(text));
      assert.deepEqual(
        [/(?<!\r)\n/.test(edited), edited.endsWith('\n')],
        [/(?<!\r)\n/.test(text), text.endsWith('\n')],
      );
    });
  });
}

describe('adding', () => {
  const entry = '  - name: new\n    command: npx\n    args: [-y, "@a/b"]\n    priority: 3\n';
  const cases: readonly [what: string, text: string, expected: string][] = [
    ['to nothing', '', `backends:\n${entry}`],
    ['to comments', '# mine', `# mine\nbackends:\n${entry.trimEnd()}`],
    ['to an empty list', 'backends: []  # none yet\nrouting: {}\n', `backends:  # none yet\n${entry}routing: {}\n`],
    [
      'to no value',
      'backends: # none\n  # - name: x\n\nserver: {}',
      `backends: # none\n  # - name: x\n\n${entry}\nserver: {}`,
    ],
    ['to other keys alone', 'routing: {}\n', `routing: {}\nbackends:\n${entry}`],
    [
      'to an empty map',
      'mcpServers: {}\n',
      'mcpServers:\n  new:\n    command: npx\n    args: [-y, "@a/b"]\n    priority: 3\n',
    ],
    [
      'above what is at the left margin',
      'backends:\n- name: a\n  command: x\n# about routing\nrouting: {}\n',
      `backends:\n- name: a\n  command: x\n${entry.replace(/^ {2}/gm, '')}# about routing\nrouting: {}\n`,
    ],
    [
      'below a blank line where the others are apart',
      'backends:\n  - name: a\n    command: x\n\n  - name: b\n    command: y\n',
      `backends:\n  - name: a\n    command: x\n\n  - name: b\n    command: y\n\n${entry}`,
    ],
    [
      'to an empty JSON list over lines',
      '{\n    "backends": []\n}\n',
      '{\n    "backends": [\n        {\n            "name": "new",\n            "command": "npx",\n            "args": [\n                "-y",\n                "@a/b"\n            ],\n            "priority": 3\n        }\n    ]\n}\n',
    ],
    [
      'to a JSON map with a comment in it',
      '{ // mine\n\t"servers": {\n\t\t// none yet\n\t}\n}',
      '{ // mine\n\t"servers": {\n\t\t// none yet\n\n\t\t"new": {\n\t\t\t"command": "npx",\n\t\t\t"args": [\n\t\t\t\t"-y",\n\t\t\t\t"@a/b"\n\t\t\t],\n\t\t\t"priority": 3\n\t\t}\n\t}\n}',
    ],
    [
      'to a JSON object without backends',
      '{}',
      '{"backends":[{"name":"new","command":"npx","args":["-y","@a/b"],"priority":3}]}',
    ],
  ];
  for (const [what, text, expected] of cases) {
    test(what, () => assert.equal(addBackend(NEW)(text), expected));
  }

  test('to a map says it in the words of that world', () => {
    const added = addBackend({ name: 'a', url: 'https://a', enabled: false, env_file: '.env' })('{"servers":{}}');
    assert.equal(added, '{"servers":{"a":{"url":"https://a","disabled":true,"envFile":".env"}}}');
  });

  test('values that need quotes or several lines are read back as they were', () => {
    const env = { A: 'yes', B: '1.10', C: 'two\nlines', D: ': # [', E: '', F: '"\\' };
    const text = addBackend({ name: 'a', command: 'x', env })('backends: []\n');
    const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined };
    const result = parseConfig(text, 'b', options);
    const launch = result.ok ? result.config.backends[0]?.launch : undefined;
    assert.deepEqual(launch?.kind === 'stdio' ? launch.env : undefined, env);
  });
});

describe('a backend that is added where there are only comments, and removed again, leaves every byte as it was', () => {
  const texts = [
    'backends:\n  # - name: github\n  #   url: https://api.example.com/mcp\nrouting:\n  default_strategy: path\n',
    'backends: # mine\n  # none yet',
    'backends:\r\n    # none yet\r\n\r\n    # - name: x\r\n',
    'mcpServers:\n  # none yet\n\n# routing\nrouting: {}\n',
    '{\n  "mcpServers": {\n    // "github": { "url": "https://api.example.com/mcp" }\n  }\n}\n',
    '{\n\t"backends": [\n\t\t/* none\n\t\t   yet */\n\t]\n}\n',
    'backends:\n  [\n    # nothing\n  ]\n',
  ];
  for (const text of texts) {
    test(JSON.stringify(text), () => {
      assert.equal(removeBackend('new')(addBackend(NEW)(text)), text);
      const more = { name: 'more', url: 'https://more.example' };
      const both = addBackends([NEW, more])(text);
      assert.equal(removeBackend('more')(both), addBackend(NEW)(text));
      assert.equal(removeBackend('more')(removeBackend('new')(both)), text);
    });
  }
});

describe('removing and setting', () => {
  const cases: readonly [what: string, edit: ConfigEdit, text: string, expected: string][] = [
    [
      'the only one of a list leaves empty brackets',
      removeBackend('a'),
      'backends: # mine\n  # about a\n  - name: a\n    command: x\n\nrouting: {}\n',
      'backends: [] # mine\n\nrouting: {}\n',
    ],
    ['the only one of a map too', removeBackend('a'), 'servers:\n  a:\n    command: x', 'servers: {}'],
    ['the only one between brackets', removeBackend('a'), '{"backends": [ {"name": "a"} ]}', '{"backends": []}'],
    [
      'the first between brackets',
      removeBackend('a'),
      '[{}]'.replace('[{}]', 'backends: [{name: a}, {name: b}]'),
      'backends: [{name: b}]',
    ],
    [
      'the first of a list, with what is right above it',
      removeBackend('a'),
      'backends:\n  # on top\n\n  # about a\n  - name: a\n  # about b\n  - name: b\n',
      'backends:\n  # on top\n\n  # about b\n  - name: b\n',
    ],
    [
      'the only one, without an entry above it that is commented out',
      removeBackend('a'),
      'backends:\n  # - name: old\n  #   args:\n  #     - x\n  # about a\n  - name: a\nrouting: {}\n',
      'backends:\n  # - name: old\n  #   args:\n  #     - x\nrouting: {}\n',
    ],
    [
      'one of several, without an entry above it that is commented out',
      removeBackend('b'),
      'backends:\n  - name: a\n  # was slow\n  # - { name: old, command: x }\n  - name: b\n',
      'backends:\n  - name: a\n  # was slow\n  # - { name: old, command: x }\n',
    ],
    [
      'one of a map, without an entry above it that is commented out',
      removeBackend('a'),
      '{\n  "servers": {\n    // "old": {\n    //   "command": "x"\n    // },\n    // about a\n    "a": {}\n  }\n}\n',
      '{\n  "servers": {\n    // "old": {\n    //   "command": "x"\n    // },\n  }\n}\n',
    ],
    [
      'one that has no usable name, by its number',
      removeBackend('#2'),
      'backends:\n  - name: a\n    command: x\n  - name: a\n    command: y\n',
      'backends:\n  - name: a\n    command: x\n',
    ],
    [
      'one under a key that had to be sanitised',
      removeBackend('my-server'),
      '{"mcpServers": {"my server": {"command": "x"}, "b": {}}}',
      '{"mcpServers": {"b": {}}}',
    ],
    [
      'a value where there was none',
      setBackendKey('a', 'enabled', false),
      'backends:\n  - name: a\n    enabled:\n    priority: # none\n',
      'backends:\n  - name: a\n    enabled: false\n    priority: # none\n',
    ],
    [
      'a value before a comment',
      setBackendKey('a', 'priority', 1),
      'backends:\n  - name: a\n    priority: # none\n',
      'backends:\n  - name: a\n    priority: 1 # none\n',
    ],
    [
      'the key at the dash leaves the next one there',
      setBackendKey('a', 'priority', undefined),
      'backends:\n  - priority: 5 # low\n    name: a\n',
      'backends:\n  - name: a\n',
    ],
    [
      'enabled, where it is written as disabled',
      setBackendKey('a', 'enabled', false),
      '{"mcpServers": {"a": {"command": "x", "disabled": false}}}',
      '{"mcpServers": {"a": {"command": "x", "disabled": true}}}',
    ],
    [
      'an alias of a value gives way to the value',
      setBackendKey('b', 'priority', 1),
      'backends:\n  - { name: a, priority: &p 5 }\n  - { name: b, priority: *p }\n',
      'backends:\n  - { name: a, priority: &p 5 }\n  - { name: b, priority: 1 }\n',
    ],
    [
      'what is merged in is overridden where it is merged',
      setBackendKey('b', 'priority', 1),
      'backends:\n  - &a\n    name: a\n    priority: 5\n  - <<: *a\n    name: b\n',
      'backends:\n  - &a\n    name: a\n    priority: 5\n  - <<: *a\n    name: b\n    priority: 1\n',
    ],
    [
      'a new key between braces of YAML is as plain as its neighbours',
      setBackendKey('a', 'priority', 2),
      'backends:\n  - { name: a, command: npx }\n',
      'backends:\n  - { name: a, command: npx, priority: 2 }\n',
    ],
    [
      'one over lines too',
      setBackendKey('a', 'priority', 2),
      'servers: {\n  a: {\n    command: npx\n  }\n}\n',
      'servers: {\n  a: {\n    command: npx,\n    priority: 2\n  }\n}\n',
    ],
    [
      'and in quotes where they are',
      setBackendKey('a', 'priority', 2),
      'backends:\n  - { "name": a, "command": npx }\n',
      'backends:\n  - { "name": a, "command": npx, "priority": 2 }\n',
    ],
    [
      'a key that is not there, taken out, changes nothing',
      setBackendKey('a', 'priority', undefined),
      'backends: [{name: a}]',
      'backends: [{name: a}]',
    ],
  ];
  for (const [what, edit, text, expected] of cases) test(what, () => assert.equal(edit(text), expected));
});

describe('placeOfBackend', () => {
  test('finds the name of an entry, however the text is written', () => {
    for (const { text } of WRITINGS) {
      for (const name of ['a', 'z']) {
        const place = placeOfBackend(text, name);
        assert.ok(place !== undefined);
        assert.match(text.slice(place), new RegExp(`^["']?${name}["']?\\b`));
      }
    }
  });

  test('finds nothing where there is none', () => {
    assert.deepEqual(
      ['backends: [{name: b}]', 'backends: [', '', 'routing: {}'].map(text => placeOfBackend(text, 'a')),
      [undefined, undefined, undefined, undefined],
    );
    assert.equal(placeOfBackend('backends: [{name: a}, {name: a}]', '#2'), 29);
  });
});

describe('what cannot be edited is refused with a reason', () => {
  const cases: readonly [edit: () => ConfigEdit, text: string, reason: RegExp][] = [
    [() => removeBackend('b'), 'backends: [{name: a}]', /no backend named "b"/],
    [() => setBackendKey('b', 'priority', 1), '', /no backend named "b"/],
    [() => addBackend(NEW), 'backends: [{name: new}]', /already a backend named "new"/],
    [() => addBackend({ name: 'a', command: 'x', priority: -1 }), '', /"a" cannot be added: priority/],
    [() => addBackend(NEW), 'backends: [', /has an error.*line 1, column 12/],
    [() => addBackend(NEW), 'backends: []\nservers: {}', /both; keep one \(line 2, column 1\)/],
    [() => removeBackend('a'), 'x: &x { name: a }\nbackends:\n  - *x\n', /written elsewhere/],
    [() => removeBackend('a'), 'x: &x [{ name: a }]\nbackends: *x\n', /written elsewhere/],
    [
      () => setBackendKey('a', 'priority', 1),
      'backends:\n  - &a { name: a, priority: &p 5 }\n  - { name: b, priority: *p }\n',
      /by hand/,
    ],
    [() => removeBackend('a'), 'backends:\n  - &a { name: a }\n  - { <<: *a, name: b }\n', /by hand/],
    [() => setBackendKey('a', 'priority', 1), 'backends: [{name: a, priority: [1]}]', /not a single value/],
    [() => setBackendKey('a', 'priority', 1), 'mcpServers: { a: x }', /not a map/],
  ];
  for (const [edit, text, reason] of cases) {
    test(String(reason), () => {
      assert.throws(
        () => edit()(text),
        error => error instanceof UserError && reason.test(error.message),
      );
    });
  }
});

describe('editConfigFile', () => {
  test('writes through a link, keeps mode and byte order mark, and leaves nothing beside', async t => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'real.jsonc');
    fs.writeFileSync(file, '\uFEFF// mine\r\n{"servers": {"a": {"priority": 5}}}\r\n');
    fs.chmodSync(file, 0o664);
    fs.symlinkSync(file, join(folder, 'link.jsonc'));
    await editConfigFile(join(folder, 'link.jsonc'), setBackendKey('a', 'priority', 6));
    assert.equal(fs.readFileSync(file, 'utf8'), '\uFEFF// mine\r\n{"servers": {"a": {"priority": 6}}}\r\n');
    assert.deepEqual(
      [fs.statSync(file).mode & 0o777, fs.readdirSync(folder).sort()],
      [0o664, ['link.jsonc', 'real.jsonc']],
    );
  });

  test('makes a missing file and its folder, in the syntax of its name, for the owner alone', async t => {
    const folder = temporaryFolder(t);
    const add = addBackend({ name: 'a', url: 'https://a' });
    await editConfigFile(join(folder, 'new', 'backends.yaml'), add);
    await editConfigFile(join(folder, 'new', 'mcp.json'), add);
    const read = (name: string) => fs.readFileSync(join(folder, 'new', name), 'utf8');
    assert.equal(read('backends.yaml'), 'backends:\n  - name: a\n    url: https://a\n');
    assert.deepEqual(JSON.parse(read('mcp.json')), { backends: [{ name: 'a', url: 'https://a' }] });
    assert.equal(fs.statSync(join(folder, 'new', 'mcp.json')).mode & 0o777, 0o600);
  });

  test('edits at the same time all take effect', async t => {
    const file = join(temporaryFolder(t), 'backends.yaml');
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map(name => editConfigFile(file, addBackend({ name, command: 'x' }))));
    assert.deepEqual(namesOf(fs.readFileSync(file, 'utf8')), names);
  });

  test('makes no file where one is wanted to be there', async t => {
    const file = join(temporaryFolder(t), 'backends.yaml');
    await assert.rejects(editConfigFile(file, addBackend({ name: 'a', command: 'x' }), 'is refused'), {
      name: 'UserError',
      message: `${file} was not changed. There is no such file any more: restore it, or try again.`,
    });
    assert.equal(fs.existsSync(file), false);
  });

  test('names the file, and leaves it alone, when the edit cannot be done', async t => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'backends.yaml');
    fs.writeFileSync(file, 'backends: []\n');
    await assert.rejects(editConfigFile(file, removeBackend('a')), {
      name: 'UserError',
      message: `${file} was not changed. There is no backend named "a" in it.`,
    });
    await assert.rejects(editConfigFile(folder, removeBackend('a')), { name: 'UserError' });
    assert.deepEqual([fs.readFileSync(file, 'utf8'), fs.readdirSync(folder)], ['backends: []\n', ['backends.yaml']]);
  });
});

function temporaryFolder(t: TestContext): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'switchyard-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
