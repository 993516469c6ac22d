import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { refusal } from "../../daemon/capacity.ts";
import { Contact } from "../../daemon/contact.ts";
import { Engines } from "../../daemon/engines.ts";
import { processLauncher } from "../../daemon/process/driver.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { TestClock } from "../support/clock.ts";

describe("a node", () => {
  let folder: string;
  let spool: Spool;
  let engines: Engines;
  let clock: TestClock;
  const met = (): Contact => new Contact({ clock, spool, bootId: "b" });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-contact-"));
    spool = new Spool(openLocalFile(join(folder, "spool.db")));
    clock = new TestClock();
    engines = new Engines({
      spool,
      log: pino({ level: "silent" }),
      process: processLauncher(folder),
      docker: () => Promise.reject(new Error("there is none")),
    });
    await engines.look();
  });
  afterEach(async () => {
    spool.close();
    await rm(folder, { recursive: true });
  });

  it("takes no work before the server has answered it once in this life, and none while cut off", () => {
    const contact = met();
    expect(refusal({ contact, engines })).toContain("cut off");
    contact.acknowledge(clock.monotonic());
    expect(refusal({ contact, engines })).toBeNull();
    clock.advance(46_000);
    expect(refusal({ contact, engines })).toContain("cut off");
    contact.acknowledge(clock.monotonic());
    expect(refusal({ contact: met(), engines })).toContain("cut off");
  });
});
