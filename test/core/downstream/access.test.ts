import assert from 'node:assert/strict';
import { IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Access, type AccessOptions } from '../../../src/core/downstream/access.ts';
import { BareHttpClient } from '../../support/bareClient.ts';
import { BareModernClient } from '../../support/bareModernClient.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { startGateway } from '../../support/gateway.ts';
import { clientOf, INITIALIZE } from './scriptedListener.ts';

const TOKENS = [
  { role: 'admin', value: 'chief' },
  { role: 'read', value: 'guest' },
] as const;
const SILENT = { warning: () => {} };
const LOOPBACK = '127.0.0.1';
const ELSEWHERE = '192.0.2.7';

/** A request with these headers, from an address. */
function visitor(headers: Record<string, string>, from = LOOPBACK): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: from });
  const request = new IncomingMessage(socket);
  request.headers = headers;
  return request;
}

describe('Access.distrust', () => {
  /** Which of these are trusted. */
  const trusted = (options: Partial<AccessOptions>, ...all: Record<string, string>[]) => {
    const access = new Access({ host: '127.0.0.1', ...options }, new FakeClock(), SILENT);
    return all
      .filter(headers => access.distrust(visitor(headers)) === undefined)
      .map(headers => Object.values(headers).at(-1));
  };
  const hosts = (...all: string[]) => all.map(host => ({ host }));
  const origins = (...all: string[]) => all.map(origin => ({ host: 'localhost', origin }));

  it('takes loopback names and the bound address, with any port and in any case', () => {
    const ours = ['localhost', 'LOCALHOST:1', '127.0.0.1:8000', '[::1]', '[::1]:8000', '10.1.2.3', '10.1.2.3:8000'];
    const others = [
      '',
      ' ',
      'localhost.',
      'localhost:x',
      'localhost:80:80',
      'evil.test',
      'xlocalhost',
      '::1:80',
      '10.1.2.4',
    ];
    assert.deepEqual(trusted({ host: '10.1.2.3' }, ...hosts(...ours, ...others)), ours);
    assert.deepEqual(trusted({ host: 'fd00::1' }, ...hosts('[FD00::1]:8000', '[fd00::1]', '[fd00::2]')), [
      '[FD00::1]:8000',
      '[fd00::1]',
    ]);
  });

  it('says which header it was, and what lets it in', () => {
    const access = new Access({ host: '127.0.0.1' }, new FakeClock(), SILENT);
    const told = (headers: Record<string, string>) => access.distrust(visitor(headers));
    assert.deepEqual(
      [told({ host: 'a"b\u00e9.test:80' }), told({ host: 'localhost', origin: 'https://evil.test' }), told({})],
      [
        'Forbidden: the Host "a?b?.test:80" is not allowed here; server.allowed_hosts or --allow-host lets it in',
        'Forbidden: the Origin "https://evil.test" is not allowed here; server.allowed_origins or --allow-origin lets it in',
        'Forbidden: the Host "" is not allowed here; server.allowed_hosts or --allow-host lets it in',
      ],
    );
    assert.ok((told({ host: 'x'.repeat(16_000) })?.length ?? 0) < 500);
  });

  it('takes a loopback name as an origin of web pages alone', () => {
    const schemes = ['http', 'https', 'vscode-webview', 'ftp', 'chrome-extension', 'file'];
    const all = schemes.map(scheme => `${scheme}://localhost`);
    assert.deepEqual(trusted({}, ...origins(...all)), all.slice(0, 2));
  });

  it('takes none without a Host', () => {
    assert.deepEqual(trusted({ allowedHosts: ['*'] }, { accept: 'none' }), []);
  });

  it('takes names and patterns of the configuration', () => {
    const allowedHosts = ['One.test', '*.many.test', 'port.test:81', '[fd00::5]'];
    const ours = ['one.test', 'ONE.TEST:5', 'a.many.test', 'a.b.many.test:9', 'port.test:81', '[fd00::5]:1'];
    const others = ['two.one.test', 'many.test', 'amany.test', 'a.many.test.evil.test', 'port.test', 'port.test:82'];
    assert.deepEqual(trusted({ allowedHosts }, ...hosts(...ours, ...others)), ours);
    const any = ['evil.test', 'localhost', 'x:1'];
    assert.deepEqual(trusted({ allowedHosts: ['*'] }, ...hosts(...any)), any);
  });

  it('takes loopback origins of any port, and those of the configuration exactly', () => {
    const ours = ['http://localhost:5173', 'https://127.0.0.1', 'http://[::1]:9', 'https://ours.test'];
    const others = [
      'null',
      '',
      'https://evil.test',
      'http://localhost.evil.test',
      'https://ours.test:8443',
      'ours.test',
    ];
    const allowedOrigins = ['https://ours.test'];
    assert.deepEqual(trusted({ allowedOrigins }, ...origins(...ours, ...others)), ours);
    assert.deepEqual(trusted({ allowedOrigins: ['*'] }, ...origins('null', 'https://evil.test')), [
      'null',
      'https://evil.test',
    ]);
  });

  it('takes an origin only beside a host that is ours', () => {
    assert.deepEqual(trusted({}, { host: 'evil.test', origin: 'http://localhost' }), []);
  });
});

