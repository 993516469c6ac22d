import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { describeWithEngine } from "../support/engine.ts";

const folder = fileURLToPath(new URL("../../examples/cpu-kernels/", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "gridpost-kernels-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [join(folder, "kernels.mjs"), ...args], { encoding: "utf8" });

describe("the kernels", () => {
  test.each([
    ["dgemm", "1", "GFLOP/s"],
    ["dgemm", "3", "GFLOP/s"],
    ["triad", "2", "GB/s"],
    ["sha256", "2", "MB/s"],
  ])("%s on %s thread(s) ends with its performance and writes it", (kernel, threads, unit) => {
    const { status, stdout, stderr } = run("--kernel", kernel, "--threads", threads, "--out", out);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [, value] = /\nperformance: ([0-9.]+) (\S+)\n$/.exec(stdout) ?? [];
    expect(Number(value)).toBeGreaterThan(0);
    const rows: unknown = JSON.parse(readFileSync(join(out, "results.json"), "utf8"));
    expect(rows).toEqual([
      { metric: "performance", value: expect.closeTo(Number(value), 3), unit },
      { metric: "elapsed", value: expect.any(Number), unit: "s" },
    ]);
  });

  test.each([
    [["--kernel", "fft"], "--kernel must be one of dgemm, triad, sha256\n"],
    [["--kernel", "dgemm", "--threads", "0"], "--threads must be a whole number from 1 to 256\n"],
  ])("%j is refused", (args, stderr) => {
    expect(run(...args)).toMatchObject({ status: 1, stdout: "", stderr });
  });
});

describeWithEngine("the image of the kernels", ({ docker }) => {
  test("is made once and runs a kernel without a registry", async () => {
    const image = join(folder, "image.mjs");
    const build = (): string => spawnSync(process.execPath, [image], { encoding: "utf8" }).stdout;
    build();
    expect(build()).toBe("gridpost-cpu-kernels:1: present\n");
    const container = await docker.createContainer({
      Image: "gridpost-cpu-kernels:1",
      Cmd: ["node", "/files/kernels.mjs", "--kernel", "sha256", "--threads", "1"],
      User: "65532:65532",
      HostConfig: { NetworkMode: "none", ReadonlyRootfs: true, Binds: [`${folder}:/files:ro`] },
    });
    try {
      await container.start();
      expect(await container.wait()).toEqual({ Error: null, StatusCode: 0 });
      const log = await container.logs({ stdout: true, stderr: true });
      expect(log.toString()).toMatch(/performance: [0-9.]+ MB\/s\n$/);
    } finally {
      await container.remove({ force: true });
    }
  });
});
