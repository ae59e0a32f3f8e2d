// A model behind OpenAI's chat completions, so small that it can be predicted: it calls the tool that the prompt is about, with the
// arguments of its script, and then answers with what the tool said.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** What it does with a prompt that matches. */
export interface ScriptedCall {
  readonly prompt: RegExp;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

interface ChatMessage {
  readonly role: string;
  readonly content: unknown;
}

/** One request to it, as much as tests look at. */
export interface CompletionRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

export interface ModelServer {
  /** The base URL for clients of OpenAI's API. */
  readonly url: string;
  readonly requests: readonly CompletionRequest[];
}

interface Turn {
  readonly message: Readonly<Record<string, unknown>>;
  readonly finish_reason: 'tool_calls' | 'stop';
}

/** Serves on 127.0.0.1 until the end of the test, to those who show the key. */
export async function startModelServer(t: TestContext, key: string, script: ScriptedCall[]): Promise<ModelServer> {
  const requests: CompletionRequest[] = [];
  const server = createServer(async (request, response) => {
    if (request.url !== '/v1/chat/completions') return response.writeHead(404).end();
    if (request.headers.authorization !== `Bearer ${key}`) return response.writeHead(401).end();
    const completion = await readJson(request);
    requests.push(completion);
    const { message, finish_reason } = turnOf(completion, script);
    const head = { id: `completion-${requests.length}`, created: 0, model: completion.model };
    response.writeHead(200, { 'content-type': 'application/json' });
    const choices = [{ index: 0, message, finish_reason }];
    return response.end(JSON.stringify({ ...head, object: 'chat.completion', choices }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

function turnOf({ messages, tools = [] }: CompletionRequest, script: readonly ScriptedCall[]): Turn {
  const answer = (content: string): Turn => ({ message: { role: 'assistant', content }, finish_reason: 'stop' });
  const last = messages.at(-1);
  if (last?.role === 'tool') return answer(`The tool says: ${textOf(last)}`);
  const call = script.find(({ prompt }) => prompt.test(last ? textOf(last) : ''));
  if (!call) return answer('Nothing is scripted for that.');
  if (!tools.some(tool => tool.function.name === call.tool)) return answer(`There is no tool ${call.tool}.`);
  const tool_call = {
    id: `call-${messages.length}`,
    type: 'function',
    function: { name: call.tool, arguments: JSON.stringify(call.arguments) },
  };
  return { message: { role: 'assistant', content: null, tool_calls: [tool_call] }, finish_reason: 'tool_calls' };
}

/** The text of a message, whether it came as such or in parts. */
export function textOf({ content }: ChatMessage): string {
  if (!Array.isArray(content)) return String(content);
  return content.map((part: { text?: string }) => part.text ?? '').join('');
}

async function readJson(request: IncomingMessage): Promise<CompletionRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString());
}
