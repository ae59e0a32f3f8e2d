import { createHash } from 'node:crypto';
import { nearest } from '../base/nearest.ts';

/** VS Code cuts a tool's whole id at 64 characters, of which its own prefix takes up to 18. */
export const MAX_EXPOSED_NAME = 46;
const HASH_LENGTH = 6;

export interface NameOptions {
  /** False: bare names, without the namespace. */
  readonly prefixing: boolean;
  readonly separator: '__' | '.' | '::';
}

/** The namespace as clients see it: lower case, without runs of underscores, so that it cannot contain the separator. */
export function exposedNamespace(namespace: string): string {
  return namespace
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '_')
    .replace(/__+/g, '_');
}

/**
 * The exposed names of all names of one namespace, as original → exposed.
 *
 * A name is a pure function of namespace and original: if anything had to be altered, lower-cased or cut, or the
 * namespace ends in `_`, a hash of the original is appended. Only originals that would differ in nothing but case
 * look at each other: the one in lower case keeps its name, the others get the hash.
 */
export function exposedNames(
  namespace: string,
  originals: Iterable<string>,
  options: NameOptions,
): Map<string, string> {
  const names = new Map<string, string>();
  const plain = new Map<string, string[]>();
  for (const original of originals) {
    if (names.has(original)) continue;
    const name = exposedName(namespace, original, options);
    names.set(original, name.exposed);
    if (!name.altered)
      plain.set(name.exposed.toLowerCase(), [...(plain.get(name.exposed.toLowerCase()) ?? []), original]);
  }
  for (const [folded, alike] of plain) {
    if (alike.length < 2) continue;
    for (const original of alike) {
      if (names.get(original) !== folded) names.set(original, hashed(namespace, original, options));
    }
  }
  return names;
}

function exposedName(namespace: string, original: string, options: NameOptions): { exposed: string; altered: boolean } {
  const wanted = options.prefixing ? `${namespace}${options.separator}${original}` : original;
  const exposed = plainName(namespace, original, options);
  const altered =
    exposed !== wanted || exposed.length > MAX_EXPOSED_NAME || (options.prefixing && namespace.endsWith('_'));
  return altered ? { exposed: hashed(namespace, original, options), altered } : { exposed, altered };
}

function plainName(namespace: string, original: string, { prefixing, separator }: NameOptions): string {
  const name = original.replace(/[^A-Za-z0-9_-]/g, '_');
  return prefixing ? `${exposedNamespace(namespace)}${separator}${name}` : name;
}

function hashed(namespace: string, original: string, options: NameOptions): string {
  const seed = options.prefixing ? `${namespace}\0${original}` : original;
  const hash = createHash('sha256').update(seed).digest('hex').slice(0, HASH_LENGTH);
  return `${plainName(namespace, original, options).slice(0, MAX_EXPOSED_NAME - HASH_LENGTH - 1)}_${hash}`;
}

const SEPARATORS = ['__', '.', '::'];

/** The names most like one that nobody knows; first those that it is once a namespace is put before it. At most three. */
export function nearNames(name: string, known: Iterable<string>): string[] {
  const names = [...known];
  const complete = names.filter(each => SEPARATORS.some(separator => each.endsWith(separator + name)));
  return [...new Set([...complete, ...nearest(name, names)])].slice(0, 3);
}
