// What a recorded conversation is made of, and odd values to fill it with. The backend is servers/recorded.mjs.
import type { BareClient } from '../support/bareClient.ts';

export type Params = Record<string, unknown>;

/** Where the backend says in a result what it has been told. */
export const HEARD = 'recorded.example/heard';

/** A notification, or a request without its id. */
export interface Said {
  readonly method: string;
  readonly params?: unknown;
}

/** What the backend does about a request. Where a message has the progress token `$token`, it is that of the request. */
export interface Play {
  /** Said before the answer. A request to the client is waited for, or cancelled at once. */
  readonly before?: readonly (Said & { readonly ask?: 'and wait' | 'and cancel' })[];
  readonly result?: object;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  /** Said as soon as the answer is given. */
  readonly after?: readonly Said[];
  /** Makes the result one of 5 MB. */
  readonly fill?: 'text' | 'structured';
  /** So many tools more. */
  readonly grow?: number;
  /** There is no answer. */
  readonly hang?: true;
}

export interface Step {
  /** Unique. */
  readonly title: string;
  /** `list`: all pages; `listen`: a request that stays open; `end`: the client gives up the request of this id. */
  readonly kind: 'request' | 'list' | 'notification' | 'listen' | 'end';
  readonly method: string;
  /** `requestState: '$state'` is the one of the answer before. */
  readonly params?: unknown;
  readonly play?: Play;
  /** Of a request: its id, if that is not to be any number. */
  readonly id?: number | string;
  /** The client gives up as soon as a message of this method has come. */
  readonly cancelOn?: string;
  /** The methods of what may come after the answer. */
  readonly awaits?: readonly string[];
  /** It names what nobody has. */
  readonly isUnknown?: true;
  /** Its URI is in no list and matches no template. */
  readonly isUnlisted?: true;
  /** It names what is in no list before the backend has told of a change. */
  readonly isNew?: true;
}

export type More = Partial<Pick<Step, 'id' | 'cancelOn' | 'awaits' | 'isUnknown' | 'isUnlisted' | 'isNew'>>;

export const unknown = {
  'x-vendor': { nested: [1, null, { deep: [[], {}] }] },
  future: null,
  ['__proto__']: { kept: true },
  constructor: 'a word like any other',
};
export const WEIRD_TEXT =
  'NUL \u0000, a line\u2028 and a paragraph\u2029, RTL \u202eעברית\u202c, a half \ud83d, the other \ude82, both 🚂, 👩‍👩‍👧, e\u0301, </script>';
export const TASK = {
  taskId: 'task 1/ü',
  status: 'working',
  statusMessage: '…',
  createdAt: '2026-01-01T00:00:00Z',
  lastUpdatedAt: '2026-01-01T00:00:01Z',
  ttl: null,
  pollInterval: 0.5,
  ...unknown,
};
export const OF_TASK = { 'io.modelcontextprotocol/related-task': { taskId: TASK.taskId, ...unknown } };
export const A = 'recorded://a?q=ä%20&x=#1';
export const TEMPLATE = 'recorded://items/{id}{?q*}';

export const CONTENT = [
  {
    type: 'text',
    text: WEIRD_TEXT,
    annotations: { audience: ['user', 'robot'], priority: -1, mood: 'calm' },
    ...unknown,
  },
  { type: 'image', data: 'AAEC', mimeType: 'image/x-none', _meta: { m: null } },
  { type: 'audio', data: '', mimeType: '' },
  { type: 'resource_link', uri: A, name: 'a', icons: [{ src: 'data:,', sizes: 'any' }], size: 2 ** 53, ...unknown },
  { type: 'resource_link', uri: 'recorded://linked/nowhere listed', name: 'linked' },
  { type: 'resource', resource: { uri: A, text: 'inside', _meta: { m: [null] }, ...unknown }, ...unknown },
  { type: 'resource', resource: { uri: 'recorded://items/1', blob: 'AAEC' }, annotations: null },
  { type: 'hologram', shape: 'sphere', uri: A, resource: 'no object', ...unknown },
  { type: 'tool_use', id: 'x', name: 'plain', input: { uri: A } },
  { noType: true },
  null,
  'malformed',
];

/** Progress of a request, with its token. */
export const progress = (params: object): Said => ({
  method: 'notifications/progress',
  params: { progressToken: '$token', ...params },
});
export const log = (level: string, data: unknown, more: object = {}): Said => ({
  method: 'notifications/message',
  params: { level, data, ...more },
});
export const request = (title: string, method: string, params: object | undefined, play?: Play, more?: More): Step => ({
  title,
  kind: 'request',
  method,
  ...(params && { params }),
  ...(play && { play }),
  ...more,
});
export const call = (title: string, play?: Play, params: object = {}, more?: More): Step =>
  request(title, 'tools/call', { name: 'plain', ...params }, play, more);
export const notification = (title: string, method: string, params?: unknown): Step => ({
  title,
  kind: 'notification',
  method,
  ...(params !== undefined && { params }),
});
/** All pages of a list. */
export const list = (title: string, method: string): Step => ({ title, kind: 'list', method });
export const asking = (
  title: string,
  method: string,
  params: object | undefined,
  ask: 'and wait' | 'and cancel' = 'and wait',
) => call(title, { before: [{ method, ...(params && { params }), ask }] });

/** The member of a list's result that has the items. */
export const LIST_KEYS: Readonly<Record<string, Parameters<BareClient['list']>[0]>> = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
  'tasks/list': 'tasks',
};
export const ITEM_IDS = {
  tools: 'name',
  prompts: 'name',
  resources: 'uri',
  resourceTemplates: 'uriTemplate',
  tasks: 'taskId',
} as const;

export function tokenOf(params: unknown): unknown {
  return (params as { _meta?: Params } | undefined)?._meta?.progressToken;
}
