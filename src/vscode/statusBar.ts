import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { countsOf, statusLines } from './backendItems.ts';
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
      item.accessibilityInformation = undefined;
      return;
    }
    const { available, enabled, failed } = countsOf(snapshot);
    const isWrong = failed.length > 0 || snapshot.configError !== undefined;
    item.text = enabled === 0 ? '$(server-process) Switchyard' : `$(server-process) ${available}/${enabled}`;
    item.backgroundColor = isWrong ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    const lines = statusLines(snapshot);
    item.tooltip = new vscode.MarkdownString(lines.map(escapeMarkdown).join('\n\n'));
    // Read aloud, the escapes of Markdown would be heard.
    item.accessibilityInformation = { label: lines.join('\n') };
  };
  update(host.snapshot());
  item.show();
  return vscode.Disposable.from(item, host.onDidChange(update));
}
