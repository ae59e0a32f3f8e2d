// The completion of three shells, made from the command table.
import { COMMAND_NAMES, COMMANDS, type CommandName, type CommandSpec, type Shell } from './commandTable.ts';

export function completionFor(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

const GLOBAL = ['--help', '--version'];

interface Option {
  readonly name: string;
  readonly help: string;
  readonly takes: Takes;
}

/** What comes next: nothing, a file, one of some words, or what only the person knows. */
type Takes = 'nothing' | 'file' | 'anything' | readonly string[];

function takes(value: string | undefined): Takes {
  if (value === undefined) return 'nothing';
  if (value === 'FILE') return 'file';
  return value.includes('|') ? value.split('|') : 'anything';
}

function specOf(command: CommandName): { options: Option[]; argument: Takes } {
  const { options, argument, maxPositionals }: CommandSpec = COMMANDS[command];
  const all = Object.entries(options).map(([name, { value, help }]) => ({ name, help, takes: takes(value) }));
  const first = argument === undefined && maxPositionals > 0 ? 'anything' : takes(argument);
  return { options: all, argument: first };
}

function bash(): string {
  const cases = COMMAND_NAMES.flatMap(command => {
    const { options, argument } = specOf(command);
    const names = options.map(({ name }) => `--${name}`);
    return [
      ...options
        .filter(option => option.takes !== 'nothing')
        .map(option => `    '${command} --${option.name}') ${bashReply(option.takes)} ;;`),
      `    '${command} '*) if [[ $cur == -* ]]; then words='${names.join(' ')}'; else ${bashReply(argument)}; fi ;;`,
    ];
  });
  return `# bash completion of switchyard
_switchyard() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} words= files=
  # "--option=value" comes as three words.
  if [[ $cur == = ]]; then cur=
  elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  local command=\${COMP_WORDS[1]}
  if (( COMP_CWORD == 1 )); then words='${[...COMMAND_NAMES, 'help', ...GLOBAL].join(' ')}'
  else case "$command $prev" in
    'help '*) words='${COMMAND_NAMES.join(' ')}' ;;
${cases.join('\n')}
  esac fi
  COMPREPLY=()
  if [[ $files ]]; then compopt -o default 2>/dev/null
  else COMPREPLY=( $(compgen -W "$words" -- "$cur") )
  fi
}
complete -F _switchyard switchyard
`;
}

function bashReply(what: Takes): string {
  if (what === 'file') return 'files=1';
  return typeof what === 'string' ? 'words=' : `words='${what.join(' ')}'`;
}

function zsh(): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const plain = (text: string) => text.replace(/[[\]:\\]/g, '\\$&');
  const action = (what: Takes) => (what === 'file' ? '_files' : typeof what === 'string' ? ' ' : `(${what.join(' ')})`);
  const commands = COMMAND_NAMES.map(name => `    ${quoted(`${name}:${plain(COMMANDS[name].summary)}`)}`);
  const cases = COMMAND_NAMES.map(command => {
    const { options, argument } = specOf(command);
    const specs = options.map(({ name, help, takes }) => {
      const value = takes === 'nothing' ? '' : `:value:${action(takes)}`;
      return quoted(`*--${name}[${plain(help)}]${value}`);
    });
    const rest = argument === 'nothing' ? [] : [quoted(`*:argument:${action(argument)}`)];
    return `    ${command}) _arguments ${[...specs, ...rest].join(' ')} ;;`;
  });
  return `#compdef switchyard
# zsh completion of switchyard
_switchyard() {
  local -a commands=(
${commands.join('\n')}
    'help:Show the help of a command.'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
    help) _describe command commands ;;
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _switchyard ]]; then _switchyard "$@"; else compdef _switchyard switchyard; fi
`;
}

function fish(): string {
  const quoted = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`;
  const action = (what: Takes) => {
    if (what === 'nothing') return '';
    if (what === 'file') return ' -r -F';
    return what === 'anything' ? ' -x' : ` -x -a ${quoted(what.join(' '))}`;
  };
  const names = [...COMMAND_NAMES, 'help'];
  const lines = COMMAND_NAMES.flatMap(command => {
    const { options, argument } = specOf(command);
    const within = `complete -c switchyard -n '__fish_seen_subcommand_from ${command}'`;
    return [
      `complete -c switchyard -n "not __fish_seen_subcommand_from ${names.join(' ')}" -a ${command} -d ${quoted(COMMANDS[command].summary)}`,
      ...options.map(({ name, help, takes }) => `${within} -l ${name}${action(takes)} -d ${quoted(help)}`),
      ...(argument === 'nothing' || argument === 'anything' ? [] : [`${within}${action(argument).replace(' -r', '')}`]),
    ];
  });
  return `# fish completion of switchyard
complete -c switchyard -f
${lines.join('\n')}
complete -c switchyard -n "not __fish_seen_subcommand_from ${names.join(' ')}" -a help -d 'Show the help of a command.'
complete -c switchyard -n '__fish_seen_subcommand_from help' -a ${quoted(COMMAND_NAMES.join(' '))}
`;
}
