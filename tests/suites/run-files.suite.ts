import { describe, expect, it } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import type { Driver } from "../support/drivers.ts";
import { type Fleet, must, sweepOf, useFleet } from "../support/fleet.ts";

/** What the files around a run do on every driver: its input, its evidence and its log. */
export function runFilesSuite(driver: Driver): void {
  describe(`files on ${driver.name}`, () => {
    const fleet = useFleet(driver);
    describe("the files around a run", () => files(fleet));
  });
}

function files(fleet: () => Fleet): void {
  const content = Buffer.from("console.log(1)").toString("base64");
  const hash = sha256(Buffer.from(content, "base64"));

  it("reach the node that runs the cell, and change the cell's identity", async () => {
    const { caller, node } = fleet();
    const anna = caller("user:anna");
    const cell = { command: ["${files}/k.mjs"], files: ["k.mjs"], runtime: "process" as const };
    const sweep = sweepOf(1, { cell });
    await expect(anna.submitSweep({ body: { sweep } })).rejects.toMatchObject({
      details: [{ path: "cell.files.0" }],
    });
    await anna.submitSweep({ body: { sweep, files: [{ path: "k.mjs", content }] } });
    const n1 = await node("n1");
    const session = must(await n1.take());
    expect(session.runs[0]?.cell.files).toEqual([{ path: "k.mjs", sha256: hash, size: 14 }]);
    const attempt = session.runs[0]?.attempt.id ?? "";
    expect(await n1.cellFile({ params: { attempt, sha256: hash } })).toMatchObject({ content });
    const other = n1.cellFile({ params: { attempt, sha256: sha256("other") } });
    await expect(other).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("back a result only with the bytes that their hash names", async () => {
    const { submit, node, blobs } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const attempt = session.runs[0]?.attempt.id ?? "";
    const evidence = [{ name: "log.txt", sha256: hash, size: 14 }];
    await expect(n1.finish(session, { evidence })).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    const wrong = n1.putEvidence({ params: { attempt, sha256: hash }, body: { content: "eA==" } });
    await expect(wrong).rejects.toMatchObject({ code: "UNPROCESSABLE" });
    await n1.putEvidence({ params: { attempt, sha256: hash }, body: { content } });
    expect(await blobs.has(hash)).toBe(true);
    expect((await n1.finish(session, { evidence })).accepted).toBe(true);
  });

  it("stream the log while it runs: known bytes are skipped, the middle is dropped, the rest is kept", async () => {
    const { submit, node, caller } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const params = { attempt: session.runs[0]?.attempt.id ?? "" };
    const run = session.runs[0]?.attempt.run ?? "";
    const append = async (offset: number, text: string): Promise<number> =>
      (await n1.appendLog({ params, body: { offset, text } })).next;
    const logs = (after = 0) => caller("user:anna").runLogs({ params: { run }, query: { after } });
    expect(await append(0, "hellö ")).toBe(7);
    expect(await append(0, "hellö world")).toBe(12);
    expect(await append(5, "x")).toBe(12);
    expect(await logs()).toMatchObject({ text: "hellö world", next: 12, done: false });
    expect(await logs(7)).toMatchObject({ text: "world", next: 12 });
    const block = "x".repeat(200_000);
    let next = 12;
    for (let i = 0; i < 12; i += 1) next = await append(next, block);
    let text = "";
    for (let after = 0, page = await logs(0); after < next; page = await logs(after)) {
      text += page.text;
      after = page.next;
    }
    expect(text.startsWith("hellö world")).toBe(true);
    expect(text).toMatch(/\n\[\d+ bytes dropped\]\n/);
    expect(text.length).toBeLessThan(1_700_000);
    await n1.finish(session);
    expect(await logs(0)).toMatchObject({ done: false });
    expect(await logs(next)).toMatchObject({ text: "", done: true });
  });

  it("have the log of an ended run, which is read from there to its end by pages of whole characters", async () => {
    const { submit, node, caller } = fleet();
    await submit(1);
    const n1 = await node("n1");
    const session = must(await n1.take());
    const { id: attempt = "", run = "" } = session.runs[0]?.attempt ?? {};
    const log = `begin ${"ö".repeat(400_000)} end`;
    const bytes = Buffer.from(log);
    const hash = sha256(bytes);
    await n1.appendLog({ params: { attempt }, body: { offset: 0, text: "begin [… the rest]" } });
    const content = bytes.toString("base64");
    await n1.putEvidence({ params: { attempt, sha256: hash }, body: { content } });
    const evidence = [{ name: "log.txt", sha256: hash, size: bytes.length }];
    await n1.finish(session, { evidence });
    const page = (after: number) =>
      caller("user:anna").runLogs({ params: { run }, query: { after } });
    let text = "";
    let part = await page(0);
    for (; !part.done; part = await page(part.next)) text += part.text;
    expect(text).toBe(log);
    expect(part.next).toBe(bytes.length);
  });
}
