// Another fixture, in this same process, that notes in a file when it starts and what comes on its stdin: `start <pid>`, then a line for each
// message, its method and the process id.
//   node counted.mjs LEDGER FIXTURE [ARGS…]
import { appendFileSync } from 'node:fs';

const [ledger, fixture] = process.argv.splice(2, 2);
const note = label => appendFileSync(ledger, `${label} ${process.pid}\n`);
note('start');
// Only then, or what comes first would be read before the fixture listens.
await import(new URL(fixture, import.meta.url));
let rest = '';
process.stdin.on('data', chunk => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) note(JSON.parse(line).method ?? 'answer');
});
