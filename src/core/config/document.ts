// YAML, JSON and JSONC read into one tree in which every key and value knows its place in the text.
import { createScanner, type Node as JsonNode, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { type Document, isAlias, isMap, isScalar, isSeq, type ParsedNode, parseDocument } from 'yaml';
import type { Span } from './problem.ts';

interface NodeBase extends Span {
  /** Stands for a node written elsewhere (a YAML alias): the span is that of the alias, the content is not. */
  readonly alias?: true;
}
export interface ScalarNode extends NodeBase {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As written, without quotes. */
  readonly source: string;
}
export interface ListNode extends NodeBase {
  readonly kind: 'list';
  /** Written with brackets. */
  readonly flow: boolean;
  readonly items: readonly ConfigNode[];
}
export interface MapNode extends NodeBase {
  readonly kind: 'map';
  /** Written with braces. */
  readonly flow: boolean;
  readonly entries: readonly MapEntry[];
}
export type ConfigNode = ScalarNode | ListNode | MapNode;

export interface MapEntry {
  readonly key: string;
  /** The key as the file has it, where `key` is a translation. */
  readonly writtenKey: string;
  readonly keySpan: Span;
  readonly value: ConfigNode;
  /** Comes from a YAML merge (`<<`), so its text belongs to another map. */
  readonly inherited: boolean;
}

export interface Finding {
  readonly span: Span;
  readonly message: string;
}

export type ParsedText =
  | {
      readonly kind: 'parsed';
      readonly syntax: 'yaml' | 'json';
      /** Undefined when there is nothing but blanks and comments. */
      readonly root: ConfigNode | undefined;
      readonly warnings: readonly Finding[];
    }
  | { readonly kind: 'broken'; readonly error: Finding };

/** Reads a text by what parses: braces first mean JSON with comments, and YAML where they turn out not to. */
export function parseText(text: string): ParsedText {
  try {
    if (!startsLikeJson(text)) return parseYaml(text);
    const json = parseJson(text);
    if (json.kind === 'parsed') return json;
    const yaml = parseYaml(text);
    return yaml.kind === 'parsed' ? yaml : json;
  } catch (error) {
    // Both parsers descend by recursion and let the stack overflow.
    if (error instanceof RangeError) return broken({ start: 0, end: 0 }, 'the file is nested too deeply');
    throw error;
  }
}

/** The plain value of a tree: objects, arrays and scalars. Of a key given twice, the last counts. */
export function plainValue(node: ConfigNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainValue);
    case 'map':
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, plainValue(value)]));
  }
}

export function entryOf(node: ConfigNode, key: string): MapEntry | undefined {
  return node.kind === 'map' ? node.entries.find(entry => entry.key === key) : undefined;
}

/** A value of nothing cannot be pointed at; its key can. */
export function visibleSpan({ keySpan, value }: MapEntry): Span {
  return value.end > value.start ? { start: value.start, end: value.end } : keySpan;
}

const broken = (span: Span, message: string): ParsedText => ({ kind: 'broken', error: { span, message } });

function startsLikeJson(text: string): boolean {
  const scanner = createScanner(text, true);
  scanner.scan();
  const first = text[scanner.getTokenOffset()];
  return first === '{' || first === '[';
}

function parseJson(text: string): ParsedText {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first || !root) {
    const start = first?.offset ?? 0;
    // The library's codes are names such as CommaExpected.
    const reason = first
      ? printParseErrorCode(first.error)
          .replace(/([A-Z])/g, ' $1')
          .toLowerCase()
      : ' value expected';
    return broken({ start, end: start + (first?.length ?? 0) }, `the file is not valid JSON:${reason}`);
  }
  return { kind: 'parsed', syntax: 'json', root: fromJson(root, text), warnings: [] };
}

function fromJson(node: JsonNode, text: string): ConfigNode {
  const span = { start: node.offset, end: node.offset + node.length };
  if (node.type === 'array') {
    return { ...span, kind: 'list', flow: true, items: (node.children ?? []).map(child => fromJson(child, text)) };
  }
  if (node.type !== 'object') {
    const source = typeof node.value === 'string' ? node.value : text.slice(span.start, span.end);
    return { ...span, kind: 'scalar', value: node.value, source };
  }
  const entries = (node.children ?? []).flatMap(({ children: [key, value] = [] }): MapEntry[] => {
    if (!key || !value) return [];
    const keySpan = { start: key.offset, end: key.offset + key.length };
    return [{ key: key.value, writtenKey: key.value, keySpan, value: fromJson(value, text), inherited: false }];
  });
  return { ...span, kind: 'map', flow: true, entries };
}

