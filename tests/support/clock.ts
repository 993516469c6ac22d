import type { Clock } from "../../runtime/clock.ts";

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  private wall: number;
  private elapsed = 0;

  constructor(start = Date.UTC(2026, 10, 20, 12)) {
    this.wall = start;
  }

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.elapsed;
  }

  /** Time passes: both clocks move on. */
  advance(ms: number): void {
    this.wall += ms;
    this.elapsed += ms;
  }

  /** Somebody sets the wall clock (negative: back); no time passes. */
  jumpWall(ms: number): void {
    this.wall += ms;
  }
}
