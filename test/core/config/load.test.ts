import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import {
  formatProblem,
  type LoadOptions,
  type LoadResult,
  loadConfig,
  parseConfig,
} from '../../../src/core/config/load.ts';
import type { BackendConfig, Config } from '../../../src/core/config/schema.ts';

const OPTIONS: LoadOptions = {
  env: { TOKEN: 's3cret', REGION: 'eu' },
  workspaceFolder: '/project',
  userHome: '/home/me',
  input: id => (id === 'key' ? 'typed' : undefined),
};

const parse = (text: string, options: Partial<LoadOptions> = {}): LoadResult =>
  parseConfig(text, 'backends.yaml', { ...OPTIONS, ...options });

/** A variable without a value. */
const unset = '$'.concat('{env:NONE}');

/** What was found, without the name of the file: `error 3:5: message`. */
const findings = ({ problems }: LoadResult) =>
  problems.map(problem => `${problem.severity} ${formatProblem(problem).replace('backends.yaml:', '')}`);

/** The configuration of a text that has nothing wrong with it. */
function config(text: string, options?: Partial<LoadOptions>): Config {
  const result = parse(text, options);
  assert.deepEqual(findings(result), []);
  assert.ok(result.ok);
  return result.config;
}

function backend(text: string, options?: Partial<LoadOptions>): BackendConfig {
  const [first] = config(text, options).backends;
  assert.ok(first);
  return first;
}

const launch = (keys: string, options?: Partial<LoadOptions>) =>
  backend(`backends: [{ name: a, ${keys} }]`, options).launch;
const stdio = (command: string, args: string[] = []) => ({ kind: 'stdio', command, args, env: {}, cwd: undefined });
const remote = (url: string, type = 'auto') => ({ kind: 'remote', url, headers: {}, type });

describe('shapes', () => {
  const same = { a: stdio('npx', ['-y', 'x']), b: remote('https://b.example/mcp') };
  const launches = (text: string) =>
    Object.fromEntries(config(text).backends.map(({ name, launch }) => [name, launch]));

  test('all three, in YAML, JSON and JSON with comments, give the same backends', () => {
    const texts = [
      'backends:\n  - name: a\n    command: npx\n    args: [-y, x]\n  - name: b\n    url: https://b.example/mcp\n',
      'mcpServers:\n  a:\n    command: npx\n    args:\n      - -y\n      - x\n  b: { url: https://b.example/mcp }\n',
      '{"mcpServers": {"a": {"command": "npx", "args": ["-y", "x"]}, "b": {"url": "https://b.example/mcp"}}}',
      '// mine\n{ "servers": {\n  "a": {"type": "stdio", "command": "npx", "args": ["-y", "x",],}, /* remote */\n "b": {"url": "https://b.example/mcp"},\n}, "inputs": [], }',
      '{backends: [{name: a, command: npx, args: [-y, x]}, {name: b, url: "https://b.example/mcp"}]}',
    ];
    for (const text of texts) assert.deepEqual(launches(text), same, text);
  });

  test('keys of the older systems and of other clients are read without complaint', () => {
    const { backends } = config(`
mcpServers:
  off: { command: x, disabled: true, autoApprove: [t], encoding: utf-8, encoding_error_handler: strict, port: 8100 }
  http: { type: streamable-http, url: https://a.example, priority: 3 }
  sse: { type: sse, url: https://b.example, disabled: false }
`);
    assert.deepEqual(
      backends.map(({ name, enabled, priority, launch }) => [name, enabled, priority, launch]),
      [
        ['off', false, 10, stdio('x')],
        ['http', true, 3, remote('https://a.example', 'http')],
        ['sse', true, 10, remote('https://b.example', 'sse')],
      ],
    );
    config('backends: [{ name: a, source: "@a/b", port: 8100 }]');
  });

  test('names of a map are sanitised with a warning, and stay unique', () => {
    const result = parse(
      '{"mcpServers": {"My Server": {"command": "x"}, "My-Server": {"command": "y"}, "数": {"command": "z"}}}',
    );
    assert.ok(result.ok);
    assert.deepEqual(
      result.config.backends.map(({ name }) => name),
      ['My-Server-2', 'My-Server', 'server'],
    );
    assert.deepEqual(findings(result), [
      'warning 1:17: "My Server" is called "My-Server-2": a name has only letters, digits, "-" and "_"',
      'warning 1:79: "数" is called "server": a name has only letters, digits, "-" and "_"',
    ]);
  });

  test('names may be of any length', () => {
    const long = 'n'.repeat(200);
    const { backends } = config(`mcpServers: { ${long}: { command: x }, b: { command: x, namespace: ${long} } }`);
    assert.deepEqual(
      backends.map(({ name, namespace }) => [name, namespace]),
      [
        [long, long],
        ['b', long],
      ],
    );
  });

  test('YAML merges and aliases are followed, and what a map says itself wins', () => {
    const { backends } = config(`
backends:
  - &base
    name: a
    command: npx
    priority: 5
  - <<: *base
    name: b
  - { <<: [{ priority: 6 }, *base], name: c }
`);
    assert.deepEqual(
      backends.map(({ name, priority, launch }) => [name, priority, launch]),
      [
        ['a', 5, stdio('npx')],
        ['b', 5, stdio('npx')],
        ['c', 6, stdio('npx')],
      ],
    );
  });

  test('a key whose value is commented out counts as not given', () => {
    assert.deepEqual(
      backend('backends:\n  - name: a\n    command: x\n    env:\n      # A: 1\n    priority:\n').launch,
      stdio('x'),
    );
    assert.deepEqual(config('backends:\nrouting:\n').backends, []);
    assert.deepEqual(config('backends: []').backends, []);
    assert.deepEqual(config('{"mcpServers": {}}').backends, []);
  });
});

