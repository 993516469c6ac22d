import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gpuCare } from "../../daemon/gpu-care.ts";
import { executionName, type Launcher } from "../../daemon/launcher.ts";
import { processLauncher } from "../../daemon/process/driver.ts";
import { Engines } from "../../daemon/engines.ts";
import type { Node } from "../../daemon/node.ts";
import { ORPHAN_GRACE_MS, reap, reapAll, reapLoop } from "../../daemon/reaper.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { TestClock } from "../support/clock.ts";
import { ownSleep } from "../support/processes.ts";
import { grantedSession } from "./support.ts";
import { launchIn } from "./launch-in.ts";

describe.runIf(process.platform === "linux")("the reaper", () => {
  let folder: string;
  let spool: Spool;
  let launcher: Launcher;
  let clock: TestClock;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-reaper-"));
    spool = new Spool(openLocalFile(join(folder, "spool.db")));
    const root = join(folder, "processes");
    await mkdir(root);
    launcher = processLauncher(root);
    clock = new TestClock(Date.now());
  });
  afterEach(async () => {
    spool.close();
    await rm(folder, { recursive: true });
  });

  async function launch(): Promise<string> {
    const one = launchIn(folder, ownSleep().split(" "));
    const { id } = await launcher.create(one);
    await launcher.start(id);
    return one.attempt;
  }

  const node = () => ({
    spool,
    clock,
    log: pino({ level: "silent" }),
    detach: new AbortController().signal,
  });
  const there = async (attempt: string): Promise<boolean> =>
    (await launcher.inspect(executionName(attempt, 1))) !== null;

  it("ends and removes what belongs to no attempt, after the grace, and nothing else", async () => {
    const [orphan, known] = [await launch(), await launch()];
    spool.creating(known, 1, "spec");
    await reap(node(), launcher);
    expect([await there(orphan), await there(known)]).toEqual([true, true]);
    clock.advance(ORPHAN_GRACE_MS + 1_000);
    await reap(node(), launcher);
    expect([await there(orphan), await there(known)]).toEqual([false, true]);
    await launcher.stop(executionName(known, 1), 0);
  });

  it("goes on with one runtime when another one cannot even be asked", async () => {
    const orphan = await launch();
    clock.advance(ORPHAN_GRACE_MS + 1_000);
    spool.setMeta("docker.seen", "1");
    const { log } = node();
    const docker = (): Promise<Launcher> => Promise.reject(new Error("an engine elsewhere"));
    const engines = new Engines({ spool, log, process: launcher, allowProcess: true, docker });
    const detach = new AbortController();
    const parts = { ...node(), engines, quarantine: new Set(), detach: detach.signal };
    const loop = reapLoop(
      parts as unknown as Node,
      gpuCare({ all: [], look: () => Promise.resolve(false) }, false),
    );
    await expect.poll(() => there(orphan)).toBe(false);
    detach.abort();
    await loop;
  });

  it("visits a runtime that the policy no longer allows", async () => {
    const orphan = await launch();
    const { log } = node();
    const docker = (): Promise<Launcher> => Promise.reject(new Error("there is none"));
    const engines = new Engines({ spool, log, process: launcher, allowProcess: false, docker });
    expect(engines.runtimes()).toEqual([]);
    clock.advance(1_000);
    await reapAll({ ...node(), engines } as unknown as Node);
    expect(await there(orphan)).toBe(false);
  });

  it("forgets an attempt with its GPU locks only when its result is acknowledged", () => {
    const session = grantedSession(["GPU-1", "GPU-2"]);
    const [run] = session.runs;
    spool.endClaim(session);
    expect([...spool.gpuLocks().keys()]).toEqual(["GPU-1", "GPU-2"]);
    spool.creating(run?.attempt.id ?? "", 1, "spec");
    const next = grantedSession(["GPU-1"]);
    spool.acknowledge(run?.attempt.id ?? "", next);
    expect(spool.gpuLocks()).toEqual(new Map([["GPU-1", next.id]]));
    expect(spool.sessions().map(({ id }) => id)).toEqual([next.id]);
    expect(spool.executionKeys()).toEqual(new Set());
  });

  it("remembers that nothing was offered with a result, which is not the same as not having decided", () => {
    const session = grantedSession([]);
    const attempt = session.runs[0]?.attempt.id ?? "";
    const offer = (): unknown => spool.attempts(session.id)[0]?.offer;
    spool.endClaim(session);
    expect(offer()).toBeUndefined();
    spool.setOffer(attempt, null);
    expect(offer()).toBeNull();
    spool.setOffer(attempt, { gpus: [], slots: 1, runtimes: ["process"] });
    expect(offer()).toEqual({ gpus: [], slots: 1, runtimes: ["process"] });
  });
});
