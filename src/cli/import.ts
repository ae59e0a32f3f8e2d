import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../core/base/errors.ts';
import { addBackend, backendsIn, type ConfigEdit, editConfigFile } from '../core/config/edit.ts';
import { readText } from '../core/config/load.ts';
import { type ForeignEntry, readForeign } from '../core/config/otherClients.ts';
import { DEFAULT_TARGET, type ImportArgs } from './args.ts';
import { type Page, pageOf, table } from './terminal.ts';

/** What became of one server of a file. */
interface Fate {
  readonly name: string;
  readonly file: string;
  readonly result: 'imported' | 'already there' | 'not imported';
  /** Why not, and what to know about it. */
  readonly notes: readonly string[];
}

/**
 * Adds the servers of other clients' files to a configuration, in one step. The exit code: 0 all are in it, 1 some are not,
 * 2 a file could not be used.
 */
export async function importFiles({ files, to, json }: ImportArgs): Promise<number> {
  const found: { readonly file: string; readonly entry: ForeignEntry }[] = [];
  const broken: string[] = [];
  for (const file of files) {
    try {
      const read = await readText(file);
      if ('problem' in read) broken.push(`${file}: ${read.problem}`);
      else found.push(...(await readForeign(read.text, file)).map(entry => ({ file, entry })));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      broken.push(error.message);
    }
  }

  const fates: Fate[] = [];
  const edit: ConfigEdit = before => {
    let text = before === '' ? HEADER : before;
    for (const { file, entry } of found) {
      const { fate, after } = addTo(text, entry, file, to);
      fates.push(fate);
      text = after;
    }
    // A file that would hold nothing but its heading is not made.
    return fates.some(({ result }) => result === 'imported') ? text : before;
  };
  if (to === undefined) process.stdout.write(edit(''));
  else if (found.length > 0) await editConfigFile(to, edit);

  // Where the configuration itself goes to stdout, what is said of it goes beside.
  const output = to === undefined ? process.stderr : process.stdout;
  const target = to === undefined ? 'stdout' : resolve(to);
  const report = json
    ? `${JSON.stringify({ to: target, entries: fates, problems: broken }, undefined, 2)}\n`
    : formatImport(fates, target, pageOf(output)) + nextStep(fates, to);
  if (json || found.length > 0) output.write(report);
  if (!json) for (const message of broken) process.stderr.write(`switchyard: ${message}\n`);
  if (broken.length > 0) return 2;
  return fates.some(({ result }) => result === 'not imported') ? 1 : 0;
}

const HEADER = '# The backends of MCP Switchyard. "switchyard check" tries them, "switchyard serve" runs them.\n\n';

function addTo(text: string, found: ForeignEntry, file: string, to: string | undefined): { fate: Fate; after: string } {
  const { name, notes } = found;
  const not = (reason: string) => ({
    fate: { name, file, result: 'not imported', notes: [reason, ...notes] } as const,
    after: text,
  });
  if (found.kind === 'unusable') return not(found.reason);
  const existing = backendsIn(text).get(name);
  if (existing) {
    if (isSame(existing, found.entry)) return { fate: { name, file, result: 'already there', notes: [] }, after: text };
    const where = to === undefined ? 'an earlier file' : to;
    return not(`${where} has another "${name}": rename one of the two, or remove that one, and import again`);
  }
  try {
    return { fate: { name, file, result: 'imported', notes }, after: addBackend(found.entry)(text) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return not(error.message);
  }
}

/** Whether a backend is reached as the entry says, and what else the entry says is so; it may say more by itself. */
function isSame(existing: Readonly<Record<string, unknown>>, entry: Readonly<Record<string, unknown>>): boolean {
  const keys = new Set([...REACHED_BY, ...Object.keys(entry)]);
  return [...keys].every(key => isDeepStrictEqual(existing[key], entry[key]));
}

const REACHED_BY = ['command', 'args', 'env', 'env_file', 'cwd', 'url', 'headers', 'type', 'source'] as const;

function formatImport(fates: readonly Fate[], target: string, page: Page): string {
  const styles = { imported: 'green', 'already there': 'dim', 'not imported': 'red' } as const;
  const rows = fates.map(({ name, file, result, notes }) => [
    name,
    { text: result, style: styles[result] },
    file,
    notes.join('; '),
  ]);
  const count = (wanted: Fate['result']) => fates.filter(({ result }) => result === wanted).length;
  const [imported, there, not] = [count('imported'), count('already there'), count('not imported')];
  const rest = [...(there > 0 ? [`${there} already there`] : []), ...(not > 0 ? [`${not} not imported`] : [])].join(
    ', ',
  );
  const sum =
    imported > 0
      ? `${imported} of ${fates.length} imported to ${target}${rest && `, ${rest}`}.\n`
      : `Nothing new: ${rest}.\n`;
  return `${table(['NAME', 'RESULT', 'FROM', 'NOTES'], rows, page)}\n\n${sum}`;
}

/** What to do with a file that has new backends. */
function nextStep(fates: readonly Fate[], to: string | undefined): string {
  if (to === undefined || !fates.some(({ result }) => result === 'imported')) return '';
  const name = /^[\w./-]+$/.test(to) ? to : JSON.stringify(to);
  return `Next: switchyard check${to === DEFAULT_TARGET ? '' : ` --config ${name}`}\n`;
}
