import * as z from 'zod';
import { fileSchema } from './schema.ts';

/** A JSON schema, as far as it is read here. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** The JSON schema of the configuration file, for completion and checks in editors; in the draft that they know best. */
export function createJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(fileSchema, {
    io: 'input',
    target: 'draft-7',
    override: forAuthors,
  });
  const { $schema, ...rest } = schema;
  return {
    $schema,
    title: 'MCP Switchyard configuration',
    description: 'The MCP servers behind Switchyard, and how calls find them.',
    ...rest,
  } as JsonSchema;
}

/** Says what zod cannot, and leaves out what says nothing. */
export function forAuthors({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  // What an object stands for when it is left out is told by the defaults of its members.
  if (jsonSchema.type === 'object') delete jsonSchema.default;
  // The keys of any JSON object are text.
  delete jsonSchema.propertyNames;
  if (jsonSchema.properties?.command) jsonSchema.anyOf = oneOfKeys('command', 'source', 'url');
  const { backends, mcpServers } = jsonSchema.properties ?? {};
  if (backends && mcpServers) jsonSchema.oneOf = oneOfKeys('backends', 'mcpServers', 'servers');
}

const oneOfKeys = (...keys: string[]) => keys.map(key => ({ required: [key] }));
