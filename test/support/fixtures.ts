import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

export interface Command {
  readonly command: string;
  readonly args: string[];
}

/** Process ids of HTTP servers that tests started themselves. */
export const httpFixturePids = new Set<number>();

/** Where a program of `test/` is: `servers/echo.mjs`. */
export function fixturePath(file: string): string {
  return fileURLToPath(new URL(`../${file}`, import.meta.url));
}

/** How a stdio backend is started, as the configuration has it. */
export function fixtureCommand(file: string, ...args: string[]): Command {
  return { command: process.execPath, args: [fixturePath(file), ...args] };
}

/** Starts an HTTP server, by default on a free port, until `close` or the end of this process. */
export async function startHttpFixture(
  file: string,
  {
    args = [],
    port = 0,
    execPath = process.execPath,
  }: { args?: readonly string[]; port?: number; execPath?: string } = {},
): Promise<{ url: string; close(): Promise<void> }> {
  const child = fork(fixturePath(file), [...args, '--port', `${port}`], { silent: true, execPath, execArgv: [] });
  const ended = once(child, 'close');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} did not start`);
  httpFixturePids.add(pid);
  if (!child.stdout) throw new Error('stdout is piped');
  const [address] = (await Promise.race([once(child.stdout, 'data'), ended])) as [unknown];
  if (!Buffer.isBuffer(address)) throw new Error(`${file} ended before it listened`);
  return {
    url: address.toString().trim(),
    async close() {
      child.kill('SIGKILL');
      await ended;
      httpFixturePids.delete(pid);
    },
  };
}

/** The same, for the time of one test; gives its URL. */
export async function httpFixture(t: TestContext, file: string, ...args: string[]): Promise<string> {
  const fixture = await startHttpFixture(file, { args });
  t.after(() => fixture.close());
  return fixture.url;
}
