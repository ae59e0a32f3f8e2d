import { readdirSync, readFileSync } from 'node:fs';

/** Whether this process runs. One that ended and was not yet collected by its parent counts as gone. */
export function isRunning(pid: number): boolean {
  return statOf(pid) !== undefined;
}

/** Children and their children, to any depth. Linux only (elsewhere none). */
export function descendantsOf(pid: number): number[] {
  const parents = new Map(
    listProcesses().flatMap(child => {
      const stat = statOf(child);
      return stat ? [[child, stat.parent] as const] : [];
    }),
  );
  const found = [pid];
  for (const ancestor of found) {
    for (const [child, parent] of parents) if (parent === ancestor) found.push(child);
  }
  return found.slice(1);
}

function listProcesses(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function statOf(pid: number): { parent: number } | undefined {
  if (process.platform !== 'linux') {
    try {
      process.kill(pid, 0);
      return { parent: 0 };
    } catch {
      return undefined;
    }
  }
  try {
    // "pid (command) state parent …", and the command may hold blanks and brackets.
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return state === 'Z' || state === 'X' ? undefined : { parent: Number(parent) };
  } catch {
    return undefined;
  }
}
