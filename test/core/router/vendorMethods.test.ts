// Methods of nobody's specification: they go to the backends in their order until one knows them.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { BareHttpClient } from '../../support/bareClient.ts';
import { fixtureCommand } from '../../support/fixtures.ts';
import { startGateway } from '../../support/gateway.ts';

const pidOf = async (client: BareHttpClient) => (await client.request('vendor.example/pid')).result?.pid;

it('A vendor method goes to the first backend that knows it, and starts and wakes none for it', async t => {
  const entry = fixtureCommand('servers/echo.mjs');
  const gateway = await startGateway(t, {
    backends: [
      { name: 'own', session: 'per_client', ...entry },
      { name: 'shared', ...entry },
    ],
  });
  const shared = await gateway.pidOf('shared');
  await gateway.reaches('own', 'ready');
  const [one, two] = [await gateway.client(), await gateway.client()];

  assert.equal(await pidOf(one), shared, 'no process is started for it');
  const own = Number((await one.callTool('own__pid')).result.content[0].text);
  assert.deepEqual([await pidOf(one), await pidOf(two)], [own, shared], 'one that the client has is asked');

  gateway.gateway.pause('shared');
  const { error } = await two.request('vendor.example/pid');
  assert.deepEqual([error?.code, error?.message], [-32601, 'Method not found: vendor.example/pid']);
  gateway.gateway.resume('shared');
  assert.equal((await two.request('vendor.example/none')).error?.code, -32601);
});

it('A vendor method goes on to the next backend where one calls what it does not know invalid', async t => {
  const gateway = await startGateway(t, {
    backends: [
      { name: 'unaware', ...fixtureCommand('servers/echo.mjs', '--unaware') },
      { name: 'none', ...fixtureCommand('servers/clock.mjs') },
      { name: 'aware', ...fixtureCommand('servers/echo.mjs') },
    ],
  });
  const aware = await gateway.pidOf('aware');
  for (const name of ['unaware', 'none']) await gateway.reaches(name, 'ready');
  const client = await gateway.client();
  assert.equal(await pidOf(client), aware);
  gateway.gateway.pause('aware');
  const { error } = await client.request('vendor.example/pid');
  assert.deepEqual([error?.code, error?.message], [-32602, 'Invalid request parameters'], 'the first that says more');
});
