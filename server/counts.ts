/** How many of something each principal has open, of which it may have so many. */
export class Counts {
  private readonly open = new Map<string, number>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  /** False when it has as many as it may. */
  enter(principal: string): boolean {
    const now = this.open.get(principal) ?? 0;
    if (now >= this.most) return false;
    this.open.set(principal, now + 1);
    return true;
  }

  leave(principal: string): void {
    const now = this.open.get(principal) ?? 0;
    if (now <= 1) this.open.delete(principal);
    else this.open.set(principal, now - 1);
  }
}
