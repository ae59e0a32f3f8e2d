// The tools with which clients manage the router itself. Names, arguments and results are those of the older systems.
import { messageOf, UserError } from '../base/errors.ts';
import type { Answer, Params } from '../base/peer.ts';
import type { Catalog, Entry } from '../router/catalog.ts';
import type { Call } from '../router/router.ts';
import type { Role } from './door.ts';

/** What these tools act on. What goes wrong for the person's own reasons is thrown as a {@link UserError}. */
export interface Management {
  listBackends(): readonly Params[];
  /** Undefined: there is none of this name. */
  backendHealth(name: string): Params | undefined;
  /** The backends, and the router itself. */
  overview(): Params;
  /** Of each enabled backend the names of its tools as it has them, or why there are none. */
  toolsByBackend(): Params;
  explainRoute(toolName: string): Params;
  recentCalls(limit: number): readonly Params[];
  registerBackend(request: RegisterRequest): Promise<Params>;
  /** Adds servers as most clients write them, by name, and waits a moment for what becomes of each. */
  addServers(servers: Params): Promise<AddedServers>;
  /** False: there is none of this name. */
  removeBackend(name: string): Promise<boolean>;
  /** The backend as it is now; undefined: there is none of this name. */
  updateBackend(name: string, changes: BackendChanges): Promise<Params | undefined>;
  reload(): Promise<Params>;
}

export interface RegisterRequest {
  /** A URL, `npm:PKG`, `@scope/pkg`, `pypi:PKG`, a bare name, or `github:owner/repo`. */
  readonly source: string;
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly priority: number;
  readonly autoStart: boolean;
}

/** By name. */
export interface AddedServers {
  readonly added: readonly string[];
  /** Those of them that have neither answered nor failed yet. */
  readonly starting: readonly string[];
  /** Why the others were not. */
  readonly errors: ReadonlyMap<string, string>;
  /** What is ignored of those that were. */
  readonly warnings: ReadonlyMap<string, readonly string[]>;
}

/** What can be changed of a backend; what is left out stays as it is. */
export interface BackendChanges {
  readonly priority?: number | undefined;
  readonly enabled?: boolean | undefined;
}

export type ManagementLevel = 'off' | 'read_only' | 'full';

interface ManagementTool {
  readonly level: 'read_only' | 'full';
  readonly definition: Params & { readonly name: string };
  run(management: Management, args: Params): unknown;
}

const text = (description: string) => ({ type: 'string', description });
const whole = (description: string, fallback?: number) => ({
  type: 'integer',
  description,
  minimum: 0,
  ...(fallback !== undefined && { default: fallback }),
});

function tool(
  level: ManagementTool['level'],
  name: string,
  description: string,
  properties: Params,
  required: readonly string[],
  run: ManagementTool['run'],
): ManagementTool {
  const annotations = level === 'read_only' ? { readOnlyHint: true, openWorldHint: false } : { openWorldHint: false };
  return {
    level,
    run,
    definition: { name, description, inputSchema: { type: 'object', properties, required }, annotations },
  };
}

const BACKEND_NAME = { backend_name: text('As list_backends gives it') };

