import type { StdioTransport } from './stdioTransport.ts';
import type { Watchdog } from './watchdog.ts';

/** The child processes that live, each known to the watchdog. */
export class Children extends Set<StdioTransport> {
  private readonly watchdog: Watchdog;

  constructor(watchdog: Watchdog) {
    super();
    this.watchdog = watchdog;
  }

  override add(child: StdioTransport): this {
    if (child.pid !== undefined) this.watchdog.add(child.pid);
    return super.add(child);
  }

  override delete(child: StdioTransport): boolean {
    if (child.pid !== undefined) this.watchdog.delete(child.pid);
    return super.delete(child);
  }
}
