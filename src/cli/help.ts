// What --help prints, from the command table: sections as in a manual page, 80 columns wide.
import { COMMAND_NAMES, COMMANDS, type CommandName, type CommandSpec, ENVIRONMENT } from './commandTable.ts';
import { wrap } from './terminal.ts';

const WIDTH = 80;

export function mainHelp(): string {
  return sections([
    ['', 'MCP Switchyard: one MCP server for every MCP server you use.'],
    ['Usage', '  switchyard COMMAND [OPTIONS]\n  switchyard help COMMAND'],
    ['Commands', columns(COMMAND_NAMES.map(name => [name, COMMANDS[name].summary]))],
    [
      'Options',
      columns([
        ['-h, --help', 'Show this text; after a command, its own.'],
        ['-v, --version', 'Show the version.'],
      ]),
    ],
    ['Environment', columns(Object.entries(ENVIRONMENT))],
    [
      'Files',
      columns([
        [
          'Configuration',
          'The first that exists of --config FILE, $MCP_BACKENDS_CONFIG, ./backends.yaml, ./config/backends.yaml, ./mcp.json, ~/.config/switchyard/backends.yaml ($XDG_CONFIG_HOME), ~/.mcp/config.yaml.',
        ],
        ['State', '~/.local/state/switchyard ($XDG_STATE_HOME): what backends offered when they were last there.'],
      ]),
    ],
    [
      'Exit codes',
      columns([
        ['0', 'It did what was asked.'],
        ['1', 'It did not, or not for all: a backend, a tool or the router failed.'],
        ['2', 'The command line or the configuration is wrong. "switchyard COMMAND --help" has the details.'],
      ]),
    ],
    [
      'Examples',
      columns(
        [
          ['switchyard import ~/.cursor/mcp.json', 'make a backends.yaml'],
          ['switchyard check', 'see whether all of it works'],
          ['switchyard serve --port 8000', 'run it at http://127.0.0.1:8000/mcp'],
          ['switchyard status', 'see how it is'],
        ],
        44,
      ),
    ],
  ]);
}

export function commandHelp(name: CommandName): string {
  const { summary, usage, about, options, environment, examples, exitCodes }: CommandSpec = COMMANDS[name];
  const optionRows = Object.entries(options).map(([option, { value, help }]): [string, string] => {
    const flag = option === 'help' ? '-h, --help' : `--${option}`;
    return [value === undefined ? flag : `${flag} ${value}`, help];
  });
  const variables = environment?.map((variable): [string, string] => [variable, ENVIRONMENT[variable]]);
  return sections([
    ['', summary],
    ['Usage', usage.map(line => `  ${line}`).join('\n')],
    ['', wrap(about, WIDTH).join('\n')],
    ['Options', columns(optionRows)],
    ['Environment', columns(variables ?? Object.entries(ENVIRONMENT))],
    [
      'Exit codes',
      wrap(exitCodes, WIDTH - 2)
        .map(line => `  ${line}`)
        .join('\n'),
    ],
    ['Examples', columns(examples, 44)],
  ]);
}

/** Titled blocks with a blank line between them; those without content are left out. */
function sections(blocks: readonly (readonly [title: string, text: string])[]): string {
  const shown = blocks.filter(([, text]) => text !== '');
  return `${shown.map(([title, text]) => (title === '' ? text : `${title}:\n${text}`)).join('\n\n')}\n`;
}

/** Pairs as two aligned columns; a left side that is too wide has its right side on the next line. */
function columns(rows: readonly (readonly [string, string])[], most = 26): string {
  const width = Math.min(most, Math.max(...rows.map(([left]) => left.length), 0));
  const indent = ' '.repeat(width + 4);
  return rows
    .map(([left, right]) => {
      const [first, ...more] = wrap(right, WIDTH - indent.length);
      const start = left.length > width ? `  ${left}\n${indent}` : `  ${left.padEnd(width)}  `;
      return [`${start}${first}`, ...more.map(line => indent + line)].join('\n');
    })
    .join('\n');
}
