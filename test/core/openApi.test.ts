import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createOpenApi } from '../../src/core/openApi.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startGateway } from '../support/gateway.ts';
import { requestBytes, sendRaw } from '../support/rawHttp.ts';

interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, Response>>;
}
interface Response {
  readonly $ref?: string;
  readonly content?: Content;
}
type Content = Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: object; readonly responses: Readonly<Record<string, Response>> };
}

/** As far as it is read here. */
interface Answer {
  readonly backends: readonly object[];
}

const METHODS = ['get', 'post', 'delete', 'patch'];
const document = createOpenApi({ title: 'Switchyard', version: '1.2.3' }) as unknown as Document;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).flatMap(([method, operation]) =>
    METHODS.includes(method) ? [{ path, method, operation }] : [],
  ),
);

/** What is wrong with a value by a schema of the document. */
function mistakes(schema: object | undefined, value: unknown): unknown {
  assert.ok(schema, 'the document has a schema for it');
  const ajv = new Ajv2020({ strict: false });
  const validate = ajv.compile({ ...schema, components: document.components });
  return validate(value) ? [] : validate.errors;
}

function responseOf({ responses }: Operation, status: number): Response | undefined {
  const response = responses[status];
  return response?.$ref ? document.components.responses[response.$ref.split('/').at(-1) ?? ''] : response;
}

