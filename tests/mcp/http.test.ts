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

  it("answers a wrong argument as every other error: what is wrong, and what to do", async () => {
    const client = await asAgent("mistaken");
    const next = expect.stringContaining("tools/list") as unknown;
    const unknown = await callTool(client, "inbox", { limit: "many", untill: 4 });
    expect(unknown).toMatchObject({
      isError: true,
      value: { code: "BAD_REQUEST", message: expect.stringMatching(/^limit: /), next },
    });
    expect((unknown.value as { details: unknown[] }).details).toHaveLength(2);
    // What the contract refuses is told in the same words.
    const long = await callTool(client, "send", { to: ["x"], subject: "s".repeat(201), body: "" });
    expect(long).toMatchObject({ isError: true, value: { code: "BAD_REQUEST", next } });
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

  it("refuses an unknown argument instead of ignoring it", async () => {
    const client = await asAgent("typo");
    const answer = await client.callTool({ name: "inbox", arguments: { unred: true } });
    expect(answer.isError).toBe(true);
    expect(JSON.stringify(answer.content)).toContain("unred");
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

describe("the agent-mail profile", () => {
  const key = "/home/anna/code/Kernel Bench";
  const start = { human_key: key, program: "codex", model: "gpt" };

  it("carries a whole session of a user that binds its connections to agents it owns", async () => {
    const token = await anna.token();
    const [a, b] = [
      await connect(token, "?profile=agent-mail"),
      await connect(token, "?profile=agent-mail"),
    ];
    const session = await callTool(a, "macro_start_session", { ...start, agent_name: "GreenLake" });
    expect(session.value).toMatchObject({
      project: { slug: "home-anna-code-kernel-bench" },
      agent: { name: "GreenLake" },
      inbox: [],
    });
    await callTool(b, "macro_start_session", { ...start, agent_name: "BlueHill" });
    const sent = await callTool(a, "send_message", {
      project_key: key,
      sender_name: "GreenLake",
      to: ["BlueHill"],
      subject: "Hello",
      body_md: "World",
      ack_required: true,
    });
    expect(sent.value).toMatchObject({
      count: 1,
      deliveries: [{ payload: { from: "GreenLake" } }],
    });
    const { value: inbox } = await callTool(b, "fetch_inbox", {
      project_key: key,
      agent_name: "BlueHill",
      include_bodies: true,
    });
    expect(inbox).toMatchObject([{ from: "GreenLake", subject: "Hello", body_md: "World" }]);
    const acked = await callTool(b, "acknowledge_message", {
      project_key: key,
      agent_name: "BlueHill",
      message_id: (inbox as { id: string }[])[0]?.id,
    });
    expect(acked.value).toMatchObject({ acknowledged: true });
    const reserve = { project_key: key, paths: ["src/**", "docs/a.md"], ttl_seconds: 3_600 };
    const mine = await callTool(a, "file_reservation_paths", reserve);
    expect(mine.value).toMatchObject({ granted: [{ path_pattern: "src/**" }, {}], conflicts: [] });
    const theirs = await callTool(b, "reserve_file_paths", {
      ...reserve,
      paths: ["src/x.ts", "free.md"],
    });
    expect(theirs.value).toMatchObject({
      granted: [{ path_pattern: "free.md" }],
      conflicts: [{ path: "src/x.ts", holders: [{ agent: "GreenLake" }] }],
    });
    expect(
      (await callTool(a, "release_file_reservations", { project_key: key, paths: ["src/**"] }))
        .value,
    ).toMatchObject({ released: 1 });
  });

  it("refuses a sender that the connection is not", async () => {
    const client = await connect(await anna.token(), "?profile=agent-mail");
    await callTool(client, "macro_start_session", { ...start, agent_name: "RedFox" });
    const sent = await callTool(client, "send_message", {
      project_key: key,
      sender_name: "GreenLake",
      to: ["BlueHill"],
      subject: "I am somebody else",
      body_md: "",
    });
    expect(sent).toMatchObject({ isError: true, value: { code: "FORBIDDEN" } });
  });

  it("lets no user bind to an agent of another user", async () => {
    const bob = await server.join("user", "bob", { project: "home-anna-code-kernel-bench" });
    const client = await connect(await bob.token(), "?profile=agent-mail");
    const answer = await callTool(client, "macro_start_session", {
      ...start,
      agent_name: "GreenLake",
    });
    expect(answer).toMatchObject({ isError: true, value: { code: "FORBIDDEN" } });
    const after = await callTool(client, "fetch_inbox", { project_key: key });
    expect(after).toMatchObject({ isError: true });
    await callTool(client, "macro_start_session", { ...start, agent_name: "BobsOwn" });
    const own = await callTool(client, "fetch_inbox", { project_key: key });
    expect(own).toMatchObject({ isError: false });
  });

  it("answers the command of the guard so that nothing in a path is run", async () => {
    const client = await connect(await anna.token(), "?profile=agent-mail");
    const code_repo_path = "/tmp/it's $(here)";
    const { value } = await callTool(client, "install_precommit_guard", {
      project_key: key,
      code_repo_path,
    });
    const { run } = value as { run: string };
    expect(run).toContain(String.raw`cd '/tmp/it'\''s $(here)' &&`);
  });

  it("tells an agent that connects of tools and arguments that its profile has", async () => {
    for (const profile of ["default", "agent-mail"]) {
      const client = await connect(await anna.token(), `?profile=${profile}`);
      const { tools } = await client.listTools();
      const known = new Set([
        ...tools.flatMap(({ name, inputSchema }) => [
          name,
          ...Object.keys(inputSchema.properties ?? {}),
        ]),
        // Of answers.
        "next",
        "created_ts",
      ]);
      const named = [...(client.getInstructions() ?? "").matchAll(/`(\w+)`/g)];
      expect(named.length).toBeGreaterThan(2);
      for (const [, name = ""] of named) expect(known, profile).toContain(name);
    }
  });

  it("offers every tool name that prompts of its users carry", async () => {
    const client = await connect(await anna.token(), "?profile=agent-mail");
    const names = new Set((await client.listTools()).tools.map(({ name }) => name));
    for (const name of [
      "ensure_project register_agent create_agent_identity whois send_message reply_message fetch_inbox",
      "mark_message_read acknowledge_message search_messages summarize_thread request_contact respond_contact",
      "list_contacts set_contact_policy file_reservation_paths release_file_reservations renew_file_reservations",
      "force_release_file_reservation install_precommit_guard macro_start_session macro_prepare_thread",
      "macro_file_reservation_cycle macro_contact_handshake health_check reserve_file_paths macro_claim_cycle",
    ].flatMap((line) => line.split(" ")))
      expect(names, name).toContain(name);
  });
});
