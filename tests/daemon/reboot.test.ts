import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executionName } from "../../daemon/launcher.ts";
import type { Node } from "../../daemon/node.ts";
import type { SpoolDb } from "../../daemon/ports.ts";
import { noteReboot } from "../../daemon/reboot.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { TestClock } from "../support/clock.ts";
import { grantedSession } from "./support.ts";

const MINUTE = 60_000;

describe("a reboot that the daemon did not see", () => {
  let folder: string;
  let db: SpoolDb;
  let spool: Spool;
  let attempt: string;
  /** The machine has just booted. */
  const clock = new TestClock();

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-reboot-"));
    db = openLocalFile(join(folder, "spool.db"));
    spool = new Spool(db);
    const session = grantedSession([]);
    attempt = session.runs[0]?.attempt.id ?? "";
    spool.endClaim(session);
    spool.setPlan(attempt, { runtime: "process", image: null, cores: [], environment: {} });
    spool.creating(attempt, 1, "spec");
    spool.setMeta("boot", "before");
  });
  afterEach(async () => {
    db.close();
    await rm(folder, { recursive: true });
  });

  /** The daemon starts; its engine answers with these ends. */
  const boot = (inspect: (name: string) => Promise<object | null>, memory = spool) =>
    noteReboot(
      {
        spool: memory,
        clock,
        log: pino({ level: "silent" }),
        engines: {
          launcher: () => Promise.resolve({ inspect }),
          answered: (_: AbortSignal, call: () => Promise<unknown>) => call(),
        },
        detach: new AbortController().signal,
      } as unknown as Node,
      "after",
    );
  const stop = () => spool.attempts(spool.sessions()[0]?.id ?? "")[0]?.stop?.outcome;
  const ended = (before: number) => () => Promise.resolve({ endedAt: clock.now() - before });

  it("leaves the result of what had ended long before it", async () => {
    const asked: string[] = [];
    await boot((name) => {
      asked.push(name);
      return ended(16 * MINUTE)();
    });
    expect(asked).toEqual([executionName(attempt, 1)]);
    expect(stop()).toBeUndefined();
    expect(spool.meta("boot")).toBe("after");
  });

  it.each([
    ["while the machine went down", ended(2 * MINUTE)],
    ["after it, as the engine says", ended(-1_000)],
    ["unseen", () => Promise.resolve({ endedAt: null })],
    ["without a trace", () => Promise.resolve(null)],
    ["in an engine that does not answer", () => Promise.reject(new Error("away"))],
  ])("counts nothing that ended %s", async (_, inspect) => {
    await boot(inspect);
    expect(stop()).toBe("invalid");
  });

  it("is noted at the next start when this one ends halfway", async () => {
    const crashing: SpoolDb = {
      ...db,
      all: (text, values) => db.all(text, values),
      tx: (body) => db.tx(body),
      run: (text, values) => {
        if (text.startsWith("update attempts set stop")) throw new Error("killed");
        db.run(text, values);
      },
    };
    await expect(boot(() => Promise.resolve(null), new Spool(crashing))).rejects.toThrow("killed");
    await boot(() => Promise.resolve(null));
    expect(stop()).toBe("invalid");
  });
});
