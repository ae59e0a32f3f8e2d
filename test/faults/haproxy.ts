import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { freePort } from '../cli/program.ts';
import { eventually } from '../support/eventually.ts';
import { findOnPath, installDebianPackages, programOf } from '../support/machine.ts';

export interface Balancer {
  /** Where a session stays with its replica by its `Mcp-Session-Id`, and what has none goes round. */
  readonly http: string;
  /** Where an address stays with its replica, whatever it says. */
  readonly tcp: string;
}

/** haproxy before several replicas, which it asks at `/readyz`, for the time of one test. */
export async function startHaproxy(t: TestContext, replicas: readonly string[]): Promise<Balancer> {
  const haproxy = { ...programOf('haproxy'), isThere: () => pathOfHaproxy() !== undefined };
  await installDebianPackages([haproxy], line => t.diagnostic(line));
  const [http, tcp] = [await freePort(), await freePort()];
  const folder = await mkdtemp(path.join(tmpdir(), 'switchyard-haproxy-'));
  const file = path.join(folder, 'haproxy.cfg');
  const servers = replicas.map((url, n) => `  server replica-${n} ${new URL(url).host}`).join('\n');
  await writeFile(file, configuration(http, tcp, servers));

  const child = spawn(pathOfHaproxy() ?? 'haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true });
  });
  const balancer = { http: `http://127.0.0.1:${http}/mcp`, tcp: `http://127.0.0.1:${tcp}/mcp` };
  await eventually('haproxy', async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}: ${said}`);
    const answers = Object.values(balancer).map(url => fetch(new URL('/readyz', url)).catch(() => undefined));
    return (await Promise.all(answers)).every(answer => answer?.ok);
  });
  return balancer;
}

/** Debian has it where only root looks. */
function pathOfHaproxy(): string | undefined {
  return findOnPath('haproxy') ?? ['/usr/sbin/haproxy'].find(existsSync);
}

/** A replica that is slow to say how it is stays: this machine may be busy. One that is gone is noticed by its port. */
function configuration(http: number, tcp: number, servers: string): string {
  return `
defaults
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  retries 3
  option redispatch 1
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
  default-server check inter 250ms fall 3 rise 2

frontend sessions
  mode http
  bind 127.0.0.1:${http}
  default_backend by_session

backend by_session
  mode http
  balance roundrobin
  stick-table type string len 64 size 10k expire 30m
  stick match req.hdr(mcp-session-id)
  stick store-response res.hdr(mcp-session-id)
${servers}

frontend addresses
  mode tcp
  bind 127.0.0.1:${tcp}
  default_backend by_address

backend by_address
  mode tcp
  balance source
  hash-type consistent
${servers}
`;
}
