import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolders } from "../../runtime/folders.ts";
import { readPrivate, writePrivate } from "../../runtime/private-file.ts";

describe("folders", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "gridpost-folders-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("are made for their owner alone, by several at the same time, and stay as they are", async () => {
    const path = join(root, "a/b/c");
    await Promise.all([makeFolders(path), makeFolders(path), makeFolders(join(path, "../d"))]);
    expect(statSync(join(root, "a")).mode & 0o777).toBe(0o700);
    await makeFolders(path, 0o777);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it("that cannot be made are named, and nobody waits for them for ever", async () => {
    writeFileSync(join(root, "file"), "");
    for (const path of ["/proc/gridpost/a/b", "/proc/self/fdinfo/a/b", join(root, "file/a/b")]) {
      const refused = { code: "BAD_REQUEST", message: expect.stringContaining(path) as unknown };
      await expect(makeFolders(path)).rejects.toMatchObject(refused);
      await expect(writePrivate(join(path, "key.json"), "{}")).rejects.toMatchObject(refused);
    }
  });

  it("that are none are named when a secret is read from them; one that is not there is no fault", async () => {
    writeFileSync(join(root, "file"), "");
    const path = join(root, "file/key.json");
    await expect(readPrivate(path)).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining(`${path} cannot be read`),
      next: expect.stringContaining("GRIDPOST_HOME"),
    });
    expect(await readPrivate(join(root, "nothing/key.json"))).toBeUndefined();
  });
});
