/** Something that is let go of at once; disposing twice is harmless. */
export interface Disposable {
  dispose(): void;
}

/** Disposes its members in reverse order; what is added after that is disposed at once. */
export class DisposableStore implements Disposable {
  private members: Disposable[] | undefined = [];

  add<T extends Disposable>(member: T): T {
    if (this.members) this.members.push(member);
    else member.dispose();
    return member;
  }

  dispose(): void {
    const members = this.members;
    this.members = undefined;
    for (const member of members?.reverse() ?? []) member.dispose();
  }
}
