const MOST_CHARACTERS = 120;

/** What clients wrote, cut, in characters that cannot be taken for anything else. */
export function harmless(text: string): string {
  return text.slice(0, MOST_CHARACTERS).replace(/[^\x20-\x7e]|["\\]/g, '?');
}
