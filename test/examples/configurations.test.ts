// What `examples/` tells people to copy: every configuration loads, and every client's snippet leads to a router with tools.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { loadConfig } from '../../src/core/config/load.ts';
import { CLI, configFile, startCli, temporaryFolder } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';

const EXAMPLES = path.resolve(import.meta.dirname, '../../examples');
const BACKENDS = path.join(EXAMPLES, 'langgraph/backends.yaml');
const ADDRESS = 'http://127.0.0.1:8000/mcp';
const TOKEN = 'token-of-the-router';
const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter);

suite('An example configuration loads without a problem', () => {
  for (const [file, names] of [
    ['backends.yaml', ['db-primary', 'db-replica', 'archive', 'files', 'memory']],
    ['mcp.json', ['memory', 'thinking', 'docs']],
    ['bridge.yaml', ['router']],
    ['langgraph/backends.yaml', ['weather', 'calculator']],
  ] as const)
    test(file, async () => {
      const result = await loadConfig(path.join(EXAMPLES, file), {
        env: { DB_TOKEN: 'x', DOCS_TOKEN: 'x', MCP_AUTH_TOKEN: 'x' },
        workspaceFolder: EXAMPLES,
        userHome: EXAMPLES,
        input: () => undefined,
      });
      assert.deepEqual(result.problems, []);
      assert.ok(result.ok);
      assert.deepEqual(
        result.config.backends.map(({ name }) => name),
        names,
      );
    });
});

/** A server as clients write it: a program to start, or an address. */
interface Entry {
  readonly command?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Snippet {
  readonly mcpServers?: Readonly<Record<string, Entry>>;
  readonly servers?: Readonly<Record<string, Entry>>;
  readonly inputs?: readonly { readonly id: string }[];
}

suite("A client's snippet of examples/README.md leads to the router", () => {
  const snippets = snippetsOf(readFileSync(path.join(EXAMPLES, 'README.md'), 'utf8'));

  test('there are two for each client that has a chapter', () => {
    const clients = ['Claude Desktop', 'Claude Code', 'Cursor', 'VS Code'];
    assert.deepEqual(
      snippets.map(({ chapter }) => chapter),
      clients.flatMap(client => [client, client]),
    );
  });

  for (const { chapter, snippet } of snippets) {
    const entry = (snippet.mcpServers ?? snippet.servers)?.switchyard ?? {};
    const title = entry.url ? 'address' : `command with ${path.basename(entry.args?.at(-1) ?? '')}`;
    test(`${chapter}: ${title}`, async t => {
      const client = new Client({ name: 'snippet', version: '1.0.0' });
      t.after(() => client.close());
      await client.connect(entry.url ? await overHttp(t, entry, snippet) : await overStdio(t, entry));
      await eventually('the tools of both backends', async () => {
        const names = (await client.listTools()).tools.map(({ name }) => name);
        return ['weather__get_weather', 'calculator__add'].every(name => names.includes(name));
      });
    });
  }
});

async function overHttp(t: TestContext, { url, headers = {} }: Entry, snippet: Snippet) {
  assert.equal(url, ADDRESS);
  const requestInit = { headers: Object.fromEntries(Object.entries(headers).map(withToken(snippet))) };
  return new StreamableHTTPClientTransport(new URL(await startRouter(t)), { requestInit });
}

/** With the token where the client would put it: a variable of the environment, or something that it asks for. */
function withToken({ inputs = [] }: Snippet): (header: [string, string]) => [string, string] {
  return ([name, value]) => {
    const [, expression = '', input] = /\$\{((?:env:)?MCP_AUTH_TOKEN|input:(.*))\}/.exec(value) ?? [];
    assert.ok(input === undefined || inputs.some(({ id }) => id === input), `${input} is among the inputs`);
    return [name, value.replace(`\${${expression}}`, TOKEN)];
  };
}

async function overStdio(t: TestContext, { command, args = [], env = {} }: Entry) {
  const [yes, name, ...rest] = args;
  assert.deepEqual([command, yes, name], ['npx', '-y', 'mcp-switchyard']);
  const files: Readonly<Record<string, () => string | Promise<string>>> = {
    '/path/to/backends.yaml': () => BACKENDS,
    '/path/to/bridge.yaml': () => startBridge(t),
  };
  const HOME = await temporaryFolder(t);
  return new StdioClientTransport({
    command: process.execPath,
    args: [CLI, ...(await Promise.all(rest.map(arg => files[arg]?.() ?? arg)))],
    env: { PATH, HOME, ...(env.MCP_AUTH_TOKEN && { MCP_AUTH_TOKEN: TOKEN }) },
    stderr: 'ignore',
  });
}

/** The example's bridge, before a router of this test. */
async function startBridge(t: TestContext): Promise<string> {
  const text = readFileSync(path.join(EXAMPLES, 'bridge.yaml'), 'utf8');
  assert.ok(text.includes(ADDRESS));
  return configFile(t, text.replace(ADDRESS, await startRouter(t)));
}

async function startRouter(t: TestContext): Promise<string> {
  const router = await startCli(t, ['serve', '--config', BACKENDS, '--port', '0'], {
    env: { PATH, MCP_AUTH_TOKEN: TOKEN },
  });
  return router.reports(/(http:\S+)/);
}

function snippetsOf(markdown: string): { readonly chapter: string; readonly snippet: Snippet }[] {
  return markdown.split(/^### /m).flatMap(part => {
    const chapter = part.slice(0, part.indexOf('\n'));
    return [...part.matchAll(/^```json\n(.*?)^```/gms)].map(([, json = '']) => ({
      chapter,
      snippet: JSON.parse(json),
    }));
  });
}
