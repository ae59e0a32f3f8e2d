import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { countsOf, describeTools, rowsOf } from './backendItems.ts';
import { BACKENDS_VIEW, type ContextKey } from './contributions.ts';
import type { GatewayHost } from './gatewayHost.ts';
import { count } from './row.ts';
import { RowTree } from './rowTree.ts';

/** The tree of backends, with what they offer. */
export function createBackendTree(host: GatewayHost): Disposable {
  const tree = new RowTree(BACKENDS_VIEW);
  tree.view.message = 'Starting…';
  let decorated = '';
  const subscription = host.onDidChange(snapshot => {
    if (!snapshot) {
      const { failure } = host;
      tree.view.message = failure === undefined ? 'Starting…' : `Switchyard did not start: ${failure}`;
      decorated = '';
      return;
    }
    tree.show(rowsOf(snapshot));
    const decoration = decorationOf(snapshot);
    if (JSON.stringify(decoration) === decorated) return;
    decorated = JSON.stringify(decoration);
    tree.view.message = decoration.message;
    tree.view.badge = decoration.badge;
    setContext('started', true);
    setContext('configError', decoration.hasConfigError);
  });
  return vscode.Disposable.from(subscription, tree);
}

function decorationOf(snapshot: Snapshot) {
  const { failed } = countsOf(snapshot);
  const tooltip = `${count(failed.length, 'backend')} failed: ${failed.join(', ')}`;
  return {
    // Not the view's description, which is not shown while the view is alone in its container.
    message: snapshot.backends.length === 0 ? '' : describeTools(snapshot),
    badge: failed.length === 0 ? undefined : { value: failed.length, tooltip },
    hasConfigError: snapshot.configError !== undefined,
  };
}

function setContext(key: ContextKey, value: boolean): void {
  void vscode.commands.executeCommand('setContext', `switchyard.${key}`, value);
}
