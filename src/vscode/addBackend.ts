import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import { messageOf } from '../core/base/errors.ts';
import type { TryReport } from '../core/gateway.ts';
import {
  type Entry,
  entryOfCommand,
  entryOfPackage,
  entryOfUrl,
  hasRemark,
  refusalOfName,
  suggestName,
  withLinesOf,
} from './backendDraft.ts';
import type { Face } from './commands.ts';
import { editConfig } from './configFile.ts';
import { count } from './row.ts';

const CLIPBOARD_MS = 1_000;

/** A backend on its way into the file. */
interface Draft {
  readonly name: string;
  readonly entry: Entry;
  /** What one types to get it. */
  readonly typed: string;
}

/** A way to describe a backend. */
interface Way {
  readonly label: string;
  readonly detail: string;
  readonly icon: string;
  /** Asks for it, and for names that are not `taken`; none: the person gave up. `typed` is the answer to begin with. */
  ask(taken: readonly string[], typed: string): Promise<Draft[]>;
}

/** Asks what the backend is, tries it, and saves it if it works or the person wants it all the same. */
export async function addBackend(face: Face): Promise<void> {
  const ways = [npmPackage, command, url, snippet].map(way => ({
    ...way,
    way,
    iconPath: new vscode.ThemeIcon(way.icon),
  }));
  const picked = await vscode.window.showQuickPick(ways, { title: 'Add Backend', placeHolder: 'What is it?' });
  if (picked) await describeAndTry(face, picked.way);
}

async function describeAndTry(face: Face, way: Way, typed = ''): Promise<void> {
  const { gateway } = await face.host.running();
  const taken = gateway.snapshot().backends.map(({ name }) => name);
  for (const draft of await way.ask(taken, typed)) {
    const report = await tryDraft(face, draft);
    if (report === 'cancelled') return;
    const choice = report.ok ? 'save' : await askAfterFailure(face, draft, report);
    if (choice === 'edit') await describeAndTry(face, way, draft.typed);
    if (choice === 'save') await save(face, draft, report);
  }
}

function tryDraft(face: Face, { name, entry }: Draft): Thenable<TryReport | 'cancelled'> {
  const options = { location: vscode.ProgressLocation.Notification, title: `Trying "${name}"…`, cancellable: true };
  return vscode.window.withProgress(options, async (_, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    const { gateway } = await face.host.running();
    const report = await gateway.try({ name, ...entry }, abort.signal);
    return token.isCancellationRequested ? 'cancelled' : report;
  });
}

async function askAfterFailure(
  face: Face,
  { name }: Draft,
  report: TryReport & { ok: false },
): Promise<'save' | 'edit' | 'leave'> {
  const what = `"${name}" did not start: ${report.message}`;
  face.log.warning([what, ...report.stderrTail].join('\n  '));

  const detail = report.stderrTail.length === 0 ? '' : `The last it wrote:\n${report.stderrTail.slice(-10).join('\n')}`;
  let choice = await vscode.window.showWarningMessage(
    what,
    { modal: true, detail },
    'Edit…',
    'Save Anyway',
    'Show Log',
  );
  if (choice === 'Show Log') {
    face.log.show();
    // Not modal, so that the log can be read before the answer.
    choice = await vscode.window.showWarningMessage(what, 'Edit…', 'Save Anyway');
  }
  return choice === 'Edit…' ? 'edit' : choice === 'Save Anyway' ? 'save' : 'leave';
}

async function save(face: Face, { name, entry }: Draft, report: TryReport): Promise<void> {
  const { addBackend } = await import('../core/config/edit.ts');
  await editConfig(face.settings, face.host, addBackend({ name, ...entry }));
  void vscode.window.showInformationMessage(
    `Added "${name}"${report.ok ? `: ${count(report.tools.length, 'tool')}` : ''}`,
  );
}

const npmPackage: Way = {
  label: 'npm package',
  detail: 'Run with npx, for example @modelcontextprotocol/server-memory',
  icon: 'package',
  ask: (taken, typed) =>
    askEntry(taken, entryOfPackage, {
      value: typed,
      prompt: 'The package, and its arguments if it takes any',
      placeHolder: '@modelcontextprotocol/server-filesystem /path/to/folder',
    }),
};

