// Writes what is made from the configuration's schema: config/backends.schema.json, and the table in the README.
// `node test/generate.ts --check` writes nothing, and fails where one of them is not current.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createJsonSchema, type JsonSchema } from '../src/core/config/jsonSchema.ts';

const START = '<!-- configuration:start -->';
const END = '<!-- configuration:end -->';

/** The files that are not what they should be, with their right content. */
export function outdatedFiles(): { file: URL; content: string }[] {
  const schemaFile = new URL('../config/backends.schema.json', import.meta.url);
  const readme = new URL('../README.md', import.meta.url);
  const schema = createJsonSchema();
  const current = new Map([[schemaFile, `${JSON.stringify(schema, null, 2)}\n`]]);
  if (existsSync(readme)) current.set(readme, withTable(readFileSync(readme, 'utf8'), configurationTable(schema)));
  return [...current]
    .filter(([file, content]) => !existsSync(file) || readFileSync(file, 'utf8') !== content)
    .map(([file, content]) => ({ file, content }));
}

function withTable(text: string, table: string): string {
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  if (start < 0 || end < start) return text;
  return `${text.slice(0, start + START.length)}\n${table}\n${text.slice(end)}`;
}

function configurationTable({ properties = {} }: JsonSchema): string {
  const { backends, routing, server } = properties;
  return [
    '| Key | Values | Default | Meaning |',
    '|---|---|---|---|',
    '| **of a backend** | | | |',
    ...rowsOf(backends?.items, ''),
    '| **of the file** | | | |',
    ...rowsOf(routing, 'routing.'),
    ...rowsOf(server, 'server.'),
  ].join('\n');
}

function rowsOf(schema: JsonSchema | undefined, prefix: string): string[] {
  return Object.entries(schema?.properties ?? {}).flatMap(([key, property]) => {
    const { description = '', properties, items } = property;
    // A key without a type is one that is only accepted.
    if (valuesOf(property) === '') return [];
    if (properties) return rowsOf(property, `${prefix}${key}.`);
    const fallback = property.default === undefined ? '' : code(JSON.stringify(property.default));
    const row = [code(prefix + key), valuesOf(property), fallback, description].map(cell =>
      cell.replaceAll('|', '\\|'),
    );
    return [`| ${row.join(' | ')} |`, ...rowsOf(items, `${prefix}${key}[].`)];
  });
}

function valuesOf(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map(value => code(String(value))).join(', ');
  if (schema.type === 'array') return 'list';
  if (schema.type === 'object') return 'map';
  const words: Record<string, string> = { string: 'text', boolean: 'true, false', integer: 'whole number' };
  return words[schema.type ?? ''] ?? schema.type ?? '';
}

const code = (text: string) => `\`${text}\``;

if (import.meta.main) {
  const outdated = outdatedFiles();
  const isCheck = process.argv.includes('--check');
  for (const { file, content } of outdated) {
    if (!isCheck) writeFileSync(file, content);
    console.log(
      `${file.pathname.split('/').at(-1)}: ${isCheck ? 'not current; run "node test/generate.ts"' : 'written'}`,
    );
  }
  process.exitCode = isCheck && outdated.length > 0 ? 1 : 0;
}
