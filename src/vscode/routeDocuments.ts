import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import { routeText } from './callItems.ts';
import type { GatewayHost } from './gatewayHost.ts';

const SCHEME = 'switchyard-route';

/** Explanations of where a call would go, as documents that nobody has to save. */
export class RouteDocuments implements vscode.TextDocumentContentProvider, Disposable {
  private readonly host: GatewayHost;
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly registration: Disposable;

  readonly onDidChange = this.changed.event;

  constructor(host: GatewayHost) {
    this.host = host;
    this.registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  async show(tool: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/Route of ${tool}.md`, query: tool });
    this.changed.fire(uri); // one that is open from before is out of date
    await vscode.window.showTextDocument(uri, { preview: true });
  }

  async provideTextDocumentContent({ query: tool }: vscode.Uri): Promise<string> {
    const { gateway } = await this.host.running();
    return routeText(gateway.explainRoute(tool));
  }

  dispose(): void {
    this.registration.dispose();
    this.changed.dispose();
  }
}
