import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import * as vscode from 'vscode';
import { UserError } from '../core/base/errors.ts';
import type { ConfigEdit } from '../core/config/edit.ts';
import type { GatewayHost } from './gatewayHost.ts';
import type { Settings } from './settings.ts';

const STARTER = `# The MCP servers behind Switchyard. A change takes effect when the file is saved.
#
#   - name: memory               # letters, digits, - and _
#     command: npx               # a program to start…
#     args: [-y, "@modelcontextprotocol/server-memory"]
#
#   - name: docs
#     url: https://example.com   # …or an address
#     headers: { Authorization: "Bearer \${env:DOCS_TOKEN}" }
#     priority: 20               # lower is tried first
#
backends: []
`;

/** Applies an edit to the configuration file, and the file to what runs. */
export async function editConfig(settings: Settings, host: GatewayHost, edit: ConfigEdit): Promise<void> {
  const file = settings.configFile;
  refuseUnsaved(file);
  const { editConfigFile } = await import('../core/config/edit.ts');
  await editConfigFile(file, edit);
  await reloadConfig(host);
}

/** Throws a `UserError` where an editor has the file with changes that an edit of ours would get in the way of. */
export function refuseUnsaved(file: string): void {
  if (vscode.workspace.textDocuments.some(document => document.isDirty && document.uri.fsPath === file))
    throw new UserError(`${basename(file)} has changes that are not saved. Save it, then try again.`);
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
  const starter = extname(file).startsWith('.json') ? '{\n  "backends": []\n}\n' : STARTER;
  await writeFile(file, starter, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

/** Opens the configuration file, after making one where there is none. `line` counts from 1. */
export async function openConfigFile(file: string, line = 1): Promise<void> {
  await createConfigFile(file);
  const position = new vscode.Position(line - 1, 0);
  await vscode.window.showTextDocument(vscode.Uri.file(file), { selection: new vscode.Range(position, position) });
}
