// An editor started from the desktop does not have the PATH that its user sees in a terminal, where
// `npx` and `uvx` are found. The login shell is asked for it.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import { delimiter } from 'node:path';
import { messageOf } from '../core/base/errors.ts';
import type { Logger } from '../core/base/log.ts';

const TIMEOUT_MS = 5_000;

/** The environment of this process with the login shell's PATH in front of its own; on Windows as it is. */
export async function loginShellEnvironment(
  log: Logger,
  env: NodeJS.ProcessEnv = process.env,
  timeoutMs = TIMEOUT_MS,
): Promise<NodeJS.ProcessEnv> {
  if (process.platform === 'win32') return env;
  let shell = env.SHELL;
  try {
    // Of a user whom the system does not know, as in some containers, nothing is told.
    shell ||= userInfo().shell || '/bin/sh';
    const path = await askForPath(shell, env, timeoutMs);
    return { ...env, PATH: mergePaths(path, env.PATH ?? '') };
  } catch (error) {
    log.warning(
      `Commands are looked up on the editor's own PATH, because ${shell || 'the login shell'} did not tell its own: ${messageOf(error)}`,
    );
    return env;
  }
}

/** The entries of both, each once, those of `first` in front. */
export function mergePaths(first: string, second: string): string {
  return [...new Set([...first.split(delimiter), ...second.split(delimiter)])].filter(Boolean).join(delimiter);
}

function askForPath(shell: string, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<string> {
  const mark = randomUUID();
  return new Promise((resolve, reject) => {
    // printenv rather than $PATH, which fish prints as a list. A group of its own, so that whatever the
    // start-up files run ends with the shell.
    const child = spawn(shell, ['-ilc', `echo ${mark}; printenv PATH; echo ${mark}`], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    const timer = setTimeout(() => settle(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    const settle = (result: string | Error) => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => undefined); // a kill that comes too late is no news
      child.stdout.destroy();
      endGroup(child.pid);
      if (typeof result === 'string') resolve(result);
      else reject(result);
    };
    child.on('error', settle);
    child.on('close', code => settle(new Error(`it ended with code ${code} and no PATH`)));
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      // Start-up files print what they like before and after; a background job of theirs may keep the pipe open.
      const path = output.split(mark)[1]?.trim();
      if (path && output.split(mark).length > 2) settle(path);
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The whole group has ended already.
  }
}
