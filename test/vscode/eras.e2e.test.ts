// VS Code speaks the legacy era only. Here its one backend speaks only the modern one: all that VS Code can do with a
// server of its own era it does with that backend, and its user sees who asks.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { fixtureCommand } from '../support/fixtures.ts';
import { type Editor, startEditor } from './editor.ts';

const vsix = join(import.meta.dirname, `../../mcp-switchyard-${manifest.version}.vsix`);
const { command, args } = fixtureCommand('servers/survey.mjs', '--era', 'modern');

describe('VS Code with a backend of the modern era', () => {
  let editor: Editor;
  const nameOf = (tool: string) => `mcp_switchyard_survey__${tool}`;
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
  const shownText = () => editor.run(({ vscode }) => vscode.window.activeTextEditor?.document.getText() ?? '');
  const button = (label: string) => editor.page.locator('.monaco-button', { hasText: label });

  before(async () => {
    editor = await startEditor({
      name: 'eras',
      vsix: [vsix],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of VS Code's
      settings: { 'switchyard.configFile': '${workspaceFolder}/backends.yaml' },
      workspaceFiles: { 'backends.yaml': JSON.stringify({ backends: [{ name: 'survey', command, args }] }) },
    });
    await editor.until('its tools are there', async () => {
      await editor.run(({ vscode }) =>
        vscode.commands.executeCommand('workbench.mcp.startServer', '*', { waitForLiveTools: true }).then(() => true),
      );
      return offers('invite');
    });
    await editor.enableAgentChat();
  });
  after(() => editor.close());

  test('a form says who asks; what the user fills in reaches the backend, and its answer the chat', async () => {
    await editor.chat('Invite somebody', { call: 'survey__invite', input: {} });
    const form = editor.page.locator('.chat-question-carousel-container');
    const asks = async (title: string) =>
      editor.until(`the form asks "${title}"`, async () => (await form.innerText()).includes(title));
    await asks('survey: Who is coming?');
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
    const row = editor.page.locator('.quick-input-widget:visible .monaco-list-row', { hasText: 'All tools' });
    await editor.click(row.getByLabel('Attach to chat'));
    await editor.chat('What is attached?', { say: 'A list' });
    await answered(/A list/);
    const [asked] = (await editor.run(({ model }) => model.requests)).slice(-1);
    assert.match(JSON.stringify(asked?.messages), /invite\\+nthink\\+ngrow/);
  });

  test('a tool is confirmed under a title that says whose it is; the one that it adds can be called, and an open resource follows', async () => {
    await editor.palette('MCP: Browse Resources...');
    await editor.pick('All tools');
    await editor.until('the resource is open', async () => /grow$/m.test(await shownText()));
    await editor.chat('Add one', { call: 'survey__grow', input: { name: 'grown' } });
    await answered(/Run survey: Add a tool/);
    await editor.click(button('Allow in this Session'));
    await answered(/Added grown/);
    await editor.until('the new tool is there', () => offers('grown'));
    // VS Code shows what it read for three seconds, whatever the backend tells it meanwhile: hence again and again.
    await editor.until('the open resource follows', async () => {
      assert.equal(await invoke('grown', {}), 'grown is here');
      return /grown$/m.test(await shownText());
    });
  });

  test('a tool whose schema VS Code would drop is there all the same', async () => {
    assert.equal(await invoke('seats', { count: 3 }), '3 seats');
  });
});
