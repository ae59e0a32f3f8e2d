import { groupBy } from '../base/groupBy.ts';
import type { Params } from '../base/peer.ts';
import { RecentMap } from '../base/recentMap.ts';
import type { Backend } from '../upstream/backend.ts';
import { type Catalog, type Entry, inNamespace, isNamespaced, namespaceOf } from './catalog.ts';
import { exposedParams, exposedResult, type Naming } from './rewrite.ts';
import { matchesTemplate } from './uriTemplates.ts';

/** Links that backends gave out without listing them: so many are remembered. */
const MAX_LINKS = 10_000;

/**
 * The URIs and task ids of backends as clients see them, and back.
 *
 * A resource keeps its URI for as long as that is unique; the one that is later in the file, or came later, is
 * `switchyard://<namespace>/<original>` wherever it occurs. A task is `<backend>/<original>`.
 */
export class Exposure {
  private readonly catalog: () => Catalog;
  /** The listed URIs of a catalog by what they are apart from spelling. */
  private readonly spellings = new WeakMap<Catalog, ReadonlyMap<string, readonly string[]>>();
  /** Which namespace gave out a link to something that nobody lists. */
  private readonly links = new RecentMap<string, string>(MAX_LINKS);

  constructor(catalog: () => Catalog) {
    this.catalog = catalog;
  }

  /** A backend's result as clients see it. `asked`: a URI that the client itself has just named otherwise. */
  result(backend: Backend, result: Params, asked?: { readonly original: string; readonly uri: string }): Params {
    const naming = this.namingOf(backend);
    const uri = (original: string) => (original === asked?.original ? asked.uri : naming.uri(original));
    return exposedResult(result, { ...naming, uri });
  }

  /** The params of a backend's request or notification as clients see them. */
  params(backend: Backend, method: string, params: Params | undefined): Params | undefined {
    return exposedParams(method, params, this.namingOf(backend));
  }

  /**
   * The listed URI that a client means. Some clients, VS Code among them, do not give a URI back as it was listed: they
   * decode and encode it anew, and take runs of slashes for one. Their spelling counts where it can mean only one.
   */
  listedAs(uri: string): string {
    const catalog = this.catalog();
    if (catalog.resources.has(uri)) return uri;
    let spellings = this.spellings.get(catalog);
    if (!spellings) {
      spellings = groupBy(catalog.resources.keys(), canonical);
      this.spellings.set(catalog, spellings);
    }
    const [meant, ...others] = spellings.get(canonical(uri)) ?? [];
    return meant === undefined || others.length > 0 ? uri : meant;
  }

  /** What an exposed URI that is in no list stands for; undefined if nobody has given it out. */
  unlisted(uri: string): { readonly namespace: string; readonly original: string } | undefined {
    const [, namespace, original] = /^switchyard:\/\/([^/]*)\/(.*)$/s.exec(uri) ?? [];
    if (namespace !== undefined && original !== undefined) {
      // Where a client took a run of slashes for one: that of a file is longer, as there is no host in between.
      const whole = original.replace(/^([a-z][a-z0-9+.-]*:)\/(?!\/)/i, (_, scheme: string) =>
        scheme.toLowerCase() === 'file:' ? `${scheme}///` : `${scheme}//`,
      );
      return { namespace, original: whole };
    }
    const giver = this.giverOf(uri);
    return giver === undefined ? undefined : { namespace: giver, original: uri };
  }

  private namingOf(backend: Backend): Naming {
    return { uri: original => this.uri(backend, original), taskId: original => exposedTaskId(backend, original) };
  }

  /** One that nobody lists is remembered as this namespace's. */
  private uri(backend: Backend, original: string): string {
    const namespace = namespaceOf(backend);
    const rewritten = inNamespace(namespace, original);
    const { resources } = this.catalog();
    if (isNamespaced(original)) return rewritten;
    const listed = resources.get(original);
    if (listed) return serves(listed, backend) ? original : rewritten;
    if (resources.has(rewritten)) return rewritten;
    const template = this.templateOf(original);
    if (template) return serves(template, backend) ? original : rewritten;
    if (this.isRewritten(backend, original)) return rewritten;
    if ((this.giverOf(original) ?? namespace) !== namespace) return isOnTheWeb(original) ? original : rewritten;
    this.links.set(original, namespace);
    return original;
  }

  private giverOf(uri: string): string | undefined {
    return this.catalog().linked.get(uri) ?? this.links.get(uri);
  }

  /** The template that an original URI is one of, the first in the file if there are several. */
  private templateOf(uri: string): Entry | undefined {
    return [...this.catalog().templates.values()].find(
      ({ exposedName, name }) => exposedName === name && matchesTemplate(name, uri),
    );
  }

  /** Whether a URI is one of a template that the backend had to give up to another namespace. */
  private isRewritten(backend: Backend, uri: string): boolean {
    return [...this.catalog().templates.values()].some(
      entry => entry.exposedName !== entry.name && serves(entry, backend) && matchesTemplate(entry.name, uri),
    );
  }
}

/** The id of a backend's task as clients see it. */
export function exposedTaskId(backend: Backend, original: string): string {
  return `${backend.name}/${original}`;
}

/** What an exposed task id stands for; undefined if it cannot be one. */
export function originalTask(exposed: string): { readonly backend: string; readonly taskId: string } | undefined {
  const end = exposed.indexOf('/');
  return end < 0 ? undefined : { backend: exposed.slice(0, end), taskId: exposed.slice(end + 1) };
}

/** Whether a client can go there by itself: then it is the same whoever gave it out. */
function isOnTheWeb(uri: string): boolean {
  return /^https?:/i.test(uri);
}

function canonical(uri: string): string {
  const [, scheme = '', rest = uri] = /^([a-z][a-z0-9+.-]*:)(.*)$/is.exec(uri) ?? [];
  return scheme.toLowerCase() + decoded(rest).replace(/\/+/g, '/').replace(/\/$/, '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign of its own: then nothing in it was encoded.
    return text;
  }
}

function serves({ candidates }: Entry, backend: Backend): boolean {
  return candidates.some(candidate => candidate.backend === backend);
}
