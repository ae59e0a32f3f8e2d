import { harmless } from '../core/base/harmless.ts';
import type { Logger } from '../core/base/log.ts';
import type { ListenOptions } from '../core/gateway.ts';

/** Enough to find the lines of one session, too little to be in it. */
const SESSION_CHARACTERS = 8;

/** A line for each HTTP request that is over. What usually holds secrets is not in it: no query, no header but those named, no body. */
export function accessLog(log: Logger): NonNullable<ListenOptions['onAnswered']> {
  return ({ request, path, status, role, address = '-', ms }) => {
    const { method = '-', headers } = request;
    const session = headers['mcp-session-id'];
    const fields = {
      client: address,
      method,
      path: harmless(path) || '-',
      status,
      ms,
      role,
      session: typeof session === 'string' ? harmless(session).slice(0, SESSION_CHARACTERS) : undefined,
      user_agent: headers['user-agent'] && harmless(headers['user-agent']),
    };
    const by = [
      fields.role,
      fields.session && `session ${fields.session}`,
      fields.user_agent && `"${fields.user_agent}"`,
    ];
    const what = `${address} ${method} ${fields.path} ${status === 0 ? 'unanswered' : status} ${ms} ms`;
    log.info([what, ...by.filter(each => each !== undefined)].join(' '), fields);
  };
}
