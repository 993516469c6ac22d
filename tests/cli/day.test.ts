import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

interface Sent {
  id: string;
  thread: string;
  recipients: { agent: string; seq: number }[];
}
interface Inbox {
  messages: {
    id: string;
    seq: number;
    from: string;
    subject: string;
    thread: string;
    readAt: string | null;
    ackedAt: string | null;
  }[];
  next: number;
  more: boolean;
}

let server: TestServer;
let anna: TestCli;
let bert: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  [anna, bert] = await Promise.all([joinedCli(server, "anna"), joinedCli(server, "bert")]);
});

afterAll(async () => {
  await Promise.all([anna.remove(), bert.remove()]);
  await server.stop();
});

describe("a day of two users at the command line", () => {
  it("registers agents in the project and names the one that acts", async () => {
    const blue = await anna.run("agent", "register", "blue", "--program", "codex", "--json");
    expect(blue.code).toBe(0);
    expect(blue.json()).toMatchObject({ name: "blue", project: "default", program: "codex" });
    expect((await bert.run("agent", "register", "red", "--json")).code).toBe(0);

    const empty = await anna.run("inbox", "--json");
    expect(empty).toMatchObject({ code: 0, stderr: "acting as blue\n" });
    expect(empty.json()).toEqual({ messages: [], next: 0, more: false });
  });

  it("sends, lists, reads, replies and acknowledges", async () => {
    const sent = await anna.run("send", "red", "-s", "Matrix", "-b", "Done.", "--ack", "--json");
    expect(sent.code).toBe(0);
    const { id, thread, recipients } = sent.json<Sent>();
    expect(recipients).toEqual([{ agent: "red", seq: 1 }]);
    expect(thread).toBe(id);

    const inbox = (await bert.run("inbox", "--json")).json<Inbox>();
    expect(inbox.messages).toMatchObject([
      { id, seq: 1, from: "blue", subject: "Matrix", thread, readAt: null, ackedAt: null },
    ]);
    expect(inbox.next).toBe(1);

    const peeked = (await bert.run("read", "1", "--peek", "--json")).json<Inbox["messages"][0]>();
    expect(peeked.readAt).toBeNull();
    const read = await bert.run("read", "1", "--json");
    expect(read.json()).toMatchObject({ id, body: "Done.", to: ["red"], cc: [] });
    expect(read.json<Inbox["messages"][0]>().readAt).not.toBeNull();

    const reply = await bert.runWith({ input: "On it.\n" }, "reply", "1", "-f", "-", "--json");
    expect(reply.json<Sent>()).toMatchObject({ thread, recipients: [{ agent: "blue", seq: 1 }] });
    expect((await bert.run("ack", "1", "--json")).json()).toMatchObject({ id });

    const whole = (await anna.run("thread", thread, "--as", "blue", "--json")).json<{
      messages: { from: string; body: string }[];
    }>();
    expect(whole.messages.map(({ from, body }) => [from, body])).toEqual([
      ["blue", "Done."],
      ["red", "On it.\n"],
    ]);
  });

  it("prints tab-separated lines without a header into a pipe", async () => {
    const { stdout, code } = await bert.run("inbox");
    expect(code).toBe(0);
    const [seq, mark, from, subject] = stdout.trimEnd().split("\t");
    expect([seq, mark, from, subject]).toEqual(["1", "", "blue", "Matrix"]);
    expect(stdout.split("\n")).toHaveLength(2);
  });

  it("waits for mail and gives an empty page when none comes", async () => {
    const none = await bert.run("inbox", "--after", "1", "--wait", "200ms", "--json");
    expect(none.code).toBe(0);
    expect(none.json()).toEqual({ messages: [], next: 1, more: false });

    const waiting = bert.run("inbox", "--after", "1", "--wait", "20s", "--json");
    await anna.run("send", "red", "-s", "Wake up", "--json");
    expect((await waiting).json<Inbox>().messages).toMatchObject([{ seq: 2, subject: "Wake up" }]);
  });

  it("reserves, refuses a conflict with exit code 3 and who holds it, and releases", async () => {
    const reserve = ["reserve", "src/**", "--repo", "kernels", "--json"] as const;
    const held = await anna.run(...reserve, "--reason", "new kernel", "--ttl", "10m");
    expect(held.code).toBe(0);
    const lease = held.json<{
      id: string;
      fence: number;
      expiresAt: string;
      resources: unknown[];
    }>();
    expect(lease.fence).toBeGreaterThan(0);
    expect(lease.resources).toEqual([{ kind: "file", repo: "kernels", pattern: "src/**" }]);

    const refused = await bert.run(...reserve);
    expect(refused.code).toBe(3);
    expect(refused.json()).toMatchObject({
      code: "RESERVATION_CONFLICT",
      details: [{ pattern: "src/**", expiresAt: lease.expiresAt, reason: "new kernel" }],
    });
    const told = await bert.run("reserve", "src/a.ts", "--repo", "kernels");
    expect(told.code).toBe(3);
    expect(told.stdout).toBe("");
    expect(told.stderr).toMatch(/^(acting as red\n)?gridpost: .+/);

    const renewed = await anna.run("renew", lease.id, "--ttl", "20m", "--json");
    expect(renewed.json<typeof lease>().expiresAt > lease.expiresAt).toBe(true);
    expect((await bert.run("release", lease.id, "--json")).code).toBe(5);
    const leases = await bert.run("leases", "--json");
    expect(leases.json()).toMatchObject({ leases: [{ id: lease.id }], next: null });

    expect((await anna.run("release", "--all", "--json")).code).toBe(0);
    expect((await anna.run("leases", "--json")).json()).toEqual({ leases: [], next: null });
    expect((await bert.run(...reserve)).code).toBe(0);
  });

  it("makes a repeated command with one key one message", async () => {
    const send = ["send", "red", "-s", "Once", "--key", "k-1", "--json"] as const;
    const first = (await anna.run(...send)).json<Sent>();
    expect((await anna.run(...send)).json<Sent>()).toEqual(first);
    const other = await anna.run("send", "red", "-s", "Twice", "--key", "k-1", "--json");
    expect(other.code).toBe(2);
    expect(other.json()).toMatchObject({ code: "IDEMPOTENCY_MISMATCH" });
  });

  it("refuses a text that is too long with its size, however long it is", async () => {
    await writeFile(join(anna.home, "build.log"), "x".repeat(12_000_000));
    const lost = await anna.run("send", "blue", "-s", "Log", "-f", "build.log", "--as", "blue");
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining("12000000 bytes")]);
  });

  it("sends no message without the text that is piped in", async () => {
    const fed = { input: "the whole report" };
    const { next } = (await anna.run("inbox", "--as", "blue", "--json")).json<{ next: number }>();
    for (const send of [
      ["send", "blue", "-s", "Report"],
      ["reply", String(next)],
    ]) {
      const lost = await anna.runWith(fed, ...send, "--as", "blue");
      expect(lost.code).toBe(2);
      expect(lost.stderr).toContain("-f - sends what is piped in");
    }
    const inbox = ["inbox", "--after", String(next), "--as", "blue", "--json"];
    expect((await anna.run(...inbox)).json()).toMatchObject({ messages: [] });
    const empty = ["send", "blue", "-s", "Report", "--as", "blue"];
    expect((await anna.runWith(fed, ...empty, "-b", "")).code).toBe(0);
    const data = { input: '{"kind":"a.b","data":{}}' };
    expect((await anna.runWith(data, ...empty, "--payload", "-")).code).toBe(0);
    const silent = anna.start(...empty);
    expect((await once(silent, "close"))[0]).toBe(0);
  });
});
