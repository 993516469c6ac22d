import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunningDaemon } from "../../daemon/main.ts";
import { eventually } from "../support/eventually.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { evidence, finished, makeNode, submit, sweepOf, type TestNode } from "./support.ts";

describe.runIf(process.platform === "linux")("a daemon with the process runtime", () => {
  let server: TestServer;
  let node: TestNode;
  let daemon: RunningDaemon;

  beforeAll(async () => {
    server = await startTestServer();
    node = await makeNode(server, "n1", { allowProcess: true });
    daemon = await node.start();
  });
  afterAll(async () => {
    await daemon.stop();
    await node.remove();
    await server.stop();
  });

  /** The report of the last attempt of a sweep of one run. */
  async function reportOf(script: string, more: Parameters<typeof sweepOf>[1] = {}) {
    const { view, runs } = await finished(server, await submit(server, sweepOf(script, more)));
    const { attempts = [] } = runs[0] ?? {};
    return { states: view.states, attempts: attempts.length, report: attempts.at(-1)?.report };
  }

  it("runs warm-ups and repeats in order and delivers one result with its evidence", async () => {
    const sweep = await submit(
      server,
      sweepOf("cat ${files}/lib/say.txt; echo performance: 12.5 GB/s; echo x > ${out}/table", {
        repeats: 2,
        warmup: 1,
        cell: { files: ["lib/say.txt"] },
      }),
      [{ path: "lib/say.txt", content: Buffer.from("hello\n").toString("base64") }],
    );
    const { view, runs } = await finished(server, sweep);
    expect(view.states).toEqual({ succeeded: 1 });
    const report = runs[0]?.attempts[0]?.report;
    expect(report).toMatchObject({ outcome: "ok", runtime: "process", image: null });
    expect(report?.executions.map(({ repeat, exitCode }) => [repeat, exitCode])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(report?.samples.map(({ repeat, value, unit }) => [repeat, value, unit])).toEqual([
      [1, 12.5, "GB/s"],
      [2, 12.5, "GB/s"],
    ]);
    expect(report?.evidence.map(({ name }) => name)).toEqual([
      "log.txt",
      "config.json",
      "repeat-1/table",
      "repeat-2/table",
    ]);
    expect(report?.environment).toMatchObject({ runtime: "process", node: "n1" });
    expect(report?.environment["cpu"]).not.toBe("");
  });

  it("ends what a command has left running before it reads its files, so that they are what was hashed", async () => {
    const { report } = await reportOf(
      "(while :; do echo x; done) > ${out}/f & sleep 0.1; echo performance: 5 x",
    );
    expect(report).toMatchObject({ outcome: "ok" });
    const file = report?.evidence.find(({ name }) => name === "repeat-1/f");
    expect(await evidence(server, file?.sha256)).toHaveLength(file?.size ?? 0);
  });

  it("reads a result file, and refuses one that is missing, older than its execution, or a link", async () => {
    const cell = { parser: { kind: "json", file: "r.json" } };
    const good = await reportOf(`echo '{"speed": {"value": 2, "unit": "s"}}' > \${out}/r.json`, {
      cell,
    });
    expect(good.report?.samples).toMatchObject([{ metric: "speed", value: 2, unit: "s" }]);
    expect((await reportOf("true", { cell })).report).toMatchObject({
      outcome: "failed",
      message: expect.stringContaining("no regular file r.json"),
    });
    const old = "echo '{\"speed\": 1}' > ${out}/r.json; touch -d '2020-01-01' ${out}/r.json";
    expect((await reportOf(old, { cell })).report).toMatchObject({
      outcome: "failed",
      message: expect.stringContaining("older than the start"),
    });
    const link = "echo '{\"speed\": 1}' > ${out}/x; ln -s x ${out}/r.json";
    expect((await reportOf(link, { cell })).report?.message).toContain("no regular file");
  });

  it("says how many files of all repeats did not become evidence", async () => {
    const script = "for i in $(seq 20); do echo $i >${out}/f$i; done; echo performance: 1 x";
    const { report } = await reportOf(script, { warmup: 1, repeats: 2 });
    expect(report?.evidence).toHaveLength(2 + 2 * 16);
    expect(report?.environment["evidenceLeftOut"]).toBe("8");
  });

  it("delivers a result whatever its files are called and however long a mistake in them is", async () => {
    const long = `d=\${out}/$(printf 'x%.0s' $(seq 150)); mkdir $d; echo > $d/$(printf 'y%.0s' $(seq 150))`;
    const { report } = await reportOf(`${long}; echo performance: 1 x`);
    expect(report).toMatchObject({ outcome: "ok", samples: [{ value: 1 }] });
    const table = "(echo metric,value; printf speed,; printf 'z%.0s' $(seq 9000)) > ${out}/t.csv";
    const wrong = await reportOf(table, { cell: { parser: { kind: "csv", file: "t.csv" } } });
    expect(wrong.report).toMatchObject({
      outcome: "failed",
      message: expect.stringContaining("is not a number"),
    });
  });

  it("decides by exit code and values, not by words", async () => {
    expect((await reportOf("echo FAILED; echo performance: 1 x")).states).toEqual({ succeeded: 1 });
    expect((await reportOf("echo performance: 1 x; exit 3")).report).toMatchObject({
      outcome: "failed",
      message: "repeat 1: exit code 3",
      samples: [],
    });
    expect((await reportOf("echo all is well")).report).toMatchObject({ outcome: "failed" });
    const missing = await reportOf("", { cell: { command: ["/no/such/command"] } });
    expect(missing.report).toMatchObject({
      outcome: "failed",
      message: expect.stringContaining("no such command"),
    });
  });

  it("does not blame the benchmark when somebody else has ended it", async () => {
    expect((await reportOf("echo performance: 1 x; kill -TERM $$")).report).toMatchObject({
      outcome: "invalid",
      message: expect.stringContaining("ended by SIGTERM, which this daemon did not send"),
      samples: [],
    });
    expect((await reportOf("kill -SEGV $$")).report).toMatchObject({
      outcome: "failed",
      message: "repeat 1: exit code 139: ended by signal 11",
    });
  });

  it("ends a run that takes too long or falls silent, with its children", async () => {
    const phases = (run: object) => ({ phases: { run, stop: { timeout: "500ms" } } });
    const late = await reportOf("while :; do echo tick; sleep 0.2; done", {
      cell: phases({ timeout: "1s" }),
    });
    expect(late.report).toMatchObject({ outcome: "timed_out" });
    const silent = await reportOf("trap '' TERM; setsid sleep 100 & sleep 100", {
      cell: phases({ timeout: "60s", silence: "1s" }),
    });
    expect(silent.report).toMatchObject({
      outcome: "silent",
      message: "repeat 1: printed nothing for 1 s",
    });
  });

  it("ends a run whose sweep is cancelled", async () => {
    const sweep = await submit(
      server,
      sweepOf("trap '' TERM; sleep 100", { cell: { phases: { stop: { timeout: "300ms" } } } }),
    );
    const params = { project: "default", sweep: sweep.sweep };
    const { cells } = server.admin.client;
    await eventually(async () =>
      (await cells.sweep({ params })).states.running === 1 ? true : undefined,
    );
    await cells.cancelSweep({ params, body: {} });
    await eventually(async () => {
      const { nodes } = await server.admin.client.nodes.nodes({});
      return nodes[0]?.running === 0 ? true : undefined;
    });
    expect((await finished(server, sweep)).view.states).toEqual({ cancelled: 1 });
    expect((await reportOf("echo performance: 1 x")).states).toEqual({ succeeded: 1 });
  });

  it("takes work again as soon as it need not drain any more", async () => {
    const params = { node: "n1" };
    await reportOf("echo performance: 1 GB/s");
    await server.admin.client.nodes.drain({ params });
    // Anew, so that it knows at once.
    await daemon.stop();
    daemon = await node.start();
    const sweep = await submit(server, sweepOf("echo performance: 1 GB/s"));
    // Its stream is open by then; its next beat is due 12 s after its first at the earliest.
    await sleep(1_500);
    await server.admin.client.nodes.resume({ params });
    const before = performance.now();
    expect((await finished(server, sweep)).view.states).toEqual({ succeeded: 1 });
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it("keeps secrets out of the log that is sent and the log that is stored", async () => {
    // Shorter than what the server refuses to put on record.
    const secret = randomBytes(7).toString("hex");
    const sweep = await submit(
      server,
      sweepOf(
        "echo token=$API_TOKEN; printf %s $API_TOKEN | base64; for c in $(echo $API_TOKEN | fold -w 5); do printf %s $c; sleep 0.1; done; echo; echo performance: 1 x",
        { cell: { env: { API_TOKEN: secret } } },
      ),
    );
    const { runs } = await finished(server, sweep);
    const [run] = runs;
    const { text } = await server.admin.client.cells.runLogs({
      params: { project: "default", run: run?.id ?? "" },
    });
    const log = run?.attempts[0]?.report?.evidence.find(({ name }) => name === "log.txt");
    const stored = await evidence(server, log?.sha256);
    for (const where of [text, stored]) {
      expect(where).toContain("token=[redacted]");
      expect(where).not.toContain(secret);
      expect(where).not.toContain(Buffer.from(secret).toString("base64").slice(0, 16));
    }
  });

  it("carries out many runs side by side without a word of a leak", async () => {
    const warnings: string[] = [];
    const note = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", note);
    const wide = await makeNode(server, "wide", { allowProcess: true, slots: 6 });
    const running = await wide.start();
    const sweep = sweepOf("sleep 1; echo performance: 1 GB/s", { blocks: 8 });
    const { view } = await finished(server, await submit(server, sweep));
    await running.stop();
    await wide.remove();
    process.off("warning", note);
    expect(view.states).toEqual({ succeeded: 8 });
    expect(warnings).toEqual([]);
  });

  it("keeps the name that it joined under, also in its results", async () => {
    const labels = { kept: "name" };
    const kept = await makeNode(server, "kept", { allowProcess: true, labels });
    await (await kept.start()).stop();
    Object.assign(kept.options, { name: "other" });
    const running = await kept.start();
    const { report } = await reportOf("echo performance: 1 x", { requires: { labels } });
    await running.stop();
    await kept.remove();
    expect(report?.environment["node"]).toBe("kept");
  });

  it("comes back after it was revoked, with a new token and not with an old one", async () => {
    const { identity, nodes } = server.admin.client;
    const sold = await makeNode(server, "sold", { allowProcess: true });
    const stateOf = async (): Promise<string> =>
      (await nodes.node({ params: { node: "sold" } })).state;
    const key = (): Promise<string> => readFile(join(sold.data, "key.json"), "utf8");
    const before = await sold.start();
    await expect.poll(() => stateOf().catch(() => "unknown")).toBe("ready");
    await before.stop();
    const first = await key();
    await identity.revokePrincipal({
      params: { principal: "node:sold" },
      body: { reason: "a test" },
    });
    await (await sold.start()).stop();
    expect([await stateOf(), await key()]).toEqual(["revoked", first]);
    const { token } = await identity.createToken({ body: { kind: "node", name: "sold" } });
    await writeFile(sold.options.tokenFile ?? "", token);
    const running = await sold.start();
    await expect.poll(stateOf).toBe("ready");
    expect(await key()).not.toBe(first);
    await running.stop();
    await (await sold.start()).stop();
    expect((await readdir(sold.data)).filter((name) => name.includes("refused"))).toHaveLength(1);
    await sold.remove();
  });

  it("refuses a second daemon on its folder", async () => {
    await expect(node.start()).rejects.toThrow(/in use by another process/);
  });
});
