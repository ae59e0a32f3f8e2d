// Traces of `serve`, as a collector gets them: from a client, through the router, to a backend that says what `_meta` it has got.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { BareHttpClient, type Message } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { type CollectedSpan, type Collector, startCollector } from '../support/collector.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, httpFixture } from '../support/fixtures.ts';
import { configFile, NODES, needsOldestNode, type Program, runCli, startCli } from './program.ts';

const RECORDED = { name: 'recorded', ...fixtureCommand('servers/recorded.mjs') };
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;
/** Spans begin at a full millisecond. */
const CLOCK = 2_000_000n;
const SERVER = 2;
const CLIENT = 3;

test('there is the oldest Node that is supported', needsOldestNode);

for (const { node, title } of NODES) {
  for (const protocol of ['http/json', 'http/protobuf'])
    test(`A call is one trace from the client to the backend, over ${protocol} ${title}`, async t => {
      const collector = await startCollector(t);
      const router = await startRouter(t, [RECORDED], node, {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=s3cret',
        OTEL_SERVICE_NAME: 'our-router',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      });
      const { client } = router;
      const meta = { traceparent: TRACEPARENT, tracestate: 'a=1', baggage: 'b=2', 'x-vendor': 3 };
      const heard = heardMeta(await client.callTool('recorded__plain', {}, meta));
      const [server, attempt] = await router.spans(collector, 2);
      assert.deepEqual(
        [server?.kind, server?.name, server?.traceId, server?.parentSpanId, server?.status],
        [SERVER, 'tools/call recorded__plain', TRACE, PARENT, 0],
      );
      assert.deepEqual(
        [attempt?.kind, attempt?.name, attempt?.traceId, attempt?.parentSpanId],
        [CLIENT, 'tools/call plain', TRACE, server?.spanId],
      );
      assert.deepEqual(heard, { ...meta, traceparent: `00-${TRACE}-${attempt?.spanId}-01` });
      assert.ok(server && attempt);
      assert.ok(
        server.start <= attempt.start + CLOCK && attempt.end <= server.end + CLOCK,
        'one is inside of the other',
      );
      const { 'mcp.session.id': session, ...attributes } = server.attributes;
      assert.match(String(session), /^[0-9a-f]{8}$/);
      assert.deepEqual(attributes, {
        'mcp.method.name': 'tools/call',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'recorded__plain',
        'switchyard.outcome': 'answered',
        'switchyard.attempts': 1,
      });
      assert.equal(attempt.attributes['switchyard.backend'], 'recorded');
      assert.equal(server.resource['service.name'], 'our-router');
      assert.equal(server.resource['deployment.environment.name'], 'test');
      const [request] = collector.requests;
      assert.deepEqual([request?.path, request?.headers['x-api-key']], ['/v1/traces', 's3cret']);
    });
}

