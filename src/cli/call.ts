import { Client, ProtocolError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import manifest from '../../package.json' with { type: 'json' };
import { messageOf, UserError } from '../core/base/errors.ts';
import { Any, NO_SDK_TIMEOUT } from '../core/base/passThrough.ts';
import { INTERNAL_ERROR } from '../core/base/rpcErrors.ts';
import { type Environment, readEnvironment } from '../core/config/environment.ts';
import type { CallReport } from '../core/gateway.ts';
import type { CallArgs } from './args.ts';
import { DEFAULT_URL } from './commandTable.ts';
import { formatResult } from './format.ts';
import { onStopSignal, openGateway } from './openGateway.ts';
import { authorization, careful, DOOR, tokenToShow } from './runningRouter.ts';
import { createStderrLog } from './stderrLog.ts';

/** Calls one tool and prints its answer. The exit code: 0 answered, 1 no such tool or it failed, 2 bad configuration. */
export async function call(args: CallArgs): Promise<number> {
  onStopSignal(exitCode => process.exit(exitCode));
  const environment = readEnvironment(process.env);
  const report =
    args.url === undefined
      ? await callHere(args, environment)
      : await callAt(callAddress(args.url), args, tokenToShow(environment));
  if (!report) return 2;
  if (report.kind !== 'answered') {
    process.stderr.write(`switchyard: ${report.message}\n`);
    return 1;
  }
  const { result } = report;
  const text = args.json ? JSON.stringify(result, undefined, 2) : formatResult(result);
  (result.isError && !args.json ? process.stderr : process.stdout).write(`${text}\n`);
  return result.isError ? 1 : 0;
}

/** Undefined where the configuration cannot be used, which the gateway has told. */
async function callHere({ tool, args, config }: CallArgs, environment: Environment): Promise<CallReport | undefined> {
  const gateway = openGateway(config, environment, createStderrLog('error', { format: 'pretty', timestamps: false }));
  const loaded = await gateway.start();
  if (!loaded.ok) return undefined;
  const report = await gateway.callTool(tool, args, new AbortController().signal);
  await gateway.stop();
  return report;
}

/** Where a router takes calls, by its base or any of its doors: `serve` itself may have told that of HTTP+SSE. */
function callAddress(text: string): URL {
  const url = new URL(text);
  url.pathname = url.pathname.replace(DOOR, '/mcp');
  return url;
}

async function callAt(url: URL, { tool, args }: CallArgs, token: string | undefined): Promise<CallReport> {
  const client = new Client({ name: 'switchyard-call', version: manifest.version });
  let transport: StreamableHTTPClientTransport | undefined;
  const options = { requestInit: { headers: authorization(token) }, fetch: careful(fetch, token) };
  const rejected = (message: string) => ({ kind: 'rejected', code: INTERNAL_ERROR, message }) as const;
  try {
    try {
      transport = new StreamableHTTPClientTransport(url, options);
      await client.connect(transport);
    } catch (error) {
      if (error instanceof UserError) return rejected(error.message);
      // What the SDK expected is no news to the person: mostly it is the wrong address.
      return rejected(`${url} does not answer as an MCP server. A router's address is like ${DEFAULT_URL}/mcp.`);
    }
    const request = { method: 'tools/call', params: { name: tool, arguments: args } };
    const result = await client.request(request, Any, { timeout: NO_SDK_TIMEOUT });
    return { kind: 'answered', result: result as Record<string, unknown> };
  } catch (error) {
    if (error instanceof ProtocolError) return { kind: 'rejected', code: error.code, message: error.message };
    return rejected(error instanceof UserError ? error.message : `${url} did not answer the call: ${messageOf(error)}`);
  } finally {
    // What the router says to that changes nothing of the answer.
    await transport?.terminateSession().catch(() => undefined);
    await client.close();
  }
}
