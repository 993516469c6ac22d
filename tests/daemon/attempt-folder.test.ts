import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { pino } from "pino";
import { AttemptFolder, makeWorkRoots } from "../../daemon/attempt-folder.ts";
import { choose, layBy } from "../../daemon/evidence.ts";
import { removeLeftFolders } from "../../daemon/left-folders.ts";
import { collect } from "../../daemon/results/collect.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";
import { grantedSession } from "./support.ts";

it.runIf(process.getuid?.() === 0)(
  "opens no folder that a link of somebody else leads to",
  async () => {
    const data = await mkdtemp("/var/tmp/gridpost-roots-");
    const install = newId();
    const link = join(tmpdir() === "/tmp" ? "/var/tmp" : tmpdir(), `gridpost-${install}`);
    const target = join(data, "private");
    await mkdir(target, { mode: 0o700 });
    await symlink(target, link);
    try {
      await expect(makeWorkRoots(data, install)).rejects.toMatchObject({ code: "CONFLICT" });
      expect((await stat(target)).mode & 0o777).toBe(0o700);
    } finally {
      await rm(link);
      await rm(data, { recursive: true });
    }
  },
);

it("removes at the start what belongs to no attempt any more, and nothing else", async () => {
  const data = await mkdtemp(join(tmpdir(), "gridpost-left-"));
  const spool = new Spool(openLocalFile(join(data, "spool.db")));
  const root = join(data, "work");
  const [live, over] = [grantedSession([]), newId()];
  spool.endClaim(live);
  const attempt = live.runs[0]?.attempt.id ?? "";
  for (const name of [attempt, over, "processes"])
    await mkdir(join(root, name, "out-1"), { recursive: true });
  await removeLeftFolders(
    { spool, log: pino({ level: "silent" }) },
    { docker: root, process: root },
  );
  expect((await readdir(root)).toSorted()).toEqual([attempt, "processes"].toSorted());
  spool.close();
  await rm(data, { recursive: true });
});

it("keeps of an execution only what backs its result, also when it is asked twice", async () => {
  const root = await mkdtemp(join(tmpdir(), "gridpost-kept-"));
  const folder = new AttemptFolder({ docker: root, process: root }, "process", "a");
  await folder.make();
  const step = { n: 2, repeat: 1 };
  const out = await folder.makeOut(2);
  await mkdir(join(out, "deep"));
  for (let i = 0; i < 18; i += 1)
    await writeFile(join(out, "deep", String(i).padStart(2, "0")), `${i}`);
  const { files } = await collect(out);
  const kept = choose(files, { earlier: [], step, folder });
  await layBy(folder, step, kept);
  await layBy(folder, step, kept);
  expect(kept).toHaveLength(16);
  expect(kept[1]?.name).toBe("repeat-1/deep/01");
  expect(await readFile(kept[1]?.path ?? "", "utf8")).toBe("1");
  expect((await readdir(folder.path)).filter((name) => name.startsWith("out"))).toEqual([]);
  await rm(root, { recursive: true });
});

it("lays by nothing from elsewhere, whatever a process that was left has put in the place of a file", async () => {
  const root = await mkdtemp(join(tmpdir(), "gridpost-swapped-"));
  const folder = new AttemptFolder({ docker: root, process: root }, "process", "a");
  await folder.make();
  const step = { n: 1, repeat: 1 };
  const out = await folder.makeOut(1);
  for (const path of [join(out, "sub"), join(root, "foreign")]) {
    await mkdir(path);
    await writeFile(join(path, "f"), "same");
  }
  await writeFile(join(out, "g"), "same");
  await writeFile(join(out, "h"), "own");
  const kept = choose((await collect(out)).files, { earlier: [], step, folder });
  await rm(join(out, "sub"), { recursive: true });
  await symlink(join(root, "foreign"), join(out, "sub"));
  await rm(join(out, "g"));
  await symlink(join(root, "foreign", "f"), join(out, "g"));
  await layBy(folder, step, kept);
  expect(kept.map(({ name }) => name)).toEqual(["repeat-1/g", "repeat-1/h", "repeat-1/sub/f"]);
  expect(await readdir(join(root, "foreign"))).toEqual(["f"]);
  expect((await readdir(folder.path)).filter((name) => name.startsWith("kept"))).toEqual([
    "kept-1-2",
  ]);
  await rm(root, { recursive: true });
});

it("lays by no more than the server takes, however many repeats there are", () => {
  const file = { name: "f", path: "", sha256: "0", size: 2 ** 20, modifiedMs: 0 };
  const folder = { path: "/x" };
  const all = (size: number): number => {
    let kept = 0;
    const earlier = [];
    for (let n = 1; n <= 100; n += 1) {
      const files = [
        { ...file, size },
        { ...file, size },
      ];
      const chosen = choose(files, { earlier, step: { n, repeat: n }, folder });
      earlier.push(...chosen);
      kept += chosen.length;
    }
    return kept;
  };
  expect(all(1)).toBe(62);
  expect(all(64 * 2 ** 20)).toBe(4);
});
