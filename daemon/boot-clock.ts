import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Clock } from "../runtime/clock.ts";

/**
 * Milliseconds since the machine booted, suspend included. It survives a restart of the daemon, so a deadline can be
 * written down, and it goes on while the machine sleeps, as the server's clock does. Resolution 10 ms.
 */
export const bootClock: Clock = {
  now: () => Date.now(),
  monotonic: () => uptime() * 1_000,
};

/** Names this boot of the machine: a monotonic time written under another id means nothing. */
export function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Without procfs: the minute of the boot tells boots apart well enough.
    return `boot-${Math.round((Date.now() / 1_000 - uptime()) / 60)}`;
  }
}
