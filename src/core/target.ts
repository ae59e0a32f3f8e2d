import type { Launch } from './config/schema.ts';

/** What a secret is called, anywhere in a name; `pat` only as a word of it, for there are paths and patterns. */
const SECRET = '[\\w.-]*(?:token|secret|passw|pwd|key|credential|auth|bearer|(?<![a-z0-9])pat(?![a-z0-9]))[\\w.-]*';
const OPTION = new RegExp(`^--?${SECRET}$`, 'i');
/** What is one as a whole, with the name that is shown. */
const ASSIGNMENT = new RegExp(`^((?:--?)?${SECRET}\\s*[:=]\\s*)\\S`, 'i');
const HEADER_OPTION = /^(?:-H|--headers?)$/;
const HEADER = /^((?:-H|--headers?=)?\s*[\w-]+\s*[:=]\s*)\S/;
/** A member among others, as in `Server=x;Password=y` or JSON. Not behind a slash: that is a host or a folder. */
const MEMBER = new RegExp(
  `(?<![\\w.\\-/@])(${SECRET}(?:\\\\*["'])?\\s*[:=]\\s*)("(?:[^"\\\\]|\\\\.)*"?|'[^']*'?|[^\\s;&][^;&]*)`,
  'gi',
);
const BEARER = /\b(bearer\s+)\S+/gi;
const ADDRESS = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)(?:[^\s/?#]*@)?([^\s?#]*)(?:\?[^\s#]*)?/gi;
const HIDDEN = '***';
/** Of one argument. The patterns take their time with a long one, and nobody reads it. */
const MOST_CHARACTERS = 200;

/** What a backend is, to be shown: its command line, or its URL. What carries secrets there is left out or hidden. */
export function targetOf(launch: Launch): string {
  if (launch.kind === 'remote') return shownAddress(launch.url).replace(/#.*/, '');
  const args = launch.args.map(arg => (arg.length > MOST_CHARACTERS ? `${arg.slice(0, MOST_CHARACTERS)}…` : arg));
  return [launch.command, ...args.map((arg, at) => shownArgument(arg, args[at - 1] ?? ''))].join(' ');
}

function shownArgument(arg: string, before: string): string {
  const isHeader = HEADER_OPTION.test(before) || /^(?:-H.|--headers?=)/.test(arg);
  const [, name] = (isHeader ? HEADER : ASSIGNMENT).exec(arg) ?? [];
  if (name !== undefined) return name + HIDDEN;
  if (!arg.startsWith('--') && (OPTION.test(before) || HEADER_OPTION.test(before))) return HIDDEN;
  return shownAddress(arg).replace(MEMBER, `$1${HIDDEN}`).replace(BEARER, `$1${HIDDEN}`);
}

/** A text with its URLs cut down to where they lead. */
function shownAddress(text: string): string {
  return text.replace(ADDRESS, '$1$2');
}
