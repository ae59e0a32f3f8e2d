// What other clients write, in the shapes that their documentation gives, and what becomes of it here.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { UserError } from '../../../src/core/base/errors.ts';
import { readForeign } from '../../../src/core/config/otherClients.ts';

interface Case {
  readonly client: string;
  readonly file: string;
  readonly text: unknown;
  /** Entries by name; text is why there is none. */
  readonly read: Readonly<Record<string, Readonly<Record<string, unknown>> | string>>;
}

const CASES: readonly Case[] = [
  {
    client: 'Claude Desktop',
    file: '/home/me/claude_desktop_config.json',
    text: { mcpServers: { files: { command: 'npx', args: ['-y', 'server-filesystem', '/data'], env: { LEVEL: 3 } } } },
    read: { files: { command: 'npx', args: ['-y', 'server-filesystem', '/data'], env: { LEVEL: '3' } } },
  },
  {
    client: 'Claude Code, with its projects and what is switched off in them',
    file: '/home/me/.claude.json',
    text: {
      numStartups: 3,
      mcpServers: { docs: { type: 'http', url: 'https://example.com/mcp', headers: { 'X-Key': `\${DOCS_KEY}` } } },
      projects: {
        '/home/me/a': { mcpServers: { local: { type: 'stdio', command: './serve.sh', args: [], env: {} } } },
        '/home/me/b': {
          mcpServers: { events: { type: 'sse', url: 'https://example.com/sse' } },
          disabledMcpServers: ['events'],
        },
      },
    },
    read: {
      docs: { url: 'https://example.com/mcp', headers: { 'X-Key': `\${env:DOCS_KEY}` }, type: 'http' },
      local: { command: './serve.sh', cwd: '/home/me/a' },
      events: { url: 'https://example.com/sse', type: 'sse', enabled: false },
    },
  },
  {
    client: 'Cursor',
    file: '/home/me/a/.cursor/mcp.json',
    text: { mcpServers: { 'my server': { command: 'node', args: ['./tool.js'], envFile: '.env' } } },
    read: { 'my-server': { command: 'node', args: ['./tool.js'], env_file: '/home/me/a/.env', cwd: '/home/me/a' } },
  },
  {
    client: 'Windsurf',
    file: '/home/me/mcp_config.json',
    text: { mcpServers: { remote: { serverUrl: 'https://example.com/mcp', disabled: true, disabledTools: [] } } },
    read: { remote: { url: 'https://example.com/mcp', enabled: false } },
  },
  {
    client: 'Cline',
    file: '/home/me/cline_mcp_settings.json',
    text: {
      mcpServers: { far: { type: 'streamableHttp', url: 'https://example.com/mcp', alwaysAllow: ['x'], timeout: 60 } },
    },
    read: { far: { url: 'https://example.com/mcp', type: 'http' } },
  },
  {
    client: 'Gemini CLI, with the servers that it is told to leave out',
    file: '/home/me/.gemini/settings.json',
    text: {
      mcp: { excluded: ['second'] },
      mcpServers: {
        first: { httpUrl: 'https://example.com/mcp', includeTools: ['a', 'b'], trust: true, timeout: 5000 },
        second: { command: 'run', env: { KEY: '$MY_KEY' }, excludeTools: ['c'] },
      },
    },
    read: {
      first: { url: 'https://example.com/mcp', tools: { include: ['a', 'b'] } },
      second: { command: 'run', env: { KEY: `\${env:MY_KEY}` }, tools: { exclude: ['c'] }, enabled: false },
    },
  },
  {
    client: "VS Code's mcp.json",
    file: '/home/me/a/.vscode/mcp.json',
    text: `{
      // asked for once
      "inputs": [{ "id": "key", "type": "promptString", "password": true }],
      "servers": { "api": { "type": "stdio", "command": "api", "env": { "API_KEY": "\${input:key}" }, "dev": {} }, },
    }`,
    read: { api: { command: 'api', env: { API_KEY: `\${input:key}` } } },
  },
  {
    client: "VS Code's settings",
    file: '/home/me/settings.json',
    text: { 'editor.fontSize': 12, mcp: { inputs: [], servers: { a: { command: 'a' } } } },
    read: { a: { command: 'a' } },
  },
  {
    client: 'Zed, old and new, and what an extension brings',
    file: '/home/me/.config/zed/settings.json',
    text: {
      context_servers: {
        old: { command: { path: 'old', args: ['run'], env: { A: 'b' } }, settings: {} },
        new: { source: 'custom', enabled: false, command: 'new', args: [] },
        far: { url: 'https://example.com/mcp' },
        brought: { source: 'extension', settings: { url: 'postgres://' } },
      },
    },
    read: {
      old: { command: 'old', args: ['run'], env: { A: 'b' } },
      new: { command: 'new', enabled: false },
      far: { url: 'https://example.com/mcp' },
      brought: 'an extension of the editor brings its program: write a command for it',
    },
  },
  {
    client: 'Codex',
    file: '/home/me/.codex/config.toml',
    text: `model = "x"
[mcp_servers.docs]
command = "npx"
args = ["-y", "docs-mcp"]
startup_timeout_sec = 20
tool_timeout_sec = 45.5
enabled_tools = ["read"]
[mcp_servers.docs.env]
LEVEL = "high"
[mcp_servers.figma]
url = "https://example.com/mcp"
bearer_token_env_var = "FIGMA_TOKEN"
env_http_headers = { "X-Region" = "REGION" }
http_headers = { "X-Plain" = "plain" }
enabled = false
`,
    read: {
      docs: {
        command: 'npx',
        args: ['-y', 'docs-mcp'],
        env: { LEVEL: 'high' },
        tools: { include: ['read'] },
        start_timeout_seconds: 20,
        request_timeout_seconds: 45.5,
      },
      figma: {
        url: 'https://example.com/mcp',
        headers: { 'X-Plain': 'plain', 'X-Region': `\${env:REGION}`, Authorization: `Bearer \${env:FIGMA_TOKEN}` },
        enabled: false,
      },
    },
  },
  {
    client: 'opencode',
    file: '/home/me/a/opencode.jsonc',
    text: {
      mcp: {
        local: { type: 'local', command: ['bun', 'x', 'my-mcp'], environment: { A: 'b' }, enabled: true },
        far: { type: 'remote', url: 'https://example.com/mcp', headers: { Authorization: 'Bearer {env:KEY}' } },
      },
    },
    read: {
      local: { command: 'bun', args: ['x', 'my-mcp'], env: { A: 'b' } },
      far: { url: 'https://example.com/mcp', headers: { Authorization: `Bearer \${env:KEY}` } },
    },
  },
  {
    client: 'GitHub Copilot CLI',
    file: '/home/me/.copilot/mcp-config.json',
    text: { mcpServers: { a: { type: 'local', command: 'a', tools: ['*'] }, b: { command: 'b', tools: ['x'] } } },
    read: { a: { command: 'a' }, b: { command: 'b', tools: { include: ['x'] } } },
  },
  {
    client: 'Continue',
    file: '/home/me/.continue/config.yaml',
    text: `name: mine
mcpServers:
  - name: My Docs
    type: streamable-http
    url: https://example.com/mcp
    requestOptions: { headers: { X-A: b } }
  - name: sqlite
    command: npx
    args: [-y, mcp-sqlite, 1.10]
`,
    read: {
      'My-Docs': { url: 'https://example.com/mcp', headers: { 'X-A': 'b' }, type: 'http' },
      sqlite: { command: 'npx', args: ['-y', 'mcp-sqlite', '1.10'] },
    },
  },
  {
    client: 'our own files, with everything that is in them',
    file: '/home/me/a/backends.yaml',
    text: 'backends: [{ name: db, namespace: data, source: "npm:db-mcp", priority: 3, cwd: sub, routes: [{pattern: "x*"}] }]',
    read: {
      db: { namespace: 'data', source: 'npm:db-mcp', priority: 3, cwd: '/home/me/a/sub', routes: [{ pattern: 'x*' }] },
    },
  },
  {
    client: 'anybody, when an entry is of no use',
    file: '/a.json',
    text: {
      mcpServers: {
        empty: {},
        text: 'x',
        wrong: { command: 'a', args: { b: 1 }, priority: 'high' },
        socket: { type: 'ws', url: 'wss://example.com' },
        good: { command: 'a' },
      },
    },
    read: {
      empty: 'it has neither a command nor a url',
      text: 'it is not a map of keys',
      wrong: 'args must be a list, not a map; priority must be a number, not text',
      socket: 'it is reached over WebSocket, which is not spoken here',
      good: { command: 'a' },
    },
  },
];

