import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/core/base/clock.ts';
import type { Logger } from '../../src/core/base/log.ts';
import { Gateway, type HttpListener } from '../../src/core/gateway.ts';
import type { BackendSnapshot } from '../../src/core/snapshot.ts';
import { BareHttpClient } from './bareClient.ts';
import { eventually } from './eventually.ts';
import { httpFixturePids } from './fixtures.ts';
import { descendantsOf, isRunning } from './processes.ts';

type StateKind = BackendSnapshot['state']['kind'];

/** A gateway on a configuration file of its own, with an HTTP listener that asks for a token. */
export class TestGateway {
  readonly gateway: Gateway;
  readonly configFile: string;
  readonly listener: HttpListener;
  readonly token: string;
  private readonly t: TestContext;

  constructor(t: TestContext, gateway: Gateway, configFile: string, listener: HttpListener, token: string) {
    this.t = t;
    this.gateway = gateway;
    this.configFile = configFile;
    this.listener = listener;
    this.token = token;
  }

  get url(): string {
    return this.listener.url;
  }

  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` };
  }

  /** Replaces the configuration file; text as it is, anything else as JSON (which YAML includes). */
  async write(config: unknown): Promise<void> {
    await writeConfig(this.configFile, config);
  }

  backend(name: string): BackendSnapshot {
    const found = this.gateway.snapshot().backends.find(backend => backend.name === name);
    assert.ok(found, `no backend ${name} in the snapshot`);
    return found;
  }

  /** Resolves when the backend is in one of the states; fails after 10 s with the state it is in and its log. */
  async reaches(name: string, ...kinds: StateKind[]): Promise<BackendSnapshot> {
    return eventually(`${name} to be ${kinds.join(' or ')}`, () => {
      const backend = this.backend(name);
      return kinds.includes(backend.state.kind) && backend;
    }).catch((error: Error) => {
      const log = this.gateway.backendLog(name).join('\n');
      throw new Error(`${error.message}; it is ${JSON.stringify(this.backend(name).state)}\n${log}`);
    });
  }

  /** The process id of a stdio backend that is ready. */
  async pidOf(name: string): Promise<number> {
    const { state } = await this.reaches(name, 'ready');
    assert.ok(state.kind === 'ready' && state.pid !== undefined, `${name} has a process`);
    return state.pid;
  }

  /** An initialized client of `/mcp`, until the end of the test. */
  async client(capabilities: Record<string, unknown> = {}): Promise<BareHttpClient> {
    const client = new BareHttpClient(this.url, this.headers);
    this.t.after(() => client.close());
    await client.initialize(capabilities);
    return client;
  }
}

const SILENT: Logger = { debug() {}, info() {}, warning() {}, error() {} };

export interface GatewayFixture {
  /** That clients have to show; '' for none. */
  readonly token?: string;
  /** Where its configuration is, and stays; by default a folder of its own, which goes with it. */
  readonly folder?: string;
  readonly stateDirectory?: string;
  /** Whether what is changed while running is written to the file. */
  readonly persist?: boolean;
  /** By default nothing is logged. */
  readonly log?: Logger;
}

/**
 * Starts a gateway for the time of one test: `start` has returned, the backends may still be connecting.
 * At the end it is stopped, and nothing that it started may be left running.
 */
export async function startGateway(
  t: TestContext,
  config: unknown,
  { token = 'test-token', folder, stateDirectory, persist = false, log = SILENT }: GatewayFixture = {},
): Promise<TestGateway> {
  const directory = folder ?? (await mkdtemp(path.join(tmpdir(), 'switchyard-test-')));
  const configFile = path.join(directory, 'backends.yaml');
  await writeConfig(configFile, config);

  const gateway = new Gateway({
    configFile,
    persist,
    ...(stateDirectory !== undefined && { stateDirectory }),
    loadOptions: {
      env: process.env,
      workspaceFolder: directory,
      userHome: homedir(),
      input: () => undefined,
    },
    defaultCwd: directory,
    environment: async () => process.env,
    serverInfo: { name: 'switchyard', title: 'Switchyard', version: '0.0.0' },
    clock: systemClock,
    log,
  });
  t.after(async () => {
    const children = () => descendantsOf(process.pid).filter(pid => !httpFixturePids.has(pid));
    const started = children();
    await gateway.stop();
    await eventually('the end of all that the gateway started', () => ![...started, ...children()].some(isRunning));
    gateway.dispose();
    if (folder === undefined) await rm(directory, { recursive: true });
  });
  const loaded = await gateway.start();
  assert.ok(loaded.ok, loaded.problems.map(problem => problem.message).join('\n'));
  const tokens = token === '' ? [] : [{ role: 'admin', value: token } as const];
  const listener = await gateway.listenHttp({ clients: 'any', host: '127.0.0.1', port: 0, tokens });
  return new TestGateway(t, gateway, configFile, listener, token);
}

async function writeConfig(file: string, config: unknown): Promise<void> {
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
}
