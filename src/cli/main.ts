#!/usr/bin/env node
// argv → command → exit code. The commands are loaded when they are run: help and mistakes cost no SDK.
import manifest from '../../package.json' with { type: 'json' };
import { UserError } from '../core/base/errors.ts';
import { parseCommandLine } from './args.ts';
import { makeFetchPatient } from './patientFetch.ts';

/** What takes as long as a backend does. */
const SPEAKS_MCP: ReadonlySet<string> = new Set(['serve', 'check', 'call']);

async function run(argv: readonly string[]): Promise<number> {
  const command = parseCommandLine(argv);
  if (SPEAKS_MCP.has(command.kind)) await makeFetchPatient();
  switch (command.kind) {
    case 'help':
      process.stdout.write(command.text);
      return 0;
    case 'version':
      process.stdout.write(`${manifest.version}\n`);
      return 0;
    case 'serve':
      return (await import('./serve.ts')).serve(command);
    case 'check':
      return (await import('./check.ts')).check(command);
    case 'status':
      return (await import('./status.ts')).status(command);
    case 'call':
      return (await import('./call.ts')).call(command);
    case 'import':
      return (await import('./import.ts')).importFiles(command);
    case 'completion':
      process.stdout.write((await import('./completion.ts')).completionFor(command.shell));
      return 0;
  }
}

function report(error: unknown): number {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`switchyard: ${error.message}\n`);
  return 2;
}

const argv = process.argv.slice(2);
// Whoever reads may have read enough, as `head` does. To a server that is its client's end, and it goes in order.
if (argv[0] !== 'serve') process.stdout.on('error', () => process.exit(0));
const exitCode = await run(argv).catch(report);
// What was written to a pipe has to be gone before the process is.
process.stdout.write('', () => process.exit(exitCode));
