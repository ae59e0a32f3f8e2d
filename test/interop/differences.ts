// What a client of the router does not receive as the backend itself sends it, names and URIs aside, and why.
import { mapMembers } from '../../src/core/base/json.ts';
import { MODERN_VERSION } from '../support/bareModernClient.ts';
import type { Difference } from './comparison.ts';
import { BACKEND } from './names.ts';
import { ITEM_IDS, LIST_KEYS, type Params, tokenOf } from './steps.ts';

const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

const IN_BOTH_ERAS: readonly Difference[] = [
  {
    reason:
      'a list is merged of several: what has no name could not be called, and what stands beside the items is nobody’s',
    of: (message, { kind, method }) => {
      const key = LIST_KEYS[method];
      if (kind !== 'list' || !key) return message;
      const items = message.result[key].filter((item: Params) => typeof item[ITEM_IDS[key]] === 'string');
      return { ...message, result: { [key]: items } };
    },
  },
  {
    reason: 'whoever logs says who it is',
    of: message => {
      if (message.method !== 'notifications/message') return message;
      const { logger } = message.params ?? {};
      const named = typeof logger === 'string' ? `${BACKEND}/${logger}` : BACKEND;
      return { ...message, params: { ...message.params, logger: named } };
    },
  },
  {
    reason: 'progress that nobody asked for is of no request',
    of: (message, { params }) =>
      message.method === 'notifications/progress' && message.params?.progressToken !== tokenOf(params)
        ? undefined
        : message,
  },
];

export const LEGACY_DIFFERENCES: readonly Difference[] = [
  ...IN_BOTH_ERAS,
  {
    reason: 'whoever asks the user says who it is',
    of: message => {
      if (message.id === undefined || message.method === undefined) return message;
      const { params = {} } = message;
      const isElicitation = message.method === 'elicitation/create';
      return {
        ...message,
        params: {
          ...params,
          ...(isElicitation && { message: `${BACKEND}: ${params.message}` }),
          _meta: { ...(params._meta as Params), 'switchyard/backend': BACKEND },
        },
      };
    },
  },
  {
    reason: 'a ping asks for the other end of the connection, and that is the router',
    of: message => (message.method === 'ping' ? undefined : message),
  },
  {
    reason: 'the catalog is one for all clients: what only the process of one client lists is not in it',
    of: (message, { isNew, method }, { session, transport }) => {
      if (session === 'shared' || transport !== 'stdio') return message;
      if (message.method?.endsWith('/list_changed')) return undefined;
      if (isNew) return { jsonrpc: '2.0', id: 'any', error: { code: -32602, message: '' } };
      if (method !== 'tools/list' || !message.result) return message;
      const tools = message.result.tools.filter(({ name }: Params) => !String(name).startsWith('grown_'));
      return { ...message, result: { ...message.result, tools } };
    },
  },
];

export const MODERN_DIFFERENCES: readonly Difference[] = [
  ...IN_BOTH_ERAS,
  {
    reason: 'a result says who gives it, and that is the router',
    of: (message, { kind }) => {
      if (!message.result || kind === 'list') return message;
      const { _meta } = message.result;
      const serverInfo = { name: 'switchyard', title: 'Switchyard', version: '0.0.0' };
      return { ...message, result: { ...message.result, _meta: { ..._meta, [SERVER_INFO]: serverInfo } } };
    },
  },
  {
    reason: 'a list is merged of backends that come and go: nobody can say how long it holds',
    of: (message, { kind, method }) =>
      message.result && kind === 'request' && (LIST_KEYS[method] || method === 'server/discover')
        ? { ...message, result: { ...message.result, ttlMs: 0, cacheScope: 'private' } }
        : message,
  },
  {
    reason: 'who is introduced is the router: with all that some backend may ever have, and its instructions',
    of: (message, { method }) => {
      if (method !== 'server/discover') return message;
      const { tasks: _, ...capabilities } = message.result.capabilities;
      const instructions = `## ${BACKEND}\n\n${message.result.instructions}`;
      return {
        ...message,
        result: { ...message.result, supportedVersions: [MODERN_VERSION], capabilities, instructions },
      };
    },
  },
  {
    reason: 'how a tool runs as a task is of the legacy era alone',
    of: (message, { method }) => {
      if (method !== 'tools/list') return message;
      const tools = message.result?.tools?.map(({ execution: _, ...tool }: Params) => tool);
      return tools ? { ...message, result: { ...message.result, tools } } : message;
    },
  },
  {
    reason: 'whoever asks the user says who it is',
    of: message => {
      const asked = message.result?.inputRequests;
      if (!asked) return message;
      const inputRequests = mapMembers(asked, question => signed(question as Params));
      return { ...message, result: { ...message.result, inputRequests } };
    },
  },
  {
    reason: 'the state of a call says whose it is',
    of: message =>
      message.result?.requestState === undefined
        ? message
        : {
            ...message,
            result: { ...message.result, requestState: `${BACKEND}:${message.result.requestState}` },
          },
  },
];

function signed({ method, params, ...rest }: Params): Params {
  const { message, _meta, ...others } = (params ?? {}) as Params;
  return {
    ...rest,
    method,
    params: {
      ...others,
      ...(method === 'elicitation/create' && { message: `${BACKEND}: ${message}` }),
      _meta: { ...(_meta as Params), 'switchyard/backend': BACKEND },
    },
  };
}
