import assert from 'node:assert/strict';
import { test } from 'node:test';
import { targetOf } from '../../src/core/target.ts';

const shown = (...args: string[]) =>
  targetOf({ kind: 'stdio', command: 'run', args, env: {}, cwd: undefined }).replace(/^run ?/, '');

test('what a backend is, is shown without what is secret in it', () => {
  assert.equal(shown('-y', '@acme/server', '/data'), '-y @acme/server /data');
  assert.equal(shown('--api-key', 'abc', '--verbose'), '--api-key *** --verbose');
  assert.equal(shown('--password', '-abc', '--auth', 'abc', '--key', 'abc'), '--password *** --auth *** --key ***');
  assert.equal(shown('--token=abc', 'API_KEY=abc', 'password: abc'), '--token=*** API_KEY=*** password: ***');
  assert.equal(shown('postgres://me:abc@db/x?sslkey=abc'), 'postgres://db/x');
});

test('nor what is secret in a header, or inside an argument', () => {
  const all: readonly (readonly [args: readonly string[], shown: string])[] = [
    [['-H', 'X-Key: abc', '--header', 'Cookie: abc'], '-H X-Key: *** --header Cookie: ***'],
    [['-HX-Any: abc', '--header=X-Any: abc', '--header', 'abc'], '-HX-Any: *** --header=X-Any: *** --header ***'],
    [['--pat', 'abc', '--github-pat=abc', 'GITHUB_PAT=abc'], '--pat *** --github-pat=*** GITHUB_PAT=***'],
    [['--bearer', 'abc', 'Bearer abc'], '--bearer *** Bearer ***'],
    [['-h', 'db', '--path', '/data', 'PATTERN=x'], '-h db --path /data PATTERN=x'],
    [['--env=A_PWD=abc', '-eAUTH=abc'], '--env=A_PWD=*** -eAUTH=***'],
    [['Server=db,1;Password=a,"b c";Pwd=abc;Database=x'], 'Server=db,1;Password=***;Pwd=***;Database=x'],
    [['{"token":"a\\"bc, d","n":1}'], '{"token":***,"n":1}'],
    [[`{'headers': {'Authorization': 'Bearer abc'}, 'n': 1}`], `{'headers': {'Authorization': ***}, 'n': 1}`],
    [['{\\"api_key\\":\\"abc\\"}'], '{\\"api_key\\":***'],
    [['https://auth.example.com:8080/mcp', '/etc/keys:/keys'], 'https://auth.example.com:8080/mcp /etc/keys:/keys'],
  ];
  for (const [args, expected] of all) assert.equal(shown(...args), expected);
});

test('a long argument is cut, and costs no time whatever it is made of', () => {
  const started = performance.now();
  for (const part of ['x', 'token', 'a.', '://', 'http://', 'pat', 'key=', '"key":', '-key ', 'bearer ', '\\'])
    assert.ok(shown(part.repeat(200_000)).length < 350, part);
  assert.ok(performance.now() - started < 1000);
});
