import type { Clock } from '../base/clock.ts';
import type { Disposable } from '../base/disposable.ts';

export interface HealthCheckerPorts {
  readonly clock: Clock;
  /** Gives numbers in [0, 1). */
  readonly random?: () => number;
  intervalMs(): number;
  /** When an open circuit's time is up, in milliseconds since the epoch; undefined while none is open that can be probed. */
  probeAt(): number | undefined;
  /** When a call last proved what a check would, be it a success or a failure; in milliseconds since the epoch. */
  lastProof(): number;
  /** One check. Ends in bounded time and never rejects. */
  check(): Promise<void>;
}

type Phase =
  | { readonly kind: 'waiting'; readonly timer: Disposable }
  | { readonly kind: 'checking' }
  | { readonly kind: 'disposed' };

/**
 * Checks a backend every interval in which no call proved the same, and at once when an open circuit's time is up; not
 * while it is open before that. One check at a time.
 */
export class HealthChecker implements Disposable {
  private readonly ports: HealthCheckerPorts;
  private phase: Phase;
  /** When the last check ended or was skipped. */
  private since: number;
  /** The end of an open circuit's time that was probed: a check that could not be made then is not repeated at once. */
  private probed: number | undefined;

  constructor(ports: HealthCheckerPorts) {
    const { clock, random = Math.random } = ports;
    this.ports = ports;
    // As if in the midst of an interval: many that start together do not check together.
    this.since = clock.now() - random() * ports.intervalMs();
    this.phase = this.waiting();
  }

  /** Says that `probeAt` or `intervalMs` may have changed. */
  touch(): void {
    if (this.phase.kind === 'waiting') this.enter(this.waiting());
  }

  /** Ends the checks; one under way is not interrupted. */
  dispose(): void {
    this.enter({ kind: 'disposed' });
  }

  private waiting(): Phase {
    const { clock } = this.ports;
    return { kind: 'waiting', timer: clock.schedule(Math.max(0, this.dueAt() - clock.now()), () => void this.wake()) };
  }

  private async wake(): Promise<void> {
    const { ports } = this;
    // A timer may be a little early, and before its time an open circuit would refuse the probe.
    if (ports.clock.now() >= this.dueAt()) {
      if (this.probeDueAt() !== undefined || ports.clock.now() - ports.lastProof() >= ports.intervalMs()) {
        this.probed = ports.probeAt();
        this.enter({ kind: 'checking' });
        await ports.check();
      }
      this.since = ports.clock.now();
    }
    if (this.phase.kind !== 'disposed') this.enter(this.waiting());
  }

  private dueAt(): number {
    return this.probeDueAt() ?? this.since + this.ports.intervalMs();
  }

  private probeDueAt(): number | undefined {
    const probeAt = this.ports.probeAt();
    return probeAt === this.probed ? undefined : probeAt;
  }

  private enter(phase: Phase): void {
    if (this.phase.kind === 'waiting') this.phase.timer.dispose();
    this.phase = phase;
  }
}
