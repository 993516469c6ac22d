import { LaunchError } from "../launcher.ts";
import { sleep } from "../timers.ts";

const LOOK_MS = 500;

/** Which cores of this machine each attempt has for itself: side by side on the same ones they would measure each other. */
export class Cores {
  private readonly held = new Map<string, readonly number[]>();
  private readonly all: readonly number[];

  /** @param all those that this daemon may use; empty where processes cannot be kept on some of them */
  constructor(all: readonly number[]) {
    this.all = all;
  }

  /**
   * As many as are asked for, rounded up, or all that there are; waits until they are free. None where no limit is asked for.
   * @throws LaunchError when the signal ends the wait
   */
  async take(attempt: string, cpus: number | null, signal: AbortSignal): Promise<number[]> {
    const count = Math.min(Math.ceil(cpus ?? 0), this.all.length);
    for (;;) {
      const taken = [...this.held.values()].flat();
      const own = this.all.filter((core) => !taken.includes(core)).slice(0, count);
      if (own.length === count) {
        this.hold(attempt, own);
        return own;
      }
      if (signal.aborted)
        throw new LaunchError(
          `needs ${count} of ${this.all.length} cores, and others have ${taken.length}: ask for fewer in cell.resources.cpus, or start the daemon with fewer --slots`,
        );
      await sleep(LOOK_MS, signal);
    }
  }

  /** How many nobody has; undefined where processes are not kept on some of them. */
  get free(): number | undefined {
    if (this.all.length === 0) return undefined;
    const taken = new Set([...this.held.values()].flat());
    return this.all.filter((core) => !taken.has(core)).length;
  }

  /** For an attempt that an earlier life has begun. */
  hold(attempt: string, cores: readonly number[]): void {
    this.held.set(attempt, cores);
  }

  release(attempt: string): void {
    this.held.delete(attempt);
  }
}
