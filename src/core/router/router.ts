// client ──► downstream/session.ts ──► router.ts ──► upstream/backend.ts ──► upstream/connection.ts ──► process or URL
//            one MCP session           which backend  one backend's life      one MCP client session
import { UriTemplate } from '@modelcontextprotocol/client';
import { nearest } from '../base/nearest.ts';
import type { Backend } from '../upstream/backend.ts';
import type { Caller, Params } from '../upstream/connection.ts';
import { type RpcError, WireError } from '../upstream/outcome.ts';
import type { Candidate, Catalog, Entry } from './catalog.ts';
import { exposedNamespace } from './toolNames.ts';

// What a session needs of the layer below the router.
export { type Params, WireError };

/** A client's request, and all that it brings with it. */
export interface Call {
  readonly params: Params;
  readonly caller: Caller;
  /** Aborts when the client gives up. */
  readonly signal: AbortSignal;
}

/** What the client is answered. After a cancelled call nobody reads it. */
export type Answer =
  | { readonly kind: 'result'; readonly result: Params }
  | { readonly kind: 'error'; readonly error: RpcError };

/** A candidate that could not answer, and why. */
interface Refusal {
  readonly backend: string;
  readonly reason: string;
}

const INVALID_PARAMS = -32602;
const RESOURCE_NOT_FOUND = -32002;
const INTERNAL_ERROR = -32603;

export interface RouterPorts {
  catalog(): Catalog;
  /** All enabled backends, in the order of the file. */
  backends(): readonly Backend[];
}

/** Decides which backend answers a request, and gets the answer. */
export class Router {
  private readonly ports: RouterPorts;

  constructor(ports: RouterPorts) {
    this.ports = ports;
  }

  /** Whether some backend lists the tool, by exposed name or one of its older spellings. */
  knows(name: string): boolean {
    return findTool(this.ports.catalog(), name) !== undefined;
  }

  /** `tools/call`, by exposed name or one of its older spellings. */
  async callTool(call: Call): Promise<Answer> {
    const name = String(call.params.name);
    const entry = (await this.whenKnown(name, call.signal, findTool)) ?? this.absentee(name);
    if (!entry) return unknown('tool', name, this.ports.catalog().tools.keys());
    const answer = await this.forward('tools/call', entry.candidates, call, originalName => ({
      ...call.params,
      name: originalName,
    }));
    return answer.kind === 'nobody' ? { kind: 'result', result: noBackendResult(name, answer.refusals) } : answer;
  }

  /** `prompts/get`, by exposed name. */
  async getPrompt(call: Call): Promise<Answer> {
    const name = String(call.params.name);
    const entry = await this.whenKnown(name, call.signal, (catalog, prompt) => catalog.prompts.get(prompt));
    if (!entry) return unknown('prompt', name, this.ports.catalog().prompts.keys());
    const answer = await this.forward('prompts/get', entry.candidates, call, originalName => ({
      ...call.params,
      name: originalName,
    }));
    return answer.kind === 'nobody' ? noBackendError(name, answer.refusals) : answer;
  }

  /** `resources/read`, by exposed URI. */
  async readResource(call: Call): Promise<Answer> {
    const answer = await this.forwardByUri('resources/read', call);
    if (answer.kind !== 'result' || !Array.isArray(answer.result.contents)) return answer;
    // A URI that had to be rewritten is so in the answer too.
    const { uri } = call.params;
    const original = this.holdersOf(String(uri))[0]?.originalName;
    if (original === uri) return answer;
    const contents = answer.result.contents.map((content: Params) =>
      content.uri === original ? { ...content, uri } : content,
    );
    return { kind: 'result', result: { ...answer.result, contents } };
  }

  /** `resources/subscribe` and `resources/unsubscribe`, by exposed URI. */
  subscribe(method: 'resources/subscribe' | 'resources/unsubscribe', call: Call): Promise<Answer> {
    return this.forwardByUri(method, call);
  }

  /** `completion/complete`, by the prompt or resource template that it refers to. */
  async complete(call: Call): Promise<Answer> {
    const ref = call.params.ref as Params | undefined;
    const isPrompt = ref?.type === 'ref/prompt';
    const key = isPrompt ? 'name' : 'uri';
    const wanted = String(ref?.[key]);
    const { prompts, templates, resources } = this.ports.catalog();
    const entry = isPrompt ? prompts.get(wanted) : (templates.get(wanted) ?? resources.get(wanted));
    if (!entry)
      return unknown(isPrompt ? 'prompt' : 'resource template', wanted, (isPrompt ? prompts : templates).keys());
    const rewrite = (original: string) => ({ ...call.params, ref: { ...ref, [key]: original } });
    const answer = await this.forward('completion/complete', entry.candidates, call, rewrite);
    return answer.kind === 'nobody' ? noBackendError(wanted, answer.refusals) : answer;
  }

  private async forwardByUri(method: string, call: Call): Promise<Answer> {
    const uri = String(call.params.uri);
    const candidates = this.holdersOf(uri);
    if (candidates.length === 0) return error(RESOURCE_NOT_FOUND, `Unknown resource: ${uri}`, { uri });
    const answer = await this.forward(method, candidates, call, originalUri => ({ ...call.params, uri: originalUri }));
    return answer.kind === 'nobody' ? noBackendError(uri, answer.refusals) : answer;
  }