const command: Way = {
  label: 'Command',
  detail: 'A program on this machine that speaks MCP over stdin and stdout',
  icon: 'terminal',
  ask: (taken, typed) =>
    askEntry(taken, entryOfCommand, {
      value: typed,
      prompt: 'The command line, as in a terminal',
      placeHolder: 'API_KEY=… uvx mcp-server-git --repository "/path/to/repository"',
    }),
};

const url: Way = {
  label: 'URL',
  detail: 'A server that runs elsewhere (Streamable HTTP or HTTP+SSE)',
  icon: 'globe',
  async ask(taken, typed) {
    const [draft] = await askEntry(taken, text => entryOfUrl(text, ''), {
      value: typed,
      prompt: 'The address',
      placeHolder: 'https://example.com/mcp',
    });
    if (!draft) return [];
    const header = await askFor({
      prompt:
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own way to write a variable
        'A header to send, if it needs one. It is kept in the file; ${env:NAME} stands for a variable of the environment.',
      placeHolder: 'Authorization: Bearer …',
      password: true,
      validateInput: text => refusalOf(() => entryOfUrl(draft.typed, text)),
    });
    return header === undefined ? [] : [{ ...draft, entry: entryOfUrl(draft.typed, header) }];
  },
};

const snippet: Way = {
  label: 'JSON snippet',
  detail: 'Paste what a README gives for other clients: {"mcpServers": …}, one server or several',
  icon: 'json',
  async ask(taken, typed) {
    const { parseSnippet } = await import('../core/config/snippet.ts');
    const parse = async (text: string) => parseSnippet(hasRemark(text) ? withLinesOf(text, await copiedText()) : text);
    const text = await askFor({
      value: typed,
      prompt: 'The snippet',
      placeHolder:
        '{"mcpServers": {"memory": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]}}}',
      validateInput: text => parse(text).then(() => undefined, messageOf),
    });
    const drafts: Draft[] = [];
    for (const { name: wanted, entry } of text === undefined ? [] : await parse(text)) {
      const allTaken = [...taken, ...drafts.map(({ name }) => name)];
      const isUsable = wanted !== undefined && refusalOfName(wanted, allTaken) === undefined;
      const name = isUsable ? wanted : await askName(allTaken, entry, wanted);
      if (name === undefined) return [];
      drafts.push({ name, entry, typed: JSON.stringify({ mcpServers: { [name]: entry } }) });
    }
    return drafts;
  },
};

async function askEntry(
  taken: readonly string[],
  parse: (text: string) => Entry,
  box: vscode.InputBoxOptions,
): Promise<Draft[]> {
  const typed = await askFor({ ...box, validateInput: text => refusalOf(() => parse(text)) });
  if (typed === undefined) return [];
  const entry = parse(typed);
  const name = await askName(taken, entry);
  return name === undefined ? [] : [{ name, entry, typed }];
}

/** Of the clipboard; '' where the editor does not tell, or not soon: a browser asks the person first. */
function copiedText(): Promise<string> {
  const reading = Promise.resolve(vscode.env.clipboard.readText()).catch(() => '');
  return Promise.race([reading, sleep(CLIPBOARD_MS, '')]);
}

/** @param wanted a name that it comes with and cannot have */
function askName(taken: readonly string[], entry: Entry, wanted?: string): Thenable<string | undefined> {
  const whose = wanted === undefined ? 'Its name' : `${refusalOfName(wanted, taken)} Another name for "${wanted}"`;
  return askFor({
    prompt: `${whose}: the first part of its tools’ names in chat`,
    value: suggestName(entry, taken, wanted),
    validateInput: name => refusalOfName(name, taken),
  });
}

/** Stays open when the focus leaves: the answer is often copied from elsewhere. */
function askFor(box: vscode.InputBoxOptions): Thenable<string | undefined> {
  return vscode.window.showInputBox({ title: 'Add Backend', ignoreFocusOut: true, ...box });
}

function refusalOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
