import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readEnvironment } from '../../../src/core/config/environment.ts';

describe('readEnvironment', () => {
  test('reads every variable', () => {
    assert.deepEqual(
      readEnvironment({
        MCP_BACKENDS_CONFIG: '/etc/b.yaml',
        MCP_HOST: '0.0.0.0',
        MCP_PORT: '8000',
        MCP_SERVER_NAME: 'mine',
        MCP_AUTH_TOKEN: 'token\n',
        MCP_DEFAULT_STRATEGY: 'fallback',
        MCP_ENABLE_NAMESPACES: 'No',
        MCP_CACHE_TTL: '60',
        MCP_REQUEST_TIMEOUT: '1.5',
        MCP_MAX_RETRIES: '5',
        MCP_RETRY_BACKOFF: '3.0',
        MCP_MAX_BACKOFF: '20',
        MCP_HEALTH_CHECK_INTERVAL: '10',
        MCP_HEALTH_CHECK_TIMEOUT: '2',
      }),
      {
        configFile: '/etc/b.yaml',
        host: '0.0.0.0',
        port: 8000,
        serverName: 'mine',
        authToken: 'token',
        overrides: {
          default_strategy: 'fallback',
          enable_namespace_prefixing: false,
          capability_cache_ttl_seconds: 60,
          request_timeout_seconds: 1.5,
          retry: { max_attempts: 5, backoff_multiplier: 3, max_backoff_seconds: 20 },
          health_check: { interval_seconds: 10, timeout_seconds: 2 },
        },
      },
    );
  });

  test('what is unset, empty, or port 0 says nothing', () => {
    const nothing = { overrides: { retry: {}, health_check: {} } };
    assert.deepEqual(readEnvironment({}), nothing);
    assert.deepEqual(readEnvironment({ MCP_PORT: '0', MCP_HOST: '', MCP_AUTH_TOKEN: ' ', MCP_CACHE_TTL: '' }), nothing);
  });

  test('booleans in every accepted form', () => {
    const read = (text: string) =>
      readEnvironment({ MCP_ENABLE_NAMESPACES: text }).overrides.enable_namespace_prefixing;
    assert.deepEqual(['true', 'TRUE', '1', 'Yes'].map(read), [true, true, true, true]);
    assert.deepEqual(['false', 'False', '0', 'no'].map(read), [false, false, false, false]);
  });

  const wrong: Record<string, [text: string, accepted: string]> = {
    MCP_PORT: ['70000', 'a port number from 0 to 65535'],
    MCP_ENABLE_NAMESPACES: ['on', 'true/false, 1/0 or yes/no'],
    MCP_DEFAULT_STRATEGY: ['smart', 'path, capability or fallback'],
    MCP_REQUEST_TIMEOUT: ['0', 'a number of seconds above 0'],
    MCP_CACHE_TTL: ['5 min', 'a number of seconds above 0'],
    MCP_MAX_RETRIES: ['1.5', 'a whole number, at least 1'],
    MCP_RETRY_BACKOFF: ['0.5', 'a number, at least 1'],
    MCP_HEALTH_CHECK_TIMEOUT: ['0.5', 'a number of seconds, at least 1'],
    MCP_AUTH_TOKEN: ['two words', 'printable ASCII without blanks'],
  };
  for (const [name, [text, accepted]] of Object.entries(wrong)) {
    test(`${name} that cannot be read is named, with what is accepted`, () => {
      const message = `The environment variable ${name} cannot be read: it must be ${accepted}.`;
      assert.throws(() => readEnvironment({ [name]: text }), { name: 'UserError', message });
    });
  }
});
