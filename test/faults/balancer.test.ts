// Three routers behind a real balancer, 200 clients with a session each, and one router killed outright.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configFile, startCli } from '../cli/program.ts';
import { BareHttpClient } from '../support/bareClient.ts';
import { BareModernClient } from '../support/bareModernClient.ts';
import { eventually } from '../support/eventually.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { startHaproxy } from './haproxy.ts';

const REPLICAS = 3;
const CLIENTS = 200;
/** No multiple of the replicas: in step, each would meet the same one every time. */
const STATELESS = 10;
const TOKEN = 'the-token-of-all-replicas';
const HEADERS = { authorization: `Bearer ${TOKEN}` };
const PAUSE_MS = 300;

interface Failure {
  readonly reason: string;
  readonly began: number;
  readonly ended: number;
}

/** A client that calls one tool, which says the process that answered it, again and again. */
class Caller {
  readonly failures: Failure[] = [];
  readonly sessions: (string | undefined)[] = [];
  /** The processes that answered, each time another one did. */
  readonly answeredBy: number[] = [];
  lastAnswer = 0;
  private isForgotten = false;
  private readonly connect: () => BareHttpClient;
  private client: BareHttpClient;

  constructor(connect: () => BareHttpClient) {
    this.connect = connect;
    this.client = connect();
  }

  /** Begins a session where there is to be one. */
  async begin(): Promise<void> {
    if (!(this.client instanceof BareModernClient)) await this.client.initialize();
    this.sessions.push(this.client.sessionId);
    await this.call();
  }

  /** Does what MCP asks of clients: a session that is not known is begun anew, and anything else tried again. */
  async live(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const began = performance.now();
      try {
        await (this.isForgotten ? this.beginAnew() : this.call());
        this.isForgotten = false;
      } catch (error) {
        const reason = String(error);
        this.failures.push({ reason, began, ended: performance.now() });
        this.isForgotten ||= reason.includes('HTTP 404');
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private async call(): Promise<void> {
    const { result, error } = await this.client.callTool('echo__pid');
    if (error || result.isError) throw new Error(error?.message ?? result.content[0].text);
    const pid = Number(result.content[0].text);
    if (this.answeredBy.at(-1) !== pid) this.answeredBy.push(pid);
    this.lastAnswer = performance.now();
  }

  private async beginAnew(): Promise<void> {
    await this.client.close();
    this.client = this.connect();
    await this.begin();
  }
}

async function startReplica(t: TestContext, config: string) {
  const program = await startCli(t, ['serve', '--config', config, '--port', '0'], { env: { MCP_AUTH_TOKEN: TOKEN } });
  const url = await program.reports(/(http:\S+)/);
  await eventually('readiness', async () => (await fetch(new URL('/readyz', url))).ok);
  const direct = new Caller(() => new BareModernClient(url, HEADERS));
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

    // Half of them are told apart by what they say, half by where they come from.
    const sessions = Array.from({ length: CLIENTS }, (_, n) => {
      const address = `127.0.0.${2 + (n >> 1)}`;
      return new Caller(() =>
        n % 2 === 0 ? new BareHttpClient(http, HEADERS) : new BareHttpClient(tcp, HEADERS, address),
      );
    });
    const stateless = Array.from({ length: STATELESS }, () => new Caller(() => new BareModernClient(http, HEADERS)));
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
      // Until the balancer knows, it may send one address to one replica and then to another.
      const unknown = failures.filter(({ reason }) => reason.includes('HTTP 404')).length;
      assert.ok(unknown === 1 || unknown === 2, JSON.stringify(failures));
      assert.equal(begun, unknown + 1);
      assert.ok(answeredBy.length <= unknown + 1, JSON.stringify(answeredBy));
    }
    for (const { failures } of stateless) {
      // What is in flight while it dies may be lost; nothing later is.
      assert.ok(failures.length <= 1 && failures.every(({ began }) => began <= killed + 500), JSON.stringify(failures));
    }
    const lost = sessions.filter(caller => homes.get(caller) === victim.backend).length;
    t.diagnostic(`clients: ${lost} of ${CLIENTS} began anew`);
  });
});
