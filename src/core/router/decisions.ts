import type { Clock } from '../base/clock.ts';
import type { Strategy } from '../config/schema.ts';
import type { Outcome } from '../upstream/outcome.ts';
import type { ToolCandidate } from './candidates.ts';
import type { Candidate } from './catalog.ts';

/** One try of one backend, and how it ended. */
export interface Attempt {
  readonly backend: string;
  /** When it began, in milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
  readonly outcome: 'answered' | 'rejected' | 'failed' | 'cancelled';
  /** Of one that failed or was rejected: why. */
  readonly error?: string;
  /** Of one that failed: whether the backend may have seen the call. */
  readonly sent?: boolean;
}

/** A candidate that was not tried, and why. */
export interface PassedOver {
  readonly backend: string;
  readonly reason: string;
  /** When it may be usable again, in milliseconds since the epoch, if that is known. */
  readonly retryAt?: number;
}

/** Why a call went where it went. */
export interface Decision {
  /** Counts up from 1. */
  readonly id: number;
  readonly at: number;
  readonly ms: number;
  readonly method: string;
  /** As the client named it. */
  readonly name: string;
  /** Of the first candidate. */
  readonly strategy: Strategy | undefined;
  /** Names of the candidates, in the order in which they were to be tried. */
  readonly candidates: readonly string[];
  readonly passedOver: readonly PassedOver[];
  readonly attempts: readonly Attempt[];
  /** `tool error`: answered, with `isError: true`. `nobody`: no candidate could answer. */
  readonly outcome: 'answered' | 'tool error' | 'rejected' | 'nobody' | 'cancelled';
}

const KEPT = 1000;
/** Of names and messages, which clients and backends may make as long as a whole request: all of them are kept. */
const MAX_TEXT = 500;

/** The last 1,000 decisions. */
export class Decisions {
  private readonly ring: Decision[] = [];
  private count = 0;

  add(unnumbered: Omit<Decision, 'id'>): Decision {
    const decision = { id: this.count + 1, ...unnumbered };
    this.ring[this.count % KEPT] = decision;
    this.count += 1;
    return decision;
  }

  /** Newest first. */
  recent(limit = KEPT): Decision[] {
    const length = Math.max(0, Math.min(limit, this.ring.length));
    return Array.from({ length }, (_, back) => this.ring[(this.count - 1 - back) % KEPT]).filter(
      each => each !== undefined,
    );
  }
}

/** A decision while it is being made. */
export class DecisionRecord {
  candidates: readonly (Candidate & Partial<Pick<ToolCandidate, 'strategy'>>)[] = [];
  private readonly method: string;
  private readonly name: string;
  private readonly clock: Clock;
  private readonly at: number;
  private readonly attempts: Attempt[] = [];
  /** By backend: what was said of it last. */
  private readonly passedOver = new Map<string, PassedOver>();

  constructor(method: string, name: string, clock: Clock) {
    this.method = method;
    this.name = cut(name);
    this.clock = clock;
    this.at = clock.now();
  }

  passOver(passedOver: PassedOver): void {
    this.passedOver.set(passedOver.backend, passedOver);
  }

  attempted(backend: string, at: number, outcome: Outcome): void {
    const failed = outcome.kind === 'failed' && { error: cut(outcome.failure.message), sent: outcome.sent };
    const rejected = outcome.kind === 'rejected' && { error: cut(outcome.error.message) };
    this.attempts.push({ backend, at, ms: this.clock.now() - at, outcome: outcome.kind, ...failed, ...rejected });
  }

  concluded(outcome: Decision['outcome']): Omit<Decision, 'id'> {
    const { at, method, name, attempts } = this;
    const [first] = this.candidates;
    return {
      at,
      ms: this.clock.now() - at,
      method,
      name,
      strategy: first?.strategy,
      candidates: this.candidates.map(({ backend }) => backend.name),
      passedOver: [...this.passedOver.values()],
      attempts,
      outcome,
    };
  }

  /** Why nobody answered: who failed, did not take it or was passed over, why, and when to try again. */
  get explanation(): string {
    const tries = this.attempts.map(({ backend, error, sent }) => {
      const doubt = sent ? '; it may have run' : '';
      return `${backend}: ${error}${doubt}`;
    });
    const others = [...this.passedOver.values()].map(({ backend, reason, retryAt }) => {
      const wait =
        retryAt === undefined ? '' : `, try again in ${Math.max(1, Math.ceil((retryAt - this.clock.now()) / 1000))} s`;
      return `${backend}: ${reason}${wait}`;
    });
    return `No backend could run "${this.name}" (${[...tries, ...others].join('; ')})`;
  }
}

function cut(text: string): string {
  // A copy: a piece of a text keeps all of it in memory.
  return text.length > MAX_TEXT ? `${Buffer.from(text.slice(0, MAX_TEXT)).toString()}…` : text;
}