const TOOLS: readonly ManagementTool[] = [
  tool('read_only', 'list_backends', 'Lists the MCP servers behind this one, with their health', {}, [], management =>
    management.listBackends(),
  ),
  tool(
    'read_only',
    'get_backend_health',
    'How one backend is doing',
    BACKEND_NAME,
    ['backend_name'],
    (management, args) => {
      const name = textOf(args, 'backend_name');
      return management.backendHealth(name) ?? fail(`Backend not found: ${name}`);
    },
  ),
  tool(
    'read_only',
    'explain_route',
    'Where a call of a tool would go now, and why; nothing is called',
    { tool_name: text('As the tool is listed') },
    ['tool_name'],
    (management, args) => management.explainRoute(textOf(args, 'tool_name')),
  ),
  tool(
    'read_only',
    'recent_calls',
    'Why the last calls went where they went, newest first',
    { limit: whole('How many', 20) },
    [],
    (management, args) => management.recentCalls(wholeOf(args, 'limit', 20)),
  ),
  tool(
    'full',
    'register_backend',
    'Adds an MCP server and starts it',
    {
      source: text('A URL, npm:PKG, @scope/pkg, pypi:PKG, or github:owner/repo'),
      name: text('Default: made from the source'),
      namespace: text('Prefix of its tools; default: made from the source, or else the name'),
      priority: whole('Lower is tried first', 10),
      auto_start: { type: 'boolean', default: true },
    },
    ['source'],
    (management, args) =>
      management.registerBackend({
        source: textOf(args, 'source'),
        name: isLeftOut(args, 'name') ? undefined : textOf(args, 'name'),
        namespace: isLeftOut(args, 'namespace') ? undefined : textOf(args, 'namespace'),
        priority: wholeOf(args, 'priority', 10),
        autoStart: isLeftOut(args, 'auto_start') || flagOf(args, 'auto_start'),
      }),
  ),
  tool(
    'full',
    'unregister_backend',
    'Ends a backend and removes it',
    BACKEND_NAME,
    ['backend_name'],
    async (management, args) => {
      const name = textOf(args, 'backend_name');
      if (!(await management.removeBackend(name))) fail(`Backend not found: ${name}`);
      return { message: `Backend '${name}' unregistered successfully` };
    },
  ),
  tool(
    'full',
    'set_backend_priority',
    'Changes when a backend is tried; lower is earlier',
    { ...BACKEND_NAME, priority: whole('Lower is tried first') },
    ['backend_name', 'priority'],
    async (management, args) => {
      const name = textOf(args, 'backend_name');
      const priority = wholeOf(args, 'priority');
      if (!(await management.updateBackend(name, { priority }))) fail(`Backend not found: ${name}`);
      return { message: `Backend '${name}' has priority ${priority}` };
    },
  ),
  tool(
    'full',
    'reload_backends_config',
    'Reads the configuration file again and applies what changed',
    {},
    [],
    management => management.reload(),
  ),
];

/** The catalog as clients see it: these tools come last, and a backend's tool of the same name gives way. */
export function withManagementTools(catalog: Catalog, level: ManagementLevel): Catalog {
  const own = TOOLS.filter(each => isOf(each, level)).map(({ definition }): [string, Entry] => {
    const { name } = definition;
    return [name, { exposedName: name, pool: '', name, definition, spellings: new Set(), candidates: [] }];
  });
  const others = [...catalog.tools].filter(([name]) => !own.some(([taken]) => taken === name));
  return { ...catalog, tools: new Map([...others, ...own]) };
}

/** What a client of a role gets of the level that is configured: `read` changes nothing. */
export function levelFor(role: Role, configured: ManagementLevel): ManagementLevel {
  return role === 'read' && configured === 'full' ? 'read_only' : configured;
}

/** A catalog that {@link withManagementTools} made, without the management tools that are above a level. */
export function limitedTo(level: ManagementLevel, catalog: Catalog): Catalog {
  const above = new Set(TOOLS.filter(each => !isOf(each, level)).map(({ definition }) => definition));
  const tools = [...catalog.tools].filter(
    ([, { definition }]) => !above.has(definition as ManagementTool['definition']),
  );
  return { ...catalog, tools: new Map(tools) };
}

/** Runs a management tool of a level; undefined if it has none of this name. What goes wrong is a tool error. */
export function callManagementTool(
  { params }: Call,
  level: ManagementLevel,
  management: Management,
): Promise<Answer> | undefined {
  const found = TOOLS.find(each => each.definition.name === params.name && isOf(each, level));
  return found && run(found, (params.arguments ?? {}) as Params, management);
}

async function run(found: ManagementTool, args: Params, management: Management): Promise<Answer> {
  try {
    const value = await found.run(management, args);
    return { kind: 'result', result: { content: [{ type: 'text', text: JSON.stringify(value, undefined, 2) }] } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: 'result', result: { isError: true, content: [{ type: 'text', text: messageOf(error) }] } };
  }
}

function isOf({ level: needed }: ManagementTool, level: ManagementLevel): boolean {
  return level === 'full' || level === needed;
}

function fail(message: string): never {
  throw new UserError(message);
}

function textOf(args: Params, key: string): string {
  const value = args[key];
  return typeof value === 'string' && value !== '' ? value : fail(`The argument "${key}" must be a text.`);
}

/** Some clients send null for what they have nothing to say of. */
function isLeftOut(args: Params, key: string): boolean {
  return args[key] === undefined || args[key] === null;
}

function flagOf(args: Params, key: string): boolean {
  const value = args[key];
  return typeof value === 'boolean' ? value : fail(`The argument "${key}" must be true or false.`);
}

function wholeOf(args: Params, key: string, fallback?: number): number {
  const value = args[key] ?? fallback;
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
    ? value
    : fail(`The argument "${key}" must be a whole number from 0 on.`);
}
