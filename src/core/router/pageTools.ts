// MCP Apps: a tool can name a page (`ui://`) that shows its results, and the page calls tools of its server itself.
import { groupBy } from '../base/groupBy.ts';
import { isObject } from '../base/json.ts';
import type { Item } from '../upstream/lists.ts';
import type { Entry } from './catalog.ts';

/**
 * The tools that pages may call, by their own names: a page knows nothing of namespaces. Nothing says which page calls, so
 * a name that pages of two namespaces could mean is left out; and so is one that clients know as another tool's.
 * @returns own name → exposed name, where they differ
 */
export function pageToolsOf(tools: ReadonlyMap<string, Entry>): Map<string, string> {
  const all = [...tools.values()];
  const pools = new Set(all.filter(({ definition }) => hasPage(definition)).map(({ pool }) => pool));
  const callable = all.filter(({ pool, definition }) => pools.has(pool) && isForPages(definition));
  const found = new Map<string, string>();
  for (const [ownName, [only, ...others]] of groupBy(callable, ownNameOf))
    if (only && others.length === 0 && !tools.has(ownName)) found.set(ownName, only.exposedName);
  return found;
}

function ownNameOf({ candidates, name }: Entry): string {
  return candidates[0]?.originalName ?? name;
}

function hasPage({ _meta: meta }: Item): boolean {
  if (!isObject(meta)) return false;
  const { resourceUri = meta['ui/resourceUri'] } = isObject(meta.ui) ? meta.ui : {};
  return typeof resourceUri === 'string';
}

/** A tool that does not say so is for the model and for pages. */
function isForPages({ _meta: meta }: Item): boolean {
  const visibility = isObject(meta) && isObject(meta.ui) ? meta.ui.visibility : undefined;
  return !Array.isArray(visibility) || visibility.includes('app');
}
