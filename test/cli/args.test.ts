import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parseCommandLine } from '../../src/cli/args.ts';
import { COMMAND_NAMES } from '../../src/cli/commandTable.ts';
import { UserError } from '../../src/core/base/errors.ts';

const SERVE = {
  kind: 'serve',
  config: undefined,
  transport: undefined,
  host: undefined,
  port: undefined,
  authTokenFile: undefined,
  noAuth: false,
  allowHosts: [],
  allowOrigins: [],
  tlsCert: undefined,
  tlsKey: undefined,
  persist: false,
  logLevel: 'info',
  logFormat: 'pretty',
  accessLog: false,
};

suite('The command line', () => {
  test('reads every option of serve', () => {
    const line =
      'serve --config a.yaml --transport sse --host ::1 --port=9000 --auth-token-file t --allow-host a --allow-host b --allow-origin o --tls-cert c --tls-key k --persist --log-level debug --log-format json --access-log';
    assert.deepEqual(parseCommandLine(line.split(' ')), {
      ...SERVE,
      config: 'a.yaml',
      transport: 'sse',
      host: '::1',
      port: 9000,
      authTokenFile: 't',
      allowHosts: ['a', 'b'],
      allowOrigins: ['o'],
      tlsCert: 'c',
      tlsKey: 'k',
      persist: true,
      logLevel: 'debug',
      logFormat: 'json',
      accessLog: true,
    });
  });

  test('leaves to the command what was not given', () => {
    assert.deepEqual(parseCommandLine(['serve']), SERVE);
    assert.deepEqual(parseCommandLine(['check']), { kind: 'check', config: undefined, json: false });
  });

  test("takes the older systems' log levels, in any case", () => {
    const levels = ['DEBUG', 'Info', 'WARNING', 'ERROR', 'CRITICAL'];
    assert.deepEqual(
      levels.map(level => parseCommandLine(['serve', '--log-level', level])),
      ['debug', 'info', 'warning', 'error', 'error'].map(logLevel => ({ ...SERVE, logLevel })),
    );
  });

  test('takes the last of an option that was given twice', () => {
    assert.deepEqual(parseCommandLine(['check', '--config', 'a', '--config', 'b', '--json']), {
      kind: 'check',
      config: 'b',
      json: true,
    });
  });

  test('reads a tool and its arguments', () => {
    const call = { kind: 'call', tool: 'a__b', config: undefined, url: undefined, json: false };
    assert.deepEqual(parseCommandLine(['call', 'a__b']), { ...call, args: {} });
    assert.deepEqual(parseCommandLine(['call', 'a__b', '{"n": [1]}', '--url', 'http://localhost:1/mcp']), {
      ...call,
      args: { n: [1] },
      url: 'http://localhost:1/mcp',
    });
  });

  test('reads where to ask for the status, and which files to import', () => {
    const status = { kind: 'status', url: undefined, json: false };
    assert.deepEqual(parseCommandLine(['status']), status);
    const url = 'https://tools.example.com/mcp';
    assert.deepEqual(parseCommandLine(['status', '--url', url, '--json']), { ...status, url, json: true });
    const files = { kind: 'import', files: ['a', 'b'], to: 'backends.yaml', json: false };
    assert.deepEqual(parseCommandLine(['import', 'a', 'b']), files);
    assert.deepEqual(parseCommandLine(['import', 'a', '--to', '-', 'b']), { ...files, to: undefined });
    assert.deepEqual(parseCommandLine(['completion', 'fish']), { kind: 'completion', shell: 'fish' });
  });

  test('fits its help into 80 columns, and names every environment variable that is read', () => {
    for (const argv of [['--help'], ...COMMAND_NAMES.map(name => ['help', name])])
      for (const line of helpOf(argv).split('\n')) assert.ok(line.length <= 80, line);
    const sources = globSync('src/{cli,core/config}/*.ts', { cwd: path.resolve(import.meta.dirname, '../..') });
    const read = sources.flatMap(file => readFileSync(file, 'utf8').match(/\bMCP_[A-Z_]+[A-Z]\b/g) ?? []);
    const help = helpOf(['--help']);
    assert.deepEqual(
      [...new Set(read)].filter(name => !help.includes(`\n  ${name}`)),
      [],
    );
  });

  test('explains itself, and each command', () => {
    for (const argv of [['--help'], ['-h'], ['help']])
      assert.match(helpOf(argv), /serve .*\n.*check .*\n.*status .*\n.*call .*\n.*import .*\n.*completion /);
    for (const argv of [
      ['serve', '--help'],
      ['serve', '--port', '1', '-h'],
      ['help', 'serve'],
    ])
      assert.match(helpOf(argv), /Usage:\n {2}switchyard serve.*--allow-host.*Exit codes:\n {2}0.*Examples:/s);
    assert.deepEqual(parseCommandLine(['--version']), { kind: 'version' });
  });

  for (const [line, message] of [
    ['', /^A command is missing: serve, check, status, call, import, completion\.\nSee "switchyard --help"\.$/],
    ['serv', /^Unknown command "serv"\. Did you mean "serve"\?\nSee "switchyard --help"\.$/],
    ['frobnicate', /^Unknown command "frobnicate"\.\n/],
    ['--config a serve', /^The command comes first, before "--config"\.\n/],
    [
      '--transport sse --port 80 --config a.json',
      /Did you mean "switchyard serve --transport sse --port 80 --config a\.json"\?\n/,
    ],
    ['--json --config a', /^The command comes first, before "--json"\.\n/],
    ['serve --confg a', /^Unknown option "--confg"\. Did you mean "--config"\?\nSee "switchyard serve --help"\.$/],
    ['serve -x', /^Unknown option "-x"\.\n/],
    ['serve --config', /^--config needs a value: --config FILE\./],
    ['serve --host=', /^--host needs a value: --host HOST\./],
    ['serve --config --port 1', /^--config needs a value: --config FILE\./],
    ['serve --no-auth=yes', /^--no-auth takes no value\./],
    ['serve extra', /^"extra" is one argument too many\./],
    ['serve --port x', /^--port is a number from 0 to 65535, not "x"\./],
    ['serve --port 65536', /^--port is a number from 0 to 65535/],
    ['serve --transport tcp', /^--transport is stdio, http or sse, not "tcp"\./],
    ['serve --log-format xml', /^--log-format is pretty or json, not "xml"\./],
    ['serve --log-level loud', /^--log-level is one of debug, info, warning, error, not "loud"\./],
    ['serve --no-auth --auth-token-file f', /^--no-auth and --auth-token-file exclude each other\./],
    ['call', /^The name of the tool is missing\./],
    ['call t {', /^The tool's arguments are one JSON object/],
    ['call t []', /^The tool's arguments are one JSON object/],
    ['call t null', /^The tool's arguments are one JSON object/],
    ['call t --url localhost:8000', /^--url is an http or https address/],
    ['call t --url http://', /^--url is an http or https address/],
    ['call t --url http://h --config f', /^--config and --url exclude each other\./],
    ['status --url ftp://a', /^--url is an http or https address/],
    ['status extra', /^"extra" is one argument too many\./],
    ['import', /^The file to import is missing\./],
    ['import a --to - --json', /^--json and --to - both write to stdout/],
    ['completion', /^The shell is missing: bash, zsh, fish\.\nSee "switchyard completion --help"\.$/],
    ['completion tcsh', /^Unknown shell "tcsh": bash, zsh, fish\./],
    ['check --help-me', /^Unknown option "--help-me"\./],
  ] as const)
    test(`refuses "${line}" and says why`, () => {
      assert.throws(
        () => parseCommandLine(line.split(' ').filter(Boolean)),
        error => error instanceof UserError && message.test(error.message),
      );
    });
});

function helpOf(argv: string[]): string {
  const command = parseCommandLine(argv);
  assert.equal(command.kind, 'help');
  return command.kind === 'help' ? command.text : '';
}