describe('Access.admit', () => {
  const arriving = (options: Partial<AccessOptions> = { tokens: TOKENS }) => {
    const clock = new FakeClock();
    const access = new Access({ host: '0.0.0.0', ...options }, clock, { warning: text => warnings.push(text) });
    const warnings: string[] = [];
    const admit = (authorization: string | undefined, from = ELSEWHERE) =>
      access.admit(visitor(authorization === undefined ? {} : { authorization }, from));
    const guess = (times: number, from?: string) => {
      for (let n = 0; n < times; n++) admit(`Bearer guess-${n}`, from);
    };
    return { clock, admit, guess, warnings };
  };
  const admin = { kind: 'admitted', role: 'admin' };
  const unauthorized = { kind: 'unauthorized' };

  it('lets everybody do everything where no token is asked for', () => {
    assert.deepEqual(arriving({}).admit(undefined), admin);
  });

  it('knows the role of a token', () => {
    const { admit } = arriving();
    assert.deepEqual([admit('Bearer chief'), admit('bearer  guest')], [admin, { kind: 'admitted', role: 'read' }]);
  });

  it('takes nothing but the whole token', () => {
    const { admit } = arriving();
    for (const wrong of [undefined, '', 'Bearer', 'Bearer ', 'chief', 'Basic chief', 'Bearer chie', 'Bearer chief '])
      assert.deepEqual(admit(wrong), unauthorized, wrong);
  });

  it('has an address wait out the minute after 20 wrong tokens, whatever new one it then brings, and no other address', () => {
    const { clock, admit, guess } = arriving();
    guess(19);
    assert.deepEqual(admit('Bearer guest'), { kind: 'admitted', role: 'read' });
    clock.advance(15_000);
    assert.deepEqual(admit('Bearer wrong'), unauthorized);
    assert.deepEqual(admit('Bearer wrong'), { kind: 'limited', retryAfterSeconds: 45 });
    assert.deepEqual(admit('Bearer chief'), { kind: 'limited', retryAfterSeconds: 45 });
    assert.equal(admit('Bearer guest').kind, 'admitted', 'who was let in before still is');
    assert.deepEqual(admit('Bearer chief', '192.0.2.8'), admin);
    clock.advance(44_500);
    assert.deepEqual(admit('Bearer chief'), { kind: 'limited', retryAfterSeconds: 1 });
    clock.advance(500);
    assert.deepEqual(admit('Bearer wrong'), unauthorized, 'the count begins anew');
    assert.deepEqual(admit('Bearer chief'), admin);
  });

  it('says once a minute whom it refuses, and until when', () => {
    const { clock, guess, warnings } = arriving();
    const until = (time: string) =>
      `192.0.2.7 brought 20 wrong tokens in a minute: refused until 1970-01-01T00:${time}.000Z`;
    guess(19);
    assert.deepEqual(warnings, []);
    guess(30);
    assert.deepEqual(warnings, [until('01:00')]);
    clock.advance(60_000);
    guess(30);
    assert.deepEqual(warnings, [until('01:00'), until('02:00')]);
  });

  it('counts the wrong ones of one minute only, and a missing one not at all', () => {
    const { clock, admit, guess } = arriving();
    for (let minute = 0; minute < 3; minute++) {
      guess(19);
      clock.advance(60_000);
    }
    for (let n = 0; n < 50; n++) admit(undefined);
    guess(19);
    assert.deepEqual(admit('Bearer chief'), admin);
  });

  it('does not shut out the programs of this machine for the guesses of one of them', () => {
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      const { admit, guess } = arriving();
      guess(20, address);
      assert.equal(admit('Bearer wrong', address).kind, 'limited');
      assert.deepEqual(admit('Bearer chief', address), admin);
    }
  });
});

