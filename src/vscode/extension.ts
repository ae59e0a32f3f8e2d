// The editor face: builds the parts, wires them, and returns before the core is loaded.
import * as vscode from 'vscode';
import { BackendLogs } from './backendLogs.ts';
import { createBackendTree } from './backendTree.ts';
import { createCallTree } from './callTree.ts';
import { registerCommands } from './commands.ts';
import { PROVIDER } from './contributions.ts';
import { createDiagnostics } from './diagnostics.ts';
import { GatewayHost } from './gatewayHost.ts';
import { OutputLog } from './outputLog.ts';
import { RouteDocuments } from './routeDocuments.ts';
import { ServerProvider } from './serverProvider.ts';
import { Settings } from './settings.ts';
import { createStatusBar } from './statusBar.ts';

let stop: (() => Promise<void>) | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const storage = context.globalStorageUri.fsPath;
  const settings = new Settings(storage);
  const log = new OutputLog(() => settings.logLevel);
  const host = new GatewayHost(settings, log, String(context.extension.packageJSON.version), storage);
  const backendLogs = new BackendLogs(host);
  const routes = new RouteDocuments(host);
  const provider = new ServerProvider(host);
  context.subscriptions.push(
    settings,
    backendLogs,
    routes,
    provider,
    createBackendTree(host),
    createCallTree(host),
    createStatusBar(host),
    createDiagnostics(host),
    registerCommands({ settings, host, log, backendLogs, routes }),
    vscode.lm.registerMcpServerDefinitionProvider(PROVIDER, provider),
  );
  // Not among the subscriptions, which the editor disposes without waiting: what stops still logs.
  stop = async () => {
    await host.stop();
    log.dispose();
  };
}

export async function deactivate(): Promise<void> {
  await stop?.();
}
