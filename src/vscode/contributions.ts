// The names that package.json and the code share. The handlers are typed by them, and the manifest test
// compares them with package.json, so neither side can name something that the other does not have.

/** Each is the command `switchyard.<name>`. */
export const COMMANDS = [
  'addBackend',
  'removeBackend',
  'raisePriority',
  'lowerPriority',
  'setPriority',
  'enableBackend',
  'disableBackend',
  'restartBackend',
  'showLog',
  'openConfig',
  'reloadConfig',
  'copyEndpoint',
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** Each is the setting `switchyard.<name>`. */
export const SETTINGS = ['configFile', 'logLevel', 'requestTimeoutSeconds'] as const;
export type SettingName = (typeof SETTINGS)[number];

/** Each is the context key `switchyard.<name>` of a `when` clause. */
export const CONTEXT_KEYS = ['started', 'configError'] as const;
export type ContextKey = (typeof CONTEXT_KEYS)[number];

export const BACKENDS_VIEW = 'switchyard.backends';
export const PROVIDER = 'switchyard';

/** What the menu of a row in the tree goes by. */
export const ROW_KINDS = [
  'problem',
  'namespace',
  'backend',
  'backend.disabled',
  'backend.rejected',
  'group',
  'item',
] as const;
export type RowKind = (typeof ROW_KINDS)[number];
