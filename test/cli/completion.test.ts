// The scripts that `switchyard completion` prints, in the shells that they are for.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { completionFor } from '../../src/cli/completion.ts';

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

test('bash completes commands, options and their values', t => {
  if (!isInstalled('bash')) return t.diagnostic('not tried: bash is not installed');
  for (const [words, offered] of COMPLETIONS) {
    const typed = ['switchyard', ...words];
    const script = `${completionFor('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _switchyard
for reply in "\${COMPREPLY[@]}"; do echo "$reply"; done`;
    assert.deepEqual(lines(execFileSync('bash', ['-uc', script, 'bash', ...typed], { encoding: 'utf8' })), offered);
  }
});

test('bash completes the value of "--option=value", which it takes apart', t => {
  if (!isInstalled('bash')) return t.diagnostic('not tried: bash is not installed');
  const script = `${completionFor('bash')}
COMP_WORDS=(switchyard serve --transport = st); COMP_CWORD=4; _switchyard; echo "\${COMPREPLY[@]}"`;
  assert.equal(execFileSync('bash', ['-c', script], { encoding: 'utf8' }), 'stdio\n');
});

test('fish completes commands, options and their values', t => {
  if (!isInstalled('fish')) return t.diagnostic('not tried: fish is not installed');
  for (const [words, offered] of COMPLETIONS) {
    const line = ['switchyard', ...words].join(' ');
    const script = `${completionFor('fish')}\ncomplete -C '${line}'`;
    const found = lines(execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }));
    assert.deepEqual(found.map(each => each.split('\t')[0]).sort(), [...offered].sort(), line);
  }
});

test('zsh takes its script', t => {
  if (!isInstalled('zsh')) return t.diagnostic('not tried: zsh is not installed');
  const script = `autoload -U compinit && compinit -D -u\n${completionFor('zsh')}\necho "\${_comps[switchyard]}"`;
  assert.equal(execFileSync('zsh', ['-f', '-c', script], { encoding: 'utf8' }), '_switchyard\n');
});

function isInstalled(shell: string): boolean {
  return spawnSync(shell, ['--version']).status === 0;
}

function lines(text: string): string[] {
  return text.split('\n').filter(Boolean);
}
