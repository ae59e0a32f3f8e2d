import { isObject } from '../base/json.ts';
import type { Params } from '../base/peer.ts';
import type { Backend } from '../upstream/backend.ts';

/** What a client is told of the router when it connects. */
export interface RouterIntroduction {
  readonly capabilities: Params;
  readonly instructions: string | undefined;
}

/** Read once a session, so it holds every group that some backend may ever have. */
const ALWAYS = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};
/** Groups that mean something to a client only if some backend has them; of several, the union. */
const IF_ANY = ['tasks', 'extensions', 'experimental'];

/** All instructions together, headings included: they are in every request of the model. */
const MAX_INSTRUCTIONS = 10_000;
const CUT = ' […]';

/** What all backends told of themselves, now or when they were last there, as one server. */
export function introduce(backends: readonly Backend[]): RouterIntroduction {
  const capabilities: Params = { ...ALWAYS };
  for (const group of IF_ANY) {
    const all = backends.flatMap(({ about }) => about?.capabilities[group] ?? []).filter(isObject);
    if (all.length > 0) capabilities[group] = all.reduce(union);
  }
  return { capabilities, instructions: instructionsOf(backends) };
}

/** Under a heading for each; of those that are too long together, each gets an equal share. */
function instructionsOf(backends: readonly Backend[]): string | undefined {
  const parts = backends.flatMap(({ config, about }) => {
    const text = about?.instructions?.trim();
    return text ? [{ heading: `## ${config.name}\n\n`, text }] : [];
  });
  if (parts.length === 0) return undefined;
  let room = MAX_INSTRUCTIONS - parts.reduce((sum, { heading }) => sum + heading.length + 2, 0);
  let left = parts.length;
  const shares = new Map<string, string>();
  for (const { heading, text } of parts.toSorted((a, b) => a.text.length - b.text.length)) {
    const share = Math.max(0, Math.floor(room / left));
    const told = text.length <= share ? text : `${beginning(text, share - CUT.length)}${CUT}`;
    shares.set(heading, told);
    room -= told.length;
    left -= 1;
  }
  return parts.map(({ heading }) => `${heading}${shares.get(heading)}`).join('\n\n');
}

/** At most so many code units, and no half of a character. */
function beginning(text: string, length: number): string {
  return text.slice(0, Math.max(0, length)).replace(/[\ud800-\udbff]$/, '');
}

function union(one: Params, other: Params): Params {
  const merged = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const present = merged[key];
    merged[key] = isObject(present) && isObject(value) ? union(present, value) : value;
  }
  return merged;
}
