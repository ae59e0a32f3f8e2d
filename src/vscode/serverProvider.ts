import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { GatewayHost, Running } from './gatewayHost.ts';

type Definition = vscode.McpHttpServerDefinition;

/**
 * Offers the gateway to the editor's agent chat as one server.
 *
 * The editor stops a running server when its definition changes, so a change is announced only while no session
 * is open: a session hears of it by `list_changed`. What happened during a session is announced when it closes.
 */
export class ServerProvider implements vscode.McpServerDefinitionProvider<Definition>, Disposable {
  private readonly host: GatewayHost;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly subscription: Disposable;
  /** The definition that the editor knows; undefined: it has not asked yet. */
  private known: string | undefined;
  /** The editor has been told how to connect and is about to: a session counts as open from there on. */
  private isConnecting = false;

  readonly onDidChangeMcpServerDefinitions = this.changed.event;

  constructor(host: GatewayHost) {
    this.host = host;
    this.subscription = host.onDidChange(() => this.announce());
  }

  async provideMcpServerDefinitions(): Promise<Definition[]> {
    const running = await this.host.running();
    this.known = identityOf(running);
    return [new vscode.McpHttpServerDefinition('Switchyard', endpointOf(running), {}, running.gateway.version())];
  }

  /** Here, and not in the definition, is the token: the editor keeps definitions. */
  async resolveMcpServerDefinition(definition: Definition): Promise<Definition> {
    const running = await this.host.running();
    this.isConnecting = true;
    definition.uri = endpointOf(running);
    definition.headers = { Authorization: `Bearer ${this.host.token}` };
    return definition;
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  private announce(): void {
    const running = this.host.now;
    if (!running || this.known === undefined) return;
    if (running.listener.sessionCount > 0) {
      this.isConnecting = false;
      return;
    }
    const identity = identityOf(running);
    if (this.isConnecting || identity === this.known) return;
    this.known = identity;
    this.changed.fire();
  }
}

function endpointOf({ listener }: Running): vscode.Uri {
  return vscode.Uri.parse(listener.url);
}

function identityOf({ gateway, listener }: Running): string {
  return `${listener.url} ${gateway.version()}`;
}
