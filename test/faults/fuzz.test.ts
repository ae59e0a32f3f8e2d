// Ten thousand requests that nobody should send, of every kind, at the router's HTTP, and clients that leave in the middle; then it
// must be what it was before. The seed is printed: SWITCHYARD_TEST_SEED takes it again.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { configFile, temporaryFolder } from '../cli/program.ts';
import { BareHttpClient } from '../support/bareClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand, fixturePath } from '../support/fixtures.ts';
import { Random } from '../support/random.ts';
import { sendRaw } from '../support/rawHttp.ts';
import type { Stock } from './fuzzedRouter.ts';
import { leave, leaving } from './malformed/leaving.ts';
import { malformed } from './malformed/malformed.ts';
import type { Ground } from './malformed/parts.ts';

const REQUESTS = 10_000;
const WARM_UP = 1500;
const AT_ONCE = 16;
/** The share of those that leave in the middle. */
const LEAVING = 0.1;
const PATIENCE_MS = 30_000;
/** A stream that nobody reads may be noticed only at its next sign of life, 15 s later. */
const LINGER_MS = 20_000;
const TOKEN = 'the-token';
const MEGABYTE = 1024 ** 2;
/** What V8 keeps of code that has become hot. */
const MEMORY_TOLERANCE = 12 * MEGABYTE;
const HANDLE_TOLERANCE = 4;

suite('Malformed requests', () => {
  test('get the status that is right for them, and leave nothing behind', async t => {
    const seed = Number(process.env.SWITCHYARD_TEST_SEED ?? Date.now() % 1_000_000);
    console.log(`fuzz seed ${seed}`);
    const backends = [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }];
    const config = await configFile(t, { backends });
    const env = { ...process.env, HOME: await temporaryFolder(t) };
    const router = fork(fixturePath('faults/fuzzedRouter.ts'), [config, TOKEN], {
      env,
      execArgv: [],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let said = '';
    router.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const gone = once(router, 'close');
    t.after(async () => {
      router.kill('SIGKILL');
      await gone;
    });
    const answer = async () => {
      const [message] = await Promise.race([
        once(router, 'message'),
        gone.then(() => assert.fail(`the router is gone: ${said}`)),
      ]);
      return message;
    };
    const { url } = (await answer()) as { url: string };
    const stock = async (): Promise<Stock> => {
      // Twice: what buffers held, one collection finds and the next one frees.
      for (let n = 0; ; n++) {
        router.send('stock');
        const told = (await answer()) as Stock;
        if (n > 0) return told;
      }
    };
    const client = new BareHttpClient(url, { authorization: `Bearer ${TOKEN}` });
    t.after(() => client.close());
    await client.initialize();
    const { sessionId } = client;
    assert.ok(sessionId);

    const calm = await stock();
    /** What it holds as soon as nothing of the requests is left; what is sent last may be held for a while. */
    const stockAfterwards = (memory = Number.POSITIVE_INFINITY) =>
      eventually(
        'as few sessions and handles and as little memory as before',
        async () => {
          const now = await stock();
          const handles = calm.handles + HANDLE_TOLERANCE;
          return now.sessions === calm.sessions && now.handles <= handles && now.memory < memory && now;
        },
        LINGER_MS,
      ).catch(async (error: Error) =>
        assert.fail(`${error.message}: ${JSON.stringify({ calm, memory, now: await stock() })}`),
      );

    const ground = { token: TOKEN, session: sessionId };
    const send = (from: Random, count: number) =>
      Promise.race([sendAll(url, from, ground, count), gone.then(() => assert.fail(`the router is gone: ${said}`))]);
    assert.deepEqual(await send(new Random(seed + 1), WARM_UP), []);
    await useful(url);
    const before = await stockAfterwards();
    const started = performance.now();
    assert.deepEqual(await send(new Random(seed), REQUESTS), []);
    const ms = performance.now() - started;
    await useful(url);
    const after = await stockAfterwards(before.memory + MEMORY_TOLERANCE);
    const grown = after.memory - before.memory;
    t.diagnostic(
      `malformed requests: ${REQUESTS} in ${Math.round(ms / 1000)} s, memory ${Math.round(grown / 1024)} kB more, log ${Math.round(after.logged / 1024)} kB`,
    );
    assert.ok(after.logged < MEGABYTE, `${after.logged} characters of log`);
    assert.deepEqual(after.polluted, []);
    assert.equal((await client.request('ping')).error, undefined, 'the session that was there is still there');
  });
});

/** Sends so many, several at once, and gives those whose answer was wrong. */
async function sendAll(url: string, random: Random, ground: Ground, count: number): Promise<string[]> {
  const wrong: string[] = [];
  let next = 0;
  const sender = async () => {
    while (next < count && wrong.length < 20) {
      const n = next++;
      if (random.next() < LEAVING) {
        const one = leaving(random, ground, n);
        await leave(url, one, PATIENCE_MS).catch((error: Error) => {
          wrong.push(`${one.what}: ${error.message} for ${one.bytes.toString('latin1').slice(0, 200)}`);
        });
        continue;
      }
      const { what, bytes, right } = malformed(random, ground, n);
      const { status, body } = await sendRaw(url, bytes, PATIENCE_MS).catch((error: Error) => ({
        status: -1,
        body: error.message,
      }));
      if (right.includes(status)) continue;
      wrong.push(
        `${what}: ${status}, not ${right.join(' or ')}: ${body.slice(0, 200)} for ${bytes.toString('latin1').slice(-200)}`,
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return wrong;
}

/** What a client of the SDK finds. */
async function useful(url: string): Promise<void> {
  const client = new Client({ name: 'test', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { authorization: `Bearer ${TOKEN}` } },
  });
  await client.connect(transport);
  const { content } = await client.callTool({ name: 'echo__echo', arguments: { text: 'hello' } });
  assert.deepEqual(content, [{ type: 'text', text: 'hello' }]);
  await transport.terminateSession();
  await client.close();
}
