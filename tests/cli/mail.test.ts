import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fileNames } from "../../agent-cli/attachments.ts";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

interface Sent {
  id: string;
  thread: string;
  recipients: { agent: string; seq: number }[];
}

let server: TestServer;
let anna: TestCli;
let bert: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  [anna, bert] = await Promise.all([joinedCli(server, "anna"), joinedCli(server, "bert")]);
  await Promise.all([anna.run("agent", "register", "blue"), bert.run("agent", "register", "red")]);
});

afterAll(async () => {
  await Promise.all([anna.remove(), bert.remove()]);
  await server.stop();
});

describe("mail at the command line", () => {
  it("carries files", async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 254]);
    await writeFile(join(anna.home, "data.bin"), bytes);
    const sent = await anna.run("send", "red", "-s", "Data", "--attach", "data.bin", "--json");
    expect(sent.code).toBe(0);
    const [to] = sent.json<Sent>().recipients;
    const read = await bert.run("read", String(to?.seq), "--save", "files", "--json");
    expect(read.json()).toMatchObject({ attachments: [{ name: "data.bin", size: 5 }] });
    expect(await readFile(join(bert.home, "files/data.bin"))).toEqual(bytes);
    const again = await bert.run("read", String(to?.seq), "--save", "files");
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringMatching(
        /gridpost: cannot write files\/data\.bin: there is a file of this name already\n/,
      ),
    ]);
    expect((await anna.run("send", "red", "-s", "x", "--attach", "nowhere")).code).toBe(2);
  });

  it("says where a list goes on that has more than it shows", async () => {
    for (const n of [1, 2, 3])
      await anna.run("send", "blue", "-s", `Part ${n}`, "-b", "x", "--thread", "parts");
    const list = ["thread", "parts", "--limit", "2"];
    const first = await anna.run(...list, "--as", "blue");
    expect(first.stdout.match(/^Subject: .*$/gm)).toEqual(["Subject: Part 1", "Subject: Part 2"]);
    const [, cursor = ""] =
      /^more: the same command with --after (\S+)\n$/.exec(first.stderr) ?? [];
    const rest = await anna.run(...list, "--after", cursor, "--as", "blue");
    expect(rest.stdout).toContain("Subject: Part 3");
    expect(rest.stderr).toBe("");
    expect((await anna.run(...list, "--as", "blue", "--json")).stderr).toBe("");
  });

  it("says until when an acknowledgement is waited for", async () => {
    const asked = ["--ack", "--ack-within", "2h"];
    const sent = await anna.run("send", "red", "-s", "Soon", "-b", "x", ...asked, "--json");
    const seq = String(sent.json<Sent>().recipients[0]?.seq);
    const { ackDueAt } = (await bert.run("read", seq, "--json")).json<{ ackDueAt: string }>();
    expect((await bert.run("read", seq)).stdout).toContain(`\nAck: requested, due ${ackDueAt}\n`);
  });

  it("saves a file whose name is no file's by its hash", () => {
    const names = [".", "..", "x/..", ".env"];
    const files = names.map((name, i) => ({ name, sha256: `hash-${i}` }));
    expect(fileNames(files)).toEqual(["hash-0", "hash-1", "hash-2", ".env"]);
  });

  it("saves two files of one name under two names", async () => {
    for (const folder of ["one", "two"]) {
      await mkdir(join(anna.home, folder));
      await writeFile(join(anna.home, folder, "run.csv"), folder);
    }
    const files = ["--attach", "one/run.csv", "--attach", "two/run.csv"];
    const sent = await anna.run("send", "red", "-s", "Twice", ...files, "--json");
    const seq = String(sent.json<Sent>().recipients[0]?.seq);
    expect((await bert.run("read", seq, "--save", "twice")).code).toBe(0);
    expect(await readFile(join(bert.home, "twice/run.csv"), "utf8")).toBe("one");
    expect(await readFile(join(bert.home, "twice/run-2.csv"), "utf8")).toBe("two");
  });

  it("carries a block for programs, and refuses what is none", async () => {
    const payload = { kind: "build.result", data: { ok: true, sizes: [1, 2] } };
    const send = (input: string) =>
      anna.runWith(
        { input },
        "send",
        "red",
        "-s",
        "Built",
        "-b",
        "See.",
        "--payload",
        "-",
        "--json",
      );
    const sent = (await send(JSON.stringify(payload))).json<Sent>();
    const seq = String(sent.recipients[0]?.seq);
    expect((await bert.run("read", seq, "--json")).json()).toMatchObject({ payload });
    expect((await bert.run("read", seq)).stdout).toContain('See.\n\nbuild.result: {\n  "ok": true');
    for (const wrong of ["{", '{"kind":"Build it","data":{}}', '{"data":{}}', "[]"])
      expect((await send(wrong)).code, wrong).toBe(2);
  });

  it("asks in a reply for what the message asked for, unless told not to", async () => {
    const sent = (await anna.run("send", "red", "-s", "Sure?", "--ack", "--json")).json<Sent>();
    const reply = async (...options: string[]) => {
      const replied = await bert.run("reply", sent.id, "-b", "Yes.", ...options, "--json");
      return (await anna.run("read", replied.json<Sent>().id, "--json")).json();
    };
    expect(await reply()).toMatchObject({ ackRequired: true });
    expect(await reply("--no-ack")).toMatchObject({ ackRequired: false });
  });

  it("goes to several with commas, too, and takes no file that is no text", async () => {
    const sent = await anna.run("send", "red,blue", "-s", "Both", "--json");
    expect(sent.json<Sent>().recipients).toHaveLength(2);
    await writeFile(join(anna.home, "latin1.md"), Buffer.from([0x61, 0xff]));
    const refused = await anna.run("send", "red", "-s", "x", "-f", "latin1.md");
    expect([refused.code, refused.stderr]).toEqual([
      2,
      "gridpost: latin1.md is no text in UTF-8\nnext: convert it to UTF-8; a message carries other files with --attach\n",
    ]);
  });

  it("is followed by the agent that --as names after the verb", async () => {
    const sent = (await anna.run("send", "red", "-s", "Follow", "--json")).json<Sent>();
    const followed = await anna.run("thread", "follow", sent.thread, "--as", "blue", "--json");
    expect(followed.json()).toMatchObject({ thread: sent.thread, following: "follow" });
    const nobody = await anna.run("thread", "follow", sent.thread, "--as", "nobody", "--json");
    expect(nobody.json()).toMatchObject({ code: expect.stringMatching(/FORBIDDEN|NOT_FOUND/) });
  });

  it("says in words of the command line what is wrong with an argument", async () => {
    const refused = await anna.run("release", "nosuch", "--as", "blue");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toBe(
      "gridpost: lease: must be a whole id, as the lists show it with --json\nnext: gridpost release --help\n",
    );
  });

  it("goes to groups and comes back as receipts", async () => {
    expect((await anna.run("group", "create", "perf", "blue", "red")).code).toBe(0);
    const sent = (await anna.run("send", "@perf", "-s", "All", "--json")).json<Sent>();
    const receipts = await anna.run("receipts", sent.id, "--json");
    expect(receipts.json()).toMatchObject({
      id: sent.id,
      receipts: expect.arrayContaining([expect.objectContaining({ agent: "red", readAt: null })]),
    });
    const [params, policy] = [{ project: "default", name: "shut" }, "closed" as const];
    await server.admin.asAgent("shut");
    await server.admin.client.mailbox.setPolicy({ params, body: { policy } });
    await anna.run("group", "add", "perf", "shut");
    const { id } = (await anna.run("send", "@perf", "-s", "All", "--json")).json<Sent>();
    expect((await anna.run("receipts", id)).stdout).toMatch(/^shut\tnot: policy\t/m);
    expect(
      (await anna.run("group", "remove", "perf", "red", "shut", "--json")).json(),
    ).toMatchObject({
      members: ["blue"],
    });
  });

  it("is let in by the owner of an agent", async () => {
    await bert.run("agent", "policy", "red", "contacts");
    const refused = await anna.run("send", "red", "-s", "Hello", "--json");
    expect(refused.code).toBe(5);
    expect((await anna.run("contact", "request", "red", "--reason", "work")).code).toBe(0);
    expect((await bert.run("contact", "ls", "--json")).json()).toMatchObject({
      contacts: [{ agent: "red", peer: "blue", state: "pending", reason: "work" }],
    });
    expect((await bert.run("contact", "approve", "blue")).code).toBe(0);
    expect((await anna.run("send", "red", "-s", "Hello")).code).toBe(0);
    await bert.run("agent", "policy", "red", "open");
  });

  it("goes to no thread whose id is a word of the command line", async () => {
    for (const word of ["follow", "unfollow", "mute", "digest", "export"]) {
      const sent = await anna.run("send", "red", "-s", "Plan", "--thread", word, "--json");
      expect(sent.code, word).toBe(2);
      expect(sent.stdout).toContain("not follow, unfollow, mute, digest or export");
    }
  });

  it("is summed up, exported, followed and muted by thread", async () => {
    const body = "DECISION: use bf16\n- [ ] measure again";
    await anna.run("send", "red", "-s", "Plan", "-b", body, "--thread", "plan-1");
    const digest = await bert.run("thread", "digest", "plan-1", "--json");
    expect(digest.json()).toMatchObject({
      thread: "plan-1",
      decisions: [{ from: "blue" }],
      open: [{ from: "blue" }],
    });
    const markdown = await bert.run("thread", "export", "plan-1", "--format", "md");
    expect(markdown.stdout).toContain("DECISION: use bf16");
    expect((await bert.run("thread", "mute", "plan-1", "--json")).json()).toEqual({
      thread: "plan-1",
      following: "mute",
    });
    expect((await bert.run("thread", "plan-1", "--json")).json()).toMatchObject({
      thread: "plan-1",
      messages: [{ body }],
    });
  });
});

