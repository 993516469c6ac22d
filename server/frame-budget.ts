/** A client says a few words: what to subscribe to, and a pong now and then. */
const FRAMES = 60;
const WINDOW_MS = 10_000;

/** Counts the frames of one socket: a whole budget at first, which fills again evenly. */
export class FrameBudget {
  private left = FRAMES;
  private at: number;
  private readonly monotonic: () => number;

  constructor(monotonic: () => number) {
    this.monotonic = monotonic;
    this.at = monotonic();
  }

  /** Whether one more frame may come now. */
  take(): boolean {
    const now = this.monotonic();
    this.left = Math.min(FRAMES, this.left + ((now - this.at) * FRAMES) / WINDOW_MS);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
