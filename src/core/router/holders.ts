import type { Surroundings } from './candidates.ts';
import { type Candidate, namespaceOf } from './catalog.ts';
import type { Exposure } from './exposure.ts';
import { matchesTemplate } from './uriTemplates.ts';

/** Who can serve a resource. */
export interface Holders {
  /** Whether somebody lists it, or has a template that it matches; if not, it is only not known who else it could be. */
  readonly isListed: boolean;
  readonly candidates: readonly Candidate[];
}

/**
 * Who can serve an exposed URI: who lists it, whose template it matches, or else the only ones who could: those of its
 * namespace, or the only one that has resources at all. Pure.
 */
export function holdersOf(
  uri: string,
  { catalog, backends }: Pick<Surroundings, 'catalog' | 'backends'>,
  exposure: Pick<Exposure, 'listedAs' | 'unlisted'>,
): Holders {
  const listed = catalog.resources.get(exposure.listedAs(uri));
  if (listed) return { isListed: true, candidates: listed.candidates };
  const unlisted = exposure.unlisted(uri);
  // A URI of a namespace is nobody else's, whatever templates others have.
  const originalName = unlisted?.original ?? uri;
  for (const { name, pool, candidates } of catalog.templates.values()) {
    if ((unlisted && unlisted.namespace !== pool) || !matchesTemplate(name, originalName)) continue;
    return { isListed: true, candidates: candidates.map(({ backend }) => ({ backend, originalName })) };
  }
  const holders = backends.filter(({ about }) => about && 'resources' in about.capabilities);
  const possible = unlisted
    ? holders.filter(backend => namespaceOf(backend) === unlisted.namespace)
    : holders.length === 1
      ? holders
      : [];
  return { isListed: false, candidates: possible.map(backend => ({ backend, originalName })) };
}
