import { mkdir, mkdtemp, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { makeWorkRoots } from "../../daemon/attempt-folder.ts";

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
