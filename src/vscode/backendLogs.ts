import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { GatewayHost } from './gatewayHost.ts';

/** An output channel for each backend: what it wrote before, and then as it writes. */
export class BackendLogs implements Disposable {
  private readonly host: GatewayHost;
  private readonly channels = new Map<string, vscode.OutputChannel>();
  private readonly subscriptions: Disposable;

  constructor(host: GatewayHost) {
    this.host = host;
    this.subscriptions = vscode.Disposable.from(
      host.onDidChange(snapshot => this.update(snapshot)),
      host.onDidLogBackend(({ backend, line }) => this.channels.get(backend)?.appendLine(line)),
    );
  }

  async show(backend: string): Promise<void> {
    await this.host.running();
    this.update(this.host.snapshot());
    this.channels.get(backend)?.show(true);
  }

  dispose(): void {
    this.subscriptions.dispose();
    for (const channel of this.channels.values()) channel.dispose();
  }

  /** Makes the channels those of the backends that there are; an entry that was rejected is none. */
  private update(snapshot: Snapshot | undefined): void {
    const backends = snapshot?.backends.filter(({ state }) => state.kind !== 'rejected') ?? [];
    const names = new Set(backends.map(({ name }) => name));
    for (const [name, channel] of this.channels) {
      if (names.has(name)) continue;
      channel.dispose();
      this.channels.delete(name);
    }
    for (const name of names) {
      if (this.channels.has(name)) continue;
      const channel = vscode.window.createOutputChannel(`Switchyard: ${name}`, 'log');
      for (const line of this.host.now?.gateway.backendLog(name) ?? []) channel.appendLine(line);
      this.channels.set(name, channel);
    }
  }
}
