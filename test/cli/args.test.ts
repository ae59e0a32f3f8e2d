import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseCommandLine } from '../../src/cli/args.ts';
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
};

suite('The command line', () => {
  test('reads every option of serve', () => {
    const line =
      'serve --config a.yaml --transport sse --host ::1 --port=9000 --auth-token-file t --allow-host a --allow-host b --allow-origin o --tls-cert c --tls-key k --persist --log-level debug';
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
    });
  });

  test('leaves to the command what was not given', () => {
    assert.deepEqual(parseCommandLine(['serve']), SERVE);
    assert.deepEqual(parseCommandLine(['check']), { kind: 'check', config: undefined, json: false });
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

  test('explains itself, and each command', () => {
    for (const argv of [['--help'], ['-h'], ['help']]) assert.match(helpOf(argv), /serve .*\n.*check .*\n.*call /);
    for (const argv of [
      ['serve', '--help'],
      ['serve', '--port', '1', '-h'],
      ['help', 'serve'],
    ])
      assert.match(helpOf(argv), /Usage: switchyard serve.*--allow-host.*Examples:.*Exit codes: 0/s);
    assert.deepEqual(parseCommandLine(['--version']), { kind: 'version' });
  });

  for (const [line, message] of [
    ['', /^A command is missing: serve, check, call\.\nSee "switchyard --help"\.$/],
    ['serv', /^Unknown command "serv"\. Did you mean "serve"\?\nSee "switchyard --help"\.$/],
    ['frobnicate', /^Unknown command "frobnicate"\.\n/],
    ['--config a serve', /^The command comes first, before "--config"/],
    ['serve --confg a', /^Unknown option "--confg"\. Did you mean "--config"\?\nSee "switchyard serve --help"\.$/],
    ['serve -x', /^Unknown option "-x"\.\n/],
    ['serve --config', /^--config needs a value: --config FILE\./],
    ['serve --config --port 1', /^--config needs a value: --config FILE\./],
    ['serve --no-auth=yes', /^--no-auth takes no value\./],
    ['serve extra', /^"extra" is one argument too many\./],
    ['serve --port x', /^--port is a number from 0 to 65535, not "x"\./],
    ['serve --port 65536', /^--port is a number from 0 to 65535/],
    ['serve --transport tcp', /^--transport is stdio, http or sse, not "tcp"\./],
    ['serve --transport stdio --port 1', /^--port is for HTTP/],
    ['serve --log-level loud', /^--log-level is one of debug, info, warning, error, not "loud"\./],
    ['serve --no-auth --auth-token-file f', /^--no-auth and --auth-token-file exclude each other\./],
    ['call', /^The name of the tool is missing\./],
    ['call t {', /^The tool's arguments are one JSON object/],
    ['call t []', /^The tool's arguments are one JSON object/],
    ['call t null', /^The tool's arguments are one JSON object/],
    ['call t --url localhost:8000', /^--url is an http or https address/],
    ['call t --url http://', /^--url is an http or https address/],
    ['call t --url http://h --config f', /^--config and --url exclude each other\./],
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
