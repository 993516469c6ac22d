import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

interface Claimed {
  session: { id: string; runs: { cell: { axes: Record<string, number> } }[] } | null;
}

const TWO = `
name: by-hand
matrix: { axes: { threads: [1, 2] } }
cell: { command: ["measure", "\${threads}"], runtime: process, parser: { kind: performance, metric: speed } }
repeats: 2
requires: { gpus: 8 }
metrics: { primary: speed }
`;

describe("work at the command line", () => {
  let server: TestServer;
  let anna: TestCli;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await joinedCli(server, "anna");
    await writeFile(join(anna.home, "two.yaml"), TWO);
    await writeFile(join(anna.home, "one.yaml"), TWO.replace("[1, 2]", "[4]"));
    expect((await anna.run("sweep", "run", "two.yaml", "--json")).code).toBe(0);
  });
  afterAll(async () => {
    await anna.remove();
    await server.stop();
  });

  it("lists cells and runs with their place in the matrix, and says why they wait", async () => {
    const cells = await anna.run("cell", "ls", "by-hand");
    expect(cells.stdout).toMatch(/^[0-9a-f]{12}\tthreads=1\tprocess\t\t8\tmeasure 1\n/);
    const runs = await anna.run("run", "ls", "by-hand");
    expect(runs.stdout.split("\n")[1]).toMatch(/\tqueued\t.*\tthreads=2\t1\t$/);
    const shown = await anna.run("sweep", "show", "by-hand");
    expect(shown.stdout).toContain("waiting\t2 queued: no node has registered\n");
  });

  it("claims, renews, completes and fails runs by hand", async () => {
    const first = (await anna.run("cell", "claim", "--sweep", "by-hand", "--json")).json<Claimed>();
    const session = first.session?.id ?? "";
    expect(first.session?.runs[0]?.cell.axes).toEqual({ threads: 1 });
    const renewed = await anna.run("cell", "renew", session, "--ttl", "2h", "--json");
    expect(renewed.json()).toMatchObject({ id: session, lease: { ttlMs: 7_200_000 } });
    expect((await anna.run("cell", "renew", session)).stdout).not.toMatch(/^metric\t$/m);
    const samples = ["--sample", "speed=1.5 GB/s", "--sample", "speed=1.7 GB/s"];
    const wrong = await anna.run("cell", "complete", session, "--sample", "speed=fast", "--json");
    expect(wrong.code).toBe(2);
    const done = await anna.run("cell", "complete", session, ...samples, "--json");
    expect(done).toMatchObject({ code: 0 });
    expect(done.json()).toMatchObject({ state: "succeeded", accepted: true });

    const second = await anna.run("cell", "claim");
    expect(second.stdout).toContain("metric\tspeed\n");
    const other = /^session\t(\S+)$/m.exec(second.stdout)?.[1] ?? "";
    const failed = await anna.run("cell", "fail", other, "-m", "exit code 1", "--json");
    expect(failed).toMatchObject({ code: 0 });
    expect(failed.json()).toMatchObject({ state: "failed", accepted: true });
    const nothing = await anna.run("cell", "claim", "--json");
    expect(nothing).toMatchObject({ code: 0, stdout: '{"session":null}\n' });
    const unknown = await anna.run(
      "cell",
      "complete",
      "00000000-0000-7000-8000-000000000000",
      ...samples,
    );
    expect(unknown.code).toBe(4);
  });

  it("runs a file of one cell, and no other", async () => {
    const two = await anna.run("cell", "run", "two.yaml", "--json");
    expect(two).toMatchObject({ code: 2 });
    expect(two.json()).toMatchObject({ message: "two.yaml makes 2 cells, not one" });
    expect((await anna.run("cell", "run", "one.yaml", "--json")).json()).toMatchObject({
      states: { queued: 1 },
    });
    const session = (await anna.run("cell", "claim", "--json")).json<Claimed>().session?.id ?? "";
    const report = JSON.stringify({
      samples: [{ repeat: 1, metric: "speed", value: 3, unit: "GB/s" }],
    });
    const half = await anna.runWith({ input: report }, "cell", "complete", session, "-f", "-");
    // One value for two repeats is no result; the claim goes on.
    expect(half).toMatchObject({ code: 2, stdout: "" });
    expect(half.stderr).toContain('no value of "speed" for repeat 2');
    const none = { input: JSON.stringify({ outcome: "failed", message: "exit code 1" }) };
    const failed = await anna.runWith(none, "cell", "complete", session, "-f", "-");
    expect(failed.code).toBe(7);
    expect(failed.stdout).toContain("state\tfailed");
  });

  it("writes a report in the form that the file's suffix stands for, and in no other", async () => {
    const [first] = (await anna.run("sweep", "ls", "--json")).json<{
      sweeps: { sweep: string }[];
    }>().sweeps;
    const sweep = first?.sweep ?? "";
    const pdf = await anna.run("report", sweep, "-o", "r.pdf", "--json");
    expect(pdf.code).toBe(2);
    expect(pdf.json()).toMatchObject({ next: expect.stringContaining(".json, .md, .txt") });
    expect((await anna.run("report", sweep, "-o", "r.md")).code).toBe(0);
    expect(await readFile(join(anna.home, "r.md"), "utf8")).toMatch(/^# Report of sweep/);
    expect((await anna.run("report", sweep, "-o", "R.JSON")).code).toBe(0);
    expect(JSON.parse(await readFile(join(anna.home, "R.JSON"), "utf8"))).toMatchObject({
      version: 1,
    });
    expect((await anna.run("report", sweep, "-o", "r.pdf", "--format", "text")).code).toBe(0);
  });

  it("says of a sweep whose end is no longer waited for how to follow and to end it", async () => {
    const child = anna.start("sweep", "run", "one.yaml", "--wait");
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said).toContain("0 of 1 run ended");
    const ended = once(child, "exit");
    child.kill("SIGINT");
    expect(await ended).toEqual([null, "SIGINT"]);
    const [, id = ""] = /goes on; follow it: gridpost sweep watch (\S+);/.exec(said) ?? [];
    expect(said).toContain(`; end it: gridpost sweep cancel ${id}\n`);
    expect((await anna.run("sweep", "cancel", id)).code).toBe(0);
  });

  it("names the runs that a sweep has left without a result by the state that they have", async () => {
    const child = anna.start("sweep", "run", "one.yaml", "--wait");
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => said).toContain("0 of 1 run ended");
    const ended = once(child, "exit");
    await anna.run("sweep", "cancel", "by-hand");
    expect(await ended).toEqual([7, null]);
    expect(said).toMatch(/^next: gridpost run ls \S+ --state cancelled$/m);
  });
});
