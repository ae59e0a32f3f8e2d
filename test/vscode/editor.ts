import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import type * as vscode from 'vscode';
import { messageOf } from '../../src/core/base/errors.ts';
import { eventually } from '../support/eventually.ts';
import { type CodeServer, startCodeServer, userDataFolder, writeSettings } from './codeServer.ts';
import { installBrowser, installEditor } from './install.ts';
import { packageVsix } from './packageVsix.ts';

const outputFolder = join(import.meta.dirname, '../../.test-output');

export interface EditorOptions {
  /** Of the reports in `.test-output/`. */
  readonly name: string;
  /** Extensions to install, beside the test driver. */
  readonly vsix?: readonly string[];
  /** Of the user. */
  readonly settings?: Record<string, unknown>;
  /** What the workspace holds: path → text. */
  readonly workspaceFiles?: Record<string, string>;
  readonly env?: Record<string, string>;
}

/** One answer of the scripted model. A tool is named as its server names it, without VS Code's prefix. */
export type ModelTurn = { readonly say: string } | { readonly call: string; readonly input: object };

/** What code that runs in the extension host is given. */
export interface Host {
  readonly vscode: typeof vscode;
  readonly model: {
    readonly script: ModelTurn[];
    /** What it answers outside of agent chat, as to an MCP server (sampling): by the text of the message. */
    readonly answers: Record<string, string>;
    /** What agent chat asked the model so far: the names of the tools it offered, and the messages. */
    readonly requests: { readonly tools: string[]; readonly messages: unknown[] }[];
  };
}

/**
 * Starts a real VS Code on a throw-away profile, with a browser on it and the test driver in it.
 * Returns when the extension host runs.
 */
export async function startEditor(options: EditorOptions): Promise<Editor> {
  const say = (line: string) => console.error(line);
  const installed = await installEditor(say);
  const executablePath = await installBrowser(say);
  const home = await mkdtemp(join(tmpdir(), 'switchyard-editor-'));
  const workspace = join(home, 'workspace');
  const driverSocket = join(home, 'driver.sock');

  await mkdir(workspace);
  await writeFiles(workspace, options.workspaceFiles ?? {});
  await writeSettings(userDataFolder(home), { ...quietSettings, ...options.settings });
  await writeFiles(join(userDataFolder(home), 'User'), {
    // A model of one's own makes agent chat usable without an account.
    'chatLanguageModels.json': JSON.stringify([{ name: 'Scripted', vendor: 'scripted' }]),
  });

  const driver = await packageVsix(join(import.meta.dirname, 'driver'), home);
  const { XDG_CACHE_HOME: _c, XDG_CONFIG_HOME: _f, XDG_DATA_HOME: _d, XDG_STATE_HOME: _s, ...env } = process.env;
  const server = await startCodeServer({
    editor: installed,
    profile: home,
    extensions: [driver, ...(options.vsix ?? [])],
    port: 0,
    env: { ...env, HOME: home, EXTENSIONS_GALLERY: '{}', SWITCHYARD_TEST_DRIVER: driverSocket, ...options.env },
  });
  const browser = await chromium
    .launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
    .catch(async error => {
      await server.stop();
      throw error;
    });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  // The tests are offline. What VS Code would fetch fails at once instead of by a timeout.
  await context.route(
    url => url.hostname !== '127.0.0.1',
    route => route.abort(),
  );
  const page = await context.newPage();
  const editor = new Editor(options.name, home, server, browser, page);
  try {
    await page.goto(`${server.address}/?folder=${encodeURIComponent(workspace)}`, { waitUntil: 'domcontentloaded' });
    await editor.until('the workbench is there', () => page.locator('.part.statusbar').isVisible(), 60_000);
    await editor.until('the extension host runs', () => editor.run(() => true), 60_000);
    return editor;
  } catch (error) {
    await editor.close();
    throw error;
  }
}

/** A running VS Code. Close it, or everything it started runs on until this process ends. */
export class Editor {
  readonly page: Page;
  /** The folder that is open. */
  readonly workspace: string;
  private readonly name: string;
  private readonly home: string;
  private readonly server: CodeServer;
  private readonly browser: Browser;
  private readonly consoleLines: string[] = [];
  private reports = 0;

