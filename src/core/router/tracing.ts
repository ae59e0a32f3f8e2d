import type { Answer, Params } from '../base/peer.ts';
import type { Outcome } from '../upstream/outcome.ts';
import type { Decision } from './decisions.ts';
import type { Call } from './router.ts';

/** Follows requests on their way through the router, for whoever looks at traces. Nothing of it may fail or wait. */
export interface Tracing {
  /** A client's request begins; `name` is what it wants, as it named it. */
  begin(method: string, name: string, call: Call): CallTrace;
}

export interface CallTrace {
  /** It goes to a backend. */
  attempt(backend: string, params: Params): AttemptTrace;
  /** It is over. */
  end(decision: Decision, answer: Answer): void;
}

export interface AttemptTrace {
  /** What is sent: the request with what ties the backend's own trace to this attempt. */
  readonly params: Params;
  end(outcome: Outcome): void;
}
