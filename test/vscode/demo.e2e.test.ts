// What `npm start` shows: the demo configuration, with its real servers from npm; and what activation costs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { type Editor, startEditor } from './editor.ts';

const root = join(import.meta.dirname, '../..');
const vsix = join(root, `mcp-switchyard-${manifest.version}.vsix`);
/** The README's picture is made anew with SWITCHYARD_PICTURE=1; otherwise the last one is left alone. */
const picture = process.env.SWITCHYARD_PICTURE
  ? join(root, 'media/screenshot.png')
  : join(root, '.test-output/screenshot.png');
const MOST_ACTIVATION_MS = 150;

describe('The demo in VS Code', () => {
  let editor: Editor;
  before(async () => {
    editor = await startEditor({
      name: 'demo',
      vsix: [vsix],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of VS Code's
      settings: { 'switchyard.configFile': '${workspaceFolder}/backends.yaml', 'editor.minimap.enabled': false },
      workspaceFiles: { 'backends.yaml': await readFile(join(root, 'config/backends.yaml'), 'utf8') },
    });
    await editor.click(
      editor.page.locator('.activitybar li.action-item', { has: editor.page.locator('[aria-label^="Switchyard"]') }),
    );
  });
  after(() => editor.close());

  test('every backend is ready, with its tools', async () => {
    const names = ['everything', 'filesystem', 'memory', 'sequential-thinking'];
    await editor.until(
      'all of them are ready',
      async () => {
        const rows = await editor.treeRows();
        return names.every(name => rows.some(row => row.startsWith(`${name} Ready · `) && !row.includes(' 0 tools')));
      },
      120_000,
    );
  });

  // Before chat is enabled: its extension keeps the host busy for a second at each start, which then counts as ours.
  test(`activation takes less than ${MOST_ACTIVATION_MS} ms of the host's time, the median of five`, async t => {
    // High enough to show every row: the list draws only what can be seen.
    await editor.page.setViewportSize({ width: 1440, height: 3600 });
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      await editor.reload();
      times.push(await activationTime());
    }
    const median = times.toSorted((a, b) => a - b)[2] ?? Number.NaN;
    t.diagnostic(`activation: ${times.join(', ')} ms; median ${median} ms`);
    assert.ok(median < MOST_ACTIVATION_MS, `median ${median} ms`);
    await editor.run(({ vscode }) =>
      vscode.commands.executeCommand('workbench.action.closeAllEditors').then(() => true),
    );
    // The workbench now and then misses a resize (seen once in 24) and then keeps its old size; at a reload it always
    // takes the window's.
    await editor.page.setViewportSize({ width: 1440, height: 900 });
    await editor.reload();
  });

  test('agent chat calls one of its tools', async () => {
    await editor.palette('Switchyard: Open Configuration');
    await expand('memory');
    await expand('Tools');
    await editor.enableAgentChat();
    const question = 'What is 2 and 40 together? Ask the everything server.';
    await editor.chat(question, { call: 'everything__echo', input: { message: '2 and 40 are 42' } });
    await editor.until('the answer is shown', async () => /2 and 40 are 42/.test(await editor.chatAnswer()));
    await editor.screenshot(picture);
  });

  async function expand(label: string): Promise<void> {
    const row = editor.page.locator('.sidebar [role=treeitem]', { has: editor.page.getByText(label, { exact: true }) });
    await editor.click(row.locator('.monaco-tl-twistie'));
  }

  /** Loading the code and calling `activate`, in milliseconds, as VS Code itself measures and shows it. */
  async function activationTime(): Promise<number> {
    await editor.palette('Developer: Show Running Extensions');
    const row = editor.page.locator('.runtime-extensions-editor .monaco-list-row', { hasText: manifest.displayName });
    const time = await editor.until(
      'the time is shown',
      async () => /Activation: (\d+)ms/.exec(await row.innerText())?.[1],
    );
    return Number(time);
  }
});
