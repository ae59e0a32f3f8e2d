/**
 * `node test/setup.mjs FILE [ARGS…]` installs the locked dependencies, if they are missing or stale, and runs FILE on
 * the Node that the project pins. So this file itself must run on any Node >= 20, with nothing installed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [file, ...args] = process.argv.slice(2);
if (!file) fail('Usage: node test/setup.mjs FILE [ARGS…]');
if (Number.parseInt(process.versions.node, 10) < 20) {
  fail(`MCP Switchyard needs Node 20 or newer, and this is ${process.version}: https://nodejs.org/en/download`);
}

// What npm tells its scripts about itself is wrong for the npm that they start, in another folder and on another Node.
for (const told of ['user_agent', 'local_prefix', 'loglevel']) delete process.env[`npm_config_${told}`];

const root = fileURLToPath(new URL('..', import.meta.url));
await installDependencies();

const nodeFolder = join(root, 'node_modules', 'node', 'bin');
process.env.PATH = [join(root, 'node_modules', '.bin'), nodeFolder, process.env.PATH].join(delimiter);
const program = join(nodeFolder, process.platform === 'win32' ? 'node.exe' : 'node');
const { code, signal } = await run(program, [resolve(file), ...args], { stdio: 'inherit' });
if (signal) process.kill(process.pid, signal);
process.exit(code);

/** Stale is what was installed from another lockfile. npm's own messages are shown only if it fails. */
async function installDependencies() {
  const lockHash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const installedHash = join(root, 'node_modules', '.switchyard-lock-hash');
  if (existsSync(installedHash) && readFileSync(installedHash, 'utf8') === lockHash) return;

  console.error('Installing the locked dependencies (npm ci)…');
  // A shell, because on Windows npm is a script.
  const npm = await run('npm ci --no-audit --no-fund --loglevel=error', [], { cwd: root, shell: true, stdio: 'pipe' });
  if (npm.signal) process.kill(process.pid, npm.signal);
  if (npm.code !== 0) fail(`${npm.output}npm ci failed, so the dependencies are not installed.`);
  writeFileSync(installedHash, lockHash);
}

/** Runs a command to its end. The signals that this process gets are the command's. */
function run(command, commandArgs, options) {
  return new Promise((onEnd, onError) => {
    const child = spawn(command, commandArgs, options);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (output += chunk));

    const passOn = received => {
      // Ctrl-C in a terminal has reached the command already: one press must not count as two.
      if (received !== 'SIGINT' || !process.stdin.isTTY) child.kill(received);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const name of signals) process.on(name, passOn);
    // A signal to npm ends only the shell between npm and this process, which is an orphan then.
    const parent = process.ppid;
    const orphanCheck = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(orphanCheck);
      child.kill('SIGTERM');
    }, 500);
    child.on('error', onError);
    child.on('close', (code, signal) => {
      clearInterval(orphanCheck);
      for (const name of signals) process.off(name, passOn);
      onEnd({ code, signal, output });
    });
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
