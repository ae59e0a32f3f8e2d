import type { Launch } from './config/schema.ts';

const SECRET = '[\\w.-]*(?:token|secret|passw|pwd|key|credential|auth)[\\w.-]*';
const OPTION = new RegExp(`^--?${SECRET}$`, 'i');
const ASSIGNMENT = new RegExp(`^((?:--?)?${SECRET}\\s*[:=]\\s*)\\S`, 'i');
const ADDRESS = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)(?:[^\s/?#]*@)?([^\s?#]*)(?:\?[^\s#]*)?/gi;
const HIDDEN = '***';
/** Of one argument. The patterns take their time with a long one, and nobody reads it. */
const MOST_CHARACTERS = 200;

/** What a backend is, to be shown: its command line, or its URL. What carries secrets there is left out or hidden. */
export function targetOf(launch: Launch): string {
  if (launch.kind === 'remote') return shownAddress(launch.url).replace(/#.*/, '');
  const shown = launch.args.map(arg => (arg.length > MOST_CHARACTERS ? `${arg.slice(0, MOST_CHARACTERS)}…` : arg));
  const args = shown.map((arg, at) => {
    const isValue = !arg.startsWith('--') && OPTION.test(shown[at - 1] ?? '');
    const [, name] = ASSIGNMENT.exec(arg) ?? [];
    return isValue ? HIDDEN : name === undefined ? shownAddress(arg) : name + HIDDEN;
  });
  return [launch.command, ...args].join(' ');
}

/** A text with its URLs cut down to where they lead. */
function shownAddress(text: string): string {
  return text.replace(ADDRESS, '$1$2');
}