describe("gridpost watch", () => {
  it("runs its command for every message, in order, over failures and kills", async () => {
    const log = join(bert.home, "seen");
    await bert.run("agent", "register", "watcher");
    const as = ["--as", "watcher"];
    await anna.run("send", "watcher", "-s", "one", "-b", "first");
    await anna.run("send", "watcher", "-s", "two");

    // Fails at its first try of "two"; is then killed while it waits to try again.
    const command = `
      printf '%s %s %s %s\\n' "$GRIDPOST_MESSAGE_SEQ" "$GRIDPOST_MESSAGE_FROM" "$GRIDPOST_MESSAGE_SUBJECT" "$(cat | grep -c first)" >> seen
      [ "$GRIDPOST_MESSAGE_SUBJECT" != two ] || [ -e retry ] || { touch retry; exit 1; }`;
    const first = bert.start("watch", ...as, "--exec", command);
    const lines = async (): Promise<string[]> =>
      (await readFile(log, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
    await expect.poll(lines).toEqual(["1 blue one 1", "2 blue two 0"]);
    first.kill("SIGKILL");
    await once(first, "close");

    await anna.run("send", "watcher", "-s", "three");
    const second = bert.start("watch", ...as, "--exec", command);
    await expect
      .poll(lines)
      .toEqual(["1 blue one 1", "2 blue two 0", "2 blue two 0", "3 blue three 0"]);
    await anna.run("send", "watcher", "-s", "four");
    await expect.poll(async () => (await lines()).at(-1)).toBe("4 blue four 0");
    second.kill("SIGTERM");
    await once(second, "close");
  });

  it("prints without taking a message from the watch that runs commands", async () => {
    await bert.run("agent", "register", "looked-at");
    const as = ["--as", "looked-at"];
    await anna.run("send", "looked-at", "-s", "one");
    const printing = bert.start("watch", ...as, "--json");
    let printed = "";
    printing.stdout?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    await anna.run("send", "looked-at", "-s", "two");
    await expect.poll(() => printed.split("\n")).toHaveLength(3);
    printing.kill("SIGTERM");
    await once(printing, "close");

    const command = "echo $GRIDPOST_MESSAGE_SUBJECT >> looked";
    const running = bert.start("watch", ...as, "--exec", command);
    const ran = () => readFile(join(bert.home, "looked"), "utf8").catch(() => "");
    await expect.poll(ran).toBe("one\ntwo\n");
    running.kill("SIGTERM");
    await once(running, "close");
  });

  it("runs commands once at a time for an inbox, in whatever case it is named, and says who does; one that was killed is in nobody's way", async () => {
    await bert.run("agent", "register", "guarded");
    const start = (name = "guarded") =>
      bert.start("watch", "--as", name, "--exec", "echo $GRIDPOST_MESSAGE_SUBJECT >> guarded");
    const ran = () => readFile(join(bert.home, "guarded"), "utf8").catch(() => "");
    await anna.run("send", "guarded", "-s", "one");
    const first = start();
    await expect.poll(ran).toBe("one\n");
    const second = start("Guarded");
    let said = "";
    second.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await expect.poll(() => second.exitCode).toBe(3);
    await expect
      .poll(() => said)
      .toContain(`process ${first.pid} runs commands for the inbox of Guarded already`);

    first.kill("SIGKILL");
    await once(first, "close");
    await anna.run("send", "guarded", "-s", "two");
    const third = start();
    await expect.poll(ran).toMatch(/^(one\n)+two\n$/);
    third.kill("SIGTERM");
    await once(third, "close");
  });
});
