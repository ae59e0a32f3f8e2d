import type { Era } from '../base/envelope.ts';
import { asText } from '../base/json.ts';
import type { Answer, Params } from '../base/peer.ts';
import { INTERNAL_ERROR, INVALID_PARAMS, refusal } from '../base/rpcErrors.ts';
import { type Catalog, definitionFor } from '../router/catalog.ts';
import type { ClientRequests } from '../router/clientRequests.ts';
import type { RouterIntroduction } from '../router/introduction.ts';
import type { Call, Router } from '../router/router.ts';
import { STOPPING } from './door.ts';

/** What serving clients needs of everything behind it. */
export interface ServingPorts {
  readonly serverInfo: { readonly name: string; readonly title: string; readonly version: string };
  readonly router: Pick<
    Router,
    | 'callTool'
    | 'getPrompt'
    | 'ofResource'
    | 'complete'
    | 'ofTask'
    | 'listTasks'
    | 'ofNobody'
    | 'isShared'
    | 'leaveResource'
    | 'listedAs'
  >;
  readonly clients: ClientRequests;
  /** Nothing new is taken: over HTTP it is refused before it comes here. */
  isStopping(): boolean;
  /** What to list. Right after the start it waits a moment for backends that have not answered yet. */
  catalog(): Promise<Catalog>;
  introduction(): RouterIntroduction;
  /** Tells all backends what a client has told us. */
  notifyBackends(method: string, params: Params | undefined, sessionId: string): void;
  /** Another client is there, which has asked for no level. */
  onJoin(): void;
  /** Some client asked for another level. */
  onLogLevelChange(level: string, sessionId: string): void;
  /** A request without a session wants log messages of this level. `sessionId`: the client that it stands for. */
  onStatelessLevel(level: string, sessionId: string): void;
  /** A client has left, or a request that stood for one has ended. */
  release(sessionId: string): void;
}

/** One of the catalog's lists as a client is to see it. */
export type Present = (catalog: Catalog, kind: 'tools' | 'prompts' | 'resources' | 'templates') => readonly unknown[];

/** As it is, but for what the other era alone knows. */
export function presentFor(era: Era): Present {
  return (catalog, kind) => Array.from(catalog[kind].values(), entry => definitionFor(era, entry));
}

/** Answers what both eras ask in the same words; undefined for any other method. */
export function dispatch(
  method: string,
  call: Call,
  { router, catalog, isStopping }: ServingPorts,
  present: Present,
): Promise<Answer> | undefined {
  const list = async (key: string, kind: Parameters<Present>[1]) => {
    // Whole lists are given, so nobody has been given a cursor.
    if (call.params.cursor !== undefined)
      return refusal(INVALID_PARAMS, `Invalid cursor: ${asText(call.params.cursor)}`);
    return result({ [key]: present(await catalog(), kind) });
  };
  if (isStopping()) return Promise.resolve(refusal(INTERNAL_ERROR, STOPPING));
  switch (method) {
    case 'tools/list':
      return list('tools', 'tools');
    case 'prompts/list':
      return list('prompts', 'prompts');
    case 'resources/list':
      return list('resources', 'resources');
    case 'resources/templates/list':
      return list('resourceTemplates', 'templates');
    case 'tools/call':
      return router.callTool(call);
    case 'prompts/get':
      return router.getPrompt(call);
    case 'resources/read':
      return router.ofResource(method, call);
    case 'completion/complete':
      return router.complete(call);
    default:
      return undefined;
  }
}

export function result(value: Params): Answer {
  return { kind: 'result', result: value };
}
