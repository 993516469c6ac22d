import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Contact } from "../../daemon/contact.ts";
import type { Spool } from "../../daemon/spool.ts";
import { Alarm, sleep } from "../../daemon/timers.ts";
import { TestClock } from "../support/clock.ts";

describe("a wait under a signal that lives as long as the daemon", () => {
  afterEach(() => void vi.restoreAllMocks());

  const spool = { meta: () => undefined, setMeta: () => undefined } as unknown as Spool;
  const contact = new Contact({ clock: new TestClock(), spool, bootId: "b" });
  const alarm = new Alarm();
  const beat = async (signal: AbortSignal): Promise<void> => {
    const next = contact.nextBeat(60_000, signal);
    contact.acknowledge(1);
    await next;
  };
  const ring = async (signal: AbortSignal): Promise<void> => {
    const rung = alarm.wait(60_000, signal);
    alarm.wake();
    await rung;
  };

  it.each([
    ["for the next beat", beat],
    ["for an alarm", ring],
    ["for a moment", (signal: AbortSignal) => sleep(1, signal, new AbortController().signal)],
  ])("%s leaves nothing behind on it", async (_, wait) => {
    // What it makes of a signal stays with that in some releases of Node.
    const any = vi.spyOn(AbortSignal, "any");
    const life = new AbortController();
    for (let i = 0; i < 3; i += 1) await wait(life.signal);
    expect(getEventListeners(life.signal, "abort")).toEqual([]);
    expect(any).not.toHaveBeenCalled();
  });

  it("ends with the first of its signals", async () => {
    const [life, task] = [new AbortController(), new AbortController()];
    const waits = sleep(60_000, life.signal, task.signal);
    task.abort();
    await waits;
    await sleep(60_000, life.signal, task.signal);
    life.abort();
    await sleep(60_000, life.signal);
  });
});
