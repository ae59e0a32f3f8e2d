// The backend’s names, URIs and task ids, and those that clients of a router see, in every place that has one.
import { exposedNames } from '../../src/core/router/toolNames.ts';
import type { Message } from '../support/bareClient.ts';
import type { Params, Step } from './steps.ts';

export const BACKEND = 'recorded';
const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** How the backend stands behind a router. */
export interface RouterKind {
  readonly named: string;
  /** How the router reaches it. */
  readonly transport: 'stdio' | 'HTTP' | 'SSE';
  readonly prefixing: boolean;
  readonly session: 'shared' | 'per_client';
  /** Whether there is another backend with the same names and URIs, earlier in the file. */
  readonly hasTwin: boolean;
}

/** The backend’s names for things, and those that clients of a router see. */
export class Names {
  private readonly router: RouterKind;

  constructor(router: RouterKind) {
    this.router = router;
  }

  name(original: string): string {
    const options = { prefixing: this.router.prefixing, separator: '__' } as const;
    return exposedNames(BACKEND, [original], options).get(original) ?? original;
  }

  /** Of what this backend lists, and the other one too. */
  uri(original: string): string {
    const isUnlisted = original.startsWith('recorded://linked/') || original.endsWith('/part');
    return this.router.hasTwin && !isUnlisted && !original.startsWith('nobody:')
      ? `switchyard://${BACKEND}/${original}`
      : original;
  }

  task(original: string): string {
    return `${BACKEND}/${original}`;
  }

  /** Whether something listed is of this backend. */
  isOurs(id: string): boolean {
    const prefixes = [`${BACKEND}__`, `switchyard://${BACKEND}/`, `${BACKEND}/`];
    return !this.router.hasTwin || prefixes.some(prefix => id.startsWith(prefix));
  }
}

/** A step as a client of the router has to take it. */
export function withExposedNames(step: Step, names: Names): Step {
  if (typeof step.params !== 'object' || step.params === null || step.isUnknown) return step;
  const params: Params = { ...step.params };
  if (typeof params.name === 'string') params.name = names.name(params.name);
  if (typeof params.uri === 'string') params.uri = names.uri(params.uri);
  if (typeof params.taskId === 'string') params.taskId = names.task(params.taskId);
  if (typeof params.ref === 'object') {
    const ref = params.ref as { name?: string; uri?: string };
    params.ref = {
      ...ref,
      ...(ref.name && { name: names.name(ref.name) }),
      ...(ref.uri && { uri: names.uri(ref.uri) }),
    };
  }
  return { ...step, params };
}

/** A message to the client with the names, URIs and tasks in it as clients of the router see them. */
export function withExposedContents(message: Message, step: Step, names: Names): Message {
  if (message.result) return { ...message, result: exposedResult(message.result, step, names) };
  if (message.error && step.method.startsWith('resources/'))
    return { ...message, error: withExposedUri(message.error, names) };
  if (!message.params) return message;
  const params = withExposedTask(message.params, names);
  return {
    ...message,
    params:
      typeof params.uri === 'string' && message.method === 'notifications/resources/updated'
        ? { ...params, uri: names.uri(params.uri) }
        : params,
  };
}

function exposedResult(result: Params, { kind, method }: Step, names: Names): Params {
  const each = (key: string, change: (item: Params) => Params) =>
    Array.isArray(result[key])
      ? { [key]: result[key].map(item => (typeof item === 'object' && item !== null ? change(item) : item)) }
      : {};
  const located = (item: Params) => ({
    ...item,
    ...(typeof item.uri === 'string' && { uri: names.uri(item.uri) }),
    ...(typeof item.uriTemplate === 'string' && { uriTemplate: names.uri(item.uriTemplate) }),
  });
  const content = (item: Params): Params => {
    if (item.type === 'resource_link') return located(item);
    return item.type === 'resource' ? { ...item, resource: located(item.resource as Params) } : item;
  };
  if (kind === 'list') {
    const named = (item: Params) => withExposedApp({ ...item, name: names.name(String(item.name)) }, names);
    return {
      ...each('tools', named),
      ...each('prompts', named),
      ...each('resources', located),
      ...each('resourceTemplates', located),
      ...each('tasks', task => withExposedTask(task, names)),
    };
  }
  return {
    ...withExposedTask(result, names),
    ...(method === 'resources/read' && each('contents', located)),
    ...(/^(tools\/call|tasks\/result)$/.test(method) && each('content', content)),
    ...(method === 'prompts/get' &&
      each('messages', item =>
        typeof item.content === 'object' && item.content !== null
          ? { ...item, content: content(item.content as Params) }
          : item,
      )),
  };
}

/** The URI that a client has named comes back as it has named it. */
function withExposedUri(error: NonNullable<Message['error']>, names: Names): NonNullable<Message['error']> {
  const data = error.data as { uri?: unknown } | null | undefined;
  return typeof data?.uri === 'string' ? { ...error, data: { ...data, uri: names.uri(data.uri) } } : error;
}

function withExposedApp(item: Params, names: Names): Params {
  const ui = (item._meta as { ui?: { resourceUri?: string } } | undefined)?.ui;
  if (!ui?.resourceUri) return item;
  return { ...item, _meta: { ...(item._meta as Params), ui: { ...ui, resourceUri: names.uri(ui.resourceUri) } } };
}

function withExposedTask(value: Params, names: Names): Params {
  const { taskId, task, _meta } = value as { taskId?: unknown; task?: Params; _meta?: Params };
  const related = typeof _meta === 'object' && _meta !== null ? (_meta[RELATED_TASK] as Params | undefined) : undefined;
  return {
    ...value,
    ...(typeof taskId === 'string' && taskId.startsWith('task ') && { taskId: names.task(taskId) }),
    ...(task && { task: withExposedTask(task, names) }),
    ...(related && { _meta: { ..._meta, [RELATED_TASK]: withExposedTask(related, names) } }),
  };
}
