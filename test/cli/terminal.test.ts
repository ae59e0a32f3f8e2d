import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { cut, PLAIN, table, wrap } from '../../src/cli/terminal.ts';
import { fixtureCommand } from '../support/fixtures.ts';
import { installDebianPackages, programOf } from '../support/machine.ts';
import { CLI, configFile, temporaryFolder } from './program.ts';

const ROWS = [
  ['a', { text: 'ready', style: 'green' }, '12', ''],
  ['long-name', { text: 'failed', style: 'red' }, '-', 'a reason of several words that goes on and on'],
] as const;
const TITLES = ['NAME', 'STATE', 'TOOLS', 'DETAIL'];

suite('A table', () => {
  test('is as wide as its content in a pipe, without colours', () => {
    assert.equal(
      table(TITLES, ROWS, PLAIN),
      `NAME       STATE   TOOLS  DETAIL
a          ready      12
long-name  failed      -  a reason of several words that goes on and on`,
    );
  });

  test('wraps its last column beside the others on a terminal', () => {
    assert.equal(
      table(TITLES, ROWS, { ...PLAIN, width: 60 }),
      `NAME       STATE   TOOLS  DETAIL
a          ready      12
long-name  failed      -  a reason of several words that
                          goes on and on`,
    );
  });

  test('puts its last column below the others where there is no room', () => {
    assert.equal(
      table(TITLES, ROWS, { ...PLAIN, width: 40 }),
      `NAME       STATE   TOOLS
a          ready      12
long-name  failed      -
    a reason of several words that goes
    on and on`,
    );
  });

  test('is aligned where it is coloured', () => {
    const painted = table(TITLES, ROWS, { width: undefined, paint: (style, text) => `<${style}>${text}</>` });
    assert.match(painted, /^<bold>NAME {5}<\/> {2}<bold>STATE <\/> {2}<bold>TOOLS<\/> {2}<bold>DETAIL<\/>\n/);
    assert.match(painted, /\na {8} {2}<green>ready <\/> {5}12\n/);
  });
});

test('a text is wrapped at blanks, at the colons of a path, and else where the line ends', () => {
  assert.deepEqual(wrap('one two three', 7), ['one two', 'three']);
  assert.deepEqual(wrap('PATH /usr/bin:/usr/local/bin', 12), ['PATH', '/usr/bin:', '/usr/local/b', 'in']);
  assert.deepEqual(wrap('', 7), ['']);
  assert.equal(cut('one two', 7), 'one two');
  assert.equal(cut('one two', 5), 'one …');
});

test('a check on a terminal is coloured, fits it, and shows meanwhile who is waited for', async t => {
  await installDebianPackages([programOf('bsdutils', 'script')], line => t.diagnostic(line));
  const hanging = { name: 'hanging', ...fixtureCommand('servers/hanging.mjs'), start_timeout_seconds: 1 };
  const missing = { name: 'missing', command: 'no-such-command' };
  const file = await configFile(t, { backends: [hanging, missing] });
  const home = await temporaryFolder(t);
  const check = `stty cols 70; '${process.execPath}' '${CLI}' check --config '${file}'`;
  const env = {
    PATH: process.env.PATH,
    TERM: 'xterm-256color',
    HOME: home,
    SWITCHYARD_TEST_FILE: process.env.SWITCHYARD_TEST_FILE,
  };
  const terminal = spawn('script', ['-qec', check, '/dev/null'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => void terminal.kill('SIGKILL'));
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  const [exitCode] = await once(terminal, 'close');
  assert.equal(exitCode, 1, shown);
  assert.ok(shown.includes('1 of 2: waiting for hanging\u001b[K'), shown);
  assert.ok(shown.includes('\u001b[31mfailed\u001b[39m'), shown);
  const table = shown.slice(shown.lastIndexOf('\u001b[K') + 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of one.
  const plain = table.replace(/\u001b\[\d*m/g, '').split('\r\n');
  const tooWide = plain.filter(line => line.length > 70 && !line.includes(file));
  assert.deepEqual(tooWide, []);
});
