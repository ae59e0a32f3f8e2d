import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exposedDefinition, exposedParams, exposedResult, type Naming } from '../../../src/core/router/rewrite.ts';

/** A backend with two URIs that another one has too, and whose tasks are known by its name. */
const CLASHING = new Set(['file:///a', 'ui://chart']);
const naming: Naming = {
  uri: original => (CLASHING.has(original) ? `switchyard://db/${original}` : original),
  taskId: original => `db/${original}`,
};
const unchanged: Naming = { uri: original => original, taskId: original => original };

const RELATED = 'io.modelcontextprotocol/related-task';
const link = { type: 'resource_link', uri: 'file:///a', name: 'a', size: 3 };
const embedded = { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: 'see file:///a' } };
const text = { type: 'text', text: 'see file:///a' };

type Message = Record<string, unknown>;
interface Place {
  readonly what: string;
  /** Absent: it is a result. */
  readonly method?: string;
  readonly message: Message;
  readonly path: readonly (string | number)[];
  readonly exposed: string;
}

const uriAt = (what: string, message: Message, path: Place['path'], method?: string): Place => ({
  what,
  message,
  path,
  exposed: 'switchyard://db/file:///a',
  ...(method && { method }),
});
const taskAt = (what: string, message: Message, path: Place['path'], method?: string): Place => ({
  what,
  message,
  path,
  exposed: 'db/7',
  ...(method && { method }),
});

const toolResult = { type: 'tool_result', toolUseId: 'u', content: [text, embedded] };
const PLACES: readonly Place[] = [
  uriAt('a resource link', { content: [text, link] }, ['content', 1, 'uri']),
  uriAt('an embedded resource', { content: [embedded] }, ['content', 0, 'resource', 'uri']),
  uriAt('the contents of a resource', { contents: [{ uri: 'file:///a', text: '' }] }, ['contents', 0, 'uri']),
  uriAt("a prompt's message", { messages: [{ role: 'user', content: embedded }] }, [
    'messages',
    0,
    'content',
    'resource',
    'uri',
  ]),
  uriAt('a message with several blocks', { messages: [{ role: 'user', content: [text, link] }] }, [
    'messages',
    0,
    'content',
    1,
    'uri',
  ]),
  uriAt(
    'a sampling message',
    { messages: [{ role: 'user', content: link }], maxTokens: 1 },
    ['messages', 0, 'content', 'uri'],
    'sampling/createMessage',
  ),
  uriAt(
    'what a sampling message quotes of a tool result',
    { messages: [{ role: 'user', content: [toolResult] }], maxTokens: 1 },
    ['messages', 0, 'content', 0, 'content', 1, 'resource', 'uri'],
    'sampling/createMessage',
  ),
  uriAt(
    'a sampling request in an unfinished result',
    {
      resultType: 'input_required',
      inputRequests: {
        ask: { method: 'elicitation/create', params: { message: 'file:///a' } },
        think: { method: 'sampling/createMessage', params: { messages: [{ role: 'user', content: link }] } },
      },
      requestState: 'file:///a',
    },
    ['inputRequests', 'think', 'params', 'messages', 0, 'content', 'uri'],
  ),
  uriAt('an updated resource', { uri: 'file:///a' }, ['uri'], 'notifications/resources/updated'),
  {
    ...uriAt('the app of a result', { content: [], _meta: { ui: { resourceUri: 'ui://chart', csp: {} }, x: 1 } }, [
      '_meta',
      'ui',
      'resourceUri',
    ]),
    exposed: 'switchyard://db/ui://chart',
  },
  uriAt('the result of a task', { status: 'completed', result: { content: [link] } }, ['result', 'content', 0, 'uri']),
  taskAt('a created task', { task: { taskId: '7', status: 'working' } }, ['task', 'taskId']),
  taskAt('a task', { taskId: '7', status: 'working' }, ['taskId']),
  taskAt('a list of tasks', { tasks: [{ status: 'working' }, { taskId: '7' }] }, ['tasks', 1, 'taskId']),
  taskAt('the status of a task', { taskId: '7', status: 'failed' }, ['taskId'], 'notifications/tasks/status'),
  taskAt('the task of a result', { content: [], _meta: { [RELATED]: { taskId: '7' } } }, ['_meta', RELATED, 'taskId']),
  ...['elicitation/create', 'sampling/createMessage', 'notifications/message', 'notifications/progress'].map(method =>
    taskAt(
      `the task of ${method}`,
      { message: 'm', _meta: { [RELATED]: { taskId: '7' }, progressToken: 1 } },
      ['_meta', RELATED, 'taskId'],
      method,
    ),
  ),
];

function exposed({ method, message }: Pick<Place, 'method' | 'message'>, by: Naming): unknown {
  return method === undefined ? exposedResult(message, by) : exposedParams(method, message, by);
}