/** A router with a backend of each kind of state, and a way to ask it what the document says. */
async function served(t: TestContext) {
  const echo = fixtureCommand('servers/echo.mjs');
  const gateway = await startGateway(t, {
    backends: [
      { name: 'good', ...echo },
      { name: 'failed', command: process.execPath, args: ['--no-such-flag'] },
      { name: 'off', ...echo, enabled: false },
      { name: 'idle', ...echo, auto_start: false },
      { name: 'far', url: 'http://127.0.0.1:9/mcp' },
      { name: 'wrong' },
    ],
  });
  await gateway.gateway.whenSettled();
  return async (method: string, path: string, body?: unknown) => {
    const response = await fetch(new URL(path, gateway.url), {
      method,
      headers: { ...gateway.headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Answer };
  };
}

/** How a request differs from one that can be answered. */
interface Spoilt {
  readonly method?: string;
  /** Beside those that are needed, or in their place; '' leaves one out. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
  /** What it says of its body's length. */
  readonly length?: number;
  /** Names a session that there is not, and no backend. */
  readonly isLost?: boolean;
}

const LOST: Readonly<Record<string, string>> = {
  '/messages/': '/messages/?sessionId=lost',
  '/mcp_servers/{name}': '/mcp_servers/',
};
const PING = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

async function first(stream: globalThis.Response) {
  assert.ok(stream.body, 'a stream');
  const reader = stream.body.getReader();
  const read = await reader.read();
  reader.releaseLock();
  return read;
}

describe('The OpenAPI document', () => {
  it('is one, by the specification', async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)));
    assert.deepEqual(result, { valid: true });
  });

  it('has examples that are what it says', () => {
    for (const { path, method, operation } of operations) {
      const { requestBody, responses } = operation;
      const contents = [requestBody, ...Object.keys(responses).map(status => responseOf(operation, Number(status)))];
      for (const content of contents) {
        const { schema, example } = content?.content?.['application/json'] ?? {};
        if (example !== undefined) assert.deepEqual(mistakes(schema, example), [], `${method} ${path}`);
      }
    }
  });

  it('says what the answers really are', async t => {
    const ask = await served(t);
    const entry = { ...fixtureCommand('servers/echo.mjs'), autoApprove: [] };
    const added = { mcpServers: { added: entry, 'a b': entry } };
    const asked: [string, string, number, unknown?, string?][] = [
      ['get', '/mcp_servers', 200],
      ['get', '/mcp_tools', 200],
      ['get', '/openapi.json', 200],
      ['get', '/healthz', 200],
      ['get', '/readyz', 200],
      ['post', '/mcp_servers', 200, added],
      ['post', '/mcp_servers', 500, added],
      ['post', '/mcp_servers', 400, {}],
      ['patch', '/mcp_servers/added', 200, { priority: 2 }, '/mcp_servers/{name}'],
      ['patch', '/mcp_servers/added', 400, {}, '/mcp_servers/{name}'],
      ['patch', '/mcp_servers/nobody', 404, { priority: 2 }, '/mcp_servers/{name}'],
      ['delete', '/mcp_servers/added', 200, undefined, '/mcp_servers/{name}'],
      ['delete', '/mcp_servers/added', 404, undefined, '/mcp_servers/{name}'],
      ['delete', '/mcp_servers/', 400, undefined, '/mcp_servers/{name}'],
    ];
    for (const [method, path, status, body, template = path] of asked) {
      const operation = document.paths[template]?.[method];
      assert.ok(operation, `${method} ${template}`);
      const answer = await ask(method.toUpperCase(), path, body);
      assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      const schema = responseOf(operation, status)?.content?.['application/json']?.schema;
      assert.deepEqual(mistakes(schema, answer.body), [], `${method} ${path}`);
      const required = operation.requestBody?.content['application/json']?.schema;
      if (required && status !== 400) assert.deepEqual(mistakes(required, body), []);
    }
  });

  it('says how each path refuses', async t => {
    const { gateway } = await startGateway(t, { backends: [] });
    const tokens = [{ role: 'admin', value: 'chief' }] as const;
    const { url } = await gateway.listenHttp({ clients: 'any', host: '127.0.0.1', port: 0, tokens });
    const authorization = 'Bearer wrong';
    const refusals = async (expected: number, headers: Readonly<Record<string, string>>) => {
      for (const { path, method, operation } of operations) {
        if (operation.responses[expected] === undefined) continue;
        const answer = await fetch(new URL(path, url), { method: method.toUpperCase(), headers });
        assert.equal(answer.status, expected, `${method} ${path}`);
        const schema = responseOf(operation, expected)?.content?.['application/json']?.schema;
        assert.deepEqual(mistakes(schema, await answer.json()), [], `${method} ${path}`);
      }
    };
    await refusals(403, { origin: 'https://evil.test' });
    await refusals(401, {});
    for (let n = 0; n < 20; n++) await fetch(url, { headers: { authorization } });
    await refusals(429, { authorization });
    const nowhere = await fetch(new URL('/nowhere', url));
    assert.deepEqual([nowhere.status, await nowhere.json()], [404, { error: 'Not found' }]);
  });

  it('has every refusal that is given', async t => {
    const { url, token, listener } = await startGateway(t, { backends: [] });
    const { host } = new URL(url);
    const authorization = ['authorization', `Bearer ${token}`] as const;
    const stream = await fetch(new URL('/sse', url), { headers: Object.fromEntries([authorization]) });
    t.after(() => stream.body?.cancel());
    const [, session = ''] = /data: (.*)/.exec(new TextDecoder().decode((await first(stream)).value)) ?? [];
    const opened: typeof LOST = { '/messages/': session };

    const given = new Set<string>();
    const undocumented = new Set<string>();
    /** What each operation answers to a request that somebody has spoilt. */
    const ask = async (spoil: Spoilt) => {
      const asked = operations.map(async ({ path, method, operation }) => {
        const { isLost = false, headers = [], body = '' } = spoil;
        const target = (isLost ? LOST : opened)[path] ?? path;
        const all = [['host', host], authorization, ['content-type', 'application/json'], ...headers] as const;
        const own = [...new Map(all)].filter(([, value]) => value !== '');
        const bytes = requestBytes(spoil.method ?? method.toUpperCase(), target, own, body);
        const reply = await sendRaw(
          url,
          spoil.length ? bytes.toString().replace(/(content-length:) \d+/, `$1 ${spoil.length}`) : bytes,
        );
        if (reply.status < 400) return;
        const said = `${method} ${path}: ${reply.status}`;
        given.add(said);
        const schema = responseOf(operation, reply.status)?.content?.['application/json']?.schema;
        if (!schema) undocumented.add(said);
        else assert.deepEqual(mistakes(schema, JSON.parse(reply.body)), [], said);
      });
      await Promise.all(asked);
    };
    await ask({ headers: [['host', 'evil.test']] });
    await ask({ headers: [['authorization', '']] });
    await ask({ headers: [['content-encoding', 'gzip']] });
    await ask({ headers: [['content-type', 'text/plain']] });
    await ask({ method: 'PUT' });
    await ask({ body: '{' });
    await ask({ body: '{}' });
    await ask({ isLost: true, headers: [['mcp-session-id', 'lost']], body: PING });
    await ask({ headers: [['mcp-protocol-version', '2026-07-28']], body: PING });
    await ask({ length: 100_000_000 });
    listener.drain();
    await ask({ body: PING });
    assert.deepEqual([...undocumented], []);
    // Those are about what there is, or about how often: other tests have them.
    for (const { path, method, operation } of operations)
      for (const status of Object.keys(operation.responses).map(Number))
        if (status >= 400 && ![404, 429, 500, 503].includes(status))
          assert.ok(given.has(`${method} ${path}: ${status}`), `${method} ${path}: ${status}`);
  });

  it('is served with the name and version of the router', async t => {
    const ask = await served(t);
    const { body } = await ask('GET', '/openapi.json');
    assert.deepEqual(body, JSON.parse(JSON.stringify(createOpenApi({ title: 'Switchyard', version: '0.0.0' }))));
  });

  it('names only paths that are served', async t => {
    const ask = await served(t);
    // No path knows this method; only a path that is not served does not say so.
    const paths = Object.keys(document.paths);
    const statuses = await Promise.all(paths.map(async path => [path, (await ask('PUT', path)).status]));
    assert.deepEqual(
      statuses,
      paths.map(path => [path, 405]),
    );
  });

  it('leaves out no member that an answer has', async t => {
    const ask = await served(t);
    const { body } = await ask('GET', '/mcp_servers');
    const { Backend, Overview } = document.components.schemas as Record<string, { properties: object }>;
    assert.deepEqual(Object.keys(Overview?.properties ?? {}), Object.keys(body));
    for (const backend of body.backends)
      assert.deepEqual(Object.keys(Backend?.properties ?? {}).toSorted(), Object.keys(backend).toSorted());
  });
});
