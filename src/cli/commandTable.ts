// The commands as a table: what is parsed and what --help says come from the same entries.
import { LOG_LEVELS } from '../core/base/log.ts';

interface OptionSpec {
  /** What stands for the value in the help; an option without one is a flag. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandSpec {
  readonly summary: string;
  readonly usage: readonly string[];
  readonly about: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly maxPositionals: number;
  /** Those that mean something to it; all, where it does not say. */
  readonly environment?: readonly Variable[];
  /** What its arguments are, for the completion: `FILE`, or one of several words. */
  readonly argument?: string;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  readonly exitCodes: string;
}

/** Where a router of this machine is by default. */
export const DEFAULT_URL = 'http://127.0.0.1:8000';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const HELP: OptionSpec = { help: 'Show this text.' };
const CONFIG: OptionSpec = { value: 'FILE', help: 'Configuration to read; see "switchyard --help" for the default.' };

/** What the environment says; flags win over it, and it wins over the file. */
export const ENVIRONMENT = {
  MCP_BACKENDS_CONFIG: 'Configuration to read where --config names none.',
  MCP_HOST: 'Address to listen on. Default: 127.0.0.1.',
  MCP_PORT: 'Port to listen on; asks for HTTP. 0 is the same as none.',
  MCP_SERVER_NAME: 'Name that the router tells its clients. Default: switchyard.',
  MCP_AUTH_TOKEN: 'Token that clients have to show, with all rights; also the one to show to a running router.',
  MCP_READ_TOKEN: 'Token that lets clients use the router and not change it.',
  MCP_DEFAULT_STRATEGY: 'routing.default_strategy: path, capability or fallback.',
  MCP_ENABLE_NAMESPACES: 'routing.enable_namespace_prefixing: true or false.',
  MCP_CACHE_TTL: 'routing.capability_cache_ttl_seconds.',
  MCP_REQUEST_TIMEOUT: 'routing.request_timeout_seconds.',
  MCP_MAX_RETRIES: 'routing.retry.max_attempts: attempts in all, the first included.',
  MCP_RETRY_BACKOFF: 'routing.retry.backoff_multiplier.',
  MCP_MAX_BACKOFF: 'routing.retry.max_backoff_seconds.',
  MCP_HEALTH_CHECK_INTERVAL: 'health_check.interval_seconds of backends that say none.',
  MCP_HEALTH_CHECK_TIMEOUT: 'health_check.timeout_seconds of backends that say none.',
  SWITCHYARD_INPUT_ID: `Value of an \${input:ID}; the id in capitals, with _ for other characters.`,
  NODE_EXTRA_CA_CERTS: "File of further certificate authorities, for https addresses; Node's own.",
  OTEL_EXPORTER_OTLP_ENDPOINT:
    "OpenTelemetry collector that traces of calls go to, over HTTP; OpenTelemetry's other variables count too.",
  NO_COLOR: 'Not empty: no colours.',
  FORCE_COLOR: 'Not empty: colours in a pipe too.',
} as const;
type Variable = keyof typeof ENVIRONMENT;

/** Those that say how a configuration is read. */
const READING = [
  'MCP_BACKENDS_CONFIG',
  'MCP_DEFAULT_STRATEGY',
  'MCP_ENABLE_NAMESPACES',
  'MCP_CACHE_TTL',
  'MCP_REQUEST_TIMEOUT',
  'MCP_MAX_RETRIES',
  'MCP_RETRY_BACKOFF',
  'MCP_MAX_BACKOFF',
  'MCP_HEALTH_CHECK_INTERVAL',
  'MCP_HEALTH_CHECK_TIMEOUT',
  'SWITCHYARD_INPUT_ID',
] as const satisfies readonly Variable[];

