import { join } from 'node:path';
import { runQuietly } from '../support/processGroup.ts';

const vsce = join(import.meta.dirname, '../../node_modules/@vscode/vsce/vsce');

/** Builds the extension in a folder and packages it into the other, as a user would install it. Returns the file. */
export async function packageVsix(extensionFolder: string, targetFolder: string): Promise<string> {
  const file = join(targetFolder, 'extension.vsix');
  const flags = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links', '--skip-license'];
  await runQuietly(process.execPath, [vsce, 'package', ...flags, '--out', file], { cwd: extensionFolder });
  return file;
}
