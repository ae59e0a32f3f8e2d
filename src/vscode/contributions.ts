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
  'checkNow',
  'pauseBackend',
  'resumeBackend',
  'resetCircuit',
  'showLog',
  'openConfig',
  'reloadConfig',
  'explainRoute',
  'copyEndpoint',
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** Each is the setting `switchyard.<name>`. */
export const SETTINGS = ['configFile', 'logLevel', 'managementTools', 'requestTimeoutSeconds'] as const;
export type SettingName = (typeof SETTINGS)[number];

/** Each is the context key `switchyard.<name>` of a `when` clause. */
export const CONTEXT_KEYS = ['started', 'configError'] as const;
export type ContextKey = (typeof CONTEXT_KEYS)[number];

export const BACKENDS_VIEW = 'switchyard.backends';
export const CALLS_VIEW = 'switchyard.calls';
export const PROVIDER = 'switchyard';

/** What the menu of a row in a tree goes by. */
export const ROW_KINDS = [
  'problem',
  'namespace',
  'backend',
  /** Its circuit is open, or half-open; while the person holds it open it is paused. */
  'backend.circuitOpen',
  'backend.paused',
  'backend.disabled',
  'backend.rejected',
  'group',
  'tool',
  'item',
  /** Of a tool; every other request of a client is a request. */
  'call',
  'request',
  'step',
] as const;
export type RowKind = (typeof ROW_KINDS)[number];