export const COMMANDS = {
  serve: {
    summary: 'Run the router, on stdio or on HTTP.',
    usage: ['switchyard serve [OPTIONS]'],
    about: `Starts every backend of the configuration and offers their tools, prompts and resources as one MCP server.
It speaks stdio unless --transport, --port or MCP_PORT asks for HTTP. Changes to the file are applied while it runs.
SIGTERM or Ctrl-C lets calls in flight finish and ends; a second one ends at once.`,
    options: {
      config: CONFIG,
      transport: {
        value: 'stdio|http|sse',
        help: 'How clients connect. http and sse are one listener: Streamable HTTP at /mcp, HTTP+SSE at /sse.',
      },
      host: { value: 'HOST', help: 'Address to listen on. Default: 127.0.0.1; any other needs a token or --no-auth.' },
      port: { value: 'PORT', help: 'Port to listen on; 0 takes a free one. Default: 8000; 8080 for sse.' },
      'auth-token-file': {
        value: 'FILE',
        help: 'Ask HTTP clients for a bearer token of this file (or MCP_AUTH_TOKEN): one a line, "read TOKEN" for one that changes nothing.',
      },
      'no-auth': { help: 'Ask for no token, even on an address that others can reach.' },
      'allow-host': { value: 'HOST', help: 'Accept this name in the Host header too. May be repeated.' },
      'allow-origin': { value: 'ORIGIN', help: 'Let web pages of this origin in too. May be repeated.' },
      'tls-cert': {
        value: 'FILE',
        help: 'Serve HTTPS with this certificate chain, in PEM; read again when it changes.',
      },
      'tls-key': { value: 'FILE', help: 'The key of that certificate, in PEM.' },
      persist: { help: 'Keep in the file what is changed over HTTP or by management tools while it runs.' },
      'log-level': { value: LOG_LEVELS.join('|'), help: 'What is written to stderr. Default: info.' },
      'log-format': { value: 'pretty|json', help: 'Lines for people, or a JSON object a line. Default: pretty.' },
      'access-log': { help: 'Log a line for each HTTP request: no query, no body, of the headers the user agent.' },
      help: HELP,
    },
    maxPositionals: 0,
    examples: [
      ['switchyard serve', 'on stdio, for a client that starts it'],
      ['switchyard serve --port 8000', 'on http://127.0.0.1:8000/mcp'],
      ['switchyard serve --port 8000 --host 0.0.0.0 --auth-token-file token.txt', 'for other machines, with a token'],
    ],
    exitCodes: '0 stopped by a signal or by its client, 1 could not listen, 2 usage or configuration.',
  },
  check: {
    summary: 'Try a configuration: connect to each backend once.',
    usage: ['switchyard check [--config FILE] [--json]'],
    about: `Reads the configuration, connects to every enabled backend once, and shows what became of each.`,
    options: { config: CONFIG, json: { help: 'Print JSON in place of a table.' }, help: HELP },
    maxPositionals: 0,
    environment: [...READING, 'NO_COLOR', 'FORCE_COLOR'],
    examples: [
      ['switchyard check', 'the default configuration'],
      ['switchyard check --config mcp.json --json', 'another file, for a script'],
    ],
    exitCodes: '0 all ready, 1 some not, 2 bad configuration of any kind.',
  },
  status: {
    summary: 'Show the backends, health and circuits of a running router.',
    usage: ['switchyard status [--url URL] [--json]'],
    about: `Asks a router that runs on HTTP what it says of itself and its backends. URL is its base, or any of its
doors (/mcp, /sse). Its token is read from MCP_AUTH_TOKEN, or else MCP_READ_TOKEN.`,
    options: {
      url: { value: 'URL', help: `The router to ask. Default: ${DEFAULT_URL}, or as MCP_HOST and MCP_PORT say.` },
      json: { help: "Print the router's answer as JSON in place of a table." },
      help: HELP,
    },
    maxPositionals: 0,
    environment: ['MCP_AUTH_TOKEN', 'MCP_READ_TOKEN', 'NODE_EXTRA_CA_CERTS', 'NO_COLOR', 'FORCE_COLOR'],
    examples: [
      ['switchyard status', 'the router of this machine'],
      ['switchyard status --url https://tools.example.com/mcp', 'another one'],
    ],
    exitCodes: '0 the router answered, 1 it cannot be reached or refused, 2 usage.',
  },
  call: {
    summary: 'Call one tool and print its answer.',
    usage: ['switchyard call TOOL [JSON] [--config FILE | --url URL] [--json]'],
    about: `Starts the backends of the configuration, or connects to a router that runs at URL, and calls TOOL
("namespace__tool") with the arguments in JSON, an object. A running router's token is read from MCP_AUTH_TOKEN,
or else MCP_READ_TOKEN.`,
    options: {
      config: CONFIG,
      url: { value: 'URL', help: 'Ask a running router, such as http://127.0.0.1:8000/mcp.' },
      json: { help: 'Print the whole result as JSON in place of its text.' },
      help: HELP,
    },
    maxPositionals: 2,
    environment: ['MCP_AUTH_TOKEN', 'MCP_READ_TOKEN', 'NODE_EXTRA_CA_CERTS', ...READING],
    examples: [
      ['switchyard call everything__echo \'{"message": "hello"}\'', 'with arguments'],
      ['switchyard call memory__read_graph --json', 'the whole result'],
    ],
    exitCodes: '0 answered, 1 no such tool, or it or its backend failed, 2 usage or configuration.',
  },
  import: {
    summary: "Take over backends from other clients' configurations.",
    usage: ['switchyard import FILE... [--to FILE] [--json]'],
    about: `Adds the servers of other clients' files to ours: Claude Desktop, Claude Code (with its projects), Cursor,
Windsurf, Cline, Gemini CLI, VS Code (mcp.json, settings.json), Zed, Codex (TOML), opencode, Continue, and
files of our own. What is in FILE already stays as it is, and so does every other byte of it. Secrets are copied
as they are written.`,
    options: {
      to: { value: 'FILE', help: 'The file to add to, or - for stdout. Default: ./backends.yaml.' },
      json: { help: 'Print what became of each entry as JSON in place of a table.' },
      help: HELP,
    },
    maxPositionals: Number.POSITIVE_INFINITY,
    environment: ['NO_COLOR', 'FORCE_COLOR'],
    argument: 'FILE',
    examples: [
      ['switchyard import ~/.cursor/mcp.json', 'into ./backends.yaml'],
      ['switchyard import ~/.claude.json ~/.codex/config.toml --to -', 'look first'],
    ],
    exitCodes: '0 all imported or there already, 1 some not, 2 usage, or a file that cannot be used.',
  },
  completion: {
    summary: 'Print the completion of a shell.',
    usage: ['switchyard completion bash|zsh|fish'],
    about: `Prints a script that lets the shell complete commands, options and their values.`,
    options: { help: HELP },
    maxPositionals: 1,
    environment: [],
    argument: 'bash|zsh|fish',
    examples: [
      ['source <(switchyard completion bash)', 'in ~/.bashrc'],
      ['source <(switchyard completion zsh)', 'in ~/.zshrc, after compinit'],
      ['switchyard completion fish | source', 'in ~/.config/fish/config.fish'],
    ],
    exitCodes: '0 printed, 2 usage.',
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];
