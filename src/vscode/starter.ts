// The configuration file that a person begins with. Pure.
import { extname } from 'node:path';

const YAML = `# The MCP servers behind Switchyard. A change takes effect when the file is saved.
backends:
  # - name: memory               # letters, digits, - and _
  #   command: npx               # a program to start…
  #   args: [-y, "@modelcontextprotocol/server-memory"]

  # - name: docs
  #   url: https://example.com   # …or an address
  #   headers: { Authorization: "Bearer \${env:DOCS_TOKEN}" }
  #   priority: 20               # lower is tried first
`;

const JSON_TEXT = '{\n  "backends": []\n}\n';

/** No backends, in the syntax of the file's name; in YAML with some that work when their lines are uncommented. */
export function starterOf(file: string): string {
  return extname(file).startsWith('.json') ? JSON_TEXT : YAML;
}
