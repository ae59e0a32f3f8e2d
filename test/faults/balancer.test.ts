// Three routers behind a real balancer, 200 clients with a session each, and one router killed outright.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpTransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { configFile, startCli } from '../cli/program.ts';
import { BareHttpClient } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startHaproxy } from './haproxy.ts';

const REPLICAS = 3;
const CLIENTS = 200;
/** Of those, so many are of an SDK: of its two lines, half each. */
const SDK_CLIENTS = 12;
/** No multiple of the replicas: in step, each would meet the same one every time. */
const STATELESS = 10;
const TOKEN = 'the-token-of-all-replicas';
const HEADERS = { authorization: `Bearer ${TOKEN}` };
const PAUSE_MS = 300;

const CLIENT_INFO = { name: 'test', version: '1' };

interface Failure {
  readonly reason: string;
  readonly began: number;
  readonly ended: number;
}

/** How one tool is called that says the process that answers, over one session where there is to be one. */
interface Link {
  readonly sessionId: string | undefined;
  pid(): Promise<number>;
  close(): Promise<void>;
  /** Whether nothing comes of trying again. */
  isLost(error: unknown): boolean;
}

/** A client that calls that tool again and again. */
class Caller {
  readonly failures: Failure[] = [];
  readonly sessions: (string | undefined)[] = [];
  /** The processes that answered, each time another one did. */
  readonly answeredBy: number[] = [];
  lastAnswer = 0;
  private readonly connect: () => Promise<Link>;
  private link: Link | undefined;

  constructor(connect: () => Promise<Link>) {
    this.connect = connect;
  }

  async begin(): Promise<void> {
    this.link = await this.connect();
    this.sessions.push(this.link.sessionId);
    await this.call(this.link);
  }

  /** Does what MCP asks of clients: a session that is not known is begun anew, and anything else tried again. */
  async live(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const began = performance.now();
      try {
        await (this.link ? this.call(this.link) : this.begin());
      } catch (error) {
        this.failures.push({ reason: String(error), began, ended: performance.now() });
        if (this.link?.isLost(error)) await this.close();
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }

  async close(): Promise<void> {
    const { link } = this;
    this.link = undefined;
    await link?.close();
  }

  private async call(link: Link): Promise<void> {
    const pid = await link.pid();
    if (this.answeredBy.at(-1) !== pid) this.answeredBy.push(pid);
    this.lastAnswer = performance.now();
  }
}

async function linkOf(client: BareHttpClient): Promise<Link> {
  if (!(client instanceof BareModernClient)) await client.initialize();
  return {
    sessionId: client.sessionId,
    async pid() {
      const { result, error } = await client.callTool('echo__pid');
      if (error || result.isError) throw new Error(error?.message ?? result.content[0].text);
      return Number(result.content[0].text);
    },
    close: () => client.close(),
    isLost: error => String(error).includes('HTTP 404'),
  };
}

/** Of an application with an SDK in it, which connects anew whatever it was that failed. */
async function linkOfSdk(line: 'v1' | 'v2', url: string): Promise<Link> {
  const { client, transport } = line === 'v1' ? await connectedV1(url) : await connectedV2(url);
  return {
    sessionId: transport.sessionId,
    async pid() {
      const { content } = await client.callTool({ name: 'echo__pid', arguments: {} });
      const [first] = content as { text: string }[];
      return Number(first?.text);
    },
    close: () => client.close(),
    isLost: () => true,
  };
}

async function connectedV1(url: string) {
  const client = new ClientV1(CLIENT_INFO);
  const transport = new HttpTransportV1(new URL(url), { requestInit: { headers: HEADERS } });
  // The v1 line is not written for `exactOptionalPropertyTypes`, so its own transport does not match its own interface.
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return { client, transport };
}

async function connectedV2(url: string) {
  const client = new Client(CLIENT_INFO);
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: HEADERS } });
  await client.connect(transport);
  return { client, transport };
}

async function startReplica(t: TestContext, config: string) {
  const program = await startCli(t, ['serve', '--config', config, '--port', '0'], { env: { MCP_AUTH_TOKEN: TOKEN } });
  const url = await program.reports(/(http:\S+)/);
  await eventually('readiness', async () => (await fetch(new URL('/readyz', url))).ok);
  const direct = new Caller(() => linkOf(new BareModernClient(url, HEADERS)));
  await direct.begin();
  await direct.close();
  return { program, url, backend: direct.answeredBy[0] };
}

