import { spawn } from "node:child_process";
import type * as Crypto from "node:crypto";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import { collect } from "../../daemon/results/collect.ts";

vi.mock("node:crypto", async (original) => {
  const crypto = await original<typeof Crypto>();
  return { ...crypto, createHash: vi.fn(crypto.createHash) };
});

/** Makes the folder `d` a link to `secret` and a folder again, as fast as it can. */
const SWAP = `
const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
process.stdout.write("ready");
for (;;) {
  renameSync("out/d", "own");
  symlinkSync("../secret", "out/d");
  unlinkSync("out/d");
  renameSync("own", "out/d");
}`;

it("finds nothing in a folder that its owner has removed", async () => {
  expect(await collect(join(tmpdir(), "gridpost-none"))).toEqual({ files: [], leftOut: [] });
});

it("takes the declared file first, whatever else there is, and the others in order", async () => {
  const out = await mkdtemp(join(tmpdir(), "gridpost-collect-"));
  await mkdir(join(out, "r"));
  await writeFile(join(out, "r/results.json"), '{"speed": 1}');
  const names = Array.from({ length: 16 }, (_, i) => `profile-${String(i).padStart(2, "0")}`);
  for (const name of names) await writeFile(join(out, name), "x");
  const many = await collect(out, "r/results.json");
  expect(many.files.map(({ name }) => name)).toEqual(["r/results.json", ...names.slice(0, 15)]);
  expect(many.leftOut).toEqual(["profile-15: more than 16 files"]);
  // Those that cannot be kept are not even read.
  const read = vi.mocked(createHash).mock.calls.length;
  for (const name of names) await writeFile(join(out, `z-${name}`), "x");
  expect((await collect(out, "r/results.json")).leftOut).toHaveLength(17);
  expect(vi.mocked(createHash).mock.calls.length - read).toBe(16);
  for (const name of names) await rm(join(out, `z-${name}`));
  for (const name of names) await rm(join(out, name));
  await writeFile(join(out, "a-trace"), "");
  await truncate(join(out, "a-trace"), 64 * 2 ** 20);
  const large = await collect(out, "r/results.json");
  expect(large.files.map(({ name }) => name)).toEqual(["r/results.json"]);
  await rm(out, { recursive: true });
});

it.runIf(process.platform === "linux")(
  "never takes a file from elsewhere, even while a process that was left swaps folders for links",
  async () => {
    const root = await mkdtemp(join(tmpdir(), "gridpost-collect-"));
    for (const folder of ["out/d", "secret"]) await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, "out/d/f"), "own");
    await writeFile(join(root, "secret/f"), "secret");
    expect((await collect(join(root, "out"))).files).toMatchObject([
      { name: "d/f", sha256: sha256("own") },
    ]);
    const swapper = spawn(process.execPath, ["-e", SWAP], { cwd: root });
    const ended = new Promise((resolve) => swapper.once("exit", resolve));
    await new Promise((resolve) => swapper.stdout.once("data", resolve));
    try {
      for (const until = performance.now() + 1_500; performance.now() < until;) {
        const { files } = await collect(join(root, "out"));
        expect(files.map((file) => file.sha256)).not.toContain(sha256("secret"));
      }
    } finally {
      swapper.kill("SIGKILL");
      await ended;
      await rm(root, { recursive: true });
    }
  },
);
