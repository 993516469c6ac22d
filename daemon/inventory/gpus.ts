import { z } from "zod";
import { canonicalJson } from "../../contract/cell/cell-id.ts";
import { Gpu } from "../../contract/inventory.ts";
import type { Log } from "../ports.ts";
import type { Spool } from "../spool.ts";
import type { FoundGpus } from "./nvidia.ts";

const SEEN = "gpus.seen";
/** A tool is asked so often for an answer: one that hangs in the driver may leave a process behind each time. */
const MOST_LOOKS = 15;

/**
 * The GPUs of this machine. Their tools are slow, so they are looked for at the start only. Where a tool gives no answer
 * then, as may be when the machine has just booted, those count that an earlier life has seen, and it is asked again.
 */
export class Gpus {
  all: readonly Gpu[] = [];
  /** UUIDs of those that only an earlier life has seen. */
  remembered: readonly string[] = [];
  private left = MOST_LOOKS;
  private readonly spool: Spool | undefined;
  private readonly log: Log;
  private readonly find: () => Promise<FoundGpus>;

  /** @param parts without a spool they are forgotten */
  constructor(
    { spool, log }: { readonly spool: Spool | undefined; readonly log: Log },
    find: () => Promise<FoundGpus>,
  ) {
    this.spool = spool;
    this.log = log;
    this.find = find;
  }

  /** Looks for them, unless every tool has answered. True when there are others than before. */
  async look(): Promise<boolean> {
    if (this.left === 0) return false;
    const { gpus, problems, unanswered = false } = await this.find();
    for (const problem of problems) this.log.warn({ problem }, "a GPU cannot be used");
    this.left = unanswered ? this.left - 1 : 0;
    const found = new Set(gpus.map(({ uuid }) => uuid));
    const earlier = unanswered ? this.earlier().filter(({ uuid }) => !found.has(uuid)) : [];
    const before = this.all;
    this.all = [...gpus, ...earlier];
    this.remembered = earlier.map(({ uuid }) => uuid);
    if (!unanswered) this.spool?.setMeta(SEEN, JSON.stringify(gpus));
    return canonicalJson(before) !== canonicalJson(this.all);
  }

  private earlier(): Gpu[] {
    // Another version of the daemon may have written it.
    return z
      .array(Gpu)
      .catch([])
      .parse(JSON.parse(this.spool?.meta(SEEN) ?? "[]"));
  }
}
