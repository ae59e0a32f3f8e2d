// Single entries that come from elsewhere than a file, as plain values.
import { UserError } from '../base/errors.ts';
import { isDeeperThan, type JsonObject } from '../base/json.ts';
import { parseText, plainValue } from './document.ts';
import { backendSchema } from './schema.ts';
import { entriesOf, outlineOf, toNative } from './shapes.ts';

const MAX_DEPTH = 20;

/** An entry of `backends:`. */
export type Entry = JsonObject & { readonly name: string };

/**
 * An entry of a map of servers by name, as most clients have it, in our own words; nothing else is checked.
 * Throws a `UserError` if no backend can have its name, or it is no object.
 */
export function nativeEntry(name: string, entry: unknown): Entry {
  if (isDeeperThan(entry, MAX_DEPTH)) throw new UserError('the entry is nested too deeply');
  const parsed = parseText(JSON.stringify({ mcpServers: { [name]: entry } }));
  const result = outlineOf(parsed.kind === 'parsed' ? parsed.root : undefined);
  const [raw] = result.kind === 'outline' ? entriesOf(result.outline) : [];
  if (raw?.node.kind !== 'map') throw new UserError('the entry must be an object with a "command", "url" or "source"');
  if (raw.foreignKey !== undefined) throw new UserError('the name must have only letters, digits, "-" and "_"');
  return { ...(plainValue(toNative('mcpServers', raw)) as JsonObject), name };
}

/** The entry without the keys that mean nothing here, which a file may have but we do not write. */
export function knownPart(entry: Entry): Entry {
  const known: Entry = structuredClone(entry);
  for (const issue of backendSchema.safeParse(entry).error?.issues ?? []) {
    if (issue.code !== 'unrecognized_keys') continue;
    const parent = issue.path.reduce<unknown>((value, step) => (value as Record<PropertyKey, unknown>)[step], known);
    for (const key of issue.keys) delete (parent as Record<string, unknown>)[key];
  }
  return known;
}
