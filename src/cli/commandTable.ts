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
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  readonly exitCodes: string;
}

const HELP: OptionSpec = { help: 'Show this text.' };
const CONFIG: OptionSpec = { value: 'FILE', help: 'Configuration to read; see "switchyard --help" for the default.' };

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
    examples: [
      ['switchyard check', 'the default configuration'],
      ['switchyard check --config mcp.json --json', 'another file, for a script'],
    ],
    exitCodes: '0 all ready, 1 some not, 2 bad configuration of any kind.',
  },
  call: {
    summary: 'Call one tool and print its answer.',
    usage: ['switchyard call TOOL [JSON] [--config FILE | --url URL] [--json]'],
    about: `Starts the backends of the configuration, or connects to a router that runs at URL, and calls TOOL
("namespace__tool") with the arguments in JSON, an object. A running router's token is read from MCP_AUTH_TOKEN.`,
    options: {
      config: CONFIG,
      url: { value: 'URL', help: 'Ask a running router, such as http://127.0.0.1:8000/mcp.' },
      json: { help: 'Print the whole result as JSON in place of its text.' },
      help: HELP,
    },
    maxPositionals: 2,
    examples: [
      ['switchyard call everything__echo \'{"message": "hello"}\'', 'with arguments'],
      ['switchyard call memory__read_graph --json', 'the whole result'],
    ],
    exitCodes: '0 answered, 1 no such tool, or it or its backend failed, 2 usage or configuration.',
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;
export const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];

export function mainHelp(): string {
  return `MCP Switchyard: one MCP server for every MCP server you use.

Usage: switchyard COMMAND [OPTIONS]

Commands:
${columns(COMMAND_NAMES.map(name => [name, COMMANDS[name].summary]))}

Options:
${columns([
  ['-h, --help', 'Show this text; after a command, its own.'],
  ['-v, --version', 'Show the version.'],
])}

Configuration: the first that exists of
  --config FILE, $MCP_BACKENDS_CONFIG,
  ./backends.yaml, ./config/backends.yaml, ./mcp.json,
  ~/.config/switchyard/backends.yaml, ~/.mcp/config.yaml
`;
}

export function commandHelp(name: CommandName): string {
  const { summary, usage, about, options, examples, exitCodes }: CommandSpec = COMMANDS[name];
  const optionRows = Object.entries(options).map(([option, { value, help }]): [string, string] => {
    const flag = option === 'help' ? '-h, --help' : `--${option}`;
    return [value === undefined ? flag : `${flag} ${value}`, help];
  });
  return `${summary}

Usage: ${usage.join('\n       ')}

${about}

Options:
${columns(optionRows)}

Examples:
${columns(examples)}

Exit codes: ${exitCodes}
`;
}

/** Pairs as two aligned columns; a left side that is too wide has its right side on the next line. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > width ? `  ${left}\n  ${' '.repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
    )
    .join('\n');
}
