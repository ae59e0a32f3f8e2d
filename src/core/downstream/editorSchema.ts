// VS Code drops a tool whose input schema its JSON language server finds to be no JSON Schema of draft 7, and its chat
// extension refuses a whole turn for one array without `items`. Servers write other drafts, and near misses. One walk
// over the schema checks each keyword, and writes those whose meaning is plain as draft 7 does.
import { isDeepStrictEqual } from 'node:util';
import { isObject, type JsonObject, mapElements, mapMembers, withMembers } from '../base/json.ts';

/** An input schema as VS Code can take it; the very same one where nothing had to be changed. */
export interface FitSchema {
  readonly schema: unknown;
  /** What makes VS Code drop it all the same; undefined: nothing. */
  readonly problem: string | undefined;
}

const known = new WeakMap<object, FitSchema>();

/** Repairs what can be repaired without a change of meaning. Remembers schemas, which never change, by identity. */
export function fitSchema(schema: unknown): FitSchema {
  if (!isObject(schema)) return fitUnknown(schema);
  const remembered = known.get(schema);
  if (remembered) return remembered;
  const fit = fitUnknown(schema);
  known.set(schema, fit);
  return fit;
}

function fitUnknown(original: unknown): FitSchema {
  const problems: string[] = [];
  const report: Report = (path, what) => problems.push(`${what} (at /${path.join('/')})`);
  const schema = rootSchema(original, report);
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
  return { schema, problem: problems[0] && `invalid input schema: ${problems[0]}${more}` };
}

type Path = readonly string[];
type Report = (path: Path, what: string) => void;
/** Gives the value of a keyword as draft 7 has it, undefined to leave the keyword out; reports one that cannot be mended. */
type Mend = (value: unknown, path: Path, report: Report) => unknown;

/** Steps of the path: deeper than anyone writes, and short of what exhausts the stack. */
const MAX_DEPTH = 500;
const DRAFT_7 = 'http://json-schema.org/draft-07/schema#';
const DRAFT_4_OR_6 = /^https?:\/\/json-schema\.org\/draft-0[46]\/schema#?$/;
const IS_DRAFT_7 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;

/** Arguments are always an object, and a chat that does not read so shows the model none. */
function rootSchema(value: unknown, report: Report): unknown {
  if (value === undefined || value === null || value === true || isEmptyArray(value))
    return { type: 'object', properties: {} };
  if (!isObject(value)) {
    report([], 'is not an object');
    return value;
  }
  const { type = 'object', $schema } = value;
  return mendSchema(
    withMembers(value, {
      type: Array.isArray(type) && type.includes('object') ? 'object' : type,
      $schema: dialect($schema),
    }),
    [],
    report,
  );
}

/**
 * What the schema says that it is written in decides what VS Code checks it against, and what it does not have it
 * tries to download. Without a word MCP means 2020-12, which older versions of VS Code refuse by name.
 */
function dialect(name: unknown): unknown {
  if (typeof name !== 'string') return undefined;
  if (DRAFT_4_OR_6.test(name)) return DRAFT_7;
  return IS_DRAFT_7.test(name) ? name : undefined;
}

function mendSchema(original: JsonObject, path: Path, report: Report): JsonObject {
  if (path.length > MAX_DEPTH) {
    report(path, 'is nested too deep');
    return original;
  }
  const modern = withoutOlderForms(original);
  const mended = mapMembers(modern, (value, keyword) => {
    const mend = KEYWORDS.get(keyword);
    if (!mend) return value;
    // What is null where it cannot be was meant to be absent.
    return value === null ? undefined : mend(value, [...path, keyword], report);
  });
  if (mended.type !== 'array' || (mended.items !== undefined && mended.items !== false)) return mended;
  return { ...mended, items: mended.items === false ? { not: {} } : {} };
}

/** Writes what earlier drafts put into one keyword, and empty lists, as the keywords that say the same today. */
function withoutOlderForms(schema: JsonObject): JsonObject {
  const changes: Record<string, unknown> = {};
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof schema[exclusive] !== 'boolean') continue;
    changes[exclusive] = schema[exclusive] ? schema[bound] : undefined;
    if (schema[exclusive]) changes[bound] = undefined;
  }
  const members = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  const needed = members.filter(([, member]) => isObject(member) && member.required === true).map(([name]) => name);
  const listed = namesIn(schema.required);
  if (needed.length > 0 && listed) changes.required = [...listed, ...needed];
  if (isEmptyArray(schema.items)) changes.items = schema.additionalItems ?? {};
  if (isEmptyArray(schema.enum)) {
    changes.enum = undefined;
    changes.not = {};
  }
  return withMembers(schema, changes);
}

/** The names that `required` lists, none in any of the forms of nothing; undefined: it cannot be read. */
function namesIn(list: unknown): readonly unknown[] | undefined {
  if (Array.isArray(list)) return list;
  const isNothing = list === undefined || list === null || typeof list === 'boolean' || isEmptyObject(list);
  return isNothing ? [] : undefined;
}

const schema: Mend = (value, path, report) => {
  if (typeof value === 'boolean') return value;
  if (isObject(value)) return mendSchema(value, path, report);
  if (value === 'true' || value === 'false') return value === 'true';
  // The name of a type alone.
  const name = typeName(value);
  if (name) return name === 'any' ? {} : { type: name };
  // An empty object, as PHP writes it.
  if (isEmptyArray(value)) return {};
  report(path, `${shown(value)} is not a schema`);
  return value;
};