/** A deep copy with one place set to another value. */
function withAt(value: unknown, [key, ...rest]: Place['path'], replacement: unknown): unknown {
  if (key === undefined) return replacement;
  const copy = Array.isArray(value) ? [...value] : { ...(value as Message) };
  (copy as Message)[key] = withAt((value as Message)[key], rest, replacement);
  return copy;
}

describe('a message of a backend', () => {
  for (const place of PLACES) {
    it(`has the exposed identifier in ${place.what}, and differs in nothing else`, () => {
      const before = structuredClone(place.message);
      assert.deepEqual(exposed(place, naming), withAt(place.message, place.path, place.exposed));
      assert.deepEqual(place.message, before, 'the original is left alone');
    });

    it(`is the very same object where ${place.what} is known by its own identifier`, () => {
      assert.equal(exposed(place, unchanged), place.message);
    });
  }

  it('keeps the very parts that do not change', () => {
    const result = exposedResult({ content: [text, link], structuredContent: embedded }, naming) as {
      content: unknown[];
      structuredContent: unknown;
    };
    assert.equal(result.content[0], text);
    assert.equal(result.structuredContent, embedded);
  });

  it('is not searched for URIs in texts, structured content, log data or messages to the user', () => {
    for (const message of [
      { content: [text], structuredContent: { uri: 'file:///a', content: [link], taskId: '7' } },
      { content: [{ type: 'vendor', uri: 'file:///a' }], vendor: { uri: 'file:///a' } },
      { completion: { values: ['file:///a'] } },
    ])
      assert.equal(exposedResult(message, naming), message);
    for (const [method, params] of [
      ['notifications/message', { level: 'info', data: { uri: 'file:///a', taskId: '7' } }],
      ['elicitation/create', { mode: 'url', url: 'file:///a', message: 'file:///a', elicitationId: '7' }],
      ['notifications/vendor', { uri: 'file:///a', taskId: '7' }],
    ] as const)
      assert.equal(exposedParams(method, params, naming), params);
  });

  it("keeps the ids of the client's own tasks that a backend asks about", () => {
    const params = { taskId: '7' };
    assert.equal(exposedParams('tasks/get', params, naming), params);
    assert.equal(exposedParams('tasks/result', params, naming), params);
  });

  it('may have no params, or a method named like a member of every object', () => {
    assert.equal(exposedParams('ping', undefined, naming), undefined);
    assert.deepEqual(exposedParams('constructor', { a: 1 }, naming), { a: 1 });
  });

  it('passes as it is where it is malformed in any place', () => {
    const oddities = [null, 0, true, 'x', [], {}, [null], [[]], { type: 'resource' }, { type: 'constructor' }];
    for (const { method, message, path } of PLACES) {
      for (let depth = 1; depth <= path.length; depth++) {
        for (const odd of oddities) {
          const malformed = withAt(message, path.slice(0, depth), odd) as Message;
          const isString = depth === path.length && typeof odd === 'string';
          if (isString) continue;
          assert.deepEqual(exposed({ message: malformed, ...(method && { method }) }, naming), malformed);
        }
      }
    }
  });

  it('may be nested as deep as it likes', () => {
    let nested: unknown = link;
    for (let depth = 0; depth < 100_000; depth++) nested = { type: 'tool_result', content: [nested] };
    const result = { content: [nested], structuredContent: nested };
    assert.equal(exposedResult(result, naming), result);
  });

  it('costs nothing for its size', () => {
    const result = { content: [{ type: 'text', text: 'x'.repeat(5_000_000) }] };
    const values: unknown[] = [];
    const watching: Naming = { uri: value => `${values.push(value)}`, taskId: value => `${values.push(value)}` };
    assert.equal(exposedResult(result, watching), result);
    assert.deepEqual(values, []);
  });
});

describe('a listed tool', () => {
  it('refers to its app by the exposed URI, in the form of today and in the older one', () => {
    const tool = { name: 'chart', _meta: { ui: { resourceUri: 'ui://chart', visibility: ['app'] }, other: 1 } };
    assert.deepEqual(exposedDefinition(tool, naming), {
      name: 'chart',
      _meta: { ui: { resourceUri: 'switchyard://db/ui://chart', visibility: ['app'] }, other: 1 },
    });
    assert.deepEqual(exposedDefinition({ name: 'chart', _meta: { 'ui/resourceUri': 'ui://chart' } }, naming), {
      name: 'chart',
      _meta: { 'ui/resourceUri': 'switchyard://db/ui://chart' },
    });
  });

  it('is the very same object where nothing differs', () => {
    for (const tool of [{ name: 'a' }, { name: 'a', _meta: { ui: { resourceUri: 'ui://own' } } }, { _meta: null }])
      assert.equal(exposedDefinition(tool, naming), tool);
  });
});