describe('launch', () => {
  test('a source stands for an address or a package runner', () => {
    const sources: Record<string, object> = {
      'https://a.example/mcp': remote('https://a.example/mcp'),
      'npm:some-mcp@1.2': stdio('npx', ['-y', 'some-mcp@1.2']),
      '@scope/pkg': stdio('npx', ['-y', '@scope/pkg']),
      'pypi:mcp-server-git': stdio('uvx', ['mcp-server-git']),
      'mcp-server-git==1.0': stdio('uvx', ['mcp-server-git==1.0']),
      'github:owner/repo': stdio('uvx', ['--from', 'git+https://github.com/owner/repo', 'repo']),
      'github:owner/repo/src/git': stdio('uvx', [
        '--from',
        'git+https://github.com/owner/repo#subdirectory=src/git',
        'git',
      ]),
    };
    for (const [source, expected] of Object.entries(sources))
      assert.deepEqual(launch(`source: "${source}"`), expected, source);
  });

  test('arguments follow those of the source', () => {
    assert.deepEqual(launch('source: "@a/fs", args: [/tmp]'), stdio('npx', ['-y', '@a/fs', '/tmp']));
  });

  test('a name and a password in a URL become the header that they stand for, unless there is one', () => {
    assert.deepEqual(launch('url: "http://me:p%40ss@h/mcp?q=1"'), {
      ...remote('http://h/mcp?q=1'),
      headers: { authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}` },
    });
    assert.deepEqual(launch('url: "http://me:pass@h/mcp", headers: { Authorization: mine }'), {
      ...remote('http://h/mcp'),
      headers: { Authorization: 'mine' },
    });
  });

  test('numbers and booleans in args, env and headers are text as written', () => {
    assert.deepEqual(launch('command: x, args: [-p, 8080, 1.10], env: { A: true, B: 007, C: "1" }'), {
      ...stdio('x', ['-p', '8080', '1.10']),
      env: { A: 'true', B: '007', C: '1' },
    });
  });

  test('variables are replaced in any text', () => {
    assert.deepEqual(
      launch(
        `url: "https://\${env:REGION}.example", headers: { Authorization: "Bearer \${env:TOKEN}", K: "\${input:key}" }`,
      ),
      { ...remote('https://eu.example'), headers: { Authorization: 'Bearer s3cret', K: 'typed' } },
    );
    assert.deepEqual(launch(`command: "\${userHome}/bin/x", args: ["\${workspaceFolder}", "$HOME"]`), {
      ...stdio('/home/me/bin/x', ['/project', '$HOME']),
    });
  });

  test('a relative cwd and env_file start from the file; env wins over env_file', t => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'x.env'), '# both\nA=from file\nexport B="b\\n"\n');
    const result = parseConfig(
      'mcpServers: { a: { command: x, cwd: sub, envFile: ./x.env, env: { A: own } } }',
      join(folder, 'mcp.json'),
      OPTIONS,
    );
    assert.ok(result.ok);
    assert.deepEqual(result.config.backends[0]?.launch, {
      ...stdio('x'),
      env: { A: 'own', B: 'b\n' },
      cwd: join(folder, 'sub'),
    });
  });

  test('a disabled backend may lack what it would need', () => {
    const { enabled, launch } = backend(`backends: [{ name: a, url: "\${env:NONE}", env_file: none, enabled: false }]`);
    assert.deepEqual([enabled, launch], [false, remote(`\${env:NONE}`)]);
  });
});

describe('defaults and precedence', () => {
  test('everything has a default', () => {
    const { routing, server, backends } = config('backends: [{ name: Db, command: x }]');
    assert.deepEqual(
      { routing, server },
      {
        routing: {
          default_strategy: 'capability',
          enable_namespace_prefixing: true,
          namespace_separator: '__',
          capability_cache_ttl_seconds: 300,
          request_timeout_seconds: 30,
          load_balancing: 'priority',
          retry: { max_attempts: 3, initial_backoff_seconds: 1, backoff_multiplier: 2, max_backoff_seconds: 10 },
        },
        server: { management_tools: 'read_only', drain_seconds: 5, allowed_hosts: [], allowed_origins: [] },
      },
    );
    assert.deepEqual(backends, [
      {
        name: 'Db',
        namespace: 'Db',
        launch: stdio('x'),
        enabled: true,
        auto_start: true,
        priority: 10,
        routes: [],
        tools: { include: ['*'], exclude: [], rename: {} },
        start_timeout_seconds: 60,
        request_timeout_seconds: 30,
        max_request_seconds: 3600,
        max_concurrency: 0,
        session: 'shared',
        protocol: 'auto',
        health_check: { enabled: true, interval_seconds: 30, timeout_seconds: 5 },
        circuit_breaker: { failure_threshold: 5, timeout_seconds: 60, half_open_attempts: 3 },
      },
    ]);
  });

  test('the request timeout: own, then override, then file, then the default of the face, then ours', () => {
    const timeout = (own: string, routing: string, options: Partial<LoadOptions>) =>
      backend(`backends: [{ name: a, command: x${own} }]${routing}`, options).request_timeout_seconds;
    const base = { request_timeout_seconds: 300 };
    const overrides = { request_timeout_seconds: 50 };
    const own = ', request_timeout_seconds: 7';
    const routing = '\nrouting: { request_timeout_seconds: 40 }';
    assert.deepEqual(
      [
        timeout(own, routing, { base, overrides }),
        timeout('', routing, { base, overrides }),
        timeout('', routing, { base }),
        timeout('', '', { base }),
        timeout('', '', {}),
      ],
      [7, 50, 40, 300, 30],
    );
  });

  test('health overrides change the default, and leave what a backend itself says', () => {
    const text = 'backends: [{ name: a, command: x, health_check: { timeout_seconds: 9 } }]';
    const { health_check } = backend(text, {
      overrides: { health_check: { interval_seconds: 60, timeout_seconds: 2 } },
    });
    assert.deepEqual(health_check, { enabled: true, interval_seconds: 60, timeout_seconds: 9 });
  });

  test('overrides reach single keys of retry and server, and add to the allowed hosts', () => {
    const { routing, server } = config(
      'backends: []\nrouting: { retry: { max_attempts: 7, backoff_multiplier: 3 } }\nserver: { allowed_hosts: [a] }',
      { overrides: { retry: { max_attempts: 1 }, management_tools: 'off', allowed_hosts: ['b'] } },
    );
    assert.deepEqual(routing.retry, {
      max_attempts: 1,
      initial_backoff_seconds: 1,
      backoff_multiplier: 3,
      max_backoff_seconds: 10,
    });
    assert.deepEqual([server.management_tools, server.allowed_hosts], ['off', ['a', 'b']]);
  });
});

describe('a file that is wrong as a whole has one clear message', () => {
  const needed = 'the file needs one of the top keys "backends", "mcpServers" or "servers"';
  const laughs = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${[...'bcdefgh']
    .map((letter, index) => `${letter}: &${letter} [${Array(10).fill(`*${'abcdefg'[index]}`).join(', ')}]\n`)
    .join('')}backends: [*h]`;
  const cases: Record<string, string> = {
    '': '1:1: the file is empty; a configuration without backends is written "backends: []"',
    '# nothing yet\n': '1:1: the file is empty; a configuration without backends is written "backends: []"',
    '- name: a': '1:1: the file is a list; put it under a "backends:" key',
    'just text': `1:1: ${needed}`,
    'routing: {}': `1:1: ${needed}`,
    'backend: []': `1:1: ${needed}; did you mean "backends"?`,
    'routing: {}\nmcpservers: {}': `2:1: ${needed}; did you mean "mcpServers"?`,
    'backends: []\nservers: {}': '2:1: the file has "backends" and "servers" both; keep one',
    'backends: []\nbackends: []': '2:1: the file has "backends" twice; keep one',
    'backends: { a: 1 }': '1:11: backends must be a list; a map of servers by name goes under "mcpServers"',
    'mcpServers: []': '1:13: mcpServers must be a map of servers by name; a list goes under "backends"',
    'backends: a: b': '1:11: the file is not valid YAML: Nested mappings are not allowed in compact mappings',
    [`backends:\n  - { command: ${unset} }`]:
      '2:17: the file is not valid YAML: Unexpected flow-map-start at node end; between braces or brackets a variable needs quotes around it',
    [`backends:\n  - { args: ["${unset}", {] } # ${unset}`]:
      '2:30: the file is not valid YAML: Flow map in block collection must be sufficiently indented and end with a }',
    '{"backends": [}': '1:15: the file is not valid JSON: value expected',
    'backends: []\n---\nbackends: []': '2:1: the file holds more than one document',
    'backends: *none': '1:11: there is no anchor for the alias *none',
    '? [a]\n: b': '1:3: a key must be text',
    [laughs]: '4:36: the aliases of the file stand for too much',
    ['['.repeat(100_000)]: '1:1: the file is nested too deeply',
    ['{"a":'.repeat(100_000)]: '1:1: the file is nested too deeply',
    'backends: &a [*a]': '1:15: the file is nested too deeply',
    'backends: []\nrouting: { default_strategy: Path }':
      '2:30: routing.default_strategy must be "path", "capability" or "fallback"; did you mean "path"?',
    'backends: []\nserver:\n  drain_seconds: 100\n': '3:18: server.drain_seconds must be at most 8',
    [`backends: []\nserver: { allowed_hosts: ["${unset}"] }`]: '2:27: the environment variable NONE is not set',
    'backends: []\nrouting: { retry: {}, retry: {} }': '2:23: retry repeats retry',
  };
  for (const [text, message] of Object.entries(cases)) {
    test(message, () => {
      const result = parse(text);
      assert.deepEqual([result.ok, ...findings(result)], [false, `error ${message}`]);
    });
  }

  test('the file is nested too deeply for the parser, wherever that gives up', () => {
    const [first, ...others] = findings(parse(`backends: ${'['.repeat(20_000)}${']'.repeat(20_000)}`));
    assert.match(first ?? '', /^error 1:\d+: the file is nested too deeply$/);
    assert.deepEqual(others, []);
  });

  test('a wrong value from outside the file is told as such', () => {
    const result = parse('backends: []', { base: { request_timeout_seconds: 0 } });
    assert.deepEqual(findings(result), [
      'error 1:1: routing.request_timeout_seconds, which is set outside this file, is wrong: Too small: expected number to be >0',
    ]);
    assert.equal(result.ok, false);
  });

  test('that it is missing, a folder, too large, or not UTF-8', async t => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, 'folder'));
    writeFileSync(join(folder, 'large'), '#'.repeat(2 * 1024 * 1024));
    writeFileSync(join(folder, 'latin1'), Buffer.from('backends: [] # caf\xe9', 'latin1'));
    const found: string[] = [];
    for (const name of ['missing', 'folder', 'large', 'latin1']) {
      const { ok, problems } = await loadConfig(join(folder, name), OPTIONS);
      assert.equal(ok, false);
      found.push(...problems.map(formatProblem));
    }
    assert.deepEqual(
      found.map(message => message.slice(folder.length + 1)),
      [
        'missing:1:1: there is no such file',
        'folder:1:1: this is a directory, not a file',
        'large:1:1: the file is larger than 1 MiB, so it cannot be a configuration',
        'latin1:1:1: the file is not UTF-8 text',
      ],
    );
  });

  test('one that may be missing is read as none', async t => {
    const options = { env: {}, workspaceFolder: '/', userHome: '/', input: () => undefined, mayBeMissing: true };
    const folder = temporaryFolder(t);
    const missing = await loadConfig(join(folder, 'missing'), options);
    assert.ok(missing.ok);
    assert.deepEqual([missing.config.backends, missing.problems], [[], []]);
    assert.equal((await loadConfig(folder, options)).ok, false);
  });

  test('a byte order mark is no error', async t => {
    const file = join(temporaryFolder(t), 'backends.yaml');
    writeFileSync(file, '\uFEFFbackends: []');
    assert.deepEqual((await loadConfig(file, OPTIONS)).problems, []);
  });
});

describe('a wrong entry takes only its own backend out of service', () => {
  const cases: Record<string, string> = {
    'priority: -1': '3:15: priority must be at least 0',
    'priority: 1.5': '3:15: priority must be a whole number',
    'priority: high': '3:15: priority must be a number, not text',
    'args: --fast': '3:11: args must be a list, not text',
    'args: [[x]]': '3:12: args[0] must be text, not a list',
    'enabled: yes': '3:14: enabled must be true or false, not text',
    'routes: [{ pattern: "" }]': '3:25: routes[0].pattern must not be empty',
    'routes: [{ strategy: path }]': '3:14: routes[0].pattern is missing',
    'routes: [{ pattern: x, strategy: smart }]': '3:38: routes[0].strategy must be "path", "capability" or "fallback"',
    'health_check: { interval_seconds: 0 }': '3:39: health_check.interval_seconds must be at least 1',
    'type: stdio': '3:11: type must be "http", "sse" or "auto"',
    'namespace: "a b"': '3:16: namespace must have only letters, digits, "-" and "_"',
    [`env: { A: "${unset}" }`]: '3:15: the environment variable NONE is not set',
    [`env: { A: "${unset.replace('env:NONE', 'input:none')}" }`]: '3:15: there is no value for the input "none"',
    'priority: 1\n    priority: 2': '4:5: priority repeats priority',
    'circuit_breaker: 5': '3:22: circuit_breaker must be a map, not a number',
  };
  for (const [keys, message] of Object.entries(cases)) {
    test(message, () => {
      const entry = `{ name: bad, command: x,\n    ${keys.replace('\n', ',\n')} }`;
      const text = `backends:\n  - ${entry}\n  - { name: good, command: x }\n`;
      const loaded = parse(text);
      assert.ok(loaded.ok);
      assert.deepEqual(findings(loaded), [`error ${message}`]);
      assert.deepEqual(
        [
          loaded.config.backends.map(({ name }) => name),
          loaded.config.rejected.map(({ name, namespace, problem }) => [name, namespace, formatProblem(problem)]),
        ],
        [['good'], [['bad', 'bad', `backends.yaml:${message}`]]],
      );
    });
  }

  test('an entry with an error says what can be read of it all the same', () => {
    const text = `
backends:
  - { name: a, url: 'http://a/mcp', priority: -3, namespace: n }
  - { name: b, source: '@b/c', priority: 4, args: 5 }
  - { name: c, command: [x], priority: 5 }
  - a string
  - { name: a, command: x, priority: 6 }
`;
    const loaded = parse(text);
    assert.ok(loaded.ok);
    assert.deepEqual(
      loaded.config.rejected.map(({ name, namespace, priority, launch }) => {
        const target = launch && (launch.kind === 'remote' ? launch.url : [launch.command, ...launch.args].join(' '));
        return [name, namespace, priority, target];
      }),
      [
        ['a', 'n', 10, 'http://a/mcp'],
        ['b', 'b', 4, 'npx -y @b/c'],
        ['c', 'c', 5, undefined],
        ['#4', '#4', 10, undefined],
        ['#5', '#5', 6, 'x'],
      ],
    );
  });

  test('names that are missing, taken or wrong, and entries without an address', () => {
    const result = parse(`
backends:
  - name: a
    command: x
  - name: a
    command: y
  - command: z
  - name: b
  - a string
  - name: c d
    url: http://c
  - name: e
    url: ftp://e
  - name: f
    source: docker:image
`);
    assert.ok(result.ok);
    assert.deepEqual(findings(result), [
      'error 5:11: the name "a" is taken by an earlier backend; this one is left out',
      'error 7:5: name is missing',
      'error 8:11: has neither command, url nor source',
      'error 9:5: this must be a map, not text',
      'error 10:11: name must have only letters, digits, "-" and "_"',
      'error 13:10: url must be an http:// or https:// address',
      'error 15:13: source must be a URL, npm:PKG, @scope/pkg, pypi:PKG, the bare name of a PyPI package, or github:owner/repo',
    ]);
    assert.deepEqual(
      [result.config.backends.map(({ launch }) => launch), result.config.rejected.map(({ name }) => name)],
      [[stdio('x')], ['#2', '#3', 'b', '#5', 'c d', 'e', 'f']],
    );
  });

  test('an address whose key is mistyped', () => {
    const result = parse(`
backends:
  - { name: a, comand: x }
  - { name: b, priorty: 1 }
  - { name: c, ulr: http://c, command: x }
`);
    assert.deepEqual(findings(result), [
      'error 3:13: has neither command, url nor source; did you mean "command" by "comand"?',
      'warning 3:16: unknown key comand; did you mean "command"?',
      'error 4:13: has neither command, url nor source',
      'warning 4:16: unknown key priorty; did you mean "priority"?',
      'warning 5:16: unknown key ulr; did you mean "url"?',
    ]);
    const map = parse('{"mcpServers": {"a": {"URL": "http://a"}}}');
    assert.match(findings(map)[0] ?? '', /has neither command, url nor source; did you mean "url" by "URL"\?$/);
  });

  test('names are compared with the values of their variables', () => {
    const result = parse(`
backends:
  - { name: "\${env:REGION}", command: x, routes: [{ pattern: "*", fallback_to: "\${env:REGION}-2" }] }
  - { name: eu, command: y }
  - { name: eu-2, command: z }
`);
    assert.deepEqual(findings(result), [
      'error 4:13: the name "eu" is taken by an earlier backend; this one is left out',
    ]);
    assert.deepEqual(result.ok && result.config.backends.map(({ name }) => name), ['eu', 'eu-2']);
  });

  test('in a map too, where a name can be given twice and translated keys keep their names', () => {
    const result = parse(`{
  "mcpServers": {
    "a": {"command": "x"},
    "a": {"command": "y"},
    "b": {"disabled": "no", "command": "x"},
    "c": {},
    "d": {"command": "x", "envFile": "none.env"}
  }
}`);
    assert.ok(result.ok);
    assert.deepEqual(
      findings(result).map(finding => finding.replace(/ENOENT.*/, 'ENOENT')),
      [
        'error 4:5: the name "a" is taken by an earlier backend; this one is left out',
        'error 5:23: disabled must be true or false, not text',
        'error 6:5: has neither command, url nor source',
        'error 7:38: env_file cannot be read: ENOENT',
      ],
    );
    assert.deepEqual(
      result.config.rejected.map(({ name }) => name),
      ['#2', 'b', 'c', 'd'],
    );
  });

  test('a line of an env_file that is none', t => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'x.env'), 'A=1\nthe secret\n');
    const result = parseConfig('backends: [{name: a, command: x, env_file: x.env}]', join(folder, 'b.yaml'), OPTIONS);
    assert.match(result.problems[0]?.message ?? '', /^env_file .*x\.env:2: is not a NAME=value line$/);
  });
});

