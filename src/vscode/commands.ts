import * as vscode from 'vscode';
import type { BackendSnapshot, Snapshot } from '../core/snapshot.ts';
import { addBackend } from './addBackend.ts';
import { describeBackend } from './backendItems.ts';
import type { BackendLogs } from './backendLogs.ts';
import { editConfig, openConfigFile, reloadConfig, saveChanges } from './configFile.ts';
import { BACKENDS_VIEW, COMMANDS, type CommandName } from './contributions.ts';
import type { GatewayHost } from './gatewayHost.ts';
import type { OutputLog } from './outputLog.ts';
import { inOrder, moveBackend } from './priorities.ts';
import type { RouteDocuments } from './routeDocuments.ts';
import { count, type Row } from './row.ts';
import type { Settings } from './settings.ts';

/** What the commands work with. */
export interface Face {
  readonly settings: Settings;
  readonly host: GatewayHost;
  readonly log: OutputLog;
  readonly backendLogs: BackendLogs;
  readonly routes: RouteDocuments;
}

/** `row` is what the command was run on in the tree; from the palette there is none. */
type Handler = (face: Face, row: Row | undefined) => unknown;

const HANDLERS: Record<CommandName, Handler> = {
  addBackend,
  removeBackend: onBackend('Remove which backend?', () => true, askAndRemove),
  raisePriority: onBackend('Try which backend earlier?', isUsable, (face, backend) => move(face, backend, 'front')),
  lowerPriority: onBackend('Try which backend later?', isUsable, (face, backend) => move(face, backend, 'back')),
  setPriority: onBackend('Set the priority of which backend?', isUsable, setPriority),
  enableBackend: onBackend('Enable which backend?', isDisabled, (face, backend) => setEnabled(face, backend, true)),
  disableBackend: onBackend('Disable which backend?', isRunnable, (face, backend) => setEnabled(face, backend, false)),
  restartBackend: onBackend('Restart which backend?', isRunnable, restart),
  checkNow: onBackend('Check which backend?', isRunnable, checkNow),
  pauseBackend: onBackend('Pause which backend?', isPausable, pause),
  resumeBackend: onBackend('Resume which backend?', isPaused, resume),
  resetCircuit: onBackend('Let calls through to which backend?', isCircuitOpen, resetCircuit),
  showLog,
  openConfig: ({ settings }, row) => openConfigFile(settings.configFile, row?.line ?? row?.backend),
  reloadConfig: async ({ host }) => note(`Configuration read: ${await reloadConfig(host)}`),
  explainRoute,
  copyEndpoint,
};

/** Registers every command; what one throws is told to the person and the log, unless the person gave it up. */
export function registerCommands(face: Face): vscode.Disposable {
  return vscode.Disposable.from(
    ...COMMANDS.map(name =>
      vscode.commands.registerCommand(`switchyard.${name}`, async (row?: Row) => {
        try {
          await HANDLERS[name](face, row);
        } catch (error) {
          if (!(error instanceof vscode.CancellationError)) face.log.report(error);
        }
      }),
    ),
  );
}

/** A command about one backend: that of its row, or else one of the eligible, as the person picks. */
function onBackend(
  question: string,
  isEligible: (backend: BackendSnapshot) => boolean,
  act: (face: Face, backend: BackendSnapshot) => unknown,
): Handler {
  return async (face, row) => {
    const { backends } = await snapshotOf(face);
    const eligible = inOrder(backends.filter(isEligible));
    const items = eligible.map(itemOf);
    if (items.length === 0) return note('There is no backend for that');
    const name = row ? row.backend : (await vscode.window.showQuickPick(items, { placeHolder: question }))?.label;
    const backend = eligible.find(backend => backend.name === name);
    if (backend) await act(face, backend);
  };
}

function itemOf(backend: BackendSnapshot): vscode.QuickPickItem {
  return { label: backend.name, description: describeBackend(backend) };
}

function isUsable({ state }: BackendSnapshot): boolean {
  return state.kind !== 'rejected';
}

function isDisabled({ state }: BackendSnapshot): boolean {
  return state.kind === 'disabled';
}

function isRunnable(backend: BackendSnapshot): boolean {
  return isUsable(backend) && !isDisabled(backend);
}

function isPaused({ circuit }: BackendSnapshot): boolean {
  return circuit.kind === 'held-open';
}

function isPausable(backend: BackendSnapshot): boolean {
  return isRunnable(backend) && !isPaused(backend);
}

function isCircuitOpen({ circuit }: BackendSnapshot): boolean {
  return circuit.kind === 'open' || circuit.kind === 'half-open';
}

async function snapshotOf({ host }: Face): Promise<Snapshot> {
  const { gateway } = await host.running();
  return gateway.snapshot();
}

async function askAndRemove({ settings, host }: Face, { name, tools }: BackendSnapshot): Promise<void> {
  const loss = tools.length === 0 ? '' : ` It is stopped, and chat loses its ${count(tools.length, 'tool')}.`;
  const detail = `Its entry is taken out of ${settings.configFile}.${loss}`;
  const choice = await vscode.window.showWarningMessage(`Remove "${name}"?`, { modal: true, detail }, 'Remove');
  if (choice !== 'Remove') return;
  await saveChanges(settings.configFile);
  const { gateway } = await host.running();
  await gateway.removeBackend(name);
  note(`Removed "${name}"`);
}

