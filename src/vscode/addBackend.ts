import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import { messageOf, UserError } from '../core/base/errors.ts';
import type { TryReport } from '../core/gateway.ts';
import {
  type Entry,
  entryOfCommand,
  entryOfPackage,
  entryOfUrl,
  hasRemark,
  lastWritten,
  refusalOfName,
  suggestName,
  withLinesOf,
} from './backendDraft.ts';
import type { Face } from './commands.ts';
import { editConfig, ensureEditable } from './configFile.ts';
import { count } from './row.ts';

const CLIPBOARD_MS = 1_000;

/** A backend on its way into the file. */
interface Draft {
  readonly name: string;
  readonly entry: Entry;
  /** What one types to get it. */
  readonly typed: string;
  /** What was typed as the header of an address. */
  readonly header?: string;
}

/** A way to describe a backend. */
interface Way {
  readonly label: string;
  readonly detail: string;
  readonly icon: string;
  /** Asks for it, and for names that are not `taken`; none: the person gave up. `before` holds the answers to begin with. */
  ask(taken: readonly string[], before?: Draft): Promise<Draft[]>;
}

/** Why a draft is not in the file yet. */
interface Obstacle {
  readonly what: string;
  /** The last lines that it wrote. */
  readonly lines: readonly string[];
  /** What saves it all the same. */
  readonly save: 'Save Anyway' | 'Save Again';
}

/** Asks what the backend is, tries it, and saves it if it works or the person wants it all the same. */
export async function addBackend(face: Face): Promise<void> {
  await ensureEditable(face.settings, face.host);
  const ways = [npmPackage, command, url, snippet].map(way => ({
    ...way,
    way,
    iconPath: new vscode.ThemeIcon(way.icon),
  }));
  const picked = await vscode.window.showQuickPick(ways, { title: 'Add Backend', placeHolder: 'What is it?' });
  if (picked) await describeAndTry(face, picked.way);
}

async function describeAndTry(face: Face, way: Way, before?: Draft): Promise<void> {
  const { gateway } = await face.host.running();
  const taken = gateway.snapshot().backends.map(({ name }) => name);
  for (const draft of await way.ask(taken, before)) await tryAndSave(face, way, draft);
}

/** What was typed is given up only where the person says so. */
async function tryAndSave(face: Face, way: Way, draft: Draft): Promise<void> {
  const tried = await tryDraft(face, draft);
  const gain = 'tools' in tried ? `: ${count(tried.tools.length, 'tool')}` : '';
  let obstacle = 'tools' in tried ? await save(face, draft, gain) : tried;
  while (obstacle) {
    const choice = await askAbout(face, obstacle);
    if (choice === 'edit') return describeAndTry(face, way, draft);
    if (choice === 'leave') return;
    obstacle = await save(face, draft, gain);
  }
}

function tryDraft(face: Face, { name, entry }: Draft): Thenable<(TryReport & { ok: true }) | Obstacle> {
  const options = { location: vscode.ProgressLocation.Notification, title: `Trying "${name}"…`, cancellable: true };
  return vscode.window.withProgress(options, async (_, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    const { gateway } = await face.host.running();
    const report = await gateway.try({ name, ...entry }, abort.signal);
    const lines = report.ok ? [] : report.stderrTail;
    if (abort.signal.aborted) return { what: `Trying "${name}" was cancelled`, lines, save: 'Save Anyway' };
    return report.ok ? report : { what: `"${name}" did not start: ${report.message}`, lines, save: 'Save Anyway' };
  });
}

async function askAbout(face: Face, { what, lines, save }: Obstacle): Promise<'save' | 'edit' | 'leave'> {
  face.log.warning([what, ...lines].join('\n  '));

  const last = lastWritten(lines);
  const detail = last === '' ? '' : `The last it wrote:\n${last}`;
  let choice = await vscode.window.showWarningMessage(what, { modal: true, detail }, 'Edit…', save, 'Show Log');
  if (choice === 'Show Log') {
    face.log.show();
    // Not modal, so that the log can be read before the answer.
    choice = await vscode.window.showWarningMessage(what, 'Edit…', save);
  }
  return choice === 'Edit…' ? 'edit' : choice === save ? 'save' : 'leave';
}

