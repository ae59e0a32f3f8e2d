import { isObject, mapElements, mapMembers } from '../base/json.ts';
import type { Params } from '../base/peer.ts';
import type { Item } from '../upstream/lists.ts';

/** How one backend's own identifiers are seen by clients. Each function gives its argument back where nothing differs. */
export interface Naming {
  uri(original: string): string;
  taskId(original: string): string;
}

/**
 * A backend's result as clients see it: every URI and task id in a place that the protocol has for one.
 * Texts and `structuredContent` are not looked into. The very same object where nothing differs; never throws.
 */
export function exposedResult(result: Params, naming: Naming): Params {
  return RESULT(result, naming) as Params;
}

/** The params of a backend's request or notification as clients see them; as {@link exposedResult}. */
export function exposedParams(method: string, params: Params | undefined, naming: Naming): Params | undefined {
  const rewrite = Object.hasOwn(PARAMS, method) ? PARAMS[method] : undefined;
  return (rewrite ?? ANY_PARAMS)(params, naming) as Params | undefined;
}

/** A listed tool, prompt or resource with the URIs that its `_meta` refers to; as {@link exposedResult}. */
export function exposedDefinition(item: Item, naming: Pick<Naming, 'uri'>): Item {
  return ANY_PARAMS(item, { taskId: id => id, ...naming }) as Item;
}

/** Gives a value of any shape back with what is to be rewritten in it; the very same one where nothing is. */
type Rewrite = (value: unknown, naming: Naming) => unknown;

const uri: Rewrite = (value, naming) => (typeof value === 'string' ? naming.uri(value) : value);
const taskId: Rewrite = (value, naming) => (typeof value === 'string' ? naming.taskId(value) : value);

/** Rewrites the named members of an object. */
function members(rewrites: Readonly<Record<string, Rewrite>>): Rewrite {
  const table = Object.entries(rewrites);
  return (value, naming) => {
    if (!isObject(value)) return value;
    let rewritten: Params | undefined;
    for (const [key, rewrite] of table) {
      if (!Object.hasOwn(value, key)) continue;
      const member = rewrite(value[key], naming);
      if (member === value[key]) continue;
      rewritten ??= { ...value };
      rewritten[key] = member;
    }
    return rewritten ?? value;
  };
}

/** Rewrites every element of an array. */
function each(rewrite: Rewrite): Rewrite {
  return (value, naming) => (Array.isArray(value) ? mapElements(value, element => rewrite(element, naming)) : value);
}

/** Rewrites every member of an object that is used as a map. */
function eachMember(rewrite: Rewrite): Rewrite {
  return (value, naming) => (isObject(value) ? mapMembers(value, member => rewrite(member, naming)) : value);
}

function oneOrMany(rewrite: Rewrite): Rewrite {
  const many = each(rewrite);
  return (value, naming) => (Array.isArray(value) ? many : rewrite)(value, naming);
}

/** Rewrites a content block by its `type`. */
function block(types: Readonly<Record<string, Rewrite>>): Rewrite {
  return (value, naming) => {
    if (!isObject(value) || typeof value.type !== 'string' || !Object.hasOwn(types, value.type)) return value;
    return types[value.type]?.(value, naming);
  };
}

const META = members({
  'io.modelcontextprotocol/related-task': members({ taskId }),
  ui: members({ resourceUri: uri }),
  // As MCP Apps were before the object.
  'ui/resourceUri': uri,
});

const RESOURCE_BLOCKS = { resource_link: members({ uri }), resource: members({ resource: members({ uri }) }) };
// What a tool result quotes cannot quote another one, so there is no recursion for a backend to exhaust.
const CONTENT = oneOrMany(
  block({ ...RESOURCE_BLOCKS, tool_result: members({ content: oneOrMany(block(RESOURCE_BLOCKS)) }) }),
);
const MESSAGES = each(members({ content: CONTENT }));
const TASK = members({ taskId });

const ANY_PARAMS = members({ _meta: META });
const SAMPLING = members({ messages: MESSAGES, _meta: META });

/** Methods whose params hold more than `_meta`. A backend's `tasks/*` requests name tasks of the client, not its own. */
const PARAMS: Readonly<Record<string, Rewrite>> = {
  'sampling/createMessage': SAMPLING,
  'notifications/resources/updated': members({ uri, _meta: META }),
  'notifications/tasks/status': members({ taskId, _meta: META }),
};

const RESULT = members({
  content: CONTENT,
  contents: each(members({ uri })),
  messages: MESSAGES,
  task: TASK,
  tasks: each(TASK),
  taskId,
  // In the modern era that of a task is within the task.
  result: members({ content: CONTENT, _meta: META }),
  // Of these only sampling has anything to rewrite besides `_meta`.
  inputRequests: eachMember(members({ params: SAMPLING })),
  _meta: META,
});
