import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BareHttpClient } from './bareClient.ts';

/** A call that has ended. */
export interface LoadedCall {
  /** Unique; the tool is told it as an argument. */
  readonly label: string;
  /** The place of its client among all. */
  readonly caller: number;
  /** Why it was not answered: a tool error, a JSON-RPC error, or a broken connection. */
  readonly failure: string | undefined;
  /** By `performance.now()`. */
  readonly began: number;
  readonly ended: number;
}

/** Calls that are made one after the other, until it is stopped. */
export interface Load {
  /** Makes no new calls; resolves with all that were made, once each has ended. */
  stop(): Promise<LoadedCall[]>;
}

let loads = 0;

/**
 * A refusal costs less than a millisecond, an answer several: without a pause the refusals of one backend that is down for a
 * second outnumber all answers of a minute, and their share says how fast the machine is.
 */
const PAUSE_AFTER_FAILURE_MS = 50;

/** Each client calls a tool again as soon as its last call was answered, at most until the end of the test. */
export function startLoad(t: TestContext, clients: readonly BareHttpClient[], tool: string): Load {
  const load = ++loads;
  const ended: LoadedCall[] = [];
  let stopped = false;
  t.after(() => {
    stopped = true;
  });
  const callers = clients.map(async (client, caller) => {
    for (let n = 1; !stopped; n++) {
      const label = `${tool}/${load}/${caller}/${n}`;
      const began = performance.now();
      const failure = await failureOf(client, tool, label);
      ended.push({ label, caller, failure, began, ended: performance.now() });
      if (failure !== undefined) await sleep(PAUSE_AFTER_FAILURE_MS);
    }
  });
  return {
    async stop() {
      stopped = true;
      await Promise.all(callers);
      // Taken out: the clean-up of the test keeps this load until its end.
      return ended.splice(0);
    },
  };
}

async function failureOf(client: BareHttpClient, tool: string, label: string): Promise<string | undefined> {
  try {
    const { result, error } = await client.callTool(tool, { label });
    if (error) return error.message;
    return result.isError === true ? String(result.content[0].text) : undefined;
  } catch (error) {
    return String(error);
  }
}