suite('Three replicas behind a balancer', () => {
  test('of which one is killed: its clients begin anew with another, and the others notice nothing', async t => {
    const config = await configFile(t, { backends: [{ name: 'echo', ...fixtureCommand('servers/echo.mjs') }] });
    const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => startReplica(t, config)));
    const { http, tcp } = await startHaproxy(
      t,
      replicas.map(({ url }) => url),
    );
    const stranger = await fetch(http, { method: 'POST' });
    assert.equal(stranger.status, 401);

    const applications = Array.from(
      { length: SDK_CLIENTS },
      (_, n) => new Caller(() => linkOfSdk(n % 2 === 0 ? 'v1' : 'v2', http)),
    );
    // Half of them are told apart by what they say, half by where they come from.
    const bare = Array.from({ length: CLIENTS - SDK_CLIENTS }, (_, n) => {
      const address = `127.0.0.${2 + (n >> 1)}`;
      return new Caller(() =>
        linkOf(n % 2 === 0 ? new BareHttpClient(http, HEADERS) : new BareHttpClient(tcp, HEADERS, address)),
      );
    });
    const sessions = [...bare, ...applications];
    const stateless = Array.from(
      { length: STATELESS },
      () => new Caller(() => linkOf(new BareModernClient(http, HEADERS))),
    );
    const all = [...sessions, ...stateless];
    t.after(() => Promise.all(all.map(caller => caller.close())));
    await Promise.all(all.map(caller => caller.begin()));
    let isOver = false;
    t.after(() => {
      isOver = true;
    });
    const lives = all.map(caller => caller.live(() => isOver));
    const backendPids = replicas.map(({ backend }) => backend);
    await eventually('stateless clients everywhere', () =>
      stateless.every(({ answeredBy }) => backendPids.every(pid => pid && answeredBy.includes(pid))),
    );

    const [victim] = replicas;
    assert.ok(victim);
    const homes = new Map(sessions.map(caller => [caller, caller.answeredBy.at(-1)]));
    const killed = performance.now();
    victim.program.child.kill('SIGKILL');
    await eventually('answers for everybody', () => all.every(({ lastAnswer }) => lastAnswer > killed + 2000), 30_000);
    isOver = true;
    await Promise.all(lives);

    for (const pid of backendPids) {
      const guests = sessions.filter(caller => homes.get(caller) === pid);
      assert.ok(guests.length > CLIENTS / 10, `${guests.length} clients at ${pid}`);
    }
    for (const caller of sessions) {
      const { failures, answeredBy } = caller;
      const begun = new Set(caller.sessions).size;
      if (homes.get(caller) !== victim.backend) {
        assert.deepEqual({ failures, begun, answeredBy: answeredBy.length }, { failures: [], begun: 1, answeredBy: 1 });
        continue;
      }
      assert.ok(
        failures.every(({ ended }) => ended >= killed),
        JSON.stringify(failures),
      );
      if (applications.includes(caller)) {
        assert.ok(begun >= 2 && failures.length >= 1, JSON.stringify(failures));
        continue;
      }
      // Until the balancer knows, it may send one address to one replica and then to another.
      const unknown = failures.filter(({ reason }) => reason.includes('HTTP 404')).length;
      assert.ok(unknown === 1 || unknown === 2, JSON.stringify(failures));
      assert.equal(begun, unknown + 1);
      assert.ok(answeredBy.length <= unknown + 1, JSON.stringify(answeredBy));
    }
    for (const { failures } of stateless) {
      // What is in flight while it dies may be lost; nothing later is.
      assert.ok(
        failures.length <= 1 && failures.every(({ began }) => began <= killed + 2000),
        JSON.stringify(failures),
      );
    }
    const lost = sessions.filter(caller => homes.get(caller) === victim.backend).length;
    const connectedAnew = applications.filter(caller => homes.get(caller) === victim.backend);
    assert.ok(connectedAnew.length >= 2, 'some of the SDKs were there too');
    const reasons = connectedAnew.flatMap(({ failures }) => failures.map(({ reason }) => reason.slice(0, 160)));
    t.diagnostic(`clients of SDKs: ${connectedAnew.length} connected anew after ${[...new Set(reasons)].join('; ')}`);
    t.diagnostic(`clients: ${lost} of ${CLIENTS} began anew`);
  });
});