  /** The path of every request: choose, admit, call, then answer or move on. */
  private async forward(
    method: string,
    candidates: readonly Candidate[],
    call: Call,
    paramsFor: (originalName: string) => Params,
  ): Promise<Answer | { readonly kind: 'nobody'; readonly refusals: readonly Refusal[] }> {
    const refusals: Refusal[] = [];
    // 1. Choose: in order, but one that is ready goes before one that has yet to start.
    for (const { backend, originalName } of readyFirst(candidates)) {
      // 2. Admit: one that is starting is waited for, one that cannot be used is passed over.
      await backend.whenConnected(call.signal);
      // 3. Call.
      const outcome = await backend.request(method, paramsFor(originalName), call);
      // 4. Answer, or move on if the backend certainly has not seen the call.
      switch (outcome.kind) {
        case 'answered':
          return { kind: 'result', result: outcome.result };
        case 'rejected':
          return { kind: 'error', error: outcome.error };
        case 'cancelled':
          return error(INTERNAL_ERROR, 'cancelled');
        case 'failed':
          refusals.push({ backend: backend.name, reason: outcome.failure.message });
          if (outcome.sent) return { kind: 'nobody', refusals };
      }
    }
    return { kind: 'nobody', refusals };
  }

  /** Looks a name up; one of a namespace that has yet to start waits for it, and starts it if need be. */
  private async whenKnown(
    name: string,
    signal: AbortSignal,
    find: (catalog: Catalog, name: string) => Entry | undefined,
  ): Promise<Entry | undefined> {
    const known = find(this.ports.catalog(), name);
    if (known) return known;
    const starting = this.namesakes(name).filter(
      ({ backend: { state } }) => state.kind === 'connecting' || state.kind === 'idle',
    );
    if (starting.length === 0) return undefined;
    await Promise.all(starting.map(({ backend }) => backend.whenConnected(signal)));
    return find(this.ports.catalog(), name);
  }

  /** Stands in for a name nobody lists, but whose namespace belongs to backends that are away: they say why. */
  private absentee(name: string): Pick<Entry, 'candidates'> | undefined {
    const away = this.namesakes(name).filter(({ backend }) => backend.state.kind !== 'ready');
    return away.length > 0 ? { candidates: away } : undefined;
  }

  /** The backends whose namespace a name begins with, each with the rest of the name. */
  private namesakes(name: string): Candidate[] {
    return this.ports.backends().flatMap(backend => {
      const namespace = exposedNamespace(backend.config.namespace);
      const [, originalName] = /^(?:__|\.|::)(.+)$/s.exec(name.slice(namespace.length)) ?? [];
      return originalName !== undefined && name.toLowerCase().startsWith(namespace) ? [{ backend, originalName }] : [];
    });
  }

  /** Who can serve a URI: who lists it, whose template it matches, or else the only one that has resources at all. */
  private holdersOf(uri: string): readonly Candidate[] {
    const { resources, templates } = this.ports.catalog();
    const listed = resources.get(uri);
    if (listed) return listed.candidates;
    for (const { exposedName, candidates } of templates.values()) {
      const variables = new UriTemplate(exposedName).match(uri);
      if (variables)
        return candidates.map(({ backend, originalName }) => ({
          backend,
          originalName: new UriTemplate(originalName).expand(variables),
        }));
    }
    const holders = this.ports.backends().filter(({ capabilities }) => 'resources' in capabilities);
    return holders.length === 1 ? holders.map(backend => ({ backend, originalName: uri })) : [];
  }
}

function findTool({ tools, toolAliases }: Catalog, name: string): Entry | undefined {
  return tools.get(name) ?? tools.get(toolAliases.get(name) ?? '');
}

function readyFirst(candidates: readonly Candidate[]): Candidate[] {
  const isReady = ({ backend }: Candidate) => backend.state.kind === 'ready';
  return [...candidates.filter(isReady), ...candidates.filter(candidate => !isReady(candidate))];
}

function error(code: number, message: string, data?: unknown): Answer {
  return { kind: 'error', error: { code, message, ...(data !== undefined && { data }) } };
}

function unknown(what: string, name: string, known: Iterable<string>): Answer {
  const near = nearest(name, known);
  const hint = near.length > 0 ? `. Did you mean ${near.map(each => `"${each}"`).join(' or ')}?` : '';
  return error(INVALID_PARAMS, `Unknown ${what}: ${name}${hint}`);
}

function noBackendMessage(name: string, refusals: readonly Refusal[]): string {
  return `No backend could run "${name}" (${refusals.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ')})`;
}

/** To the model a missing backend is a failed tool, which it can react to. */
function noBackendResult(name: string, refusals: readonly Refusal[]): Params {
  return { isError: true, content: [{ type: 'text', text: noBackendMessage(name, refusals) }] };
}

function noBackendError(name: string, refusals: readonly Refusal[]): Answer {
  return error(INTERNAL_ERROR, noBackendMessage(name, refusals));
}
