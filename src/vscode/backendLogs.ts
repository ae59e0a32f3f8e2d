import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { GatewayHost } from './gatewayHost.ts';

/** An output channel for each backend whose log was asked for: what it wrote before, and then as it writes. */
export class BackendLogs implements Disposable {
  private readonly host: GatewayHost;
  private readonly channels = new Map<string, vscode.OutputChannel>();
  private readonly subscription: Disposable;

  constructor(host: GatewayHost) {
    this.host = host;
    this.subscription = host.onDidLogBackend(({ backend, line }) => this.channels.get(backend)?.appendLine(line));
  }

  async show(backend: string): Promise<void> {
    const { gateway } = await this.host.running();
    let channel = this.channels.get(backend);
    if (!channel) {
      channel = vscode.window.createOutputChannel(`Switchyard: ${backend}`, 'log');
      for (const line of gateway.backendLog(backend)) channel.appendLine(line);
      this.channels.set(backend, channel);
    }
    channel.show(true);
  }

  dispose(): void {
    this.subscription.dispose();
    for (const channel of this.channels.values()) channel.dispose();
  }
}
