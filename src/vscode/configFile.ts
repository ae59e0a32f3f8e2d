import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { UserError } from '../core/base/errors.ts';
import type { ConfigEdit } from '../core/config/edit.ts';
import type { GatewayHost } from './gatewayHost.ts';
import type { Settings } from './settings.ts';
import { starterOf } from './starter.ts';

/**
 * Before a person is asked much for an edit: sees to it that the file can be edited. One with an error is opened there,
 * which is a `UserError`. Rejects with a `CancellationError` where the person does not want to save.
 */
export async function ensureEditable({ configFile }: Settings, host: GatewayHost): Promise<void> {
  await saveChanges(configFile);
  if (!existsSync(configFile)) return; // adding makes it
  const { gateway } = await host.running();
  await gateway.reload();
  const { configError, problems } = gateway.snapshot();
  if (configError === undefined) return;
  await openConfigFile(configFile, problems.find(({ severity }) => severity === 'error')?.line);
  throw new UserError(`${basename(configFile)} has an error, to be corrected first: ${configError}`);
}

/** Applies an edit to the configuration file, and the file to what runs. Rejects as `ensureEditable` does. */
export async function editConfig(settings: Settings, host: GatewayHost, edit: ConfigEdit): Promise<void> {
  const file = settings.configFile;
  await saveChanges(file);
  const { editConfigFile } = await import('../core/config/edit.ts');
  await editConfigFile(file, edit);
  await reloadConfig(host);
}

/** Saves the file where it is open and changed, if the person agrees. Rejects with a `CancellationError` if not. */
export async function saveChanges(file: string): Promise<void> {
  const open = vscode.workspace.textDocuments.find(({ isDirty, uri }) => isDirty && uri.fsPath === file);
  if (!open) return;
  const question = `${basename(file)} has changes that are not saved.`;
  const choice = await vscode.window.showWarningMessage(question, { modal: true }, 'Save and Continue');
  if (choice !== 'Save and Continue') throw new vscode.CancellationError();
  if (!(await open.save())) throw new UserError(`${basename(file)} could not be saved.`);
}

/** Reads the file again and applies it. What keeps it from being applied is an error. */
export async function reloadConfig(host: GatewayHost): Promise<string> {
  const { gateway } = await host.running();
  const { added, removed, updated, errors } = await gateway.reload();
  if (gateway.snapshot().configError !== undefined) throw new UserError(errors.join('\n'));
  const parts = [
    ...added.map(name => `added "${name}"`),
    ...removed.map(name => `removed "${name}"`),
    ...updated.map(name => `updated "${name}"`),
  ];
  return parts.length === 0 ? 'nothing changed' : parts.join(', ');
}

/** Makes a configuration file without backends, where there is no file yet. */
export async function createConfigFile(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, starterOf(file), { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

/**
 * Opens the configuration file, after making one where there is none.
 * @param where a line, counted from 1, or the name of a backend
 */
export async function openConfigFile(file: string, where: number | string = 1): Promise<void> {
  await createConfigFile(file);
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(file));
  const position =
    typeof where === 'number' ? new vscode.Position(where - 1, 0) : await positionOfBackend(document, where);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(position, position) });
}

async function positionOfBackend(document: vscode.TextDocument, name: string): Promise<vscode.Position> {
  const { placeOfBackend } = await import('../core/config/edit.ts');
  return document.positionAt(placeOfBackend(document.getText(), name) ?? 0);
}
