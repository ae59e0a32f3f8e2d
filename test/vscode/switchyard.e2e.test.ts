// The extension as a person has it: the packaged .vsix, in a real VS Code, on real servers.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { type Command, fixtureCommand, startHttpFixture } from '../support/fixtures.ts';
import { type Editor, startEditor } from './editor.ts';

/** What `npm run package` makes, and the test runner before it runs this. */
const vsix = join(import.meta.dirname, `../../mcp-switchyard-${manifest.version}.vsix`);

/** Written by hand, with remarks that must survive every command. */
const configuration = (url: string) => `# My servers.
backends:
  # The one I use most.
  - name: local
    ${asYaml(fixtureCommand('servers/echo.mjs'))}
    priority: 10   # stays at the end of its line

  - name: remote          # runs elsewhere
    url: ${url}
  - name: broken
    ${asYaml(fixtureCommand('servers/crashing.mjs'))}
# The end.
`;

describe('Switchyard in VS Code', () => {
  let editor: Editor;
  let http: Awaited<ReturnType<typeof startHttpFixture>>;
  const configFile = () => join(editor.workspace, 'backends.yaml');
  const row = async (start: string) => (await editor.treeRows()).find(text => text.trimStart().startsWith(start)) ?? '';
  const showsRow = (start: string, pattern: RegExp) =>
    editor.until(`"${start}" shows ${pattern}`, async () => pattern.test(await row(start)));
  const tools = () =>
    editor.run(({ vscode }) =>
      vscode.lm.tools.map(({ name }) => name).filter(name => name.startsWith('mcp_switchyard_')),
    );
  /** Answers the question for a name, once it is asked: the box before it looks the same. */
  const named = async (name: string) => {
    await editor.until('a name is asked for', () => editor.page.getByText('Its name').first().isVisible());
    await editor.enter(name);
  };
  const invoke = (tool: string, input: object) =>
    editor.run(
      async ({ vscode }, tool, input) => {
        const found = vscode.lm.tools.find(({ name }) => name.endsWith(tool));
        if (!found) throw new Error(`no tool ${tool}`);
        const { content } = await vscode.lm.invokeTool(found.name, { input, toolInvocationToken: undefined });
        return content.map(part => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
      },
      tool,
      input,
    );

  before(async () => {
    http = await startHttpFixture('servers/echo.mjs', { args: ['--name', 'web'] });
    editor = await startEditor({
      name: 'switchyard',
      vsix: [vsix],
      settings: {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of VS Code's
        'switchyard.configFile': '${workspaceFolder}/backends.yaml',
        // In a browser it is on unless one says otherwise.
        'files.autoSave': 'off',
      },
      workspaceFiles: { 'backends.yaml': configuration(http.url) },
    });
    await editor.click(
      editor.page.locator('.activitybar li.action-item', { has: editor.page.locator('[aria-label^="Switchyard"]') }),
    );
  });
  after(async () => {
    await editor.close();
    await http.close();
  });

  test('the tree shows every backend, and of the broken one why', async () => {
    await showsRow('local', /Ready · \d+ tools/);
    await showsRow('remote', /Ready · \d+ tools/);
    await showsRow('broken', /exited with code 3/);
  });

  test('the router has an output channel, and so has every backend', async () => {
    await editor.run(({ vscode }) => void vscode.commands.executeCommand('workbench.action.showOutputChannels'));
    const list = editor.page.locator('.quick-input-widget:visible');
    await list.locator('input[type=text]').fill('Switchyard');
    await editor.until('the channels are listed', async () => {
      const names = (await list.locator('.monaco-list-row').allInnerTexts()).map(text => text.trim());
      return ['', ': broken', ': local', ': remote'].every(name => names.includes(`Switchyard${name}`));
    });
    await editor.page.keyboard.press('Escape');
  });

  test('its tools are in vscode.lm.tools', async () => {
    await editor.offersToChat('local__echo', 'remote__echo');
  });

  test('lm.invokeTool is answered by a stdio backend and by an HTTP backend', async () => {
    assert.equal(await invoke('local__echo', { text: 'over stdio' }), 'over stdio');
    assert.equal(await invoke('remote__echo', { text: 'over HTTP' }), 'over HTTP');
  });

  test('agent chat calls a tool and shows its answer', async () => {
    await editor.enableAgentChat();
    await editor.chat('Say it again, please', { call: 'local__echo', input: { text: 'from the agent' } });
    await editor.until('the answer is shown', async () => /from the agent/.test(await editor.chatAnswer()));
  });

  test('a killed backend is shown as such and comes back, and the others are untouched', async () => {
    const pid = Number(await invoke('local__pid', {}));
    const others = (await row('remote')).replace(/ · \S+ ms/, '');
    process.kill(pid, 'SIGKILL');
    await showsRow('local', /Failed · ended by SIGKILL/);
    assert.equal((await row('remote')).replace(/ · \S+ ms/, ''), others);
    assert.equal(await invoke('remote__echo', { text: 'still here' }), 'still here');
    await showsRow('local', /Ready/);
    assert.notEqual(Number(await invoke('local__pid', {})), pid);
  });

  test('a paused backend says so, and so does the answer to a call of its tool; resumed, it answers', async () => {
    await editor.palette('Switchyard: Pause Backend');
    await editor.pick('local');
    await showsRow('local', /Paused by you/);
    assert.match(await invoke('local__echo', { text: 'too late' }), /local: paused by the user/);
    await editor.palette('Switchyard: Resume Backend');
    await editor.pick('local');
    await showsRow('local', /Ready/);
    assert.equal(await invoke('local__echo', { text: 'back again' }), 'back again');
  });

  test('the tree of calls shows each with its routing decision, the newest first', async () => {
    const calls = () => editor.treeRows('Calls');
    const steps = (rows: readonly string[]) => rows.filter(text => text.startsWith('  ')).map(text => text.trim());
    await editor.until('both calls are there', async () => {
      const [answered = '', refused = ''] = await calls();
      return /^local__echo local · /.test(answered) && /^local__echo no backend · /.test(refused);
    });
    const row = editor.view('Calls').locator('[role=treeitem]', { hasText: 'local__echo' });
    await editor.click(row.nth(1).locator('.monaco-tl-twistie'));
    await editor.until('the refused call is open', async () => steps(await calls()).length === 2);
    assert.deepEqual(steps(await calls()), [
      'Candidates local · by capability',
      'Passed over local: paused by the user',
    ]);
    await editor.click(row.first().locator('.monaco-tl-twistie'));
    await editor.until('the answered call is open', async () => steps(await calls()).length === 4);
    assert.match(steps(await calls())[1] ?? '', /^Attempt 1 local answered · /);
  });

  test('the route of a tool is explained, of one that is picked and of one that nobody has', async () => {
    const shown = () => editor.run(({ vscode }) => vscode.window.activeTextEditor?.document.getText() ?? '');
    await editor.palette('Switchyard: Explain Route…');
    await editor.enter('local__echo');
    await editor.until('the route is shown', async () => /\*\*local\*\* gets the call/.test(await shown()));
    await editor.palette('Switchyard: Explain Route…');
    await editor.enter('local__ecko');
    await editor.until('its neighbour is named', async () => /Near it: local__echo/.test(await shown()));
  });

  test('a backend is added through the palette: tried, saved, shown', async () => {
    const before = await readFile(configFile(), 'utf8');
    await editor.palette('Switchyard: Add Backend…');
    await editor.pick('Command');
    const { command, args } = fixtureCommand('servers/echo.mjs', '--name', 'added');
    await editor.enter([command, ...args].map(word => `"${word}"`).join(' '));
    await named('added');
    await showsRow('added', /Ready/);
    const after = await readFile(configFile(), 'utf8');
    assert.match(after, /- name: added/);
    assert.equal(withoutEntry(after, 'added'), before);
    await editor.until('its tools reach the chat', async () => (await tools()).includes('mcp_switchyard_added__echo'));
  });

  test('one that does not work shows the real reason and what it wrote, and is not saved', async () => {
    const before = await readFile(configFile(), 'utf8');
    await editor.palette('Switchyard: Add Backend…');
    await editor.pick('Command');
    const { command, args } = fixtureCommand('servers/crashing.mjs');
    await editor.enter([command, ...args].map(word => `"${word}"`).join(' '));
    await named('hopeless');
    const dialog = editor.page.locator('.monaco-dialog-box');
    await editor.until('the reason is shown', async () =>
      /exited with code 3: Error: ACME_TOKEN is not set/.test(await dialog.innerText()),
    );
    await editor.page.keyboard.press('Escape');
    await editor.until('the dialog is gone', async () => !(await dialog.isVisible()));
    assert.equal(await readFile(configFile(), 'utf8'), before);
  });

  test('adding saves unsaved changes first; a cancelled try and a failed save lose nothing that was typed', async () => {
    const edit = async () => {
      const isEdited = await editor.run(({ vscode }, file) => {
        const edit = new vscode.WorkspaceEdit();
        edit.insert(vscode.Uri.file(file), new vscode.Position(0, 0), '# Not saved yet.\n');
        return vscode.workspace.openTextDocument(file).then(() => vscode.workspace.applyEdit(edit));
      }, configFile());
      assert.ok(isEdited);
    };
    const dialog = editor.page.locator('.monaco-dialog-box');
    const input = editor.page.locator('.quick-input-widget:visible input[type=text]').first();
    const { command, args } = fixtureCommand('servers/hanging.mjs');
    const typed = [command, ...args].map(word => `"${word}"`).join(' ');

    await edit();
    await editor.palette('Switchyard: Add Backend…');
    await editor.click(dialog.locator('.monaco-button', { hasText: 'Save and Continue' }));
    await editor.pick('Command');
    await editor.enter(typed);
    await named('patient');
    await editor.click(editor.page.locator('.notifications-toasts .monaco-button', { hasText: 'Cancel' }));
    const saveAnyway = dialog.locator('.monaco-button', { hasText: 'Save Anyway' });
    await editor.until('what to do is asked', () => saveAnyway.isVisible());
    await edit();
    await editor.click(saveAnyway);
    await editor.until('saving is offered', async () => /Save and Continue/.test(await dialog.innerText()));
    await editor.page.keyboard.press('Escape');
    await editor.until('what to do is asked again', async () => /Save Again/.test(await dialog.innerText()));
    await editor.click(dialog.locator('.monaco-button', { hasText: 'Edit…' }));
    await editor.until('the command line is asked for again', async () => (await input.inputValue()) === typed);
    await editor.page.keyboard.press('Enter');
    await editor.until('its name is there again', async () => (await input.inputValue()) === 'patient');
    await editor.page.keyboard.press('Escape');
    const text = await readFile(configFile(), 'utf8');
    assert.equal(text.match(/^# Not saved yet\.$/gm)?.length, 1);
    assert.doesNotMatch(text, /patient/);
    await editor.run(({ vscode }, file) => {
      const open = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === file);
      return open?.save();
    }, configFile());
  });

  test('a file with an error is opened before anything is asked', async () => {
    const before = await readFile(configFile(), 'utf8');
    await writeFile(configFile(), `${before}]\n`);
    await editor.palette('Switchyard: Add Backend…');
    const toast = editor.page.locator('.notifications-toasts', { hasText: 'to be corrected first' });
    await editor.until('the error is told', () => toast.first().isVisible());
    assert.equal(await editor.page.locator('.quick-input-widget:visible').count(), 0);
    await writeFile(configFile(), before);
    await showsRow('local', /Ready/);
  });

  test('the menu of a backend leads to its entry in the file', async () => {
    await editor.view().locator('[role=treeitem]', { hasText: 'remote' }).click({ button: 'right' });
    const entry = editor.page.locator('.monaco-menu .action-label', { hasText: 'Open Configuration' });
    await editor.until('the menu is there', () => entry.isVisible());
    // A menu that has just opened takes no click: it might be the end of the one that opened it.
    await editor.until('its entry is taken', async () => {
      if (!(await entry.isVisible())) return true;
      await entry.click({ timeout: 1000 });
      return false;
    });
    await editor.until('its line is shown', () =>
      editor.run(({ vscode }) => {
        const shown = vscode.window.activeTextEditor;
        return /name: remote/.test(shown?.document.lineAt(shown.selection.active.line).text ?? '');
      }),
    );
  });

  test('a snippet is read as it was copied: with remarks, which end with their lines', async () => {
    const { command, args } = fixtureCommand('servers/crashing.mjs');
    const entry = JSON.stringify({ command, args });
    const pasted = `{\n  // As in its README.\n  "mcpServers": {\n    "remarkable": ${entry} // that is all\n  }\n}\n`;
    await editor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await editor.run(({ vscode }, text) => vscode.env.clipboard.writeText(text).then(() => true), pasted);
    await editor.palette('Switchyard: Add Backend…');
    await editor.pick('JSON snippet');
    await editor.enter(pasted);
    const dialog = editor.page.locator('.monaco-dialog-box');
    await editor.until('it is tried', async () => /"remarkable" did not start/.test(await dialog.innerText()));
    await editor.page.keyboard.press('Escape');
    await editor.until('the dialog is gone', async () => !(await dialog.isVisible()));
  });

  test('raising a priority changes one number in the file, and the order in the tree', async () => {
    const before = await readFile(configFile(), 'utf8');
    const order = async () =>
      (await editor.treeRows())
        .map(text => text.split(' ')[0])
        .filter(name => ['local', 'remote', 'added'].includes(name ?? ''));
    assert.deepEqual(await order(), ['local', 'remote', 'added']);
    await editor.palette('Switchyard: Set Priority…');
    await editor.pick('local');
    await editor.enter('20');
    await editor.until('local is last', async () => (await order()).at(-1) === 'local');
    assert.equal(await readFile(configFile(), 'utf8'), before.replace('priority: 10 ', 'priority: 20 '));
    await editor.palette('Switchyard: Raise Priority');
    await editor.pick('local');
    await editor.until('local is not last', async () => (await order()).at(-1) !== 'local');
  });

  test('a backend is removed through the palette, after a question, with its lines and no others', async () => {
    await editor.palette('Switchyard: Remove Backend…');
    await editor.pick('added');
    await editor.click(editor.page.locator('.monaco-dialog-box .monaco-button', { hasText: 'Remove' }));
    await editor.until('the row is gone', async () => (await row('added')) === '');
    const text = await readFile(configFile(), 'utf8');
    assert.doesNotMatch(text, /added/);
    for (const remark of configuration('').match(/#.*/g) ?? []) assert.ok(text.includes(remark), remark);
    await editor.until('its tools leave the chat', async () => !(await tools()).some(name => name.includes('added__')));
  });

  test('disabling and enabling is seen in the tree and in the file', async () => {
    await editor.palette('Switchyard: Disable Backend');
    await editor.pick('remote');
    await showsRow('remote', /Disabled/);
    assert.match(await readFile(configFile(), 'utf8'), /enabled: false/);
    await editor.palette('Switchyard: Enable Backend');
    await editor.pick('remote');
    await showsRow('remote', /Ready/);
  });
});

function asYaml({ command, args }: Command): string {
  return `command: ${command}\n    args: ${JSON.stringify(args)}`;
}

function withoutEntry(text: string, name: string): string {
  const lines = text.split('\n');
  const start = lines.findIndex(line => line.includes(`- name: ${name}`));
  const length = lines.slice(start + 1).findIndex(line => !line.startsWith('    '));
  return [...lines.slice(0, start), ...lines.slice(start + 1 + length)].join('\n');
}