/** @param gain what it brings, to be told */
async function save(face: Face, { name, entry }: Draft, gain: string): Promise<Obstacle | undefined> {
  const { addBackend } = await import('../core/config/edit.ts');
  try {
    await editConfig(face.settings, face.host, addBackend({ name, ...entry }));
  } catch (error) {
    const isGivenUp = error instanceof vscode.CancellationError;
    if (!isGivenUp && !(error instanceof UserError)) throw error;
    const reason = isGivenUp ? '' : `: ${error.message}`;
    return { what: `"${name}" is not saved${reason}`, lines: [], save: 'Save Again' };
  }
  void vscode.window.showInformationMessage(`Added "${name}"${gain}`);
  return undefined;
}

const npmPackage: Way = {
  label: 'npm package',
  detail: 'Run with npx, for example @modelcontextprotocol/server-memory',
  icon: 'package',
  ask: (taken, before) =>
    askEntry(taken, before, entryOfPackage, {
      prompt: 'The package, and its arguments if it takes any',
      placeHolder: '@modelcontextprotocol/server-filesystem /path/to/folder',
    }),
};

const command: Way = {
  label: 'Command',
  detail: 'A program on this machine that speaks MCP over stdin and stdout',
  icon: 'terminal',
  ask: (taken, before) =>
    askEntry(taken, before, entryOfCommand, {
      prompt: 'The command line, as in a terminal',
      placeHolder: 'API_KEY=… uvx mcp-server-git --repository "/path/to/repository"',
    }),
};

const url: Way = {
  label: 'URL',
  detail: 'A server that runs elsewhere (Streamable HTTP or HTTP+SSE)',
  icon: 'globe',
  async ask(taken, before) {
    const [draft] = await askEntry(taken, before, text => entryOfUrl(text, ''), {
      prompt: 'The address',
      placeHolder: 'https://example.com/mcp',
    });
    if (!draft) return [];
    const header = await askFor({
      value: before?.header ?? '',
      prompt:
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the configuration's own way to write a variable
        'A header to send, if it needs one. It is kept in the file; ${env:NAME} stands for a variable of the environment.',
      placeHolder: 'Authorization: Bearer …',
      password: true,
      validateInput: text => refusalOf(() => entryOfUrl(draft.typed, text)),
    });
    return header === undefined ? [] : [{ ...draft, header, entry: entryOfUrl(draft.typed, header) }];
  },
};

const snippet: Way = {
  label: 'JSON snippet',
  detail: 'Paste what a README gives for other clients: {"mcpServers": …}, one server or several',
  icon: 'json',
  async ask(taken, before) {
    const { parseSnippet } = await import('../core/config/snippet.ts');
    const parse = async (text: string) => parseSnippet(hasRemark(text) ? withLinesOf(text, await copiedText()) : text);
    const text = await askFor({
      value: before?.typed ?? '',
      prompt: 'The snippet',
      placeHolder:
        '{"mcpServers": {"memory": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]}}}',
      validateInput: text => parse(text).then(() => undefined, messageOf),
    });
    const drafts: Draft[] = [];
    for (const { name: wanted, entry } of text === undefined ? [] : await parse(text)) {
      const allTaken = [...taken, ...drafts.map(({ name }) => name)];
      const isUsable = wanted !== undefined && refusalOfName(wanted, allTaken) === undefined;
      const name = isUsable ? wanted : await askName(allTaken, suggestName(entry, allTaken, wanted), wanted);
      if (name === undefined) return [];
      drafts.push({ name, entry, typed: JSON.stringify({ mcpServers: { [name]: entry } }) });
    }
    return drafts;
  },
};

async function askEntry(
  taken: readonly string[],
  before: Draft | undefined,
  parse: (text: string) => Entry,
  box: vscode.InputBoxOptions,
): Promise<Draft[]> {
  const typed = await askFor({
    ...box,
    value: before?.typed ?? '',
    validateInput: text => refusalOf(() => parse(text)),
  });
  if (typed === undefined) return [];
  const entry = parse(typed);
  const name = await askName(taken, before?.name ?? suggestName(entry, taken));
  return name === undefined ? [] : [{ name, entry, typed }];
}

/** Of the clipboard; '' where the editor does not tell, or not soon: a browser asks the person first. */
function copiedText(): Promise<string> {
  const reading = Promise.resolve(vscode.env.clipboard.readText()).catch(() => '');
  return Promise.race([reading, sleep(CLIPBOARD_MS, '')]);
}

/**
 * @param value the answer to begin with
 * @param wanted a name that it comes with and cannot have
 */
function askName(taken: readonly string[], value: string, wanted?: string): Thenable<string | undefined> {
  const whose = wanted === undefined ? 'Its name' : `${refusalOfName(wanted, taken)} Another name for "${wanted}"`;
  return askFor({
    prompt: `${whose}: the first part of its tools’ names in chat`,
    value,
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
