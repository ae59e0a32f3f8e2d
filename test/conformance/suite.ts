import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** A selection of the official suite's scenarios, by the version of the suite that has it. */
export interface Suite {
  readonly name: string;
  readonly package: string;
  readonly selection: readonly string[];
  /** Which scenarios have to be run, or how many. */
  readonly scenarios: readonly string[] | number;
}

/** Of the scenarios that are not scored, what we do not offer: taking up a stream where it was cut. */
const NOT_OFFERED = 'server-sse-polling';

/** What a revision requires; with that the scenarios which its suite runs without scoring them, but for those of extensions. */
async function requirements(revision: string): Promise<Suite> {
  const file = path.join(packageFolder('conformance-next'), 'requirements', `${revision}.yaml`);
  const { server, not_scored }: Requirements = parse(await readFile(file, 'utf8'));
  const unscored = not_scored.filter(
    ({ scenario, leg, reason }) => leg === 'server' && reason !== 'extension' && scenario !== NOT_OFFERED,
  );
  return {
    name: revision,
    package: 'conformance-next',
    selection: ['--requirements', revision],
    scenarios: [...server, ...unscored.map(({ scenario }) => scenario)],
  };
}

interface Requirements {
  readonly server: string[];
  readonly not_scored: { scenario: string; leg: string; reason: string }[];
}

/** What clients of the legacy era ask for, and what those of the modern one do. */
export const LEGACY_SUITES: readonly Suite[] = [
  {
    name: 'active',
    package: '@modelcontextprotocol/conformance',
    selection: ['--suite', 'active'],
    scenarios: 30,
  },
  await requirements('2025-11-25'),
];
export const MODERN_SUITES: readonly Suite[] = [await requirements('2026-07-28')];

/** The suite quotes whole messages. */
const MESSAGE_LENGTH = 300;

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly errorMessage?: string;
}

/**
 * Runs a suite against a server; gives what did not succeed, as `scenario › check`, with what the suite says of it. That is stricter than
 * the suite's exit code, which looks at failures only: a warning is one, and so is a check that was skipped or a scenario without checks.
 */
export async function runSuite(suite: Suite, url: string): Promise<Map<string, string>> {
  const program = path.join(packageFolder(suite.package), 'dist', 'index.js');
  const output = await mkdtemp(path.join(tmpdir(), 'switchyard-conformance-'));
  try {
    const said = await new Promise<string>(resolve =>
      execFile(
        process.execPath,
        [program, 'server', '--url', url, ...suite.selection, '-o', output],
        { maxBuffer: Number.POSITIVE_INFINITY },
        (_error, stdout, stderr) => resolve(stdout + stderr),
      ),
    );
    return await failuresIn(suite, output, said);
  } finally {
    await rm(output, { recursive: true });
  }
}

async function failuresIn({ name, scenarios }: Suite, output: string, said: string): Promise<Map<string, string>> {
  const folders = new Map<string, string>();
  for (const folder of await readdir(output)) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(folder)?.[1];
    if (scenario !== undefined) folders.set(scenario, folder);
  }
  if (typeof scenarios === 'number' && folders.size !== scenarios) {
    throw new Error(`The suite ${name} ran ${folders.size} scenarios, not ${scenarios}.\n${said}`);
  }

  const failures = new Map<string, string>();
  for (const scenario of typeof scenarios === 'number' ? folders.keys() : scenarios) {
    const folder = folders.get(scenario);
    const checks: Check[] = folder ? JSON.parse(await readFile(path.join(output, folder, 'checks.json'), 'utf8')) : [];
    const failed = checks.filter(({ status }) => status !== 'SUCCESS' && status !== 'INFO');
    for (const { id, status, errorMessage = '' } of failed) {
      failures.set(`${scenario} › ${id}`, `${status} ${errorMessage.slice(0, MESSAGE_LENGTH)}`);
    }
    const isChecked = failed.length > 0 || checks.some(({ status }) => status === 'SUCCESS');
    if (!isChecked) failures.set(scenario, 'nothing was checked');
  }
  return failures;
}

function packageFolder(name: string): string {
  return fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
}
