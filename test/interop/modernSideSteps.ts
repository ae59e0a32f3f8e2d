// What a client of 2026-07-28 is asked in results, and listens for.
import { A, CONTENT, call, list, request, type Said, type Step, unknown, WEIRD_TEXT } from './steps.ts';

const UPDATED = 'notifications/resources/updated';
const TOOLS_CHANGED = 'notifications/tools/list_changed';
const complete = { resultType: 'complete' };

/** Two questions of each kind at once, under odd keys. */
const inputRequests = {
  'a key/ü': {
    method: 'elicitation/create',
    params: { message: WEIRD_TEXT, requestedSchema: { type: 'object', properties: {} }, ...unknown },
  },
  url: { method: 'elicitation/create', params: { mode: 'url', message: 'm', url: 'https://recorded.example/?uri=ü' } },
  '': {
    method: 'sampling/createMessage',
    params: { messages: [{ role: 'user', content: CONTENT[0] }], maxTokens: 1e21 },
  },
  constructor: { method: 'roots/list', params: {} },
  odd: { method: 'vendor.example/ask', params: { uri: A }, ...unknown },
  bare: { method: 'roots/list' },
};
const STATE = `ö:${WEIRD_TEXT}`;
const asks = (requestState: string | undefined = STATE, more: object = {}) => ({
  result: { resultType: 'input_required', inputRequests, ...(requestState !== undefined && { requestState }), ...more },
});
const inputResponses = {
  'a key/ü': { action: 'accept', content: { name: WEIRD_TEXT }, ...unknown },
  url: { action: 'cancel' },
  '': { role: 'assistant', content: CONTENT[7], model: 'm' },
  constructor: { roots: [{ uri: 'file:///ü%20b' }, 'malformed'] },
  'never asked': { action: 'decline' },
};
const questions: readonly Step[] = [
  call('questions', asks()),
  call('answers, and other questions', asks('second'), { inputResponses, requestState: '$state', ...unknown }),
  call('answers that are enough', { result: complete }, { inputResponses: { odd: {} }, requestState: '$state' }),
  call('questions without a state', asks(undefined, unknown)),
  call('answers without a state', undefined, { inputResponses }),
  call('answers that are wrong', undefined, { inputResponses: { url: null, odd: 'text', '': [] } }),
  call('answers that are no object', undefined, { inputResponses: ['text'] }),
  call('a state without questions', { result: { resultType: 'input_required', requestState: '' } }),
  call('nothing but the state', undefined, { requestState: '$state' }),
  call('no answer to questions that were asked', asks()),
  call('another call after all', undefined, {}),
  request('questions of a prompt', 'prompts/get', { name: 'bare' }, asks()),
  request('answers for a prompt', 'prompts/get', { name: 'bare', inputResponses, requestState: '$state' }),
  request('questions of a resource', 'resources/read', { uri: A }, asks()),
  request('answers for a resource', 'resources/read', { uri: A, inputResponses, requestState: '$state' }),
];

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const listen = (id: string, notifications: object): Step => ({
  title: `to listen: ${id}`,
  kind: 'listen',
  method: 'subscriptions/listen',
  params: { notifications },
  id,
  awaits: [ACKNOWLEDGED],
});
const end = (id: string): Step => ({ title: `enough: ${id}`, kind: 'end', method: 'subscriptions/listen', id });
const updated: Said = { method: UPDATED, params: { uri: A, title: 'A', ...unknown } };
const changes: readonly Step[] = [
  listen('ünï 1', { toolsListChanged: true, resourceSubscriptions: [A], future: true }),
  call('an update', { after: [updated] }, {}, { awaits: [UPDATED] }),
  call('an update of something else', {
    after: [{ method: UPDATED, params: { uri: 'ui://recorded/app' } }],
  }),
  call('more tools', { grow: 2, after: [{ method: TOOLS_CHANGED }] }, {}, { awaits: [TOOLS_CHANGED] }),
  list('the tools once there are more', 'tools/list'),
  call('one of the new tools', undefined, { name: 'grown_1' }),
  end('ünï 1'),
  listen('2', { promptsListChanged: true }),
  call('what it does not listen for', { after: [updated, { method: TOOLS_CHANGED }] }),
  end('2'),
  listen('3', {}),
  end('3'),
];

export const modernSideSteps: readonly Step[] = [...questions, ...changes];
