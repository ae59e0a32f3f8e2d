import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/**
 * Waits until no other process of this machine holds the lock of that name. Close it to let it go. The system does so
 * when its holder ends, which it does not hinder: the lock is a listening socket in Linux's abstract namespace, without a file.
 */
export async function acquireLock(name: string, onWait: () => void): Promise<Server> {
  const address = `\0mcp-switchyard-${createHash('sha256').update(name).digest('hex')}`;
  for (let attempt = 0; ; attempt++) {
    const lock = createServer().listen(address);
    try {
      await once(lock, 'listening');
      return lock.unref();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
    if (attempt === 0) onWait();
    await wait(500);
  }
}