suite('Configurations of other clients', () => {
  for (const { client, file, text, read } of CASES)
    test(`reads those of ${client}`, async () => {
      const found = await readForeign(typeof text === 'string' ? text : JSON.stringify(text), file);
      const byName = found.map(each => {
        if (each.kind === 'unusable') return [each.name, each.reason] as const;
        const { name, ...entry } = each.entry;
        return [name, entry] as const;
      });
      assert.deepEqual(Object.fromEntries(byName), read);
    });

  test('says what is worth knowing, and repeats no value', async () => {
    const server = {
      command: 'a',
      args: [`\${input:api-key}`, `\${PORT:-80}`],
      env: { API_TOKEN: 'very-secret', SAFE_TOKEN: `\${env:T}`, LEVEL: '1' },
      timeout: 5,
      trust: true,
    };
    const [found] = await readForeign(JSON.stringify({ mcpServers: { 'a b': server } }), '/a.json');
    assert.deepEqual(found?.notes, [
      '"a b" is called "a-b" here',
      'not taken over: timeout',
      `env.API_TOKEN: a secret in plain text; \${env:NAME} keeps it out of the file`,
      `\${input:api-key}: without VS Code its value is the variable SWITCHYARD_INPUT_API_KEY`,
      `\${PORT:-…}: defaults are not known here; write \${env:PORT} or the value`,
    ]);
  });

  for (const [what, file, text, message] of [
    ['broken JSON', '/a.json', '{"mcpServers": {', /^\/a\.json:1:17: .*JSON/],
    ['broken TOML', '/c.toml', 'a = 1\n[mcp_servers', /^\/c\.toml:2:\d+: /],
    ['another shape', '/a.json', '{"servers_of_mine": 1}', /^\/a\.json has no servers in a shape that is known/],
    ['OpenAPI', '/a.json', '{"servers": [{"url": "https://a"}]}', /^\/a\.json has no servers in a shape/],
    ['a list', '/a.json', '[]', /^\/a\.json is not a configuration/],
    ['nothing', '/a.json', '', /^\/a\.json is not a configuration: it is empty/],
  ] as const)
    test(`refuses a file of ${what} by its name`, async () => {
      await assert.rejects(readForeign(text, file), error => error instanceof UserError && message.test(error.message));
    });
});
