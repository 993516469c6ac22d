import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCli, type TestCli } from "../support/cli.ts";

let cli: TestCli;

beforeAll(async () => {
  cli = await openCli();
});

afterAll(() => cli.remove());

const GOOD = `name: copy
matrix:
  axes:
    threads: [1, 2]
    size: [small, large]
  exclude:
    - { threads: 2, size: small }
cell:
  command: [node, bench.mjs, "--threads=\${threads}", "\${size}"]
  files: [bench.mjs]
  runtime: process
  parser: { kind: performance, metric: speed }
repeats: 3
blocks: 2
metrics: { primary: speed }
`;

/** An unknown key, a bad duration, an unknown axis, a wrong type and an unknown value to exclude. */
const BAD = `name: copy
repeets: 3
matrix:
  axes:
    threads: [1, 2]
  exclude:
    - { threads: 4 }
cell:
  command: [node, "\${thread}"]
  runtime: process
  phases: { run: { timeout: 30 } }
  parser: { kind: performance, metric: speed }
blocks: many
metrics: { primary: speed }
`;

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(cli.home, name), text);
  return name;
}

interface Plan {
  name: string;
  cells: { id: string; axes: Record<string, unknown>; command: string[] }[];
  runs: number;
}

describe("sweep files at the command line", () => {
  it("are planned without a server: the same cells each time", async () => {
    await file("bench.mjs", "console.log('performance: 1 MB/s')\n");
    const plan = ["sweep", "plan", await file("good.yaml", GOOD), "--json"];
    const first = await cli.run(...plan);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    const { name, cells, runs } = first.json<Plan>();
    expect([name, cells.length, runs]).toEqual(["copy", 3, 6]);
    expect(cells.map(({ axes }) => axes)).toEqual([
      { threads: 1, size: "small" },
      { threads: 1, size: "large" },
      { threads: 2, size: "large" },
    ]);
    expect(cells[0]?.command).toEqual(["node", "bench.mjs", "--threads=1", "small"]);
    for (const { id } of cells) expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect((await cli.run(...plan)).stdout).toBe(first.stdout);

    await file("bench.mjs", "console.log('performance: 2 MB/s')\n");
    const changed = (await cli.run(...plan)).json<Plan>();
    expect(changed.cells[0]?.id).not.toBe(cells[0]?.id);
  });

  it("show all of five mistakes at once with their lines, and exit with 2", async () => {
    const path = await file("bad.yaml", BAD);
    for (const verb of ["validate", "plan"]) {
      const { code, stdout, stderr } = await cli.run("sweep", verb, path);
      expect([code, stdout]).toEqual([2, ""]);
      const lines = [...stderr.matchAll(/bad\.yaml:(\d+):\d+: /g)].map(([, line]) => Number(line));
      expect(lines).toEqual([2, 7, 9, 11, 13]);
    }
    const { details } = (await cli.run("sweep", "run", path, "--json")).json<{
      details: { line: number; message: string }[];
    }>();
    expect(details.map(({ line }) => line)).toEqual([2, 7, 9, 11, 13]);
    expect(details[0]?.message).toContain('did you mean "repeats"?');
  });

  it("name the line of an input file that is missing", async () => {
    const path = await file("lost.yaml", GOOD.replace("[bench.mjs]", "[lost.mjs]"));
    const { code, stderr } = await cli.run("sweep", "validate", path);
    expect(code).toBe(2);
    expect(stderr).toMatch(/lost\.yaml:10:\d+: cell\.files\.0: cannot read lost\.mjs/);
    const text = GOOD.replace("[bench.mjs]", "[5, lost.mjs, ../up.mjs]").replace(
      "repeats: 3",
      "repeats: 0",
    );
    const all = await cli.run("sweep", "validate", await file("lost.yaml", text));
    const lines = [...all.stderr.matchAll(/lost\.yaml:(\d+):\d+: (\S+):/g)];
    expect(lines.map(([, line, where]) => [line, where])).toEqual([
      ["10", "cell.files.0"],
      ["10", "cell.files.1"],
      ["10", "cell.files.2"],
      ["13", "repeats"],
    ]);
  });

  it("are valid without a word on stderr", async () => {
    const { code, stdout, stderr } = await cli.run("sweep", "validate", "good.yaml");
    expect([code, stdout, stderr]).toEqual([0, "good.yaml is valid: 3 cells, 6 runs\n", ""]);
  });
});
