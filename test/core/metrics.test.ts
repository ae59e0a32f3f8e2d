import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const ECHO = { name: 'echo', ...fixtureCommand('servers/echo.mjs') };
const CRASHING = { name: 'away', namespace: 'echo', priority: 1, ...fixtureCommand('servers/crashing.mjs') };

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

suite('/metrics', () => {
  test('is in the text format, with the process and Node beside ours', async t => {
    const { scrape } = await started(t, [ECHO]);
    const { response, families } = await scrape();
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds', 'switchyard_build_info'])
      assert.ok(families.has(name), name);
    assert.equal(families.get('switchyard_request_duration_seconds')?.type, 'histogram');
  });

  test('asks for the token, and for GET', async t => {
    const { gateway, url } = await started(t, [ECHO]);
    assert.equal((await fetch(url)).status, 401);
    const posted = await fetch(url, { method: 'POST', headers: gateway.headers });
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
  });

  test('counts requests by backend, tool, method and outcome, and attempts by backend', async t => {
    const { gateway, sample } = await started(t, [CRASHING, ECHO]);
    await gateway.reaches('away', 'failed');
    const client = await gateway.client();
    for (const text of ['a', 'b']) await client.callTool('echo__echo', { text });
    await client.callTool('echo.echo', { text: 'by its older spelling' });
    await client.callTool('echo__fail', { message: 'no' });
    await client.callTool(`nobody__${'x'.repeat(50)}`);
    await client.request('prompts/get', { name: 'echo__greet', arguments: { who: 'me' } });
    const requests = { backend: 'echo', method: 'tools/call' };
    assert.deepEqual(
      [
        await sample('requests_total', { ...requests, tool: 'echo__echo', outcome: 'answered' }),
        await sample('requests_total', { ...requests, tool: 'echo__fail', outcome: 'tool_error' }),
        await sample('requests_total', { method: 'tools/call', tool: 'unknown', outcome: 'rejected' }),
        await sample('requests_total', { backend: 'echo', method: 'prompts/get', outcome: 'answered' }),
        await sample('attempts_total', { backend: 'echo', outcome: 'answered' }),
        await sample('request_duration_seconds_count', { ...requests, tool: 'echo__echo' }),
      ],
      [3, 1, 1, 1, 5, 3],
    );
  });

  test('shows how backends are at that moment', async t => {
    const { gateway, sample } = await started(t, [ECHO, CRASHING]);
    await gateway.reaches('echo', 'ready');
    await gateway.reaches('away', 'failed');
    const client = await gateway.client();
    const slow = { name: 'echo__slow', arguments: { label: 'a', steps: 1, stepMs: 600_000 } };
    const call = client.start('tools/call', slow);
    const ended = assert.rejects(call.answer);
    const echo = { backend: 'echo' };
    await eventually('a call in flight', async () => (await sample('backend_in_flight', echo)) === 1);
    gateway.gateway.pause('echo');
    const circuit = async (state: string) => sample('backend_circuit_state', { ...echo, state });
    assert.deepEqual(
      [await sample('backend_up', echo), await sample('backend_healthy', echo), await sample('sessions')],
      [1, 0, 1],
    );
    assert.deepEqual(await Promise.all(['closed', 'open', 'half_open', 'paused'].map(circuit)), [0, 0, 0, 1]);
    assert.deepEqual([await sample('backend_up', { backend: 'away' }), await sample('backend_tools', echo)], [0, 11]);
    client.cancel(call.id, 'seen');
    await ended;
    await eventually('nothing in flight', async () => (await sample('backend_in_flight', echo)) === 0);
    gateway.gateway.restart('echo');
    await eventually('a restart', async () => (await sample('backend_restarts_total', echo)) === 1);
  });

  test('counts HTTP responses by door and status, and no path that a stranger made up', async t => {
    const { gateway, url, sample, scrape } = await started(t, [ECHO]);
    await gateway.client();
    await fetch(new URL('/healthz', url));
    await fetch(new URL('/made/up?token=1', url), { headers: gateway.headers });
    await fetch(url);
    const responses = (path: string, code: string) => sample('http_responses_total', { path, code });
    await eventually('all of them', async () => (await responses('/metrics', '401')) === 1);
    assert.deepEqual(
      [await responses('/mcp', '200'), await responses('/healthz', '200'), await responses('none', '404')],
      [1, 1, 1],
    );
    assert.doesNotMatch((await scrape()).text, /made|token/);
  });

  test('forgets a backend that is gone, and keeps the others', async t => {
    const { gateway, sample, scrape } = await started(t, [ECHO, { ...ECHO, name: 'other' }]);
    const client = await gateway.client();
    for (const name of ['echo__echo', 'other__echo']) await client.callTool(name, { text: '' });
    gateway.gateway.pause('other');
    await client.callTool('other__echo', { text: '' });
    assert.match((await scrape()).text, /backend="other"/);
    assert.equal(await sample('requests_total', { method: 'tools/call', tool: 'other__echo', outcome: 'nobody' }), 1);
    await gateway.write({ backends: [ECHO] });
    await gateway.gateway.reload();
    await eventually('nothing of it', async () => !(await scrape()).text.includes('other'));
    const kept = { backend: 'echo', tool: 'echo__echo', method: 'tools/call', outcome: 'answered' };
    assert.equal(await sample('requests_total', kept), 1);
  });

  test('gives 200 tools series of their own, and the rest one', async t => {
    const many = { name: 'many', ...fixtureCommand('servers/echo.mjs', '--tools', '210') };
    const { gateway, scrape } = await started(t, [many]);
    const client = await gateway.client();
    const names = (await client.toolNames()).filter(name => name.startsWith('many__tool_'));
    assert.equal(names.length, 210);
    for (const name of names) await client.callTool(name);
    const { families } = await scrape();
    const requests = families.get('switchyard_requests_total')?.samples ?? [];
    assert.equal(requests.length, 201);
    assert.equal(requests.find(({ labels }) => labels.tool === 'other')?.value, 10);
  });
});