describe('warnings', () => {
  test('unknown keys at every level, with what was probably meant', () => {
    const result = parse(`
backends:
  - name: a
    command: x
    priorty: 5
    autoStart: false
    Healthcheck: {}
    colour: red
    health_check: { interval: 5 }
    routes:
      - { pattern: x, strat: path }
routing: { rety: {} }
extra: 1
`);
    assert.deepEqual(
      [result.ok, ...findings(result)],
      [
        true,
        'warning 5:5: unknown key priorty; did you mean "priority"?',
        'warning 6:5: unknown key autoStart; did you mean "auto_start"?',
        'warning 7:5: unknown key Healthcheck; did you mean "health_check"?',
        'warning 8:5: unknown key colour',
        'warning 9:21: unknown key health_check.interval; did you mean "interval_seconds"?',
        'warning 11:23: unknown key routes[0].strat; did you mean "strategy"?',
        'warning 12:12: unknown key routing.rety; did you mean "retry"?',
        'warning 13:1: unknown key extra',
      ],
    );
  });

  test('in a map, with its own words for what was probably meant', () => {
    const entry = { command: 'x', dsabled: true, envfil: 'y', autoAprove: [] };
    const result = parse(`{"mcpServers": {\n"a": ${JSON.stringify(entry)},\n"b": {"command": "x", "type": "stido"}}}`);
    assert.deepEqual(findings(result), [
      'warning 2:21: unknown key dsabled; did you mean "disabled"?',
      'warning 2:36: unknown key envfil; did you mean "env_file"?',
      'warning 2:49: unknown key autoAprove; did you mean "autoApprove"?',
      'error 3:31: type must be "stdio", "http", "streamable-http", "sse" or "auto"; did you mean "stdio"?',
    ]);
  });

  test('separators that clients refuse, addresses that are not used, variables that are none', () => {
    const result = parse(`
backends:
  - { name: a, command: x, url: "https://a" }
  - { name: b, source: "@a/b", url: "https://a", args: ["\${HOME}", "\${TOKEN:-s3cret}", "\${b}"] }
routing: { namespace_separator: "." }
`);
    const stays = 'is not a variable known here, and stays as it is';
    assert.deepEqual(
      [result.ok, ...findings(result)],
      [
        true,
        'warning 3:28: url is ignored, because command is given',
        'warning 4:32: url is ignored, because source is given',
        `warning 4:57: \${HOME} ${stays}; did you mean \${env:HOME}?`,
        `warning 4:68: a \${…} ${stays}`,
        `warning 4:88: \${b} ${stays}`,
        'warning 5:33: namespace_separator: many clients refuse tool names with "."; "__" works everywhere',
      ],
    );
  });
});

