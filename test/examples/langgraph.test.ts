// The example with LangGraph as it is, against a model that is scripted: what the tools say must reach the model and the terminal.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { startCli, temporaryFolder } from '../cli/program.ts';
import { startModelServer, textOf } from '../support/modelServer.ts';

const EXAMPLE = path.resolve(import.meta.dirname, '../../examples/langgraph');
const TOKEN = 'token-of-the-router';
const SCRIPT = [
  { prompt: /weather in London/, tool: 'weather__get_weather', arguments: { city: 'London' } },
  { prompt: /10 \+ 5/, tool: 'calculator__add', arguments: { a: 10, b: 5 } },
];
const ANSWERS = ['London: 18 °C, light rain (example data, not a forecast)', '10 + 5 = 15'];

test('the LangGraph example starts the router and talks to it over stdio', async t => {
  await assertAnswers(t, ['stdio']);
});

test('the LangGraph example talks to a running router at /mcp, with its token', async t => {
  await assertAnswers(t, ['http', await startRouter(t, 'http')]);
});

test('the LangGraph example talks to a running router at /sse, with its token', async t => {
  await assertAnswers(t, ['sse', await startRouter(t, 'sse')]);
});

test('the LangGraph example says which variable is missing', async () => {
  const agent = promisify(execFile)(process.execPath, ['agent.ts'], { cwd: EXAMPLE, env: baseEnvironment() });
  await assert.rejects(agent, /MODEL_NAME is not set: copy \.env\.example/);
});

test('the LangGraph example asks for the very versions that it is tested with', async () => {
  const { dependencies } = JSON.parse(await readFile(path.join(EXAMPLE, 'package.json'), 'utf8'));
  const tested: Record<string, string> = manifest.devDependencies;
  assert.deepEqual(dependencies, Object.fromEntries(Object.keys(dependencies).map(name => [name, tested[name]])));
});

async function assertAnswers(t: TestContext, args: string[]): Promise<void> {
  const model = await startModelServer(t, 'model-key', SCRIPT);
  const envFile = await filledIn(t, {
    MODEL_NAME: 'scripted',
    BASE_URL: model.url,
    OPENAI_API_KEY: 'model-key',
    MCP_AUTH_TOKEN: TOKEN,
  });
  const { stdout } = await promisify(execFile)(process.execPath, [`--env-file=${envFile}`, 'agent.ts', ...args], {
    cwd: EXAMPLE,
    env: { ...baseEnvironment(), HOME: await temporaryFolder(t) },
    timeout: 120_000,
  });
  for (const { tool } of SCRIPT)
    for (const { tools = [] } of model.requests)
      assert.ok(
        tools.some(({ function: { name } }) => name === tool),
        `the model is offered ${tool}`,
      );
  const told = model.requests.flatMap(({ messages }) => messages.filter(({ role }) => role === 'tool').map(textOf));
  assert.deepEqual(told, ANSWERS);
  for (const answer of ANSWERS) assert.ok(stdout.includes(`ai: The tool says: ${answer}`), stdout);
}

/** Its address, once it listens. */
async function startRouter(t: TestContext, transport: 'http' | 'sse'): Promise<string> {
  const config = path.join(EXAMPLE, 'backends.yaml');
  const router = await startCli(t, ['serve', '--config', config, '--transport', transport, '--port', '0'], {
    env: { ...baseEnvironment(), MCP_AUTH_TOKEN: TOKEN },
  });
  return router.reports(/(http:\S+)/);
}

/** A copy of the example's `.env.example` with these values; it must ask for each of them. */
async function filledIn(t: TestContext, values: Readonly<Record<string, string>>): Promise<string> {
  let text = await readFile(path.join(EXAMPLE, '.env.example'), 'utf8');
  for (const [name, value] of Object.entries(values)) {
    assert.match(text, new RegExp(`^${name}=`, 'm'));
    text = text.replace(new RegExp(`^${name}=.*`, 'm'), `${name}=${value}`);
  }
  const file = path.join(await temporaryFolder(t), '.env');
  await writeFile(file, text);
  return file;
}

/** Where `node` is the one that runs this, and nothing else of the person who tests is seen. */
function baseEnvironment(): Record<string, string> {
  const { SWITCHYARD_TEST_FILE } = process.env;
  return {
    PATH: [path.dirname(process.execPath), process.env.PATH].join(path.delimiter),
    ...(SWITCHYARD_TEST_FILE !== undefined && { SWITCHYARD_TEST_FILE }),
  };
}
