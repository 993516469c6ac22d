import { describe, expect, it } from "vitest";
import { systemClock, throughSleep } from "../../runtime/clock.ts";

describe("monotonic time", () => {
  const machine = () => {
    let awake = 5_000;
    let sinceBoot = 90_000;
    const time = throughSleep(
      () => awake,
      () => sinceBoot,
    );
    const pass = (ms: number, slept = 0): void => {
      awake += ms;
      sinceBoot += ms + slept;
    };
    return { time, pass, readRoughly: (off: number) => void (sinceBoot += off) };
  };

  it("counts a sleep of the machine within a second after it, once", () => {
    const { time, pass } = machine();
    const start = time();
    pass(400, 3_600_000);
    pass(700);
    expect(time() - start).toBe(3_601_100);
    pass(2_000);
    expect(time() - start).toBe(3_603_100);
    pass(1_000, 60_000);
    expect(time() - start).toBe(3_664_100);
  });

  it("does not jump because the two clocks are read at different moments", () => {
    const { time, pass, readRoughly } = machine();
    const start = time();
    for (const off of [15, -15, 400, -400]) {
      pass(1_000);
      readRoughly(off);
      time();
    }
    expect(time() - start).toBe(4_000);
  });

  it("never runs backwards on this machine", () => {
    const times = Array.from({ length: 1_000 }, () => systemClock.monotonic());
    expect(times.toSorted((a, b) => a - b)).toEqual(times);
  });
});