async function move(face: Face, { name }: BackendSnapshot, direction: 'front' | 'back'): Promise<void> {
  const found = moveBackend((await snapshotOf(face)).backends.filter(isUsable), name, direction);
  if (!found) {
    note(`"${name}" is tried ${direction === 'front' ? 'first' : 'last'} already`);
    return;
  }
  await setPriorities(face, found.priorities);
  note(`"${name}" is now tried ${direction === 'front' ? 'before' : 'after'} "${found.past}"`);
}

async function setPriority(face: Face, { name, priority }: BackendSnapshot): Promise<void> {
  const answer = await vscode.window.showInputBox({
    title: `Priority of "${name}"`,
    prompt: 'A whole number from 0 on: the lower, the earlier it is tried',
    value: String(priority),
    validateInput: text => (/^\d{1,9}$/.test(text.trim()) ? undefined : 'A whole number from 0 on.'),
  });
  if (answer === undefined) return;
  await setPriorities(face, new Map([[name, Number(answer)]]));
  note(`"${name}" has priority ${Number(answer)}`);
}

async function setPriorities({ settings, host }: Face, priorities: ReadonlyMap<string, number>): Promise<void> {
  const { setBackendKey } = await import('../core/config/edit.ts');
  await editConfig(settings, host, text =>
    [...priorities].reduce((edited, [name, priority]) => setBackendKey(name, 'priority', priority)(edited), text),
  );
}

async function setEnabled({ settings, host }: Face, { name }: BackendSnapshot, enabled: boolean): Promise<void> {
  const { setBackendKey } = await import('../core/config/edit.ts');
  await editConfig(settings, host, setBackendKey(name, 'enabled', enabled));
  note(`${enabled ? 'Enabled' : 'Disabled'} "${name}"`);
}

async function restart({ host }: Face, { name }: BackendSnapshot): Promise<void> {
  const { gateway } = await host.running();
  gateway.restart(name);
  note(`Restarting "${name}"…`);
}

async function checkNow(face: Face, { name }: BackendSnapshot): Promise<void> {
  const { gateway } = await face.host.running();
  const location = { viewId: BACKENDS_VIEW };
  const failure = await vscode.window.withProgress({ location }, () => gateway.checkNow(name));
  const { backends } = gateway.snapshot();
  const checked = backends.find(backend => backend.name === name);
  if (!checked) return;
  const { state, circuit } = checked;
  const isKeptAway = state.kind === 'ready' && circuit.kind !== 'closed';
  const isNews = failure !== undefined && state.kind !== 'failed';
  const found = isNews ? `it does not work: ${failure} · ` : isKeptAway ? 'it works · ' : '';
  note(`"${name}": ${found}${describeBackend(checked)}`);
}

async function pause({ host }: Face, { name }: BackendSnapshot): Promise<void> {
  const { gateway } = await host.running();
  gateway.pause(name);
  note(`Paused "${name}": it gets no calls until you resume it`);
}

async function resume({ host }: Face, { name }: BackendSnapshot): Promise<void> {
  const { gateway } = await host.running();
  gateway.resume(name);
  note(`Resumed "${name}"`);
}

async function resetCircuit({ host }: Face, { name }: BackendSnapshot): Promise<void> {
  const { gateway } = await host.running();
  gateway.resetCircuit(name);
  note(`"${name}" gets calls again`);
}

async function explainRoute(face: Face, row: Row | undefined): Promise<void> {
  const tool = row?.tool ?? (await pickTool(await snapshotOf(face)));
  if (tool !== undefined) await face.routes.show(tool);
}

/** One of the tools that clients see, or a name that is typed. */
function pickTool({ backends }: Snapshot): Promise<string | undefined> {
  const tools = new Map(backends.flatMap(backend => backend.tools.map(tool => [tool.exposedName, tool])));
  const known = [...tools].map(([label, { description = '' }]): vscode.QuickPickItem => ({ label, description }));
  const picker = vscode.window.createQuickPick();
  picker.placeholder = 'Where would a call of which tool go? Pick one, or type a name';
  picker.items = known;
  picker.onDidChangeValue(typed => {
    // Only where it is part of no tool's name: the editor puts it before them.
    const isPart = [...tools.keys()].some(name => name.toLowerCase().includes(typed.toLowerCase()));
    picker.items = isPart ? known : [...known, { label: typed, description: 'as typed', alwaysShow: true }];
  });
  return new Promise(resolve => {
    picker.onDidAccept(() => {
      const name = picker.selectedItems[0]?.label ?? picker.value;
      resolve(name === '' ? undefined : name);
      picker.hide();
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}

async function showLog(face: Face, row: Row | undefined): Promise<void> {
  if (row?.backend !== undefined) return face.backendLogs.show(row.backend);
  const { backends = [] } = face.host.snapshot() ?? {}; // while it starts there is its own log to read
  const router: vscode.QuickPickItem = { label: 'Router', description: 'Switchyard itself' };
  const items = [router, ...inOrder(backends.filter(isUsable)).map(itemOf)];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Show the log of which?' });
  if (picked === router) face.log.show();
  else if (picked) await face.backendLogs.show(picked.label);
}

/** For another client on this machine: an entry of its configuration. */
async function copyEndpoint({ host }: Face): Promise<void> {
  const { listener } = await host.running();
  const entry = { url: listener.url, headers: { Authorization: `Bearer ${host.token}` } };
  await vscode.env.clipboard.writeText(JSON.stringify(entry, undefined, 2));
  void vscode.window.showInformationMessage(
    `Copied ${listener.url} with its token. The token is a secret: who has it can call your tools. Both hold until this window is reloaded.`,
  );
}

function note(text: string): void {
  vscode.window.setStatusBarMessage(text, 5_000);
}
