/** As a result schema of the SDK: accepts anything. Nothing is parsed, so nothing is lost. */
export const Any = {
  '~standard': { version: 1, vendor: 'switchyard', validate: (value: unknown) => ({ value }) },
} as const;

/** As a timeout of the SDK, in milliseconds: never meant to fire, since deadlines are ours. (Infinity fires at once.) */
export const NO_SDK_TIMEOUT = 2 ** 31 - 1;
