// What both eras have in common of what a client of the router does not receive as the backend itself sends it.
import type { Difference } from './comparison.ts';
import { BACKEND } from './names.ts';
import { ITEM_IDS, LIST_KEYS, type Params, tokenOf } from './steps.ts';

export const MERGED: Difference = {
  reason:
    'a list is merged of several: what has no name could not be called, and what stands beside the items is nobody’s',
  of: (message, { kind, method }) => {
    const key = LIST_KEYS[method];
    if (kind !== 'list' || !key) return message;
    const items = message.result[key].filter((item: Params) => typeof item[ITEM_IDS[key]] === 'string');
    return { ...message, result: { [key]: items } };
  },
};

export const LOGGER: Difference = {
  reason: 'whoever logs says who it is',
  of: message => {
    if (message.method !== 'notifications/message') return message;
    const { logger } = message.params ?? {};
    const named = typeof logger === 'string' ? `${BACKEND}/${logger}` : BACKEND;
    return { ...message, params: { ...message.params, logger: named } };
  },
};

export const UNWANTED_PROGRESS: Difference = {
  reason: 'progress that nobody asked for is of no request',
  of: (message, { params }) =>
    message.method === 'notifications/progress' && message.params?.progressToken !== tokenOf(params)
      ? undefined
      : message,
};