async function started(t: TestContext, backends: readonly object[]) {
  const gateway: TestGateway = await startGateway(t, { backends });
  const url = new URL('/metrics', gateway.url);
  const scrape = async () => {
    const response = await fetch(url, { headers: gateway.headers });
    const text = await response.text();
    return { response, text, families: parse(text) };
  };
  /** The value of the one sample with exactly these labels; undefined: there is none. */
  const sample = async (name: string, labels: Record<string, string> = {}) => {
    const all = [...(await scrape()).families.values()].flatMap(({ samples }) => samples);
    const key = (each: Sample['labels']) => JSON.stringify(Object.entries(each).sort());
    const found = all.filter(each => each.name === `switchyard_${name}` && key(each.labels) === key(labels));
    assert.ok(found.length <= 1, `${name} is there ${found.length} times`);
    return found[0]?.value;
  };
  await gateway.gateway.whenSettled();
  return { gateway, url, scrape, sample };
}

/** Reads an exposition as strictly as its specification allows (Prometheus, "Exposition formats"); numbers are as Go reads them. */
function parse(text: string): Map<string, { type: string; samples: Sample[] }> {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map<string, { type: string; samples: Sample[] }>();
  const helped = new Set<string>();
  let current = '';
  for (const line of text.split('\n').filter(each => each !== '')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? [];
    if (word === 'HELP') {
      assert.ok(!helped.has(name), `${name} is explained once`);
      helped.add(name);
      continue;
    }
    if (word === 'TYPE') {
      assert.match(rest, /^(counter|gauge|histogram|summary)$/);
      assert.ok(helped.has(name) && !families.has(name), `${name} has its HELP before it, and one TYPE`);
      assert.ok(rest !== 'counter' || name.endsWith('_total'), `${name} ends in _total`);
      families.set(name, { type: rest, samples: [] });
      current = name;
      continue;
    }
    const sample = parseSample(line);
    const family = families.get(current);
    const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    assert.ok(
      suffixes.some(suffix => sample.name === current + suffix),
      `${line} is of ${current}`,
    );
    family?.samples.push(sample);
  }
  for (const [name, { type, samples }] of families) {
    const keys = samples.map(sample => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
    assert.equal(new Set(keys).size, keys.length, `no sample of ${name} is there twice`);
    if (type === 'histogram') assertCumulative(name, samples);
  }
  return families;
}

function parseSample(line: string): Sample {
  const [, name = '', inner = '', value = ''] =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (nan|[+-]Inf|-?[\d.]+(?:e[+-]?\d+)?)$/i.exec(line) ?? assert.fail(line);
  const labels: Record<string, string> = {};
  let rest = inner;
  while (rest !== '') {
    const [whole, label = '', escaped = ''] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/.exec(rest) ?? assert.fail(line);
    assert.ok(!(label in labels), line);
    labels[label] = escaped.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    rest = rest.slice(whole.length);
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

function assertCumulative(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, { bounds: number[]; counts: number[]; count?: number }>();
  for (const { name: own, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    const one = series.get(key) ?? { bounds: [], counts: [] };
    series.set(key, one);
    if (own.endsWith('_bucket')) {
      one.bounds.push(Number(le?.replace('Inf', 'Infinity')));
      one.counts.push(value);
    }
    if (own.endsWith('_count')) one.count = value;
  }
  const ascending = (numbers: readonly number[]) =>
    numbers.every((each, at) => at === 0 || each >= (numbers[at - 1] ?? 0));
  for (const { bounds, counts, count } of series.values()) {
    assert.ok(ascending(bounds) && ascending(counts), `${name} is cumulative`);
    assert.deepEqual(
      [bounds.at(-1), counts.at(-1)],
      [Number.POSITIVE_INFINITY, count],
      `${name} ends with all of them`,
    );
  }
}
