// Parsed JSON is never changed in place. These give a changed copy, or the very same value where nothing changes.

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Deeper than any schema or result that is meant, and far from what JSON.stringify has room for: that is a few thousand
 * levels, while JSON.parse takes any number.
 */
export const MAX_DEPTH = 200;

/** Whether objects and lists are nested in it more than `levels` deep. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some(member => isDeeperThan(member, levels - 1));
}

/** What was to be a string, as one. Unlike `String` it runs nothing of the value, whose `toString` may be anything. */
export function asText(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
}

/** The object with some members set, those that are undefined left out. */
export function withMembers(object: JsonObject, changes: JsonObject): JsonObject {
  const changed = Object.entries(changes).filter(([key, value]) => object[key] !== value);
  if (changed.length === 0) return object;
  const result: Record<string, unknown> = { ...object };
  for (const [key, value] of changed) {
    if (value === undefined) delete result[key];
    else result[key] = value;
  }
  return result;
}

/** The object with each of its members as `map` gives it, those that are undefined left out. */
export function mapMembers(object: JsonObject, map: (value: unknown, key: string) => unknown): JsonObject {
  const entries = Object.entries(object).map(([key, value]) => [key, map(value, key)] as const);
  if (entries.every(([key, value]) => value === object[key])) return object;
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** The list with each of its elements as `map` gives it. */
export function mapElements(
  list: readonly unknown[],
  map: (value: unknown, at: number) => unknown,
): readonly unknown[] {
  const mapped = list.map(map);
  return mapped.every((value, at) => value === list[at]) ? list : mapped;
}
