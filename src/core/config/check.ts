// A zod schema applied to a tree: what zod finds wrong, told with its place and in words for the file's author.
// A message never repeats a value, for it may be a secret.
import * as z from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { type ConfigNode, type MapEntry, plainValue, visibleSpan } from './document.ts';
import type { Problem, Span } from './problem.ts';

/** Takes one problem; where it goes, and which backend it is about, is the caller's. */
export type Report = (severity: Problem['severity'], span: Span, message: string) => void;

/**
 * The tree as the schema's output, or undefined after reporting what is wrong. Unknown keys are warnings and left out.
 * @param place where to point when the whole is wrong or lacks something
 * @param complete may change the plain value, once it is known to be good, before defaults are filled in
 * @param written the schema of what the file's author may write, where the tree is a translation of that
 */
export function check<S extends z.ZodType>(
  schema: S,
  node: ConfigNode,
  place: Span,
  report: Report,
  complete: (plain: Record<string, unknown>) => unknown = plain => plain,
  written: z.ZodType = schema,
): z.output<S> | undefined {
  const plain = plainValue(node);
  const issues = schema.safeParse(plain).error?.issues ?? [];
  const repeated = reportRepeatedKeys(node, report);
  let isWrong = repeated;
  for (const issue of issues) {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const hint = didYouMean(key, keysOf(partAt(written, path)));
        const found = find(node, [...path, key], place);
        report('warning', found.keySpan, `unknown key ${found.label}${hint}`);
        removeKey(plain, path, key);
      }
    } else {
      isWrong = true;
      const found = find(node, path, place);
      report('error', found.span, `${found.label || 'this'} ${describe(issue, found.node, partAt(written, path))}`);
    }
  }
  if (isWrong) return undefined;
  const { data, error } = schema.safeParse(complete(plain as Record<string, unknown>));
  for (const { path, message } of error?.issues ?? []) {
    report('error', place, `${path.join('.')}, which is set outside this file, is wrong: ${message}`);
  }
  return data;
}

function reportRepeatedKeys(node: ConfigNode, report: Report): boolean {
  if (node.kind === 'scalar') return false;
  if (node.kind === 'list') return node.items.map(item => reportRepeatedKeys(item, report)).includes(true);
  const seen = new Map<string, MapEntry>();
  let isWrong = false;
  for (const entry of node.entries) {
    const first = seen.get(entry.key);
    if (first) report('error', entry.keySpan, `${entry.writtenKey} repeats ${first.writtenKey}`);
    else seen.set(entry.key, entry);
    isWrong = reportRepeatedKeys(entry.value, report) || first !== undefined || isWrong;
  }
  return isWrong;
}

interface Found {
  /** Undefined where something required is missing. */
  readonly node: ConfigNode | undefined;
  readonly span: Span;
  readonly keySpan: Span;
  /** The path as the file writes it: `routes[0].pattern`. */
  readonly label: string;
}

function find(root: ConfigNode, path: readonly string[], place: Span): Found {
  let found: Found = { node: root, span: place, keySpan: place, label: '' };
  for (const step of path) {
    const { node, label } = found;
    if (node?.kind === 'list') {
      const item = node.items[Number(step)];
      found = { node: item, span: item ?? found.span, keySpan: item ?? found.span, label: `${label}[${step}]` };
    } else {
      const entry = node?.kind === 'map' ? node.entries.findLast(({ key }) => key === step) : undefined;
      const span = entry ? visibleSpan(entry) : found.span;
      const key = entry?.writtenKey ?? step;
      found = {
        node: entry?.value,
        span,
        keySpan: entry?.keySpan ?? found.span,
        label: label ? `${label}.${key}` : key,
      };
    }
  }
  return found;
}

function removeKey(plain: unknown, path: readonly string[], key: string): void {
  let parent = plain as Record<string, unknown>;
  for (const step of path) parent = parent[step] as Record<string, unknown>;
  delete parent[key];
}

/** What a schema says of the value at a path; undefined where it says nothing. */
function partAt(schema: z.ZodType, path: readonly string[]): unknown {
  let current: unknown = unwrapped(schema);
  for (const step of path) {
    if (current instanceof z.ZodArray) current = unwrapped(current.element);
    else if (current instanceof z.ZodObject) current = unwrapped(current.shape[step]);
    else return undefined;
  }
  return current;
}

const keysOf = (part: unknown) => (part instanceof z.ZodObject ? Object.keys(part.shape) : []);

function unwrapped(schema: unknown): unknown {
  const isWrapper =
    schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;
  return isWrapper ? unwrapped(schema.unwrap()) : schema;
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

/** What is wrong with a value, as the end of a sentence that begins with its key. */
function describe(issue: z.core.$ZodIssue, node: ConfigNode | undefined, part: unknown): string {
  if (!node) return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int') return 'must be a whole number';
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}, not ${kindOf(node)}`;
    case 'invalid_value': {
      const known = part instanceof z.ZodEnum ? part.options : issue.values;
      const hint = node.kind === 'scalar' ? didYouMean(node.source, known.map(String)) : '';
      const values = known.map(value => JSON.stringify(value));
      return `must be ${values.slice(0, -1).join(', ')} or ${values.at(-1)}${hint}`;
    }
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'string' ? ' characters long' : ''}`;
    default:
      return issue.message;
  }
}

function kindOf(node: ConfigNode): string {
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a map';
  if (node.value === null) return 'empty';
  const names: Readonly<Record<string, string>> = { string: 'text', number: 'a number', boolean: 'true or false' };
  return names[typeof node.value] ?? 'something else';
}
