// Every form of `source`, by every way in.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startGateway } from '../support/gateway.ts';

interface Source {
  readonly source: string;
  readonly target: string;
  /** What `register_backend` calls it, where nothing else is said. */
  readonly name?: string;
  readonly namespace?: string;
}

const SOURCES: readonly Source[] = [
  { source: 'http://127.0.0.1:9/mcp', target: 'http://127.0.0.1:9/mcp' },
  { source: 'npm:left', target: 'npx -y left', name: 'left', namespace: 'left' },
  { source: 'npm:@acme/mcp-db@1.2.3', target: 'npx -y @acme/mcp-db@1.2.3', name: 'mcp_db', namespace: 'db' },
  { source: '@acme/server-files', target: 'npx -y @acme/server-files', name: 'server_files', namespace: 'files' },
  { source: 'pypi:mcp-time', target: 'uvx mcp-time', name: 'mcp_time', namespace: 'time' },
  // The first prefix that matches goes, and no second.
  { source: 'mcp-server-git', target: 'uvx mcp-server-git', name: 'mcp_server_git', namespace: 'server-git' },
  { source: 'Weather[all]==1.0', target: 'uvx Weather[all]==1.0', name: 'Weather', namespace: 'weather' },
  {
    source: 'github:acme/mcp-tools',
    target: 'uvx --from git+https://github.com/acme/mcp-tools mcp-tools',
    name: 'mcp-tools',
    namespace: 'tools',
  },
  {
    source: 'github:acme/Mono.Repo/servers/sql',
    target: 'uvx --from git+https://github.com/acme/Mono.Repo#subdirectory=servers/sql sql',
    name: 'Mono_Repo',
    namespace: 'mono_repo',
  },
];

describe('A source', () => {
  it('of a file is started by what it is, in the namespace of its name', async t => {
    const backends = SOURCES.map(({ source }, at) => ({ name: `b${at}`, source, port: 8100, auto_start: false }));
    const { gateway } = await startGateway(t, { backends });
    const snapshot = gateway.snapshot();
    assert.deepEqual(snapshot.problems, []);
    assert.deepEqual(
      snapshot.backends.map(({ namespace, target }) => [namespace, target]),
      SOURCES.map(({ target }, at) => [`b${at}`, target]),
    );
  });

  it('is the same over HTTP, where a port is said to be ignored', async t => {
    const { gateway, url, headers } = await startGateway(t, { backends: [] });
    const entries = SOURCES.map(({ source }, at) => [
      `b${at}`,
      { source, auto_start: false, ...(at > 7 && { port: 1 }) },
    ]);
    const response = await fetch(new URL('/mcp_servers', url), {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ mcpServers: Object.fromEntries(entries) }),
    });
    const { warnings } = (await response.json()) as { warnings: unknown };
    assert.deepEqual(warnings, { b8: ['port is ignored: a package of "source" speaks over stdio'] });
    assert.deepEqual(
      gateway.snapshot().backends.map(({ namespace, target }) => [namespace, target]),
      SOURCES.map(({ target }, at) => [`b${at}`, target]),
    );
  });

  it('gives a backend that is registered by it alone the name and namespace of the older system', async t => {
    const test = await startGateway(t, { backends: [], server: { management_tools: 'full' } });
    const client = await test.client();
    for (const { source, target, name, namespace } of SOURCES) {
      const { result } = await client.callTool('register_backend', { source, auto_start: false });
      const [{ text }] = result.content;
      if (name === undefined) {
        assert.equal(text, 'The source says no name: give "name" or "namespace" too.');
        continue;
      }
      const told = JSON.parse(text);
      assert.deepEqual([told.backend_name, told.namespace, told.started], [name, namespace, false], source);
      assert.equal(test.backend(name).target, target);
    }
  });

  it('that is none is said to be none, by every way in', async t => {
    const test = await startGateway(t, {
      backends: [{ name: 'a', source: 'a b' }],
      server: { management_tools: 'full' },
    });
    const message = /source must be a URL, npm:PKG, @scope\/pkg, pypi:PKG/;
    const { state } = test.backend('a');
    assert.match(state.kind === 'rejected' ? state.problem.message : '', message);
    const client = await test.client();
    const { result } = await client.callTool('register_backend', { source: 'a b', name: 'b' });
    assert.match(result.content[0].text, message);
    const response = await fetch(new URL('/mcp_servers', test.url), {
      method: 'POST',
      headers: { ...test.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ mcpServers: { c: { source: 'a b' } } }),
    });
    assert.match(await response.text(), message);
  });
});
