import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { countsOf, describeBackend, describeTools } from './backendItems.ts';
import { BACKENDS_VIEW } from './contributions.ts';
import type { GatewayHost } from './gatewayHost.ts';
import { escapeMarkdown } from './row.ts';

/** How many of the enabled backends can take a call; a click shows them. */
export function createStatusBar(host: GatewayHost): Disposable {
  const item = vscode.window.createStatusBarItem('switchyard.status', vscode.StatusBarAlignment.Right, 50);
  item.name = 'Switchyard';
  item.command = `${BACKENDS_VIEW}.focus`;

  const update = (snapshot: Snapshot | undefined) => {
    if (!snapshot) {
      item.text = host.failure === undefined ? '$(loading~spin) Switchyard' : '$(error) Switchyard';
      item.tooltip = host.failure ?? 'Switchyard is starting…';
      return;
    }
    const { available, enabled, failed } = countsOf(snapshot);
    const isWrong = failed.length > 0 || snapshot.configError !== undefined;
    item.text = enabled === 0 ? '$(server-process) Switchyard' : `$(server-process) ${available}/${enabled}`;
    item.backgroundColor = isWrong ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    item.tooltip = new vscode.MarkdownString(
      [
        `**Switchyard** ${describeTools(snapshot)}`,
        ...(snapshot.configError === undefined ? [] : [escapeMarkdown(snapshot.configError)]),
        ...snapshot.backends.map(backend => escapeMarkdown(`${backend.name}: ${describeBackend(backend)}`)),
      ].join('\n\n'),
    );
  };
  update(host.snapshot());
  item.show();
  return vscode.Disposable.from(item, host.onDidChange(update));
}
