import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { type Editor, startEditor } from './editor.ts';

describe('the harness', () => {
  let editor: Editor;
  before(async () => {
    editor = await startEditor({ name: 'harness', workspaceFiles: { 'notes/hello.md': '# Hello\n' } });
  });
  after(() => editor.close());

  test('runs code in the extension host, with arguments and a result', async () => {
    const found = await editor.run(
      async ({ vscode }, pattern) => (await vscode.workspace.findFiles(pattern)).map(uri => uri.path),
      '**/*.md',
    );
    assert.deepEqual(found, [`${editor.workspace}/notes/hello.md`]);
  });

  test('tells what went wrong in the extension host', async () => {
    await assert.rejects(
      editor.run(({ vscode }) => vscode.commands.executeCommand('no.such.command')),
      /In the extension host: .*no\.such\.command/,
    );
  });

  test('reads trees and runs commands from the palette', async () => {
    await editor.palette('View: Show Explorer');
    await editor.until('the explorer shows the folder', async () => (await editor.treeRows()).includes('notes'));
  });

  test('chooses in quick picks and answers input boxes', async () => {
    const picked = editor.run(({ vscode }) => vscode.window.showQuickPick(['one', 'one more']).then(label => label));
    await editor.pick('one');
    assert.equal(await picked, 'one');

    const entered = editor.run(({ vscode }) => vscode.window.showInputBox({ prompt: 'Name' }).then(value => value));
    await editor.until('the box asks', () => editor.page.getByText(/^Name/).first().isVisible());
    await editor.enter('alpha');
    assert.equal(await entered, 'alpha');
  });

  test('leaves a screenshot and the last lines of the logs when a wait fails', async () => {
    const failure = await editor.until('never', () => false, 1).catch((error: Error) => error);
    assert(failure instanceof Error);
    const report = /See (\S+)\.\*/.exec(failure.message)?.[1];
    await access(`${report}.png`);
    await access(`${report}.txt`);
  });

  test('lets the scripted model answer in agent chat', async () => {
    await editor.enableAgentChat();
    await editor.chat('Who are you?', { say: 'I follow a script.' });
    await editor.until('the answer is shown', async () => /I follow a script/.test(await editor.chatAnswer()));

    const [asked] = await editor.run(({ model }) => model.requests);
    assert.match(JSON.stringify(asked?.messages), /Who are you\?/);
  });
});