  constructor(name: string, home: string, server: CodeServer, browser: Browser, page: Page) {
    this.name = name;
    this.home = home;
    this.workspace = join(home, 'workspace');
    this.server = server;
    this.browser = browser;
    this.page = page;
    page.on('console', message => this.consoleLines.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', error => this.consoleLines.push(`page error: ${error.stack ?? error}`));
  }

  /**
   * Runs a function in the extension host. It is sent as text, so it sees nothing of the test but its arguments;
   * they and its result travel as JSON.
   */
  async run<Args extends unknown[], Result>(
    body: (host: Host, ...args: Args) => Result,
    ...args: Args
  ): Promise<Awaited<Result>> {
    const answer = await post(join(this.home, 'driver.sock'), JSON.stringify({ code: String(body), args }));
    const { value, error } = JSON.parse(answer) as { value: Awaited<Result>; error?: string };
    if (error !== undefined) throw new Error(`In the extension host: ${error}`);
    return value;
  }

  /**
   * Waits until the probe gives something (not undefined, not false), and returns that. One that throws is tried again.
   * When that takes too long it throws, and leaves a report.
   */
  async until<Value>(
    what: string,
    probe: () => Value | undefined | false | Promise<Value | undefined | false>,
    timeoutMs = 30_000,
  ): Promise<Value> {
    let thrown: unknown;
    const attempt = async () => {
      try {
        return await probe();
      } catch (error) {
        thrown = error;
        return undefined;
      }
    };
    try {
      return await eventually(what, attempt, timeoutMs);
    } catch (error) {
      throw new Error(`${messageOf(error)}. See ${await this.report()}.*`, { cause: thrown });
    }
  }

  /** Reloads the window; returns when the extension host runs again. */
  async reload(): Promise<void> {
    await this.page.reload({ waitUntil: 'domcontentloaded' });
    await this.until('the workbench is there', () => this.page.locator('.part.statusbar').isVisible(), 60_000);
    await this.until('the extension host runs', () => this.run(() => true), 60_000);
  }

  /** Runs a command through the command palette, by its title as it is shown there. */
  async palette(title: string): Promise<void> {
    // A window that is still opening may take the focus, which closes the palette: it is opened again then.
    await this.until(`"${title}" is chosen in the command palette`, async () => {
      await this.page.keyboard.press('F1');
      await this.quickInput().fill(`>${title}`, { timeout: 5000 });
      await this.quickRow(title).click({ timeout: 5000 });
      return true;
    });
  }

  /** Chooses the row with that label in the open quick pick. */
  async pick(label: string): Promise<void> {
    await this.click(this.quickRow(label));
  }

  /** Answers the open input box. */
  async enter(value: string): Promise<void> {
    await this.quickInput().fill(value);
    await this.page.keyboard.press('Enter');
  }

  /** Clicks the first element that the locator finds, once it is there. */
  async click(target: Locator): Promise<void> {
    const element = target.first();
    await this.until(`${target} is there`, () => element.isVisible());
    await element.click();
  }

  /** The view with that title in the side bar; without one, the topmost. */
  view(title?: string): Locator {
    const views = this.page.locator('.sidebar .pane');
    const header = this.page.locator(`.pane-header[aria-label^="${title}"]`);
    return title === undefined ? views.first() : views.filter({ has: header });
  }

  /**
   * The rows that can be seen of the tree in a view, by default the topmost: label and description, two blanks in
   * front for each level.
   */
  treeRows(title?: string): Promise<string[]> {
    return this.view(title)
      .locator('[role=treeitem]')
      .evaluateAll(rows =>
        rows.map(row => {
          const parts = [...row.querySelectorAll('.label-name, .label-description')].map(part => part.textContent);
          return '  '.repeat(Number(row.getAttribute('aria-level')) - 1) + parts.join(' ');
        }),
      );
  }

  /** Starts Switchyard as chat does, until `vscode.lm.tools` has the tools of these names. */
  async offersToChat(...tools: string[]): Promise<void> {
    await this.until(
      'the tools that chat is offered',
      async () => {
        // A start that hangs is not waited for: the next one finds out what came of it.
        const offered = await this.run(async ({ vscode }) => {
          const started = vscode.commands.executeCommand('workbench.mcp.startServer', '*', { waitForLiveTools: true });
          await Promise.race([started, new Promise(resolve => setTimeout(resolve, 5000))]);
          return vscode.lm.tools.map(({ name }) => name).filter(name => name.startsWith('mcp_switchyard_'));
        });
        const missing = tools.filter(tool => !offered.includes(`mcp_switchyard_${tool}`));
        if (missing.length > 0) throw new Error(`Not there: ${missing}; there: ${offered}`);
        return true;
      },
      90_000,
    );
  }

  /** Makes agent chat usable, without an account, on the scripted model. Once for an editor. */
  async enableAgentChat(): Promise<void> {
    // The chat extension is shipped asleep. The page of its models wakes it up.
    await this.run(({ vscode }) => vscode.commands.executeCommand('workbench.action.chat.manage').then(() => true));
    await this.until(
      'the chat extension is active',
      () => this.run(({ vscode }) => vscode.extensions.getExtension('GitHub.copilot-chat')?.isActive ?? false),
      60_000,
    );
    await this.run(({ vscode }) => vscode.commands.executeCommand('workbench.action.closeActiveEditor'));
    const input = this.page.locator('.interactive-input-part').filter({ hasText: 'Scripted Model' });
    await this.until('the scripted model is selected', () => input.isVisible());
  }

  /** Sends a message in agent chat. The model answers it by these turns, then repeats what the last tool answered. */
  async chat(message: string, ...turns: ModelTurn[]): Promise<void> {
    await this.run(({ model }, ...script) => model.script.splice(0, Infinity, ...script), ...turns);
    await this.click(this.page.locator('.interactive-input-part .monaco-editor'));
    await this.page.keyboard.type(message);
    await this.page.keyboard.press('Enter');
  }

  /** The last answer in the chat, as far as it has come. */
  async chatAnswer(): Promise<string> {
    return (await this.page.locator('.interactive-response').allInnerTexts()).at(-1) ?? '';
  }

  async screenshot(file: string): Promise<void> {
    await this.page.screenshot({ path: file });
  }

  /**
   * Writes a screenshot, and the last lines of the browser's console, the server, the extension host and Switchyard, to
   * `.test-output/`. Returns their path, without the extension.
   */
  async report(): Promise<string> {
    await mkdir(outputFolder, { recursive: true });
    const file = join(outputFolder, `${this.name}-${++this.reports}`);
    const linesOf = async (pattern: string) => {
      const lines: string[] = [];
      for await (const log of glob(`user-data/logs/**/${pattern}`, { cwd: this.home }))
        lines.push(...(await readFile(join(this.home, log), 'utf8')).split('\n'));
      return lines;
    };
    const logs = {
      "the browser's console": this.consoleLines,
      'the server': this.server.output,
      'the extension host': await linesOf('remoteexthost.log'),
      Switchyard: await linesOf('switchyard.mcp-switchyard/*.log'),
    };
    const lines = Object.entries(logs).map(([of, all]) => `--- ${of} ---\n${all.slice(-50).join('\n')}\n`);
    await writeFile(`${file}.txt`, lines.join('\n'));
    await this.screenshot(`${file}.png`);
    return file;
  }

  /** Ends the browser, the editor and whatever the editor's extensions started. */
  async close(): Promise<void> {
    try {
      await this.browser.close();
    } finally {
      await this.server.stop();
    }
    await rm(this.home, { recursive: true, force: true });
  }

  private quickRow(label: string): Locator {
    const rows = this.page.locator('.quick-input-widget:visible .monaco-list-row');
    return rows.filter({ has: this.page.getByText(label, { exact: true }) }).first();
  }

  private quickInput(): Locator {
    return this.page.locator('.quick-input-widget:visible input[type=text]').first();
  }
}

const quietSettings = {
  'extensions.autoCheckUpdates': false,
  // It would say so for every port that a backend opens.
  'remote.autoForwardPorts': false,
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

async function writeFiles(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

function post(socketPath: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, method: 'POST' }, response => text(response).then(resolve, reject))
      .on('error', reject)
      .end(body);
  });
}
