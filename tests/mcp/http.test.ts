import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callTool, connectMcp } from "../support/mcp.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let anna: Member;
const open: Client[] = [];

beforeAll(async () => {
  server = await startTestServer();
  anna = server.admin;
});

afterAll(async () => {
  for (const client of open) await client.close();
  await server.stop();
});

const connect = (token: string, search = ""): Promise<Client> =>
  connectWith(`Bearer ${token}`, search);

async function connectWith(authorization: string, search = ""): Promise<Client> {
  const client = await connectMcp(`${server.url}/mcp${search}`, authorization);
  open.push(client);
  return client;
}

const asAgent = async (name: string): Promise<Client> => {
  await anna.asAgent(name);
  return connect(await anna.agentToken(name));
};

interface Page {
  readonly messages: readonly { readonly seq: number }[];
  readonly next: number;
  readonly more: boolean;
}

describe("the default profile", () => {
  it("lists exactly twelve tools, described in under 300 characters each and 12,000 in all", async () => {
    const client = await asAgent("lister");
    const { tools } = await client.listTools();
    const names = "inbox read send ack thread search reserve release claim complete sweep report";
    expect(tools.map(({ name }) => name)).toEqual(names.split(" "));
    for (const { name, description } of tools) expect(description?.length, name).toBeLessThan(300);
    expect(JSON.stringify(tools).length).toBeLessThan(12_000);
  });

  it("sends, lists, reads and acknowledges mail with the handlers of HTTP", async () => {
    const [blue, red] = [await asAgent("blue"), await asAgent("red")];
    const sent = await callTool(blue, "send", { to: ["red"], subject: "Numbers", body: "Look." });
    expect(sent.isError).toBe(false);
    const { value: page } = await callTool(red, "inbox", {});
    expect(page).toMatchObject({ messages: [{ seq: 1, from: "blue", unread: true }], next: 1 });
    expect((await callTool(red, "read", { message: 1 })).value).toMatchObject({ body: "Look." });
    expect((await callTool(red, "ack", { message: 1 })).value).toMatchObject({
      ackedAt: expect.any(String) as string,
    });
    const reply = await callTool(red, "send", { replyTo: 1, body: "Fine." });
    expect(reply.isError).toBe(false);
    const { value: thread } = await callTool(blue, "thread", {
      thread: (sent.value as { thread: string }).thread,
    });
    expect((thread as { messages: unknown[] }).messages).toHaveLength(2);
  });

  it("cuts long bodies in a thread, and reads them whole one by one", async () => {
    const client = await asAgent("novelist");
    const novel = { to: ["novelist"], subject: "novel", thread: "novel", body: "x".repeat(50_000) };
    await callTool(client, "send", novel);
    const { value } = await callTool(client, "thread", { thread: "novel" });
    expect(value).toMatchObject({ messages: [{ body: "x".repeat(4_000), bodyLength: 50_000 }] });
    expect((await callTool(client, "read", { message: 1 })).value).toMatchObject({
      body: novel.body,
    });
  });

  it("shows every unread message to an agent that reads its inbox as the instructions say", async () => {
    const [sender, late] = [await asAgent("sender"), await asAgent("late")];
    for (let i = 1; i <= 30; i += 1)
      await callTool(sender, "send", { to: ["late"], subject: `n${i}`, body: "" });
    expect((await callTool(late, "inbox", {})).value).toMatchObject({ next: 30, more: true });
    expect(late.getInstructions()).toContain("First `inbox` {`after`: 0, `unread`: true}");

    const seen: number[] = [];
    let page: Page = { messages: [], next: 0, more: true };
    while (page.more) {
      page = (await callTool(late, "inbox", { after: page.next, unread: true })).value;
      for (const { seq } of page.messages) {
        seen.push(seq);
        await callTool(late, "read", { message: seq });
      }
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(page.next).toBe(30);
  });

  it("answers a wrong argument as every other error: what is wrong, and what to do", async () => {
    const client = await asAgent("mistaken");
    const next = expect.stringContaining("tools/list") as unknown;
    const unknown = await callTool(client, "inbox", { limit: "many", untill: 4 });
    expect(unknown).toMatchObject({
      isError: true,
      value: { code: "BAD_REQUEST", message: expect.stringMatching(/^limit: /), next },
    });
    expect((unknown.value as { details: unknown[] }).details).toHaveLength(2);
    // What the message says is not said again.
    expect(await callTool(client, "search", {})).toEqual({
      isError: true,
      value: { code: "BAD_REQUEST", message: "query: is missing; expected string", next },
    });
    // What the contract refuses is told in the same words.
    const long = await callTool(client, "send", { to: ["x"], subject: "s".repeat(201), body: "" });
    expect(long).toMatchObject({
      isError: true,
      value: { message: "subject: must be at most 200 characters", next },
    });
  });

  it("answers the name of no tool with the one that was meant, and where they are listed", async () => {
    const client = await asAgent("speller");
    const answer = (name: string) => callTool(client, name, {});
    expect(await answer("inbx")).toEqual({
      isError: true,
      value: {
        code: "NOT_FOUND",
        message: 'there is no tool "inbx"; did you mean "inbox"?',
        next: "see tools/list",
      },
    });
    for (const name of ["__proto__", "constructor", "", "x".repeat(100_000)])
      expect(await answer(name)).toMatchObject({ isError: true, value: { code: "NOT_FOUND" } });
    const mail = await connect(await anna.token(), "?profile=agent-mail");
    expect((await callTool(mail, "fetch_inbx", {})).value).toMatchObject({
      message: expect.stringContaining('did you mean "fetch_inbox"?') as unknown,
    });
  });

  it("follows a thread, and sends a block for programs", async () => {
    const client = await asAgent("follower");
    const payload = { kind: "build.result", data: { ok: true } };
    const letter = { to: ["follower"], subject: "s", body: "b", thread: "followed", payload };
    expect((await callTool(client, "send", letter)).isError).toBe(false);
    expect((await callTool(client, "read", { message: 1 })).value).toMatchObject({ payload });
    expect(
      (await callTool(client, "thread", { thread: "followed", follow: "mute" })).value,
    ).toEqual({
      thread: "followed",
      following: "mute",
    });
    expect((await callTool(client, "thread", { follow: "mute" })).isError).toBe(true);
  });

  it("plans a sweep without running it and lists all mistakes with their lines", async () => {
    const client = await asAgent("planner");
    const text = `name: s\nmatrix:\n  axes: { threads: [1, 2] }\ncell:\n  image: busybox:1\n  command: [echo, "\${threads}"]\nmetrics: { primary: performance }\n`;
    expect((await callTool(client, "sweep", { action: "plan", text })).value).toMatchObject({
      runs: 2,
      cells: [{ axes: { threads: 1 } }, { axes: { threads: 2 } }],
    });
    const broken = await callTool(client, "sweep", {
      action: "plan",
      text: text.replace("matrix", "matrx"),
    });
    expect(broken).toMatchObject({
      isError: true,
      value: { details: expect.arrayContaining([expect.objectContaining({ line: 2 })]) as never },
    });
  });

  it("submits a sweep, claims its run by hand, completes it and reads the report", async () => {
    const client = await asAgent("worker");
    const text = `name: by-hand\ncell:\n  image: busybox:1\n  command: [echo]\nmetrics: { primary: performance }\n`;
    expect((await callTool(client, "sweep", { action: "run", text })).value).toMatchObject({
      runs: 1,
    });
    const claimed = await callTool(client, "claim", { sweep: "by-hand" });
    const { session } = claimed.value as { session: { id: string } };
    expect((await callTool(client, "claim", { sweep: "by-hand" })).value).toEqual({
      session: null,
    });
    const sample = { repeat: 1, metric: "performance", value: 42, unit: "GB/s" };
    const done = await callTool(client, "complete", { session: session.id, samples: [sample] });
    expect(done.value).toMatchObject({ state: "succeeded", accepted: true });
    expect((await callTool(client, "report", { sweep: "by-hand" })).value).toContain("42");
    expect(
      (await callTool(client, "report", { sweep: "by-hand", action: "missing" })).value,
    ).toMatchObject({ missing: [] });
  });

  it("ends a call that its client cancels, and no other client's", async () => {
    const [holder, waiter, other] = [
      await asAgent("holder"),
      await asAgent("waiter"),
      await asAgent("other"),
    ];
    const resources = ["wanted/**"];
    await callTool(holder, "reserve", { resources });
    const wait = (client: Client, signal?: AbortSignal) =>
      client.callTool(
        { name: "reserve", arguments: { resources, waitSeconds: 300 } },
        undefined,
        signal === undefined ? {} : { signal },
      );
    const there = (name: string): Promise<unknown[]> =>
      server.running.eventLog.query(
        "select 1 from e_lease_tickets where holder like '%' || $1 and present_until > $2",
        [name, Date.now()],
      );
    const cancel = new AbortController();
    const cancelled = wait(waiter, cancel.signal);
    const kept = wait(other);
    await expect.poll(() => there("waiter")).toHaveLength(1);
    await expect.poll(() => there("other")).toHaveLength(1);
    cancel.abort();
    await expect(cancelled).rejects.toThrow("aborted");
    await expect.poll(() => there("waiter")).toEqual([]);
    expect(await there("other")).toHaveLength(1);
    await callTool(holder, "release", { all: true });
    expect(JSON.stringify(await kept)).toContain("wanted/**");
  });

  it("refuses an unknown argument instead of ignoring it", async () => {
    const client = await asAgent("typo");
    const answer = await client.callTool({ name: "inbox", arguments: { unred: true } });
    expect(answer.isError).toBe(true);
    expect(JSON.stringify(answer.content)).toContain("unred");
  });

  it("names the next call as a tool or resource that the client has, else as a command about its project", async () => {
    const client = await asAgent("lost");
    const next = async (name: string, args: object): Promise<unknown> =>
      (await callTool(client, name, args)).value["next" as never];
    expect(await next("read", { message: 404 })).toBe("list your mail: `inbox`");
    expect(await next("thread", { thread: "none" })).toBe("list your threads: `thread`");
    const letter = { to: ["nobody"], subject: "s", body: "b" };
    expect(await next("send", letter)).toBe("list the agents: resource://agents");
    const groups = { ...letter, to: ["@nobody"] };
    expect(await next("send", groups)).toBe("list the groups: gridpost group ls");

    await anna.client.identity.createProject({ body: { name: "other" } });
    await anna.asAgent("lost", "other");
    const other = await connect(await anna.agentToken("lost", "other"));
    expect((await callTool(other, "send", groups)).value).toMatchObject({
      next: "list the groups: gridpost group ls --project other",
    });
  });

  it("takes null for an argument that is left out", async () => {
    const client = await asAgent("filler");
    const letter = { to: ["filler"], subject: "s", body: "b", cc: null, thread: null };
    expect(await callTool(client, "send", letter)).toMatchObject({ isError: false });
    expect(await callTool(client, "inbox", { after: 0, unread: null })).toMatchObject({
      value: { messages: [{ subject: "s" }] },
    });
  });

  it("reads resources of its own and no inbox of another", async () => {
    const client = await asAgent("reader");
    await callTool(client, "send", { to: ["reader"], subject: "note", body: "to myself" });
    const { contents } = await client.readResource({ uri: "resource://inbox/reader" });
    expect(JSON.stringify(contents)).toContain("note");
    await expect(client.readResource({ uri: "resource://inbox/blue" })).rejects.toThrow(
      "not this connection's",
    );
    const agents = await client.readResource({ uri: "resource://agents" });
    expect(JSON.stringify(agents.contents)).toContain("reader");
  });

  it("takes the token as the password of Basic, too", async () => {
    await anna.asAgent("basic");
    const pair = Buffer.from(`x:${await anna.agentToken("basic")}`).toString("base64");
    const client = await connectWith(`Basic ${pair}`);
    expect(await callTool(client, "inbox", {})).toMatchObject({ isError: false });
  });

  it("needs a token", async () => {
    const answer = await fetch(`${server.url}/mcp`, { method: "POST", body: "{}" });
    expect(answer.status).toBe(401);
  });
});
