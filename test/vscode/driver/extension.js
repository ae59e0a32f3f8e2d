// For tests only. Two things that a test cannot reach from outside of VS Code:
// - the extension host: what is posted to the socket is run here, as `(host, ...args) => result`;
// - a language model: it answers agent chat by a script, turn by turn, and keeps what it was asked. When the script
//   is at its end, it repeats what the last tool answered.

const http = require('node:http');
const { rmSync } = require('node:fs');
const { text } = require('node:stream/consumers');
const vm = require('node:vm');
const vscode = require('vscode');

const host = {
  vscode,
  /**
   * `script`: turns to come, `{ say }` or `{ call, input }`. `answers`: to messages outside of agent chat, by their text.
   * `requests`: what agent chat asked so far.
   */
  model: { script: [], answers: {}, requests: [] },
};

exports.activate = context => {
  const socket = process.env.SWITCHYARD_TEST_DRIVER;
  if (!socket) throw new Error('SWITCHYARD_TEST_DRIVER must name the socket to listen on');

  rmSync(socket, { force: true }); // of an extension host before this one
  const server = http.createServer(async (request, response) => {
    try {
      const { code, args } = JSON.parse(await text(request));
      const value = await vm.runInThisContext(`(${code})`)(host, ...args);
      response.end(JSON.stringify({ value }));
    } catch (error) {
      response.end(JSON.stringify({ error: error.stack ?? String(error) }));
    }
  });
  server.listen(socket);
  context.subscriptions.push({ dispose: () => server.close() });
  context.subscriptions.push(vscode.lm.registerLanguageModelChatProvider('scripted', scriptedModel));
};

const scriptedModel = {
  provideLanguageModelChatInformation: () => [
    {
      id: 'scripted',
      name: 'Scripted Model',
      family: 'scripted',
      version: '1',
      maxInputTokens: 200_000,
      maxOutputTokens: 8_000,
      capabilities: { toolCalling: true },
    },
  ],
  provideTokenCount: (_model, content) => JSON.stringify(content).length / 4,
  provideLanguageModelChatResponse: async (_model, messages, { tools = [] }, progress) => {
    const say = value => progress.report(new vscode.LanguageModelTextPart(value));
    // Side jobs, such as finding a title for the chat, and what MCP servers ask come without tools and are no turn of the script.
    if (tools.length === 0) return say(host.model.answers[messages.at(-1).content[0].value] ?? 'Untitled');

    host.model.requests.push({
      tools: tools.map(tool => tool.name),
      messages: messages.map(message => message.content),
    });
    const turn = host.model.script.shift() ?? { say: toolResultIn(messages.at(-1)) ?? 'The script is at its end.' };
    if (turn.say !== undefined) return say(turn.say);

    // VS Code puts a prefix before the names of MCP tools, which the script need not know.
    const tool = tools.find(({ name }) => name === turn.call || name.endsWith(`_${turn.call}`));
    if (!tool) return say(`There is no tool ${turn.call} among ${tools.map(({ name }) => name).join(', ')}`);
    progress.report(new vscode.LanguageModelToolCallPart(`call-${Date.now()}`, tool.name, turn.input));
  },
};

/** What a tool answered, as text. */
function toolResultIn(message) {
  const result = message.content.find(part => part instanceof vscode.LanguageModelToolResultPart);
  return result?.content.map(part => part.value ?? JSON.stringify(part)).join('\n');
}
