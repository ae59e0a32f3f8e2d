// What VS Code needs to take a tool, and to show whose it is. For the sessions of the editor's own listener only.
import { asText, isObject, type JsonObject, mapElements, withMembers } from '../base/json.ts';
import { exposedNamespace } from '../router/toolNames.ts';
import { fitSchema } from './editorSchema.ts';

export interface EditorOptions {
  /** As configured: titles say it. */
  readonly namespace: string;
  /** An icon of the backend as a `data:` URI, once it is there. */
  icon(src: string): string | undefined;
}

export interface FitTool {
  readonly definition: JsonObject;
  /** Why VS Code would drop the tool all the same, for the tree and the log. */
  readonly problem: string | undefined;
}

/** A listed tool as VS Code can take it; the very same definition where nothing has to be changed. Pure. */
export function fitForEditor(tool: JsonObject, { namespace, icon }: EditorOptions): FitTool {
  const { schema, problem } = fitSchema(tool.inputSchema);
  const annotations = isObject(tool.annotations) ? tool.annotations : {};
  const title = textOf(tool.title) ?? textOf(annotations.title) ?? readable(asText(tool.name), namespace);
  const changed: Record<string, unknown> = { inputSchema: schema, title: withNamespace(title, namespace) };
  // VS Code prefers this one.
  if (annotations.title !== undefined)
    changed.annotations = withMembers(annotations, {
      title: withNamespace(textOf(annotations.title) ?? title, namespace),
    });
  return { definition: withFitIcons(withMembers(tool, changed), icon), problem };
}

/** A listed tool under another name, for pages of MCP Apps: the model is not shown it. Pure. */
export function forPagesAlone(tool: JsonObject, name: string): JsonObject {
  const meta = isObject(tool._meta) ? tool._meta : {};
  const ui = isObject(meta.ui) ? meta.ui : {};
  return { ...tool, name, _meta: { ...meta, ui: { ...ui, visibility: ['app'] } } };
}

/**
 * A listed resource or template as VS Code can take it, under a title that says its namespace: its picker shows the
 * resources of all backends in one list, and their URIs seldom say whose they are. Pure.
 */
export function resourceForEditor(item: JsonObject, { namespace, icon }: EditorOptions): JsonObject {
  const title = textOf(item.title) ?? textOf(item.name);
  const titled = title === undefined ? item : withMembers(item, { title: withNamespace(title, namespace) });
  return withFitIcons(titled, icon);
}

/** What VS Code shows: any other type, and any other scheme than `data:`, it leaves out. */
const ICON = /^data:(image\/(?:png|jpe?g|gif|webp))[;,]/i;

/**
 * A tool, prompt, resource or template with those of its icons that VS Code can show.
 * Anything malformed goes too: VS Code would lose the whole list over it.
 */
export function withFitIcons(item: JsonObject, icon: EditorOptions['icon']): JsonObject {
  if (!Object.hasOwn(item, 'icons')) return item;
  const listed = Array.isArray(item.icons) ? item.icons : [];
  const fit = mapElements(listed, each => fitIcon(each, icon));
  const kept = fit.includes(undefined) ? fit.filter(each => each !== undefined) : fit;
  return withMembers(item, { icons: kept.length > 0 ? kept : undefined });
}

function fitIcon(value: unknown, icon: EditorOptions['icon']): JsonObject | undefined {
  if (!isObject(value) || typeof value.src !== 'string') return undefined;
  const src = ICON.test(value.src) ? value.src : icon(value.src);
  const type = src && ICON.exec(src)?.[1]?.toLowerCase();
  if (!type) return undefined;
  const { sizes } = value;
  const hasSizes = typeof sizes === 'string' || (Array.isArray(sizes) && sizes.every(size => typeof size === 'string'));
  return withMembers(value, { src, mimeType: type, sizes: hasSizes ? sizes : undefined });
}

/** "db: Query"; a title that begins with the namespace as it is stays so. */
function withNamespace(title: string, namespace: string): string {
  return `${wordsOf(title)} `.startsWith(`${wordsOf(namespace)} `) ? title : `${namespace}: ${title}`;
}

function wordsOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** "Read all files" from `fs__read_all_files` or `readAllFiles`. */
function readable(exposedName: string, namespace: string): string {
  const prefix = exposedNamespace(namespace);
  const rest = exposedName.startsWith(prefix) ? exposedName.slice(prefix.length) : '';
  const [, own = exposedName] = /^(?:__|::|\.)(.+)$/.exec(rest) ?? [];
  const words = own
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .map(word => (/^[A-Z][a-z]*$/.test(word) ? word.toLowerCase() : word))
    .filter(word => word !== '')
    .join(' ');
  return words === '' ? own : `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value : undefined;
}