test('no message repeats a value, for it may be a secret', () => {
  const result = parse(`
backends:
  - { name: a, command: x, env: { K: [hunter2] }, headers: hunter2 }
  - { name: b, url: "hunter2://hunter2" }
  - { name: d, url: "http://b", type: hunter2, priority: "hunter2" }
  - { name: c, source: "hunter2 hunter2", env: { K: "\${hunter2 x}" } }
`);
  assert.equal(result.problems.length, 7);
  assert.doesNotMatch(findings(result).join('\n'), /hunter2/);
});

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('health_check.endpoint', () => {
  const entry = (endpoint: string) =>
    `backends:\n  - name: a\n    url: http://h/mcp\n    health_check: { endpoint: "${endpoint}" }\n`;

  test('is a path or an address', () => {
    for (const endpoint of ['/health', 'health?deep=1', 'http://h:9090/'])
      assert.equal(backend(entry(endpoint)).health_check.endpoint, endpoint);
  });

  test('that is neither takes its backend out of service', () => {
    for (const endpoint of ['//', 'http://', 'https://h:99999/x']) {
      const found = findings(parse(entry(endpoint)));
      assert.deepEqual(found, [`error 4:19: health_check.endpoint "${endpoint}" is no path of the server`]);
    }
  });
});

describe('fallback_to', () => {
  const routes = (to: string) => `    routes: [{ pattern: "*", strategy: fallback, fallback_to: ${to} }]\n`;
  const text = (...entries: [name: string, to?: string][]) =>
    `backends:\n${entries.map(([name, to]) => `  - name: ${name}\n    command: x\n${to ? routes(to) : ''}`).join('')}`;

  test('may name any other backend, also one that comes later', () => {
    assert.deepEqual(findings(parse(text(['a', 'b'], ['b', 'c'], ['c']))), []);
  });

  test('must name one that there is', () => {
    const result = parse(text(['primary', 'replca'], ['replica']));
    const message = 'fallback_to: there is no backend "replca"; did you mean "replica"?';
    assert.deepEqual(findings(result), [`error 4:63: ${message}`]);
    assert.deepEqual(result.ok && result.config.backends.map(({ name }) => name), ['replica']);
    const alone = parse(text(['a', 'b']));
    assert.deepEqual(findings(alone), ['error 4:63: fallback_to: there is no backend "b"'], 'it is not meant itself');
  });

  test('are followed in no time where there are many', () => {
    const many = Array.from({ length: 2000 }, (_, index): [string, string?] => [`b${index}`, `b${index + 1}`]);
    const start = performance.now();
    assert.deepEqual(findings(parse(text(...many, ['b2000']))), []);
    assert.ok(performance.now() - start < 8000);
  });

  test('must come to an end: one of a loop is told, and left out', () => {
    const result = parse(text(['a', 'b'], ['b', 'c'], ['c', 'a']));
    assert.deepEqual(findings(result), ['error 4:63: fallback_to: "b" leads back to "a", so a call would never end']);
    assert.deepEqual(result.ok && result.config.backends.map(({ name }) => name), ['b', 'c']);
    assert.deepEqual(findings(parse(text(['a', 'a']))), [
      'error 4:63: fallback_to: "a" leads back to "a", so a call would never end',
    ]);
  });
});
