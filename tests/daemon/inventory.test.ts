import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseAmdSmi, parseRocmSmi } from "../../daemon/inventory/amd.ts";
import { gpuCare } from "../../daemon/gpu-care.ts";
import { Gpus } from "../../daemon/inventory/gpus.ts";
import { findGpus, machine, readSimulatedGpus } from "../../daemon/inventory/inventory.ts";
import { checkNvidia } from "../../daemon/inventory/nvidia-check.ts";
import { parseNvidia } from "../../daemon/inventory/nvidia.ts";
import { isMissing, type RunTool, runTool } from "../../daemon/inventory/tool.ts";
import { Spool } from "../../daemon/spool.ts";
import { openLocalFile } from "../../storage/local-file.ts";

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`fixtures/${name}`, import.meta.url), "utf8");

const MISSING = { stdout: "", problem: "spawn x ENOENT" };

/** Answers with the text of the first entry whose key is part of the command line. */
const tools =
  (answers: Record<string, string | { stdout: string; problem: string }>): RunTool =>
  async (tool, args) => {
    const line = [tool, ...args].join(" ");
    const answer = Object.entries(answers).find(([key]) => line.includes(key))?.[1];
    return typeof answer === "string" ? { stdout: answer, problem: null } : (answer ?? MISSING);
  };

describe("GPUs of NVIDIA", () => {
  it("are described by nvidia-smi", async () => {
    const { gpus, problems } = parseNvidia(await fixture("nvidia-smi.csv"));
    expect(problems).toEqual([]);
    expect(gpus).toHaveLength(2);
    expect(gpus[1]).toEqual({
      uuid: "GPU-6b4d2f3e-9e58-4c7b-8d12-8f3a5b7c9d21",
      vendor: "nvidia",
      name: "NVIDIA H100 80GB HBM3",
      arch: "sm_90",
      memoryBytes: 81_559 * 2 ** 20,
      pci: "0000:3b:00.0",
      driver: "550.54.15",
      firmware: "96.00.74.00.01",
      partition: "Disabled",
      numaNode: null,
    });
  });

  it("are left out with a reason when sick or in MIG mode, and unknown fields are null", async () => {
    const { gpus, problems } = parseNvidia(await fixture("nvidia-smi-sick.csv"));
    expect(
      gpus.map(({ name, memoryBytes, firmware, arch }) => [name, memoryBytes, firmware, arch]),
    ).toEqual([["Tesla V100-SXM2-16GB", null, null, null]]);
    expect(problems).toEqual([
      expect.stringContaining("without UUID"),
      expect.stringContaining("MIG mode"),
    ]);
  });

  it("are found with an old driver, which refuses a field that it does not know", async () => {
    const { gpus } = await findGpus(
      tools({
        compute_cap: {
          stdout: 'Field "compute_cap" is not a valid field to query.',
          problem: "exit 2",
        },
        "nvidia-smi": await fixture("nvidia-smi-sick.csv"),
      }),
    );
    expect(gpus).toHaveLength(1);
  });

  it("are not fit for a measurement when in use, slowed down, or not answering", async () => {
    const check = (answers: Parameters<typeof tools>[0]) => checkNvidia(["GPU-a"], tools(answers));
    const idle = {
      "compute-apps": "GPU-b, 77, 512\n",
      event_reasons: "GPU-a, Not Active, Not Active, Not Active\n",
    };
    expect(await check(idle)).toBeNull();
    expect(await check({ ...idle, "compute-apps": "GPU-a, 4242, [N/A]\n" })).toMatch(
      /process 4242/,
    );
    expect(
      await check({ ...idle, event_reasons: "GPU-a, Active, Not Active, Not Active\n" }),
    ).toMatch(/hw_thermal_slowdown/);
    expect(
      await check({
        "compute-apps": "",
        event_reasons: { stdout: "", problem: "exit 2" },
        throttle_reasons: "GPU-a, Not Active, Not Active, Active",
      }),
    ).toMatch(/hw_power_brake/);
    expect(await check({})).toMatch(/unknown/);
    const sick = {
      stdout: "Unable to determine the device handle for GPU0: Unknown Error",
      problem: "exit 255",
    };
    expect(await check({ "compute-apps": "", "query-gpu": sick })).toMatch(/unknown: exit 255/);
    expect(
      await check({ ...idle, event_reasons: "GPU-b, Not Active, Not Active, Not Active\n" }),
    ).toMatch(/GPU-a is there no more/);
    const old = { stdout: 'Field "x" is not a valid field to query.', problem: "exit 2" };
    expect(await check({ "compute-apps": "", "query-gpu": old })).toBeNull();
  });
});

