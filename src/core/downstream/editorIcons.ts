import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Debounced } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';
import { messageOf } from '../base/errors.ts';
import { Emitter } from '../base/event.ts';
import type { Logger } from '../base/log.ts';

/** Where a backend is, which decides what icons it may point to. */
export type IconOrigin = { readonly kind: 'stdio' } | { readonly kind: 'remote'; readonly url: string };

const MAX_BYTES = 64 * 1024;
const MAX_ICONS = 500;
const TIMEOUT_MS = 10_000;
const RETRY_MS = 600_000;
const GATHER_MS = 200;

type Icon =
  | { readonly kind: 'loading' }
  | { readonly kind: 'loaded'; readonly dataUri: string }
  | { readonly kind: 'failed'; readonly at: number };

/**
 * Icons of backends as `data:` URIs, which are all that VS Code takes from a router.
 *
 * A process of the user's own may name a file of this machine. A remote backend may name what it serves itself, and
 * nothing else: it must not make us read a file, or reach a host that only we can reach. Nothing but a small image is
 * ever passed on, whatever the name says.
 */
export class EditorIcons implements Disposable {
  private readonly icons = new Map<string, Icon>();
  /** One load at a time from each origin. */
  private readonly queues = new Map<string, Promise<void>>();
  private readonly disposal = new AbortController();
  private readonly loaded = new Emitter();
  private readonly gathered: Debounced;
  private readonly clock: Clock;
  private readonly log: Logger;
  /** There are icons that were not there before. */
  readonly onDidLoad = this.loaded.event;

  constructor(clock: Clock, log: Logger) {
    this.clock = clock;
    this.log = log;
    this.gathered = new Debounced(clock, GATHER_MS, () => this.loaded.fire());
  }

  /** The icon as a `data:` URI, or undefined: it is not there (yet), or may not be had. What is new is loaded meanwhile. */
  icon(origin: IconOrigin, src: string): string | undefined {
    const url = permitted(origin, src);
    if (!url) return undefined;
    const icon = this.icons.get(url.href);
    if (icon?.kind === 'loaded') return icon.dataUri;
    const mayLoad = icon
      ? icon.kind === 'failed' && icon.at + RETRY_MS <= this.clock.now()
      : this.icons.size < MAX_ICONS;
    if (mayLoad && !this.disposal.signal.aborted) this.enqueue(url);
    return undefined;
  }

  dispose(): void {
    this.disposal.abort('disposed');
    this.gathered.dispose();
  }

  private enqueue(url: URL): void {
    this.icons.set(url.href, { kind: 'loading' });
    const before = this.queues.get(url.origin) ?? Promise.resolve();
    this.queues.set(
      url.origin,
      before.then(() => this.load(url)),
    );
  }

  private async load(url: URL): Promise<void> {
    const timeout = new AbortController();
    const timer = this.clock.schedule(TIMEOUT_MS, () => timeout.abort(new Error('timed out')));
    try {
      const read = url.protocol === 'file:' ? readLocal : readRemote;
      const bytes = await read(url, AbortSignal.any([timeout.signal, this.disposal.signal]));
      this.disposal.signal.throwIfAborted();
      const type = imageType(bytes);
      if (!type) throw new Error('not an image that VS Code shows');
      this.icons.set(url.href, { kind: 'loaded', dataUri: `data:${type};base64,${bytes.toString('base64')}` });
      this.gathered.trigger();
    } catch (error) {
      this.icons.set(url.href, { kind: 'failed', at: this.clock.now() });
      if (!this.disposal.signal.aborted) this.log.debug(`icon ${url.href}: ${messageOf(error)}`);
    } finally {
      timer.dispose();
    }
  }
}

function permitted(origin: IconOrigin, src: string): URL | undefined {
  if (!URL.canParse(src)) return undefined;
  const url = new URL(src);
  if (origin.kind === 'stdio') return isLocalFile(url) ? url : undefined;
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return isWeb && URL.canParse(origin.url) && new URL(origin.url).origin === url.origin ? url : undefined;
}

/** A file on another host, in either of the two spellings that Windows has, would be reached over the network. */
function isLocalFile(url: URL): boolean {
  return url.protocol === 'file:' && url.host === '' && !/^\/(?:\/|\\|%2f|%5c)/i.test(url.pathname);
}

async function readLocal(url: URL, signal: AbortSignal): Promise<Buffer> {
  const path = fileURLToPath(url);
  // A pipe or a device has no end.
  const found = await stat(path);
  if (!found.isFile()) throw new Error('not a file');
  if (found.size > MAX_BYTES) throw tooLarge();
  return readFile(path, { signal });
}

/** Goes where the URL says and nowhere else: a redirect is a failure. */
async function readRemote(url: URL, signal: AbortSignal): Promise<Buffer> {
  const response = await fetch(url, { redirect: 'error', signal, headers: { accept: 'image/*' } });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`HTTP ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop ends the response.
  for await (const chunk of response.body) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): Error {
  return new Error(`larger than ${MAX_BYTES / 1024} kB`);
}

/** By what the bytes are, since the name and the header are only claims. */
function imageType(bytes: Buffer): string | undefined {
  const begins = (text: string, at = 0) => bytes.toString('latin1', at, at + text.length) === text;
  if (begins('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (begins('\xff\xd8\xff')) return 'image/jpeg';
  if (begins('GIF87a') || begins('GIF89a')) return 'image/gif';
  if (begins('RIFF') && begins('WEBP', 8)) return 'image/webp';
  return undefined;
}
