/** Where `fetch` of Node finds what sends its requests. */
const DISPATCHER = Symbol.for('undici.globalDispatcher.1');

type Dispatcher = new (limits: { readonly bodyTimeout: number; readonly headersTimeout: number }) => object;

/**
 * Lets exchanges be silent for as long as the configuration allows. `fetch` of Node ends one after 300 s without a byte and
 * has no option for that, so what sends its requests is replaced by another of its kind (a proxy's by a proxy's).
 * For a process that is all ours: it holds for every `fetch` in it.
 */
export async function makeFetchPatient(): Promise<void> {
  // It is made with the first request.
  await fetch('data:,');
  const globals = globalThis as { [DISPATCHER]?: { readonly constructor: unknown } };
  const present = globals[DISPATCHER];
  if (!present) return;
  globals[DISPATCHER] = new (present.constructor as Dispatcher)({ bodyTimeout: 0, headersTimeout: 0 });
}