describe("GPUs whose tool gives no answer", () => {
  const deaf = { stdout: "", problem: "nvidia-smi: no answer in 10 s" };
  let folder: string;
  let spool: Spool;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-gpus-"));
    spool = new Spool(openLocalFile(join(folder, "spool.db")));
  });
  afterEach(async () => {
    spool.close();
    await rm(folder, { recursive: true });
  });
  const open = (...answers: (string | typeof deaf)[]): Gpus =>
    new Gpus({ spool, log: pino({ level: "silent" }) }, () =>
      findGpus(tools({ "nvidia-smi": answers.shift() ?? "" })),
    );

  it("are looked for again until it does, and not once more", async () => {
    const csv = await fixture("nvidia-smi.csv");
    const gpus = open(deaf, deaf, csv);
    expect([await gpus.look(), gpus.all.length]).toEqual([false, 0]);
    expect([await gpus.look(), gpus.all.length]).toEqual([false, 0]);
    expect([await gpus.look(), gpus.all.length]).toEqual([true, 2]);
    expect([await gpus.look(), gpus.all.length]).toEqual([false, 2]);
  });

  it("are those of an earlier life until it does", async () => {
    const csv = await fixture("nvidia-smi.csv");
    const before = open(csv);
    await before.look();
    const after = open(deaf, csv);
    await after.look();
    expect(after.all).toEqual(before.all);
    expect(after.remembered).toEqual(before.all.map(({ uuid }) => uuid));
    expect([await after.look(), after.remembered]).toEqual([false, []]);
  });

  it("are given up when it never does", async () => {
    let asked = 0;
    const gpus = new Gpus({ spool, log: pino({ level: "silent" }) }, () => {
      asked += 1;
      return findGpus(tools({ "nvidia-smi": deaf }));
    });
    for (let i = 0; i < 100; i += 1) await gpus.look();
    expect(asked).toBe(15);
    // What was granted on one of them in an earlier life was measured without it.
    expect(await gpuCare(gpus, false).problem(["GPU-1"])).toMatch(/GPU-1 was not found/);
    expect(await gpuCare(gpus, true).problem(["GPU-1"])).toBeNull();
  });
});

describe("GPUs of AMD", () => {
  it("are described by amd-smi as ROCm 6 writes it", async () => {
    const found = parseAmdSmi(
      await fixture("amd-smi-static-rocm6.json"),
      await fixture("amd-smi-list-rocm6.json"),
    );
    expect(found).toEqual({
      problems: [],
      gpus: [
        {
          uuid: "80ff74a1-0000-1000-80b0-9f2a63b1d0c4",
          vendor: "amd",
          name: "AMD Instinct MI300X",
          arch: "gfx942",
          memoryBytes: 196_592 * 2 ** 20,
          pci: "0000:05:00.0",
          driver: "6.8.5",
          firmware: "022.040.003.041.000001",
          partition: "SPX/NPS1",
          numaNode: 0,
        },
      ],
    });
  });

  it("are described by amd-smi as ROCm 7 writes it, with what is not available as null", async () => {
    const { gpus } = parseAmdSmi(await fixture("amd-smi-static-rocm7.json"), "[]");
    expect(gpus).toMatchObject([
      {
        uuid: "0x1A2B3C4D5E6F7081",
        arch: "gfx950",
        memoryBytes: null,
        partition: null,
        numaNode: null,
      },
    ]);
    expect(gpus[0]?.firmware).toBe("00197220");
  });

  it("are described by rocm-smi where that is all there is", async () => {
    const { gpus } = await findGpus(tools({ "rocm-smi": await fixture("rocm-smi.json") }));
    expect(gpus).toMatchObject([
      {
        uuid: "0x18f5a3d5d2b1c0e9",
        arch: "gfx90a",
        memoryBytes: 68_702_699_520,
        pci: "0000:c1:00.0",
        driver: "6.7.0",
      },
      { uuid: "pci:0000:c6:00.0", memoryBytes: null, firmware: null },
    ]);
    expect(parseRocmSmi("not json").problems).toHaveLength(1);
    expect(parseAmdSmi("<html>", "[]").problems).toHaveLength(1);
  });
});

describe("a vendor's tool", () => {
  it("is killed when it hangs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-tool-"));
    const tool = join(folder, "sick-smi");
    await writeFile(tool, "#!/bin/sh\nexec sleep 60\n");
    await chmod(tool, 0o755);
    const from = performance.now();
    const answer = await runTool(tool, [], 300);
    expect(answer.problem).toMatch(/no answer in 0.3 s/);
    expect(performance.now() - from).toBeLessThan(50_000);
    await rm(folder, { recursive: true });
  });

  it("says why it failed in its own words", async () => {
    const fails = (script: string) => runTool("sh", ["-c", script]);
    const reason = "NVIDIA-SMI has failed because it couldn't communicate with the driver.";
    expect(await fails(`echo "${reason}"; echo more; exit 9`)).toEqual({
      stdout: `${reason}\nmore\n`,
      problem: `sh: ${reason}`,
    });
    expect((await fails("echo aside; echo fault >&2; exit 1")).problem).toBe("sh: fault");
    expect((await fails("exit 1")).problem).toMatch(/^sh: Command failed/);
    expect((await fails("echo warning >&2")).problem).toBeNull();
  });

  it("is no problem when it is not there", async () => {
    expect(isMissing(await runTool("no-such-smi", []))).toBe(true);
    expect(await findGpus(async () => MISSING)).toEqual({ gpus: [], problems: [] });
  });
});

describe("the rest of the inventory", () => {
  it("describes this machine", () => {
    const found = machine();
    expect(found.cpu.count).toBeGreaterThan(0);
    expect(found.cpu.model).not.toBe("");
    expect(found.kernel).not.toBe("");
  });

  it("takes simulated GPUs from a file, and says what is wrong with it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-gpus-"));
    const file = join(folder, "gpus.json");
    await writeFile(
      file,
      JSON.stringify([{ uuid: "sim-0", vendor: "nvidia", name: "H100", arch: "sm_90" }]),
    );
    expect(await readSimulatedGpus(file)).toMatchObject([{ uuid: "sim-0", memoryBytes: null }]);
    await writeFile(file, JSON.stringify([{ uuid: "x", vendor: "intel", name: "y" }]));
    await expect(readSimulatedGpus(file)).rejects.toThrow(/vendor/);
    await expect(readSimulatedGpus(join(folder, "none"))).rejects.toThrow(/ENOENT/);
    await rm(folder, { recursive: true });
  });
});
