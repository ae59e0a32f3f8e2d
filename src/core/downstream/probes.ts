import { type Door, refuseMethod, replyJson, type Visit } from './door.ts';

/** What the health of the process is told from. */
export interface ProbePorts {
  /** How many backends have neither answered nor failed yet, nor are known from the last run. */
  awaited(): number;
  isDraining(): boolean;
}

/**
 * `/healthz`: 200 while the process serves. `/readyz`: 200 while it is wise to send clients here. A backend that is added
 * later does not send away those who can use all others.
 */
export function probes(ports: ProbePorts): Door {
  let wasReady = false;
  return {
    paths: ['/healthz', '/readyz'],
    isPublic: true,
    visit(visit: Visit) {
      const { request, response, path } = visit;
      if (request.method !== 'GET' && request.method !== 'HEAD') return refuseMethod(visit, ['GET', 'HEAD']);
      if (path.startsWith('/healthz')) return replyJson(response, 200, { status: 'ok' });
      if (ports.isDraining()) return replyJson(response, 503, { status: 'draining' });
      const awaited = wasReady ? 0 : ports.awaited();
      wasReady = awaited === 0;
      return wasReady
        ? replyJson(response, 200, { status: 'ready' })
        : replyJson(response, 503, { status: 'starting', awaited });
    },
  };
}
