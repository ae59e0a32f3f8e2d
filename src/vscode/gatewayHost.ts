import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../core/base/clock.ts';
import { DisposableStore } from '../core/base/disposable.ts';
import { messageOf } from '../core/base/errors.ts';
import { Emitter, type Event } from '../core/base/event.ts';
import type { LoadOptions } from '../core/config/load.ts';
import type { Gateway, HttpListener } from '../core/gateway.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { createConfigFile } from './configFile.ts';
import { loginShellEnvironment } from './loginShell.ts';
import type { OutputLog } from './outputLog.ts';
import type { Settings } from './settings.ts';

/** How long the editor's end may wait for backends to end by themselves; the host is killed after 5 s. */
const STOP_MS = 3_000;

/** A gateway, and the endpoint that the editor's agent chat reaches it by. */
export interface Running {
  readonly gateway: Gateway;
  readonly listener: HttpListener;
}

/**
 * Runs one gateway for this window, on the configuration file of the settings. The core is loaded only after
 * activation; another configuration file means another gateway, behind the same address and token.
 */
export class GatewayHost {
  /** What a client must send to be answered. A secret; another one in every window and after every reload of it. */
  readonly token = randomBytes(32).toString('base64url');
  private readonly settings: Settings;
  private readonly log: OutputLog;
  private readonly version: string;
  private readonly storage: string;
  private readonly changed = new Emitter<Snapshot | undefined>();
  private readonly backendLogged = new Emitter<{ backend: string; line: string }>();
  private readonly subscriptions = new DisposableStore();
  private current: Running | undefined;
  /** Of what runs, or is being started. */
  private configFile: string;
  private opening: Promise<Running>;
  private startFailure: string | undefined;
  private environment: Promise<NodeJS.ProcessEnv> | undefined;

  /** The snapshot, which comes with it, or the number of sessions may differ. */
  readonly onDidChange: Event<Snapshot | undefined> = this.changed.event;
  /** A line of a backend's log. */
  readonly onDidLogBackend: Event<{ backend: string; line: string }> = this.backendLogged.event;

  /**
   * Starts, without being waited for.
   * @param version of the extension, as the gateway tells it to its clients
   * @param storage the folder for what is kept from one run to the next
   */
  constructor(settings: Settings, log: OutputLog, version: string, storage: string) {
    this.settings = settings;
    this.log = log;
    this.version = version;
    this.storage = storage;
    this.subscriptions.add(settings.onDidChange(() => this.applySettings()));
    this.configFile = settings.configFile;
    this.opening = this.open(this.openGateway(0));
  }

  /** What runs now; undefined while it starts. */
  get now(): Running | undefined {
    return this.current;
  }

  /** Undefined while it starts. */
  snapshot(): Snapshot | undefined {
    return this.current?.gateway.snapshot();
  }

  /** Why nothing runs, where the last start failed. */
  get failure(): string | undefined {
    return this.startFailure;
  }

  /** What runs, waiting for a start under way; rejects if that fails. */
  running(): Promise<Running> {
    return this.opening;
  }

  /** Lets the backends end by themselves for a moment; then everything is gone. */
  async stop(): Promise<void> {
    this.subscriptions.dispose();
    const running = await settled(this.opening);
    if (!running) return;
    await Promise.race([running.gateway.stop(), sleep(STOP_MS, undefined, { ref: false })]);
    running.gateway.dispose();
  }

  /** With one snapshot for all who listen: it costs as much as there are backends and tools. */
  private announce(): void {
    this.changed.fire(this.snapshot());
  }

  private applySettings(): void {
    if (this.settings.configFile === this.configFile) {
      this.current?.gateway.reload().catch((error: unknown) => this.log.report(error));
    } else {
      this.configFile = this.settings.configFile;
      this.opening = this.open(this.reopenGateway(this.opening));
    }
  }

  /** Tells the person when a start fails. */
  private open(opening: Promise<Running>): Promise<Running> {
    opening.catch((error: unknown) => {
      this.startFailure = messageOf(error);
      this.log.report(error);
      this.announce();
    });
    return opening;
  }

  private async reopenGateway(before: Promise<Running>): Promise<Running> {
    const running = await settled(before);
    const port = running?.listener.port ?? 0;
    this.current = undefined;
    this.announce();
    await running?.gateway.stop();
    return this.openGateway(port);
  }

  private async openGateway(port: number): Promise<Running> {
    await nextTurn(); // activation has returned, before the SDKs are loaded
    const { Gateway } = await import('../core/gateway.ts');
    const { configFile } = this;
    if (this.settings.isDefaultConfigFile) await createConfigFile(configFile); // one that the person names is theirs to make

    const gateway = new Gateway({
      configFile,
      persist: true,
      stateDirectory: join(this.storage, 'catalog'),
      loadOptions: this.loadOptions(),
      defaultCwd: this.settings.workspaceFolder,
      environment: () => (this.environment ??= loginShellEnvironment(this.log)),
      serverInfo: { name: 'switchyard', title: 'switchyard', version: this.version },
      clock: systemClock,
      log: this.log,
    });
    try {
      await gateway.start();
      // A stale token is answered 404: a 401 makes the editor open a sign-in dialog.
      const tokens = [{ role: 'admin', value: this.token }] as const;
      const door = { clients: 'editor', host: '127.0.0.1', tokens, missingTokenStatus: 404 } as const;
      const listener = await gateway.listenHttp({ ...door, port }).catch((error: unknown) => {
        if (port === 0) throw error;
        this.log.info(`The address changes, because port ${port} is taken: ${messageOf(error)}`);
        return gateway.listenHttp({ ...door, port: 0 });
      });
      this.current = { gateway, listener };
      this.startFailure = undefined;
      gateway.onDidChange(() => this.announce());
      gateway.onDidLogBackend(line => this.backendLogged.fire(line));
      listener.onDidChangeSessions(() => this.announce());
      this.announce();
      return this.current;
    } catch (error) {
      gateway.dispose();
      throw error;
    }
  }

  private loadOptions(): LoadOptions {
    const { settings } = this;
    return {
      env: process.env,
      workspaceFolder: settings.workspaceFolder,
      userHome: homedir(),
      input: () => undefined,
      mayBeMissing: settings.isDefaultConfigFile,
      // Both are read anew with each reload, which a change of a setting asks for.
      get base() {
        return { request_timeout_seconds: settings.requestTimeoutSeconds };
      },
      get overrides() {
        const { managementTools } = settings;
        return managementTools === undefined ? {} : { management_tools: managementTools };
      },
    };
  }
}

/** What came of a start; undefined if it failed, which was told when it did. */
function settled(opening: Promise<Running>): Promise<Running | undefined> {
  return opening.catch(() => undefined);
}
