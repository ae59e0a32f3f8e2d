/**
 * An error that the person can act on: the message says what is wrong, where, and what to do.
 * Shown without a stack, by every face.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The message of anything thrown, for a log line or a row of the tree. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What `fetch` throws says little; its cause says it. */
export function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error ? (error.cause ?? error) : error);
}