it('What the file allows holds as soon as it says so', async t => {
  const gateway = await startGateway(t, { backends: [] });
  const statusOf = async (headers: Record<string, string>) =>
    new Promise(resolve =>
      request(new URL('/healthz', gateway.url), { headers }, each => resolve(each.resume().statusCode)).end(),
    );
  assert.deepEqual([await statusOf({ host: 'a.test' }), await statusOf({ origin: 'https://b.test' })], [403, 403]);
  await gateway.write({ backends: [], server: { allowed_hosts: ['A.test'], allowed_origins: ['https://b.test'] } });
  await eventually('the host', async () => (await statusOf({ host: 'a.test:80' })) === 200);
  assert.equal(await statusOf({ origin: 'https://b.test' }), 200);
});

describe('A token', () => {
  const listen = async (t: TestContext, management_tools = 'full') => {
    const { gateway } = await startGateway(t, { backends: [], server: { management_tools } });
    const { url } = await gateway.listenHttp({ clients: 'any', host: '127.0.0.1', port: 0, tokens: TOKENS });
    const clients = (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      const both = { legacy: new BareHttpClient(url, headers), modern: new BareModernClient(url, headers) };
      t.after(() => Promise.all([both.legacy.close(), both.modern.close()]));
      return both;
    };
    return { url, clients };
  };

  it('opens the sessions that were begun with its role, and no others', async t => {
    const { send } = clientOf((await listen(t)).url);
    const as = (token: string) => ({ authorization: `Bearer ${token}` });
    const { session = '' } = await send('POST', as('chief'), INITIALIZE);
    const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
    const statuses = async (token: string) => {
      const headers = { ...as(token), 'mcp-session-id': session };
      const [post, end] = [await send('POST', headers, ping), await send('DELETE', headers)];
      return [post.status, end.status];
    };
    assert.deepEqual(
      [await statuses('guest'), await statuses('chief')],
      [
        [404, 404],
        [200, 200],
      ],
    );
  });

  for (const era of ['legacy', 'modern'] as const)
    it(`to read has no tools that change the router, listed or called (${era})`, async t => {
      const { clients } = await listen(t);
      const [chief, guest] = [clients('chief')[era], clients('guest')[era]];
      if (era === 'legacy') await Promise.all([chief.initialize(), guest.initialize()]);
      const [all, some] = [await chief.toolNames(), await guest.toolNames()];
      const changing = all.filter(name => !some.includes(name));
      assert.deepEqual(
        some.filter(name => !all.includes(name)),
        [],
      );
      assert.ok(some.includes('list_backends'), `${some}`);
      assert.deepEqual(changing.toSorted(), [
        'register_backend',
        'reload_backends_config',
        'set_backend_priority',
        'unregister_backend',
      ]);
      for (const name of changing) {
        const { error } = await guest.callTool(name);
        assert.match(String(error?.message), /Unknown tool/, name);
      }
    });

  it('to read has none at all where they are off', async t => {
    const { legacy } = (await listen(t, 'off')).clients('guest');
    await legacy.initialize();
    assert.deepEqual(await legacy.toolNames(), []);
  });
});
