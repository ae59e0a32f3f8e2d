// VS Code speaks the legacy era only. Here one backend speaks only the modern one: all that VS Code can do with a server
// of its own era it does with that backend, and its user sees who asks. Beside it are the same backend in the legacy
// era, so that their URIs collide, and one whose tools VS Code would not take as they are.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { fixtureCommand } from '../support/fixtures.ts';
import { type Editor, startEditor } from './editor.ts';

const vsix = join(import.meta.dirname, `../../mcp-switchyard-${manifest.version}.vsix`);
const backends = [
  { name: 'survey', ...fixtureCommand('servers/survey.mjs', '--era', 'modern') },
  { name: 'twin', ...fixtureCommand('servers/survey.mjs') },
  { name: 'misfits', ...fixtureCommand('servers/misfits.mjs') },
  { name: 'clock', ...fixtureCommand('servers/clock.mjs') },
];

describe('VS Code with backends of both eras', () => {
  let editor: Editor;
  const nameOf = (tool: string) => `mcp_switchyard_${tool}`;
  const offers = (tool: string) =>
    editor.run(({ vscode }, name) => vscode.lm.tools.some(tool => tool.name === name), nameOf(tool));
  const invoke = (tool: string, input: object) =>
    editor.run(
      async ({ vscode }, name, input) => {
        const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined });
        return content.map(part => (part instanceof vscode.LanguageModelTextPart ? part.value : '')).join('');
      },
      nameOf(tool),
      input,
    );
  const answered = (pattern: RegExp) =>
    editor.until(`the chat shows ${pattern}`, async () => pattern.test(await editor.chatAnswer()));
  const rows = (start: string) =>
    editor.treeRows().then(all => all.map(text => text.trim()).filter(text => text.startsWith(start)));
  const showsRow = (start: string, pattern: RegExp) =>
    editor.until(`"${start}" shows ${pattern}`, async () => pattern.test((await rows(start))[0] ?? ''));
  const expand = async (label: string) => {
    const row = editor.page.locator('.sidebar [role=treeitem]', { has: editor.page.getByText(label, { exact: true }) });
    await editor.click(row.locator('.monaco-tl-twistie'));
  };
  const shownText = () => editor.run(({ vscode }) => vscode.window.activeTextEditor?.document.getText() ?? '');
  const routerLog = async () => {
    await editor.palette('Switchyard: Show Log');
    await editor.pick('Router');
    return editor.until('the log is shown', () =>
      editor.run(({ vscode }) => {
        const isLog = ({ uri, languageId }: { uri: { scheme: string }; languageId: string }) =>
          uri.scheme === 'output' && languageId === 'log';
        return vscode.workspace.textDocuments.find(isLog)?.getText() || undefined;
      }),
    );
  };
  const button = (label: string) => editor.page.locator('.monaco-button', { hasText: label });

  before(async () => {
    editor = await startEditor({
      name: 'eras',
      vsix: [vsix],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of VS Code's
      settings: { 'switchyard.configFile': '${workspaceFolder}/backends.yaml' },
      workspaceFiles: { 'backends.yaml': JSON.stringify({ backends }) },
    });
    await editor.click(
      editor.page.locator('.activitybar li.action-item', { has: editor.page.locator('[aria-label^="Switchyard"]') }),
    );
    await editor.offersToChat('survey__invite', 'twin__invite', 'misfits__draw');
    await editor.enableAgentChat();
  });
  after(() => editor.close());

  test('a form says who asks; what the user fills in reaches the backend, and its answer the chat', async () => {
    await editor.chat('Invite somebody', { call: 'survey__invite', input: {} });
    const form = editor.page.locator('.chat-question-carousel-container');
    const asks = async (title: string) =>
      editor.until(`the form asks "${title}"`, async () => (await form.innerText()).includes(title));
    await asks('survey: Who is coming?');
    await showsRow('survey', /^survey Ready · 4 tools · 1 call running$/);
    await asks('Your name');
    await form.locator('input').fill('Ada');
    await editor.page.keyboard.press('Enter');
    await asks('What you eat');
    await editor.click(form.getByText('Green salad'));
    await asks('Dessert');
    await editor.click(form.getByText('True'));
    await answered(/{"action":"accept","content":{"name":"Ada","meal":"salad","dessert":true}}/);
  });

  test('a form that the user closes is answered as cancelled', async () => {
    await editor.chat('Invite somebody else', { call: 'survey__invite', input: {} });
    await editor.click(editor.page.locator('.chat-question-close'));
    await answered(/{"action":"cancel"}/);
  });

  test('a question to the model is answered by it, once the user allows that', async () => {
    const question = 'What is six times seven?';
    await editor.run(({ model }, asked) => void Object.assign(model.answers, { [asked]: 'Forty-two' }), question);
    await editor.chat('Ask yourself', { call: 'survey__think', input: { question } });
    await editor.click(button('Allow in this Session'));
    await answered(/It thinks: Forty-two/);
  });

  test('a prompt is a slash command, and the backend completes its argument', async () => {
    await editor.click(editor.page.locator('.interactive-input-part .monaco-editor'));
    await editor.page.keyboard.type('/mcp.Switchyard.survey');
    await editor.click(editor.page.locator('.suggest-widget .monaco-list-row', { hasText: 'survey__greet' }));
    await editor.until('a guest is asked for', () => editor.page.getByText('Value for: guest').isVisible());
    await editor.page.keyboard.type('G');
    await editor.pick('Grace');
    const input = editor.page.locator('.interactive-input-part .view-lines');
    await editor.until('the prompt is filled in', async () => /Greet.Grace.for.me/.test(await input.innerText()));
    await editor.chat('!', { say: 'Hello Grace' });
    await answered(/Hello Grace/);
    const [asked] = (await editor.run(({ model }) => model.requests)).slice(-1);
    assert.match(JSON.stringify(asked?.messages), /Greet Grace for me!/);
  });

  test('a resource is attached to a message, and its text reaches the model', async () => {
    await editor.palette('MCP: Browse Resources...');
    const row = editor.page.locator('.quick-input-widget:visible .monaco-list-row', { hasText: 'survey: All tools' });
    await editor.click(row.getByLabel('Attach to chat'));
    await editor.chat('What is attached?', { say: 'A list' });
    await answered(/A list/);
    const [asked] = (await editor.run(({ model }) => model.requests)).slice(-1);
    assert.match(JSON.stringify(asked?.messages), /invite\\+nthink\\+ngrow/);
  });

  // They have the same URI, so that of the second is another one here, which VS Code moreover spells in its own way.
  for (const namespace of ['survey', 'twin']) {
    test(`a tool is confirmed under a title that says it is ${namespace}'s; the one that it adds can be called, and an open resource follows`, async () => {
      await editor.palette('MCP: Browse Resources...');
      await editor.pick(`${namespace}: All tools`);
      const name = `${namespace}_grown`;
      await editor.until('the resource is open', async () => /grow\nseats$/.test(await shownText()));
      await editor.chat('Add one', { call: `${namespace}__grow`, input: { name } });
      await answered(new RegExp(`Run ${namespace}: Add a tool`));
      await editor.click(button('Allow in this Session'));
      await answered(new RegExp(`Added ${name}`));
      await editor.until('the new tool is there', () => offers(`${namespace}__${name}`));
      // VS Code shows what it read for three seconds, whatever the backend tells it meanwhile: hence again and again.
      await editor.until('the open resource follows', async () => {
        assert.equal(await invoke(`${namespace}__${name}`, {}), `${name} is here`);
        return (await shownText()).endsWith(`\n${name}`);
      });
    });
  }

  test('tools whose schema VS Code would drop are there all the same', async () => {
    assert.equal(await invoke('survey__seats', { count: 3 }), '3 seats');
    assert.equal(await invoke('misfits__label', { labels: ['a', 1] }), '{"labels":["a",1]}');
    assert.equal(await invoke('misfits__count', { to: 3 }), '{"to":3}');
  });

  test('an icon that is a file of this machine is shown, in place of one that VS Code does not show', async () => {
    await editor.run(({ vscode }) => void vscode.commands.executeCommand('workbench.action.chat.configureTools'));
    const row = editor.page.locator('.quick-input-tree:visible .monaco-list-row');
    await editor.click(row.filter({ hasText: 'Switchyard' }).locator('.monaco-tl-twistie'));
    await editor.page.locator('.quick-input-widget:visible input[type=text]').first().fill('misfits__draw');
    const icon = row.filter({ hasText: 'misfits__draw' }).locator('.quick-input-tree-icon');
    await editor.until('it is shown', async () => /data:image\/png/.test((await icon.getAttribute('style')) ?? ''));
    await editor.page.keyboard.press('Escape');
  });

  test('a tool that it would drop whatever one does is left out: the tree and the log say why, and VS Code does not complain', async () => {
    assert.equal(await offers('misfits__schedule'), false);
    await showsRow('misfits', /^misfits Ready · 4 tools, 1 not in chat/);
    await expand('misfits');
    await expand('Tools');
    await showsRow('schedule', /^schedule Not in chat: invalid input schema: "date" is not a type/);
    const row = editor.page.locator('.sidebar [role=treeitem]', { hasText: 'schedule' });
    assert.ok(await row.locator('.codicon-warning').isVisible());
    await editor.run(({ vscode }) => vscode.commands.executeCommand('notifications.showList').then(() => true));
    await editor.until('nobody complained', () => editor.page.getByText('No New Notifications').isVisible());
    assert.match(await routerLog(), /VS Code would not take the tool misfits__schedule, .*"date" is not a type/);
  });

  test('the page of an MCP App calls a tool of its own server, which the model is not shown twice', async () => {
    await editor.chat('Show me the clock', { call: 'clock__show', input: {} });
    await answered(/The clock is shown/);
    const texts = () => Promise.all(editor.page.frames().map(frame => frame.locator('#time').allInnerTexts()));
    await editor.until('the page shows what it was told', async () =>
      (await texts()).flat().includes('It is five past twelve'),
    );
    assert.deepEqual([await offers('clock__tell'), await offers('tell')], [true, false]);
  });

  test('the log says which backend asked', async () => {
    assert.match(await routerLog(), /survey asks the client: sampling\/createMessage/);
  });
});
