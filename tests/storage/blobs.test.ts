import { mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Blobs } from "../../storage/blobs.ts";
import { openFsBlobs } from "../../storage/blobs-fs.ts";

const HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

describe("blob store", () => {
  let folder: string;
  let blobs: Blobs;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-blobs-"));
    blobs = await openFsBlobs(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const files = async (): Promise<string[]> =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);

  it("stores content under its hash and gives it back", async () => {
    expect(await blobs.put(Buffer.from("hello"), 5)).toEqual({ sha256: HELLO, size: 5 });
    expect(await text(await blobs.get(HELLO))).toBe("hello");
    expect(await readdir(join(folder, "2c", "f2"))).toEqual([HELLO]);
  });

  it("stores a stream of several chunks, and the same content once", async () => {
    const stream = Readable.from([Buffer.from("hel"), Buffer.from("lo")]);
    await Promise.all([blobs.put(stream, 10), blobs.put(Buffer.from("hello"), 10)]);
    expect(await files()).toEqual([HELLO]);
  });

  it("stores empty content", async () => {
    const { sha256, size } = await blobs.put(Buffer.alloc(0), 0);
    expect([size, (await buffer(await blobs.get(sha256))).length]).toEqual([0, 0]);
  });

  it("keeps nothing of content beyond the limit, or of a stream that breaks", async () => {
    await expect(blobs.put(Buffer.from("hello"), 4)).rejects.toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    const breaking = Readable.from(
      (function* () {
        yield Buffer.from("hel");
        throw new Error("connection lost");
      })(),
    );
    await expect(blobs.put(breaking, 10)).rejects.toThrow("connection lost");
    expect(await files()).toEqual([]);
  });

  it("refuses what was cut off, and takes it anew", async () => {
    await blobs.put(Buffer.from("hello"), 5);
    const path = join(folder, HELLO.slice(0, 2), HELLO.slice(2, 4), HELLO);
    await truncate(path, 2);
    await expect(blobs.get(HELLO, 5)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("2 of 5 bytes"),
    });
    await blobs.put(Buffer.from("hello"), 5);
    expect(await text(await blobs.get(HELLO, 5))).toBe("hello");
  });

  it("says that a blob is missing, and deletes twice without an error", async () => {
    await blobs.put(Buffer.from("hello"), 5);
    expect(await blobs.has(HELLO)).toBe(true);
    await blobs.delete(HELLO);
    await blobs.delete(HELLO);
    expect(await blobs.has(HELLO)).toBe(false);
    await expect(blobs.get(HELLO)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("takes nothing but a hash as name", async () => {
    for (const name of ["../../etc/passwd", HELLO.toUpperCase(), ""]) {
      for (const call of [blobs.get(name), blobs.has(name), blobs.delete(name)]) {
        await expect(call).rejects.toMatchObject({ code: "BAD_REQUEST" });
      }
    }
  });

  it("removes what an earlier process left unfinished", async () => {
    await writeFile(join(folder, "tmp", "left"), "over");
    await openFsBlobs(folder);
    expect(await files()).toEqual([]);
  });
});
