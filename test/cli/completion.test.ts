// The scripts that `switchyard completion` prints, in the shells that they are for.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { before, test } from 'node:test';
import { completionFor } from '../../src/cli/completion.ts';
import { installDebianPackages, programOf } from '../support/machine.ts';

/** What is typed, a cursor at its end, and what is offered. */
const COMPLETIONS = [
  [['ser'], ['serve']],
  [['c'], ['check', 'call', 'completion']],
  [['serve', '--tr'], ['--transport']],
  [
    ['check', '--'],
    ['--config', '--json', '--help'],
  ],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['help', 'st'], ['status']],
  [['call', 'some_tool'], []],
] as const;

/** Types each argument into an interactive zsh in a terminal of its own, with a Tab at the end, and prints what comes back. */
const TYPING_IN_ZSH = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'eval "$OFFERING"'
zpty -r shell said '*READY*'
for typed in "$@"; do
  zpty -w -n shell "$typed"$'\\t'
  zpty -r shell said '*</offered>*'
  print -r -- "$said"
  zpty -w -n shell $'\\x15'
done
zpty -d shell`;

/** For that shell: a Tab says what it would offer. */
const OFFERING_IN_ZSH = `
autoload -U compinit && compinit -D -u
eval "$COMPLETION"
compadd() {
  # Some only ask what there would be.
  if [[ "\${(@)@[1,(i)(-|--)]}" != *-[OAD]\\ * ]]; then
    local -a found
    builtin compadd -A found "$@"
    offered+=($found)
  fi
  builtin compadd "$@"
}
offer() {
  offered=()
  _main_complete
  print -r -- "<offered>$offered</offered>"
}
zle -C offer list-choices offer
bindkey '^I' offer
print READY`;

before(() =>
  installDebianPackages(
    ['bash', 'fish', 'zsh'].map(shell => programOf(shell)),
    console.log,
  ),
);

test('bash completes commands, options and their values', () => {
  for (const [words, offered] of COMPLETIONS) {
    const typed = ['switchyard', ...words];
    const script = `${completionFor('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _switchyard
for reply in "\${COMPREPLY[@]}"; do echo "$reply"; done`;
    assert.deepEqual(lines(execFileSync('bash', ['-uc', script, 'bash', ...typed], { encoding: 'utf8' })), offered);
  }
});

test('bash completes the value of "--option=value", which it takes apart', () => {
  const script = `${completionFor('bash')}
COMP_WORDS=(switchyard serve --transport = st); COMP_CWORD=4; _switchyard; echo "\${COMPREPLY[@]}"`;
  assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), 'stdio\n');
});

test('fish completes commands, options and their values', () => {
  for (const [words, offered] of COMPLETIONS) {
    const line = ['switchyard', ...words].join(' ');
    const script = `${completionFor('fish')}\ncomplete -C '${line}'`;
    const found = lines(execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }));
    assert.deepEqual(found.map(each => each.split('\t')[0]).sort(), [...offered].sort(), line);
  }
});

test('zsh completes commands, options and their values', () => {
  const typed = COMPLETIONS.map(([words]) => ['switchyard', ...words].join(' '));
  const env = { ...process.env, COMPLETION: completionFor('zsh'), OFFERING: OFFERING_IN_ZSH };
  const said = execFileSync('zsh', ['-fc', TYPING_IN_ZSH, 'zsh', ...typed], { encoding: 'utf8', env, timeout: 30_000 });
  const found = [...said.matchAll(/<offered>(.*)<\/offered>/g)].map(([, offered = '']) => offered.split(' '));
  assert.deepEqual(
    found.map(each => each.filter(Boolean).sort()),
    COMPLETIONS.map(([, offered]) => [...offered].sort()),
  );
});

function lines(text: string): string[] {
  return text.split('\n').filter(Boolean);
}