function parseYaml(text: string): ParsedText {
  const document = parseDocument(text, { merge: true, uniqueKeys: false, prettyErrors: false, logLevel: 'error' });
  const [error] = document.errors;
  if (error) {
    const reasons: Readonly<Record<string, string>> = {
      MULTIPLE_DOCS: 'the file holds more than one document',
      RESOURCE_EXHAUSTION: 'the file is nested too deeply',
    };
    const reason = reasons[error.code] ?? `the file is not valid YAML: ${error.message}${hintOn(text, error.pos[0])}`;
    return broken({ start: error.pos[0], end: error.pos[1] }, reason);
  }
  const reader = new YamlReader(document);
  const root = document.contents ? reader.read(document.contents) : undefined;
  if (reader.error) return { kind: 'broken', error: reader.error };
  const isEmpty = root?.kind === 'scalar' && root.source === '' && root.start === root.end;
  const warnings = document.warnings.map(({ pos, message }) => ({ span: { start: pos[0], end: pos[1] }, message }));
  return { kind: 'parsed', syntax: 'yaml', root: isEmpty ? undefined : root, warnings };
}

/** A variable is text to YAML, but for its brace where braces have a meaning. */
function hintOn(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1).split('\n', 1)[0] ?? '';
  const isBare = /\$\{/.test(line.replace(/"(?:\\.|[^"\\])*"|'[^']*'|\s#.*/g, ''));
  return isBare ? '; between braces or brackets a variable needs quotes around it' : '';
}

/** Nodes that aliases may stand for in all, which is what keeps "a billion laughs" short. */
const MAX_ALIASED_NODES = 10_000;
const MAX_DEPTH = 100;

class YamlReader {
  error: Finding | undefined;
  private readonly document: Document.Parsed;
  private aliasedNodes = 0;
  private depth = 0;
  private outermostAlias: Span | undefined;

  constructor(document: Document.Parsed) {
    this.document = document;
  }

  read(node: ParsedNode | null): ConfigNode {
    const [start, end] = node?.range ?? [0, 0];
    const nothing: ConfigNode = { ...emptyAt(start), end };
    if (this.error) return nothing;
    if (this.depth >= MAX_DEPTH) return this.fail({ start, end }, 'the file is nested too deeply', nothing);
    if (this.outermostAlias && ++this.aliasedNodes > MAX_ALIASED_NODES) {
      return this.fail(this.outermostAlias, 'the aliases of the file stand for too much', nothing);
    }
    this.depth++;
    const result = this.readContent(node, { start, end }) ?? nothing;
    this.depth--;
    return result;
  }

  private readContent(node: ParsedNode | null, span: Span): ConfigNode | undefined {
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (!target) return this.fail(span, `there is no anchor for the alias *${node.source}`, undefined);
      const outer = this.outermostAlias;
      this.outermostAlias ??= span;
      const content = this.read(target as ParsedNode);
      this.outermostAlias = outer;
      return { ...content, ...span, alias: true };
    }
    if (isSeq(node)) {
      const items = node.items.map(item => this.read(item as ParsedNode));
      const flow = node.flow === true;
      return { ...(flow ? span : content(span, items)), kind: 'list', flow, items };
    }
    if (isMap(node)) return this.readMap(node, span);
    if (!isScalar(node)) return undefined;
    const { value, source } = node;
    const isPlain = value === null || typeof value === 'number' || typeof value === 'boolean';
    return { ...span, kind: 'scalar', value: isPlain ? value : String(value), source: source ?? '' };
  }

  private readMap(map: ParsedNode & { items: unknown[]; flow?: boolean }, span: Span): MapNode {
    const own: MapEntry[] = [];
    const merged: MapEntry[] = [];
    const written: Span[] = [];
    for (const { key, value } of map.items as { key: ParsedNode; value: ParsedNode | null }[]) {
      const keySpan = { start: key.range[0], end: key.range[1] };
      if (!isScalar(key)) {
        this.fail(keySpan, 'a key must be text', undefined);
        continue;
      }
      // Where a key has no value at all, the value is empty and lies right behind the key.
      const read = value ? this.read(value) : emptyAt(keySpan.end);
      const name = key.source ?? String(key.value);
      written.push(keySpan, read);
      // The library marks a merge key by a symbol.
      if (typeof key.value === 'symbol') merged.push(...this.mergedEntries(read, keySpan));
      else own.push({ key: name, writtenKey: name, keySpan, value: read, inherited: false });
    }
    const seen = new Set(own.map(({ key }) => key));
    const inherited = merged.filter(({ key }) => !seen.has(key) && seen.add(key));
    const flow = map.flow === true;
    return { ...(flow ? span : content(span, written)), kind: 'map', flow, entries: [...own, ...inherited] };
  }

  /** `<<` takes a map or a list of maps; of a key in several, the first counts. */
  private mergedEntries(value: ConfigNode, span: Span): MapEntry[] {
    const sources = value.kind === 'list' ? value.items : [value];
    return sources.flatMap(source => {
      if (source.kind !== 'map') return this.fail(span, '<< must be a map, an alias of one, or a list of these', []);
      return source.entries.map(entry => ({ ...entry, inherited: true }));
    });
  }

  private fail<T>(span: Span, message: string, result: T): T {
    this.error ??= { span, message };
    return result;
  }
}

/** A block ends with its last value; the library counts blanks and comments behind it too. */
const content = ({ start }: Span, children: readonly Span[]): Span => ({
  start,
  end: Math.max(start, ...children.map(({ end }) => end)),
});

const emptyAt = (at: number): ScalarNode => ({ start: at, end: at, kind: 'scalar', value: null, source: '' });
