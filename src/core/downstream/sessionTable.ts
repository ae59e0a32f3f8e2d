import type { Transport } from '@modelcontextprotocol/server';
import { Emitter } from '../base/event.ts';
import type { Role } from './door.ts';
import { Session, type SessionOptions } from './session.ts';

/** How many sessions all doors of a listener may have together: each costs memory and a place in what is told to all. */
export class SessionRoom {
  readonly most: number;
  taken = 0;

  constructor(most = 10_000) {
    this.most = most;
  }

  get isFull(): boolean {
    return this.taken >= this.most;
  }
}

interface SessionEntry<T> {
  readonly role: Role;
  readonly transport: T;
  readonly session: Session;
}

/** The open sessions of one door. */
export class SessionTable<T extends Transport & { readonly sessionId: string }> {
  private readonly entries = new Map<string, SessionEntry<T>>();
  private readonly changed = new Emitter();
  private readonly optionsOf: (role: Role) => SessionOptions;
  private readonly room: SessionRoom;

  /** A session began or ended. */
  readonly onDidChange = this.changed.event;

  /** @param optionsOf what a client of that role is served with */
  constructor(optionsOf: (role: Role) => SessionOptions, room: SessionRoom) {
    this.optionsOf = optionsOf;
    this.room = room;
  }

  get size(): number {
    return this.entries.size;
  }

  [Symbol.iterator](): Iterator<SessionEntry<T>> {
    return this.entries.values();
  }

  /** The session of that id. One that was begun with a token of another role is nobody's business here. */
  find(id: string, role: Role): SessionEntry<T> | undefined {
    const entry = this.entries.get(id);
    return entry?.role === role ? entry : undefined;
  }

  /** Serves a client on its transport until that closes. */
  async begin(transport: T, role: Role): Promise<void> {
    const { sessionId } = transport;
    let isOpen = true;
    transport.onclose = () => {
      isOpen = false;
      if (!this.entries.delete(sessionId)) return;
      this.room.taken -= 1;
      this.changed.fire();
    };
    const session = await Session.serve(sessionId, transport, this.optionsOf(role));
    if (!isOpen) return;
    this.entries.set(sessionId, { role, transport, session });
    this.room.taken += 1;
    this.changed.fire();
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this, ({ session }) => session.close()));
  }
}
