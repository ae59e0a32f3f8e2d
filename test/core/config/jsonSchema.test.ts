import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createJsonSchema, type JsonSchema } from '../../../src/core/config/jsonSchema.ts';
import { parseConfig } from '../../../src/core/config/load.ts';
import { outdatedFiles } from '../../generate.ts';

describe('the JSON schema of the configuration file', () => {
  test('the committed one, and the table in the README, are current', () => {
    const outdated = outdatedFiles().map(({ file }) => file.pathname.split('/').at(-1));
    assert.deepEqual(outdated, [], 'run "node test/generate.ts"');
  });

  test('has a description for every key, and allows no other', () => {
    const lacking: string[] = [];
    const visit = (schema: JsonSchema, path: string) => {
      if (schema.properties && schema.additionalProperties !== false) lacking.push(`${path} is open`);
      for (const [key, property] of Object.entries(schema.properties ?? {})) {
        if (!property.description) lacking.push(`${path}.${key}`);
        visit(property, `${path}.${key}`);
        if (property.items) visit(property.items, `${path}.${key}[]`);
        if (property.type === 'object' && !property.properties)
          visit(property.additionalProperties as JsonSchema, `${path}.${key}.*`);
      }
    };
    visit(createJsonSchema(), '');
    assert.deepEqual(lacking, []);
  });

  test('offers enums and defaults', () => {
    const { routing } = createJsonSchema().properties ?? {};
    assert.deepEqual(routing?.properties?.default_strategy, {
      type: 'string',
      enum: ['path', 'capability', 'fallback'],
      default: 'capability',
      description: 'Strategy where no route of the backend matches.',
    });
  });
});

test('the demo configuration has nothing wrong with it and needs nothing of this machine', () => {
  const text = readFileSync(new URL('../../../config/backends.yaml', import.meta.url), 'utf8');
  assert.match(text, /^# yaml-language-server: \$schema=\.\/backends\.schema\.json\n/);
  const result = parseConfig(text, 'backends.yaml', {
    env: {},
    workspaceFolder: '/project',
    userHome: '/home/me',
    input: () => undefined,
  });
  assert.deepEqual([result.ok, result.problems], [true, []]);
  assert.equal(result.ok && result.config.backends.length >= 3, true);
});
