import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { count, countsOf, type Row, rowsOf, TOOL_LIMIT } from './backendItems.ts';
import { BACKENDS_VIEW, type ContextKey } from './contributions.ts';
import type { GatewayHost } from './gatewayHost.ts';

/** The tree of backends, drawn again only when a row differs: snapshots come far more often than that. */
export class BackendTree implements vscode.TreeDataProvider<Row>, Disposable {
  private readonly host: GatewayHost;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly view: vscode.TreeView<Row>;
  private readonly subscription: Disposable;
  private rows: readonly Row[] = [];
  private drawn = '';

  readonly onDidChangeTreeData = this.changed.event;

  constructor(host: GatewayHost) {
    this.host = host;
    this.view = vscode.window.createTreeView(BACKENDS_VIEW, { treeDataProvider: this, showCollapseAll: true });
    this.view.message = 'Starting…';
    this.subscription = host.onDidChange(() => this.update());
  }

  getChildren(row?: Row): Row[] {
    return [...(row ? row.children : this.rows)];
  }

  getTreeItem(row: Row): vscode.TreeItem {
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(
      row.label,
      row.children.length === 0 ? None : row.isExpanded ? Expanded : Collapsed,
    );
    item.id = row.id;
    item.description = row.description;
    item.tooltip = new vscode.MarkdownString(row.tooltip || row.label);
    item.iconPath = new vscode.ThemeIcon(row.icon, row.color ? new vscode.ThemeColor(row.color) : undefined);
    item.contextValue = row.kind;
    if (row.line !== undefined)
      item.command = { command: 'switchyard.openConfig', title: 'Open Configuration', arguments: [row] };
    return item;
  }

  dispose(): void {
    this.subscription.dispose();
    this.view.dispose();
    this.changed.dispose();
  }

  private update(): void {
    const snapshot = this.host.snapshot();
    if (!snapshot) {
      const { failure } = this.host;
      this.view.message = failure === undefined ? 'Starting…' : `Switchyard did not start: ${failure}`;
      this.drawn = '';
      return;
    }
    const rows = rowsOf(snapshot);
    const drawn = JSON.stringify([rows, snapshot.toolCount, snapshot.configError]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.rows = rows;
    this.decorate(snapshot);
    this.changed.fire();
  }

  private decorate(snapshot: Snapshot): void {
    const { failed } = countsOf(snapshot);
    // Not the view's description, which is not shown while the view is alone in its container.
    this.view.message = snapshot.backends.length === 0 ? '' : `${snapshot.toolCount} / ${TOOL_LIMIT} tools`;
    this.view.badge =
      failed.length === 0
        ? undefined
        : { value: failed.length, tooltip: `${count(failed.length, 'backend')} failed: ${failed.join(', ')}` };
    setContext('started', true);
    setContext('configError', snapshot.configError !== undefined);
  }
}

function setContext(key: ContextKey, value: boolean): void {
  void vscode.commands.executeCommand('setContext', `switchyard.${key}`, value);
}
