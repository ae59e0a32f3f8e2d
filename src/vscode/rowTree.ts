import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import { mergeRows } from './mergeRows.ts';
import type { Row } from './row.ts';

/** A tree of rows, of which only those are drawn again that differ: news comes far more often than that. */
export class RowTree implements vscode.TreeDataProvider<Row>, Disposable {
  readonly view: vscode.TreeView<Row>;
  private readonly changed = new vscode.EventEmitter<Row | undefined>();
  private rows: readonly Row[] = [];

  readonly onDidChangeTreeData = this.changed.event;

  constructor(viewId: string) {
    this.view = vscode.window.createTreeView(viewId, { treeDataProvider: this, showCollapseAll: true });
  }

  show(rows: readonly Row[]): void {
    const { rows: merged, stale } = mergeRows(this.rows, rows);
    this.rows = merged;
    if (stale === 'all') this.changed.fire(undefined);
    else for (const row of stale) this.changed.fire(row);
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
    this.view.dispose();
    this.changed.dispose();
  }
}
