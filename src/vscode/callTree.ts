import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import { rowsOfCalls } from './callItems.ts';
import { CALLS_VIEW } from './contributions.ts';
import type { GatewayHost } from './gatewayHost.ts';
import { RowTree } from './rowTree.ts';

const SHOWN = 100;

/** The tree of the last calls, each opening into why it went where it went. */
export function createCallTree(host: GatewayHost): Disposable {
  const tree = new RowTree(CALLS_VIEW);
  const subscription = host.onDidChange(() => tree.show(rowsOfCalls(host.now?.gateway.recentCalls(SHOWN) ?? [])));
  return vscode.Disposable.from(subscription, tree);
}
