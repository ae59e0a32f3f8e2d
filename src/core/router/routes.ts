import type { BackendConfig, RoutingConfig, Strategy } from '../config/schema.ts';
import { globMatcher } from './glob.ts';

/** What a backend's routes say about a tool. */
export interface Match {
  readonly strategy: Strategy;
  /** Whether a pattern matched; without one the default strategy applies. */
  readonly matched: boolean;
  /** The backend that comes next when this one cannot answer. */
  readonly fallbackTo: string | undefined;
}

/** The first of a backend's routes whose pattern matches the tool's own name, or the default. */
export function matchRoute({ routes }: BackendConfig, originalName: string, routing: RoutingConfig): Match {
  const route = routes.find(({ pattern }) => globMatcher([pattern])(originalName));
  return {
    strategy: route?.strategy ?? routing.default_strategy,
    matched: route !== undefined,
    fallbackTo: route?.fallback_to,
  };
}
