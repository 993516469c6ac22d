import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callTool, connectMcp } from "../support/mcp.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

describe("arguments that the users of MCP Agent Mail send", () => {
  const project_key = "/data/app";
  const program = { program: "p", model: "m" };
  let server: TestServer;
  const open: Client[] = [];
  const clients: Record<string, Client> = {};
  beforeAll(async () => {
    server = await startTestServer();
    for (const agent_name of ["green", "red", "gray", "pink"]) {
      const token = await server.admin.token();
      const client = await connectMcp(`${server.url}/mcp?profile=agent-mail`, `Bearer ${token}`);
      open.push(client);
      clients[agent_name] = client;
      await call(agent_name, "macro_start_session", {
        human_key: project_key,
        ...program,
        agent_name,
      });
    }
    await call("green", "send_message", {
      project_key,
      to: ["red"],
      cc: ["gray"],
      subject: "plan",
      body_md: "TODO: x",
      thread_id: "FEAT-1",
    });
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await server.stop();
  });

  const called = (as: string, name: string, args: object) =>
    callTool(clients[as] as Client, name, args);
  async function call(as: string, name: string, args: object): Promise<Record<string, unknown>> {
    const { isError, value } = await called(as, name, args);
    expect({ isError, ...(isError ? (value as object) : {}) }).toEqual({ isError: false });
    return value;
  }
  const letter = { to: ["green"], subject: "s", body_md: "b" };

  it.each<[string, object, string[]]>([
    ["health_check", { format: "json" }, ["format"]],
    ["ensure_project", { human_key: project_key, identity_mode: "dir" }, ["identity_mode"]],
    [
      "register_agent",
      {
        project_key,
        ...program,
        name: "green",
        attachments_policy: "auto",
        registration_token: "",
      },
      ["attachments_policy", "registration_token"],
    ],
    [
      "whois",
      { project_key, agent_name: "red", include_recent_commits: false, commit_limit: 5 },
      ["include_recent_commits", "commit_limit"],
    ],
    [
      "send_message",
      { project_key, ...letter, convert_images: true, topic: "t", sender_token: "x" },
      ["convert_images", "topic", "sender_token"],
    ],
    [
      "send_message",
      { project_key, ...letter, auto_contact_if_blocked: true },
      ["auto_contact_if_blocked"],
    ],
    [
      "summarize_thread",
      { project_key, thread_id: "FEAT-1", include_examples: true, llm_mode: false },
      ["include_examples", "llm_mode"],
    ],
    [
      "request_contact",
      { project_key, to_agent: "red", register_if_missing: true },
      ["register_if_missing"],
    ],
    [
      "macro_prepare_thread",
      { project_key, thread_id: "FEAT-1", ...program, agent_name: "green", llm_mode: true },
      ["llm_mode"],
    ],
  ])(
    "are taken and named as ignored where they mean nothing: %s %o",
    async (tool, args, ignored) => {
      const answer = await call("green", tool, args);
      expect(answer["ignored"]).toEqual(ignored);
    },
  );

  it("are named as ignored beside an answer that is a list, too", async () => {
    const client = clients["red"] as Client;
    const args = { project_key, topic: "t" };
    const { content } = await client.callTool({ name: "fetch_inbox", arguments: args });
    const texts = (content as { text: string }[]).map(({ text }) => JSON.parse(text) as unknown);
    expect(texts).toEqual([expect.any(Array), { ignored: ["topic"] }]);
    expect(await call("red", "whois", { project_key, agent_name: "red" })).not.toHaveProperty(
      "ignored",
    );
  });

  it("may be null, or one instead of a list, as clients write them that fill in every argument", async () => {
    const nothing = { importance: null, thread_id: null, cc: null, attachment_paths: null };
    const sent = await call("green", "send_message", { project_key, ...letter, ...nothing });
    expect(sent).not.toHaveProperty("ignored");
    const none = { attachment_paths: [], topic: null };
    await call("green", "send_message", { project_key, ...letter, ...none });
    await call("green", "fetch_inbox", { project_key, since_ts: null, agent_name: null });
    const one = { project_key, paths: "one/**", reason: null };
    expect(await call("pink", "file_reservation_paths", one)).toMatchObject({
      granted: [{ path_pattern: "one/**" }],
    });
    const all = { project_key, paths: null, file_reservation_ids: null };
    expect(await call("pink", "renew_file_reservations", all)).toMatchObject({ renewed: 1 });
    const { released } = await call("pink", "release_file_reservations", {
      project_key,
      paths: "one/**",
    });
    expect(released).toBe(1);
    const start = { human_key: project_key, ...program, agent_name: null };
    const session = await call("pink", "macro_start_session", {
      ...start,
      file_reservation_paths: "two/**",
    });
    expect(session).toMatchObject({
      agent: { name: "pink" },
      file_reservations: { granted: [{ path_pattern: "two/**" }] },
    });
    const handshake = { target: "red", register_if_missing: true, ...program, welcome_body: null };
    await call("pink", "macro_contact_handshake", { project_key, ...handshake });
  });

  it("are answered with the tool that helps, if one does", async () => {
    await call("gray", "set_contact_policy", { project_key, policy: "contacts_only" });
    const closed = await called("green", "send_message", { project_key, ...letter, to: "gray" });
    expect(closed).toMatchObject({
      isError: true,
      value: { code: "CONTACT_REQUIRED", next: "ask to be let in: `request_contact` gray" },
    });
    await call("gray", "set_contact_policy", { project_key, policy: "auto" });
  });

  it("say how files are attached instead", async () => {
    const attached = { project_key, ...letter, attachment_paths: ["a.png"] };
    expect(await called("green", "send_message", attached)).toMatchObject({
      isError: true,
      value: { message: expect.stringContaining("gridpost send") as unknown },
    });
  });

  it("stay refused where no such tool has them, or where they name another sender", async () => {
    for (const [tool, args] of [
      ["send_message", { ...letter, urgent: true }],
      ["send_message", { ...letter, attachment_paths: ["a.png"] }],
      ["whois", { agent_name: "red", llm_mode: true }],
      ["request_contact", { to_agent: "red", to_project: "/data/other" }],
    ] as const)
      expect(await called("green", tool, { project_key, ...args }), tool).toMatchObject({
        isError: true,
        value: { code: "BAD_REQUEST" },
      });
    for (const [tool, args] of [
      ["search_messages", { query: "plan" }],
      ["summarize_thread", { thread_id: "FEAT-1" }],
      ["force_release_file_reservation", { file_reservation_id: crypto.randomUUID() }],
    ] as const)
      expect(
        await called("green", tool, { project_key, agent_name: "red", ...args }),
        tool,
      ).toMatchObject({ isError: true, value: { code: "FORBIDDEN" } });
  });

  it("say to whom a reply goes and what its subject begins with", async () => {
    const reply = { project_key, message_id: 1, body_md: "ok" };
    const plain = await call("red", "reply_message", { ...reply, subject_prefix: "Re:" });
    expect(payloadOf(plain)).toMatchObject({ to: ["green"], subject: "Re: plan" });

    const chosen = { to: "gray", cc: ["green"], bcc: ["pink"], subject_prefix: "Answer:" };
    const { deliveries, ...more } = await call("red", "reply_message", { ...reply, ...chosen });
    expect(more).toMatchObject({ count: 3, thread_id: "FEAT-1" });
    expect(payloadOf({ deliveries })).toMatchObject({
      to: ["gray"],
      cc: ["green"],
      subject: "Answer: plan",
      thread_id: "FEAT-1",
    });
    const { id } = payloadOf({ deliveries });
    const [arrived] = (await call("pink", "fetch_inbox", { project_key })) as never as object[];
    expect(arrived).toMatchObject({ id, subject: "Answer: plan" });
    const again = { ...reply, message_id: id, body_md: "ok", subject_prefix: "ANSWER:", to: [] };
    expect(payloadOf(await call("gray", "reply_message", again))).toMatchObject({
      to: ["red"],
      subject: "Answer: plan",
    });
  });

  it("make a message only once for one idempotency_key", async () => {
    const args = { project_key, ...letter, idempotency_key: "k1" };
    const first = payloadOf(await call("gray", "send_message", args));
    expect(payloadOf(await call("gray", "send_message", args))).toEqual(first);
  });

  it("let an operator take a reservation away without a note", async () => {
    const paths = ["lib/**"];
    const { granted } = await call("red", "file_reservation_paths", { project_key, paths });
    const [{ id } = { id: "" }] = granted as { id: string }[];
    const args = { project_key, agent_name: "green", notify_previous: true };
    expect(
      await call("green", "force_release_file_reservation", { ...args, file_reservation_id: id }),
    ).toMatchObject({ released: 1, notified: true });
  });

  it("prepare a thread that nobody has written in yet, with the bodies of the inbox", async () => {
    const args = { project_key, thread_id: "NEW-1", ...program, agent_name: "red" };
    const prepared = await call("red", "macro_prepare_thread", {
      ...args,
      include_inbox_bodies: true,
    });
    expect(prepared).toMatchObject({
      thread: { thread_id: "NEW-1", summary: { participants: [], total_messages: 0 } },
      inbox: expect.arrayContaining([expect.objectContaining({ body_md: "TODO: x" })]) as unknown,
    });
    const bad = await called("red", "macro_prepare_thread", { ...args, thread_id: "a b" });
    expect(bad).toMatchObject({ isError: true, value: { code: "BAD_REQUEST" } });
  });
});

const payloadOf = (answer: Record<string, unknown>): { id: string } =>
  (answer["deliveries"] as { payload: { id: string } }[])[0]?.payload ?? { id: "" };