const schemas: Mend = (value, path, report) => {
  if (isEmptyArray(value)) return undefined;
  if (Array.isArray(value)) return mapElements(value, (each, at) => schema(each, [...path, String(at)], report));
  report(path, `${shown(value)} is not a list of schemas`);
  return value;
};

const oneOrMoreSchemas: Mend = (value, path, report) => (Array.isArray(value) ? schemas : schema)(value, path, report);

function mapOf(mend: Mend): Mend {
  return (value, path, report) => {
    if (isEmptyArray(value)) return {};
    if (isObject(value))
      return mapMembers(value, (each, key) => (each === null ? {} : mend(each, [...path, key], report)));
    report(path, `${shown(value)} is not an object`);
    return value;
  };
}

const strings: Mend = (value, path, report) => {
  // An empty array, as Lua writes it.
  if (isEmptyObject(value)) return [];
  if (Array.isArray(value) && value.every(each => typeof each === 'string')) return distinct(value);
  report(path, `${shown(value)} is not a list of names`);
  return value;
};

/** `required` of a single property, as draft 3 has it, is lifted to the object that has the property. */
const required: Mend = (value, path, report) => (typeof value === 'boolean' ? undefined : strings(value, path, report));

const dependency: Mend = (value, path, report) => (Array.isArray(value) ? strings : schema)(value, path, report);

const values: Mend = (value, path, report) => {
  if (Array.isArray(value)) return distinct(value);
  report(path, `${shown(value)} is not a list of values`);
  return value;
};

const type: Mend = (value, path, report) => {
  const names = (Array.isArray(value) ? value : [value]).map(typeName);
  if (names.length === 0 || names.includes(undefined)) {
    report(path, `${shown(value)} is not a type`);
    return value;
  }
  if (names.includes('any')) return undefined;
  if (!Array.isArray(value)) return names[0];
  return distinct(mapElements(value, (_, at) => names[at]));
};

/** As several languages call their own types. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  any: 'any',
  array: 'array',
  list: 'array',
  boolean: 'boolean',
  bool: 'boolean',
  integer: 'integer',
  int: 'integer',
  null: 'null',
  number: 'number',
  float: 'number',
  double: 'number',
  object: 'object',
  dict: 'object',
  string: 'string',
  str: 'string',
};

function typeName(value: unknown): string | undefined {
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  return Object.hasOwn(TYPE_NAMES, name) ? TYPE_NAMES[name] : undefined;
}

/** What only people and models read, so lines and numbers are as good as one text. */
function textIn(value: unknown): unknown {
  if (Array.isArray(value) && value.every(line => typeof line === 'string')) return value.join('\n');
  return typeof value === 'object' ? value : String(value);
}

/** A part may name a dialect too, which VS Code only wants to be a URI; what is none says nothing. */
const dialectOfPart: Mend = value => (typeof value === 'string' && /^[^:/?#]+:/.test(value) ? value : undefined);

const examples: Mend = value => (Array.isArray(value) ? value : [value]);

function checked(what: string, isRight: (value: unknown) => boolean, read?: (value: unknown) => unknown): Mend {
  return (value, path, report) => {
    const mended = read ? read(value) : value;
    if (!isRight(mended)) report(path, `${shown(value)} is not ${what}`);
    return mended;
  };
}

function numberIn(value: unknown): unknown {
  return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
}

function booleanIn(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}

const isText = (value: unknown) => typeof value === 'string';
const text = checked('a text', isText);
const annotation = checked('a text', isText, textIn);
const uriReference = checked('a URI', value => typeof value === 'string' && value !== '');
const flag = checked('true or false', value => typeof value === 'boolean', booleanIn);
const number = checked('a number', Number.isFinite, numberIn);
const positive = checked('a number above 0', value => Number.isFinite(value) && Number(value) > 0, numberIn);
const count = checked('a count', value => Number.isInteger(value) && Number(value) >= 0, numberIn);

/** The keywords that draft 7 says something about, but for those of which every value is right. */
const KEYWORDS = new Map<string, Mend>(
  (
    [
      [uriReference, '$id $ref'],
      [dialectOfPart, '$schema'],
      [annotation, '$comment title description'],
      [text, 'format pattern contentMediaType contentEncoding'],
      [flag, 'readOnly writeOnly uniqueItems'],
      [examples, 'examples'],
      [positive, 'multipleOf'],
      [number, 'maximum exclusiveMaximum minimum exclusiveMinimum'],
      [count, 'maxLength minLength maxItems minItems maxProperties minProperties'],
      [type, 'type'],
      [values, 'enum'],
      [required, 'required'],
      [schema, 'additionalItems contains additionalProperties propertyNames not if then else'],
      [oneOrMoreSchemas, 'items'],
      [schemas, 'allOf anyOf oneOf'],
      [mapOf(schema), 'properties patternProperties definitions'],
      [mapOf(dependency), 'dependencies'],
    ] as const
  ).flatMap(([mend, keywords]) => keywords.split(' ').map(keyword => [keyword, mend] as const)),
);

function isEmptyObject(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

function isEmptyArray(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return JSON.stringify(value).slice(0, MAX_SHOWN);
}

const MAX_SHOWN = 60;

/** The array without what it has twice; the very same one if it has nothing twice. */
function distinct(list: readonly unknown[]): readonly unknown[] {
  const simple = new Set<unknown>();
  const structured: unknown[] = [];
  const firsts = list.filter(value => {
    if (typeof value !== 'object' || value === null) return !simple.has(value) && simple.add(value);
    return !structured.some(other => isDeepStrictEqual(other, value)) && structured.push(value);
  });
  return firsts.length === list.length ? list : firsts;
}
