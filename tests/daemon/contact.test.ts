import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { obstacle, refusal } from "../../daemon/capacity.ts";
import { Contact } from "../../daemon/contact.ts";
import { Disk } from "../../daemon/disk.ts";
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
  let room: number;
  let disk: Disk;
  const met = (): Contact => new Contact({ clock, spool, bootId: "b" });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-contact-"));
    spool = new Spool(openLocalFile(join(folder, "spool.db")));
    clock = new TestClock();
    engines = new Engines({
      spool,
      log: pino({ level: "silent" }),
      process: processLauncher(folder),
      allowProcess: true,
      docker: () => Promise.reject(new Error("there is none")),
    });
    await engines.look();
    room = 2 ** 40;
    disk = new Disk([folder], () => Promise.resolve(room));
  });
  afterEach(async () => {
    spool.close();
    await rm(folder, { recursive: true });
  });

  it("takes no work before the server has answered it once in this life, and none while cut off", () => {
    const contact = met();
    expect(refusal({ contact, engines, disk })).toContain("cut off");
    contact.acknowledge(clock.monotonic());
    expect(refusal({ contact, engines, disk })).toBeNull();
    clock.advance(46_000);
    expect(refusal({ contact, engines, disk })).toContain("cut off");
    contact.acknowledge(clock.monotonic());
    expect(refusal({ contact: met(), engines, disk })).toContain("cut off");
  });

  it("takes no work while its clock is off, and says by how much and what to do", () => {
    const contact = met();
    contact.acknowledge(clock.monotonic());
    contact.skewMs = 10 * 60_000;
    const why =
      "this machine's clock is 10 minutes behind the server's: set it right (timedatectl set-ntp true)";
    expect(refusal({ contact, engines, disk })).toBe(why);
    expect(obstacle({ contact, engines, disk })).toBe(why);
    contact.skewMs = 0;
    expect(refusal({ contact, engines, disk })).toBeNull();
  });

  it("takes no work without room on its disk, and lets nothing run that would take the last of it", async () => {
    const contact = met();
    contact.acknowledge(clock.monotonic());
    room = 255 * 2 ** 20;
    await disk.look();
    expect(refusal({ contact, engines, disk })).toBe(
      `only 255 MiB are free on the disk of ${folder}: free 256 MiB there`,
    );
    expect(disk.exhausted).toBeNull();
    room = 63 * 2 ** 20;
    await disk.look();
    expect(disk.exhausted).toContain("only 63 MiB are free");
    room = 2 ** 30;
    await disk.look();
    expect([refusal({ contact, engines, disk }), disk.exhausted]).toEqual([null, null]);
  });
});
