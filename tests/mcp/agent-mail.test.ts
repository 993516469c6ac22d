import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectOf } from "../../server/mcp/agent-mail/connection.ts";
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

async function connect(token: string, search = ""): Promise<Client> {
  const client = await connectMcp(`${server.url}/mcp${search}`, `Bearer ${token}`);
  open.push(client);
  return client;
}

interface Entry {
  readonly seq: number;
  readonly created_ts: string;
}

describe("the agent-mail profile", () => {
  const key = "/home/anna/code/Kernel Bench";
  const start = { human_key: key, program: "codex", model: "gpt" };

  /** A connection of the user's that is bound to an agent. */
  async function bound(agent_name: string): Promise<Client> {
    const client = await connect(await anna.token(), "?profile=agent-mail");
    expect(await callTool(client, "macro_start_session", { ...start, agent_name })).toMatchObject({
      isError: false,
    });
    return client;
  }

  async function post(from: Client, to: string, count: number): Promise<void> {
    const letter = { project_key: key, to: [to], subject: "n", body_md: "" };
    for (let i = 0; i < count; i += 1) await callTool(from, "send_message", letter);
  }

  const inbox = async (client: Client, args: object): Promise<readonly Entry[]> =>
    (await callTool(client, "fetch_inbox", { project_key: key, ...args })).value;

  it("names the project of an ordinary path by its parts, and of no other path by the same", () => {
    expect(projectOf("/data/proj")).toBe("data-proj");
    expect(projectOf("/data/proj/")).toBe("data-proj");
    expect(projectOf("data-proj")).toBe("data-proj");
    const long = `/${"deep/".repeat(20)}`;
    const keys = [
      "/home/anna/foo/bar",
      "/home/anna/foo-bar",
      "/home/anna/foo_bar",
      "/home/anna/foo.bar",
      "/HOME/anna/foo/bar",
      "/app",
      "/日本/app",
      "/中国/app",
      "/日本",
      "/中国",
      "/",
      "/-app",
      "C:\\app",
      "/c/app",
      `${long}x`,
      `${long}y`,
      key,
    ];
    const slugs = keys.map((one) => projectOf(one));
    expect(new Set(slugs).size).toBe(keys.length);
    for (const slug of slugs) expect(slug).toMatch(/^[a-z0-9][a-z0-9-]{0,63}$/);
    // Stable: mail lies under it.
    expect(projectOf(key)).toBe("home-anna-code-kernel-bench-e9a022a4");
  });

  it("carries a whole session of a user that binds its connections to agents it owns", async () => {
    const token = await anna.token();
    const [a, b] = [
      await connect(token, "?profile=agent-mail"),
      await connect(token, "?profile=agent-mail"),
    ];
    const session = await callTool(a, "macro_start_session", { ...start, agent_name: "GreenLake" });
    expect(session.value).toMatchObject({
      project: { slug: projectOf(key), human_key: key },
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

  it("shows every message to whoever keeps the highest seq, as the instructions say", async () => {
    const [sender, reader] = [await bound("Sender"), await bound("Reader")];
    await post(sender, "Reader", 30);
    const again = await callTool(reader, "macro_start_session", { ...start, inbox_limit: 5 });
    expect(again.value).toMatchObject({ inbox: [{ seq: 30 }, {}, {}, {}, {}], inbox_more: true });
    for (const said of ["`after_seq`: 0", "highest `seq`"])
      expect(reader.getInstructions()).toContain(said);

    const seen: number[] = [];
    const fetchOn = async (): Promise<number> => {
      const after_seq = seen.at(-1) ?? 0;
      const page = await inbox(reader, { after_seq, unread_only: true });
      seen.push(...page.map(({ seq }) => seq));
      return page.length;
    };
    while ((await fetchOn()) > 0);
    await post(sender, "Reader", 30);
    while ((await fetchOn()) > 0);
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  it("skips nothing for whoever keeps the newest time as since_ts", async () => {
    const [sender, reader] = [await bound("Writer"), await bound("Follower")];
    await post(sender, "Follower", 1);
    const [first] = await inbox(reader, {});
    await post(sender, "Follower", 30);
    const seen = new Set<number>();
    let since_ts = first?.created_ts ?? "";
    for (let grown = -1; grown < seen.size;) {
      grown = seen.size;
      // Newest first, as always in that profile.
      const page = await inbox(reader, { since_ts });
      for (const { seq } of page) seen.add(seq);
      since_ts = page[0]?.created_ts ?? "";
    }
    expect(seen.size).toBe(31);
  });

  it("takes a since_ts without a zone as UTC, and a limit beyond its own as its own", async () => {
    const reader = await bound("Follower");
    expect(await inbox(reader, { since_ts: "2026-01-01T00:00:00", limit: 1_000 })).toHaveLength(31);
    expect(await inbox(reader, { since_ts: "2999-01-01T00:00:00" })).toEqual([]);
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

  it("registers no agent, and makes no project, for a session that another agent has already", async () => {
    const client = await bound("Settled");
    const other = { ...start, agent_name: "Newcomer" };
    expect(await callTool(client, "macro_start_session", other)).toMatchObject({
      isError: true,
      value: { code: "FORBIDDEN", next: "leave the name out or write Settled" },
    });
    const elsewhere = { ...start, human_key: "/home/anna/elsewhere" };
    expect(await callTool(client, "macro_start_session", elsewhere)).toMatchObject({
      isError: true,
      value: {
        code: "FORBIDDEN",
        next: expect.stringContaining(`--project ${projectOf(elsewhere.human_key)}`) as unknown,
      },
    });
    const thread = { ...other, human_key: undefined, project_key: key, thread_id: "T-1" };
    expect(await callTool(client, "macro_prepare_thread", thread)).toMatchObject({ isError: true });
    expect(
      await callTool(client, "whois", { project_key: key, agent_name: "Newcomer" }),
    ).toMatchObject({ isError: true, value: { code: "AGENT_NOT_FOUND" } });
    const { projects } = await anna.client.identity.projects({});
    expect(projects.map(({ name }) => name)).not.toContain(projectOf(elsewhere.human_key));
  });

  it("renews the profile of an agent that registers again, but for what it leaves out", async () => {
    const client = await bound("Returning");
    const profile = { project_key: key, program: "codex", model: "gpt", name: "Returning" };
    const news = { model: "gpt-next", task_description: "kernels" };
    const again = { ...profile, ...news, name: "returning" };
    expect((await callTool(client, "register_agent", again)).value).toMatchObject({
      name: "Returning",
      model: "gpt-next",
      task_description: "kernels",
    });
    await callTool(client, "macro_start_session", { ...start, agent_name: "Returning" });
    const asked = { project_key: key, agent_name: "Returning" };
    expect((await callTool(client, "whois", asked)).value).toMatchObject({
      model: "gpt",
      task_description: "kernels",
    });
  });

  it("lets no user bind to an agent of another user", async () => {
    const bob = await server.join("user", "bob", { project: projectOf(key) });
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
        "more",
        "seq",
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
