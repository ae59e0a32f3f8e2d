import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../../src/core/base/errors.ts';
import { parseSnippet } from '../../../src/core/config/snippet.ts';

const memory = { command: 'npx', args: ['-y', '@modelcontextprotocol/server-memory'] };
const body = JSON.stringify(memory);

describe('parseSnippet', () => {
  const named = [{ name: 'memory', entry: memory }];
  const snippets: Record<string, string> = {
    'a file of most clients': `{"mcpServers": {"memory": ${body}}}`,
    'a file of VS Code, with keys of other clients': `{"inputs": [], "servers": {"memory": {"type": "stdio", "autoApprove": [], ${body.slice(1)}}}`,
    'settings of VS Code': `{"mcp": {"servers": {"memory": ${body}}}}`,
    'settings of VS Code, with a dotted key': `{"editor.fontSize": 12, "mcp.servers": {"memory": ${body}}}`,
    'a part without the outer braces': `"mcpServers": {"memory": ${body}}`,
    'one named server, cut out with its comma': `"memory": ${body},`,
    'the braces, with the comma behind them': `{"memory": ${body}},`,
    'named servers alone': `{"memory": ${body}}`,
    'comments, trailing commas and a code fence': `\`\`\`json\n// in your settings:\n{"mcpServers": {\n  "memory": ${body}, // here\n}}\n\`\`\``,
    'a code fence on one line, as a box of one line has it': `\`\`\`jsonc {"mcpServers": {"memory": ${body}}} \`\`\``,
    'a list of ours': `{"backends": [{"name": "memory", "priority": 3, ${body.slice(1)}]}`,
    YAML: 'mcpServers:\n  memory:\n    command: npx\n    args: [-y, "@modelcontextprotocol/server-memory"]\n',
  };
  for (const [what, text] of Object.entries(snippets)) test(what, () => assert.deepEqual(parseSnippet(text), named));

  test('a bare server has no name', () => {
    assert.deepEqual(parseSnippet(body), [{ name: undefined, entry: memory }]);
    assert.deepEqual(parseSnippet('{"type": "streamable-http", "url": "https://a", "headers": {"A": 1}}'), [
      { name: undefined, entry: { type: 'http', url: 'https://a', headers: { A: '1' } } },
    ]);
  });

  test('several servers, names that have to be sanitised, other words for url', () => {
    assert.deepEqual(
      parseSnippet('{"mcpServers": {"My Server": {"serverUrl": "https://a"}, "b": {"httpUrl": "https://b"}}}'),
      [
        { name: 'My-Server', entry: { url: 'https://a' } },
        { name: 'b', entry: { url: 'https://b' } },
      ],
    );
  });

  const useless: Record<string, RegExp> = {
    '': /Nothing is given/,
    'npx -y @modelcontextprotocol/server-memory': /not a JSON object/,
    'https://example.com/mcp': /not a JSON object/,
    '[]': /not a JSON object/,
    '{"mcpServers": {"a": {"command": "npx"': /cannot be read: it is not valid JSON/,
    '"a": {"command": "npx"': /cannot be read: it is not valid JSON/,
    '{"mcpServers": {}}': /names no server/,
    '{"name": "a"}': /no server in it/,
    '{"mcpServers": {"a": {"type": "stdio"}}}': /"a" has neither a "command" nor a "url"/,
    '{"command": ["npx"]}': /no server in it/,
    '{"command": "npx", "args": "-y"}': /cannot be used: args must be a list, not text/,
  };
  for (const [text, reason] of Object.entries(useless)) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseSnippet(text),
        error => error instanceof UserError && reason.test(error.message),
      );
    });
  }
});
