import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it } from "vitest";
import { Contact } from "../../daemon/contact.ts";
import { Disk } from "../../daemon/disk.ts";
import { Engines } from "../../daemon/engines.ts";
import { heartbeatLoop } from "../../daemon/heartbeat.ts";
import type { Launcher } from "../../daemon/launcher.ts";
import type { Node } from "../../daemon/node.ts";
import { Spool } from "../../daemon/spool.ts";
import { Alarm } from "../../daemon/timers.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { TestClock } from "../support/clock.ts";
import { INVENTORY } from "../support/fleet.ts";

const hangs = <T>(): Promise<T> => new Promise(() => undefined);

it("goes on while the engine hangs or lists its images for long, and says what keeps the node from working", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-beat-"));
  const spool = new Spool(openLocalFile(join(folder, "spool.db")));
  const clock = new TestClock();
  const said: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void said.push(line) });
  let engine: () => Promise<null> = () => Promise.resolve(null);
  let images: () => Promise<Record<string, string>> = () => Promise.resolve({ "a:1": "sha256:1" });
  const launcher = { engine: () => engine(), images: () => images() } as Partial<Launcher>;
  const engines = new Engines({
    spool,
    log,
    process: launcher as Launcher,
    allowProcess: false,
    docker: () => Promise.resolve(launcher as Launcher),
  });
  const beats: { ready: boolean; reason: string | null; images: Record<string, string> }[] = [];
  const serverTime = new Date(clock.now() + 600_000).toISOString();
  const client = {
    nodes: {
      register: () => Promise.resolve({ beatMs: 50, draining: false, serverTime }),
      beat: ({ body }: { body: (typeof beats)[number] }) => {
        beats.push(body);
        return Promise.resolve({ beatMs: 50, draining: false, serverTime, stop: [], lost: [] });
      },
    },
  };
  const detach = new AbortController();
  const node = {
    engines,
    disk: new Disk([folder], () => Promise.resolve(2 ** 40)),
    contact: new Contact({ clock, spool, bootId: "b" }),
    clock,
    spool,
    log,
    server: { url: "", client },
    options: { name: "n1" },
    wakeClaims: new Alarm(),
    wakeBeat: new Alarm(),
    detach: detach.signal,
  } as unknown as Node;
  const loop = heartbeatLoop({
    node,
    bootId: "b",
    survey: () => Promise.resolve(INVENTORY),
    gpus: { all: [] },
  });
  await expect.poll(() => beats.at(-1)?.images).toEqual({ "a:1": "sha256:1" });
  images = hangs;
  let seen = beats.length;
  await expect.poll(() => beats.length).toBeGreaterThan(seen + 4);
  expect(beats.at(-1)).toMatchObject({ ready: false, images: { "a:1": "sha256:1" } });
  engine = hangs;
  seen = beats.length;
  await expect.poll(() => beats.length).toBeGreaterThan(seen + 1);
  // Its clock is ten minutes behind: said once, to its log and with every beat.
  const clockOff = expect.stringContaining("clock is 10 minutes behind");
  expect(beats.at(-1)?.reason).toEqual(clockOff);
  expect(said.filter((line) => line.includes("takes no work"))).toEqual([clockOff]);
  detach.abort();
  await loop;
  spool.close();
  await rm(folder, { recursive: true });
});
