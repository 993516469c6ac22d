import { expect, it } from "vitest";
import { untilSignal } from "../../runtime/shutdown.ts";

it("the first of the signals ends the wait, and a second one, whichever, does what it does by itself", async () => {
  const signals = ["SIGUSR2", "SIGWINCH"] as const;
  const before = signals.map((signal) => process.listenerCount(signal));
  const first = untilSignal(signals);
  process.emit("SIGUSR2", "SIGUSR2");
  expect(await first).toBe("SIGUSR2");
  expect(signals.map((signal) => process.listenerCount(signal))).toEqual(before);
});
