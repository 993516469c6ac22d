import { describe, expect, it } from "vitest";
import { openRoom } from "../../storage/room.ts";

describe("the room of an owner", () => {
  const counted = (has: () => number) => {
    let counts = 0;
    return {
      count: () => {
        counts += 1;
        return Promise.resolve(has());
      },
      counts: () => counts,
    };
  };

  it("is counted once on the way to the limit, and again only there", async () => {
    let has = 0;
    const room = openRoom(100, () => 0);
    const { count, counts } = counted(() => has);
    for (; has < 100; has += 1) expect(await room.take("anna", count)).toBe(true);
    expect(counts()).toBe(1);
    expect(await room.take("anna", count)).toBe(false);
    expect(await room.take("bert", () => Promise.resolve(0))).toBe(true);
  });

  it("grows again when things went away, looked at after a pause that fits how long counting took", async () => {
    let now = 0;
    let has = 10_000;
    const room = openRoom(10_000, () => now);
    // Also rows that do not count are walked: as many things may take long to count.
    const { count, counts } = counted(() => {
      now += 2;
      return has;
    });
    for (let i = 0; i < 50; i += 1) expect(await room.take("anna", count)).toBe(false);
    expect(counts()).toBe(1);
    has = 9_999;
    now = 201;
    expect(await room.take("anna", count)).toBe(false);
    now = 202;
    expect(await room.take("anna", count)).toBe(true);
    expect(await room.take("anna", count)).toBe(false);
    expect(counts()).toBe(2);
  });
});
