import * as vscode from 'vscode';
import type { Disposable } from '../core/base/disposable.ts';
import type { Problem } from '../core/config/load.ts';
import type { GatewayHost } from './gatewayHost.ts';

const SEVERITIES = { error: vscode.DiagnosticSeverity.Error, warning: vscode.DiagnosticSeverity.Warning };

/** Shows what the last read of the configuration found, in the file. */
export function createDiagnostics(host: GatewayHost): Disposable {
  const collection = vscode.languages.createDiagnosticCollection('switchyard');
  let shown: readonly Problem[] | undefined;
  const subscription = host.onDidChange(snapshot => {
    const problems = snapshot?.problems;
    if (!problems || problems === shown) return;
    shown = problems;
    collection.clear();
    collection.set(problems.map(problem => [vscode.Uri.file(problem.file), [diagnosticOf(problem)]]));
  });
  return vscode.Disposable.from(collection, subscription);
}

function diagnosticOf(problem: Problem): vscode.Diagnostic {
  const range = new vscode.Range(problem.line - 1, problem.column - 1, problem.endLine - 1, problem.endColumn - 1);
  const diagnostic = new vscode.Diagnostic(range, problem.message, SEVERITIES[problem.severity]);
  diagnostic.source = 'Switchyard';
  return diagnostic;
}