suite('Traces', () => {
  test('have a child for each attempt, the failed one with its error', async t => {
    const failing = {
      name: 'failing',
      namespace: 'recorded',
      priority: 1,
      url: await httpFixture(t, 'servers/faulty.mjs'),
      type: 'http',
      tools: { rename: { http_500: 'plain' } },
    };
    const collector = await startCollector(t);
    const router = await startRouter(t, [failing, RECORDED], process.execPath, endpointOf(collector));
    await router.client.callTool('recorded__plain', {}, { traceparent: TRACEPARENT });
    const [server, first, second] = await router.spans(collector, 3);
    const children = [first, second].map(each => [
      each?.parentSpanId,
      each?.attributes['switchyard.backend'],
      each?.attributes['switchyard.outcome'],
      each?.attributes['error.type'],
      each?.status,
    ]);
    assert.deepEqual(children, [
      [server?.spanId, 'failing', 'failed', 'http', 2],
      [server?.spanId, 'recorded', 'answered', undefined, 0],
    ]);
    assert.deepEqual([server?.attributes['switchyard.attempts'], server?.status], [2, 0]);
  });

  test('say how a call failed: by the tool, by a JSON-RPC error, for want of a backend', async t => {
    const collector = await startCollector(t);
    const echo = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
    const away = { name: 'away', ...fixtureCommand('servers/crashing.mjs') };
    const path = { ...away, routes: [{ pattern: '*', strategy: 'path' }] };
    const router = await startRouter(t, [echo, path], process.execPath, endpointOf(collector));
    await router.client.callTool('echo__fail', { message: 'no' });
    await router.client.request('resources/read', { uri: 'echo://nothing/there' });
    await router.client.request('prompts/get', { name: 'echo__none' });
    await router.client.callTool('away__x');
    const servers = (await router.spans(collector, 6)).filter(({ kind }) => kind === SERVER);
    const told = servers.map(({ name, attributes, status }) => [name, attributes['error.type'], status]);
    assert.deepEqual(told, [
      ['tools/call echo__fail', 'tool_error', 2],
      ['resources/read', undefined, 0],
      ['prompts/get echo__none', '-32602', 2],
      ['tools/call away__x', 'no_backend', 2],
    ]);
  });

  test('take their context from the HTTP header where `_meta` has none, in both eras', async t => {
    const collector = await startCollector(t);
    const router = await startRouter(t, [RECORDED], process.execPath, endpointOf(collector));
    const headers = { traceparent: TRACEPARENT, baggage: 'b=2' };
    const legacy = new BareHttpClient(router.url, headers);
    const modern = new BareModernClient(router.url, headers);
    t.after(() => Promise.all([legacy.close(), modern.close()]));
    await legacy.initialize();
    const metas = [await legacy.callTool('recorded__plain'), await modern.callTool('recorded__plain')].map(heardMeta);
    const own = `00-${'a'.repeat(32)}-${PARENT}-01`;
    await legacy.callTool('recorded__plain', {}, { traceparent: own });
    const spans = await router.spans(collector, 6);
    assert.deepEqual(
      spans.filter(({ kind }) => kind === SERVER).map(({ traceId, parentSpanId }) => [traceId, parentSpanId]),
      [
        [TRACE, PARENT],
        [TRACE, PARENT],
        ['a'.repeat(32), PARENT],
      ],
    );
    for (const meta of metas) {
      assert.match(String(meta.traceparent), new RegExp(`^00-${TRACE}-(?!${PARENT})`));
      assert.equal(meta.baggage, 'b=2');
    }
  });

  test('begin with the call where nobody has begun one, and follow the sampler', async t => {
    const collector = await startCollector(t);
    const env = { ...endpointOf(collector), OTEL_TRACES_SAMPLER: 'parentbased_always_off' };
    const router = await startRouter(t, [RECORDED], process.execPath, env);
    const unsampled = heardMeta(await router.client.callTool('recorded__plain'));
    assert.match(String(unsampled.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    await router.client.callTool('recorded__plain', {}, { traceparent: TRACEPARENT });
    assert.deepEqual(
      (await router.spans(collector, 2)).map(({ traceId }) => traceId),
      [TRACE, TRACE],
    );
  });

  for (const env of [
    { OTEL_SDK_DISABLED: 'true' },
    { OTEL_TRACES_EXPORTER: 'none' },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '' },
  ])
    test(`are not made with ${JSON.stringify(env)}: \`_meta\` is passed on as it came`, async t => {
      const collector = await startCollector(t);
      const router = await startRouter(t, [RECORDED], process.execPath, { ...endpointOf(collector), ...env });
      const meta = { traceparent: TRACEPARENT, tracestate: 'a=1' };
      assert.deepEqual(heardMeta(await router.client.callTool('recorded__plain', {}, meta)), meta);
      assert.deepEqual(await router.spans(collector, 0), []);
    });

  for (const [env, message] of [
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL is http\/protobuf or http\/json/],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, /OTEL_TRACES_EXPORTER is otlp or none/],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'me:s3cret@nowhere' }, /OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is not an http/],
  ] as const)
    test(`that ask for ${JSON.stringify(env)} are refused with a word on why`, async t => {
      const serve = ['serve', '--config', await configFile(t, { backends: [] })];
      const all = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', ...env };
      const { exitCode, stderr } = await runCli(t, serve, { env: all });
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /s3cret/);
    });

  for (const [what, stuck] of [
    ['is not there', false],
    ['answers nobody', true],
  ] as const)
    test(`cost no call anything while the collector ${what}, fill no log and hold up no end`, async t => {
      const url = stuck ? (await startCollector(t, { stuck })).url : 'http://127.0.0.1:9';
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_BSP_SCHEDULE_DELAY: '10',
        OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      };
      const router = await startRouter(t, [RECORDED], process.execPath, env);
      const begin = Date.now();
      for (let n = 0; n < 200; n++) await router.client.callTool('recorded__plain');
      assert.ok(Date.now() - begin < 10_000, 'calls do not wait for it');
      await router.program.reports(/(Traces cannot be delivered)/);
      for (let n = 0; n < 50; n++) await router.client.callTool('recorded__plain');
      const stopping = Date.now();
      router.program.child.kill('SIGTERM');
      const { exitCode, stderr } = await router.program.finished;
      assert.equal(exitCode, 0);
      assert.ok(Date.now() - stopping < 9000, 'it ends');
      assert.equal(stderr.match(/Traces/g)?.length, 1, stderr);
    });
});

function endpointOf(collector: Collector): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
}

interface TracedRouter {
  readonly program: Program;
  readonly url: string;
  readonly client: BareHttpClient;
  /** Ends the router, after which nothing is on its way, and gives what was collected in the order in which it began. */
  spans(collector: Collector, count: number): Promise<CollectedSpan[]>;
}

async function startRouter(
  t: TestContext,
  backends: readonly object[],
  node: string,
  env: Readonly<Record<string, string>>,
): Promise<TracedRouter> {
  const file = await configFile(t, { backends });
  const program = await startCli(t, ['serve', '--config', file, '--port', '0'], { node, env });
  const url = await program.reports(/(http:\S+)/);
  const client = new BareHttpClient(url);
  t.after(() => client.close());
  await client.initialize();
  await eventually('tools', async () => (await client.toolNames()).length > 4);
  return {
    program,
    url,
    client,
    async spans({ spans }, count) {
      program.child.kill('SIGTERM');
      assert.equal((await program.finished).exitCode, 0);
      assert.equal(spans.length, count, JSON.stringify(spans.map(({ name, kind }) => [name, kind])));
      return spans.toSorted((a, b) => a.kind - b.kind || Number(a.start - b.start));
    },
  };
}

/** The `_meta` that the backend has got. */
function heardMeta({ result, error }: Message): Record<string, unknown> {
  assert.ok(result, JSON.stringify(error));
  const { progressToken: _, ...meta } = result._meta['recorded.example/heard'].meta;
  return meta;
}
