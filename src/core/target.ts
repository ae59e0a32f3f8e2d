import type { Launch } from './config/schema.ts';

const SECRET = '[\\w.-]*(?:token|secret|passw|api[-_]?key|credential|authorization)[\\w.-]*';
const OPTION = new RegExp(`^--?${SECRET}$`, 'i');
const ASSIGNMENT = new RegExp(`^((?:--?)?${SECRET}\\s*[:=]\\s*)\\S`, 'i');
const ADDRESS = /([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#]*@)?([^\s?#]*)(?:\?[^\s#]*)?/gi;
const HIDDEN = '***';

/** What a backend is, to be shown: its command line, or its URL. What carries secrets there is left out or hidden. */
export function targetOf(launch: Launch): string {
  if (launch.kind === 'remote') return shownAddress(launch.url).replace(/#.*/, '');
  const args = launch.args.map((arg, at) => {
    const isValue = !arg.startsWith('-') && OPTION.test(launch.args[at - 1] ?? '');
    const [, name] = ASSIGNMENT.exec(arg) ?? [];
    return isValue ? HIDDEN : name === undefined ? shownAddress(arg) : name + HIDDEN;
  });
  return [launch.command, ...args].join(' ');
}

/** A text with its URLs cut down to where they lead. */
function shownAddress(text: string): string {
  return text.replace(ADDRESS, '$1$2');
}
