// Never answers: it starts, reads its input and stays silent, as a server does that waits for a lock or a login.
//   node hanging.mjs [--stubborn]
// `--stubborn` also stays when its input ends or SIGTERM comes, and has a child that does the same; the child's process id is
// on stderr. Only killing the whole group ends both.
import { spawn } from 'node:child_process';
import { readFlags } from './serve.mjs';

const flags = readFlags({ stubborn: { type: 'boolean' } });
process.stdin.resume();
if (flags.stubborn) {
  const stay = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);";
  const child = spawn(process.execPath, ['-e', stay], { stdio: 'ignore' });
  console.error(`child ${child.pid}`);
  process.on('SIGTERM', () => {});
  setInterval(() => {}, 1000);
}
