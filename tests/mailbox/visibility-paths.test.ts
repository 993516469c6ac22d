import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client as McpClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";
import { openStream } from "../support/stream.ts";

const run = promisify(execFile);
const params = { project: "default" };
/** The one in bcc is called what nobody else may ever read. */
const NAMES = ["sender", "addressee", "copied", "umbra", "stranger"] as const;
type Name = (typeof NAMES)[number];
const THREADS = ["plan", "notice"];

/** A message by the word that its subject and its body carry, and who may see it. */
interface Letter {
  readonly mark: string;
  readonly id: string;
  readonly thread: string;
  readonly open: boolean;
  readonly from: Name;
  readonly recipients: readonly string[];
}

interface Viewer {
  readonly name: Name;
  readonly user: Member;
  readonly client: Client;
  readonly token: string;
}

let server: TestServer;
let viewers: Viewer[];
let letters: Letter[];
let attachment: string;
const connections: McpClient[] = [];

beforeAll(async () => {
  server = await startTestServer();
  viewers = [];
  for (const name of NAMES) {
    const user = await server.join("user", `${name.slice(0, 2)}-user`);
    const client = await user.asAgent(name);
    viewers.push({ name, user, client, token: await user.agentToken(name) });
  }
  await writeLetters();
});

afterAll(async () => {
  for (const connection of connections) await connection.close();
  await server.stop();
});

async function writeLetters(): Promise<void> {
  const { mailbox } = viewer("sender").client;
  const content = new TextEncoder().encode("for those who see quartz-1");
  attachment = (await mailbox.putAttachment({ params, content })).sha256;
  const text = (mark: string) => ({ subject: mark, body: `DECISION: ${mark} is to be cut` });
  const first = await mailbox.send({
    params,
    body: {
      ...text("quartz-1"),
      to: ["addressee"],
      cc: ["copied"],
      bcc: ["umbra"],
      thread: "plan",
      attachments: [{ sha256: attachment, name: "cut.txt" }],
    },
  });
  const answer = { params: { ...params, message: first.id } };
  const own = await mailbox.reply({ ...answer, body: { ...text("quartz-2"), all: true } });
  const { mailbox: hidden } = viewer("umbra").client;
  const secret = await hidden.reply({ ...answer, body: text("quartz-3") });
  const open = await mailbox.send({
    params,
    body: { ...text("quartz-4"), to: ["copied"], bcc: ["umbra"], thread: "notice", open: true },
  });
  const sent = [first, own, secret, open];
  letters = sent.map(({ id, thread, recipients }, i) => ({
    mark: `quartz-${i + 1}`,
    id,
    thread,
    open: thread === "notice",
    from: i === 2 ? "umbra" : "sender",
    recipients: recipients.map(({ agent }) => agent),
  }));
}

const viewer = (name: Name): Viewer => {
  const found = viewers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no viewer ${name}`);
  return found;
};

/** The one predicate. */
const sees = (name: Name, { from, recipients, open }: Letter): boolean =>
  open || from === name || recipients.includes(name);
const got = (name: Name, { recipients }: Letter): boolean => recipients.includes(name);

type Rule = typeof sees;

/** What a read path showed is exactly what the rule says, and nothing of it names the one in bcc to others. */
function expectShown(
  path: string,
  { name, rule }: { name: Name; rule: Rule },
  shown: unknown,
): void {
  const text = JSON.stringify(shown);
  const marks = [...new Set(text.match(/quartz-\d/g))].toSorted();
  const expected = letters.filter((one) => rule(name, one)).map(({ mark }) => mark);
  expect(marks, `${path} of ${name}`).toEqual(expected);
  if (name !== "sender" && name !== "umbra")
    expect(text, `${path} of ${name}`).not.toContain("umbra");
}

/** The answer, or nothing where there is nothing to see. */
const orNothing = async (answer: Promise<unknown>): Promise<unknown> =>
  answer.catch((error: unknown) => {
    expect(error).toMatchObject({ code: "NOT_FOUND" });
    return null;
  });

/** Asks for every letter, or every thread. */
const each = (asked: readonly string[], ask: (one: string) => Promise<unknown>) =>
  Promise.all(asked.map((one) => orNothing(ask(one))));

const ids = (): string[] => letters.map(({ id }) => id);

/** What every path over HTTP shows that is not about an inbox. */
async function expectOverHttp(name: Name, { mailbox }: Client): Promise<void> {
  const inThread = (thread: string) => ({ params: { ...params, thread } });
  const paths = {
    message: await each(ids(), (message) => mailbox.message({ params: { ...params, message } })),
    thread: await each(THREADS, (one) => mailbox.thread(inThread(one))),
    digest: await each(THREADS, (one) => mailbox.threadDigest(inThread(one))),
    export: await each(THREADS, (one) => mailbox.exportThread(inThread(one))),
    search: await mailbox.search({ params, query: { q: "quartz" } }),
  };
  for (const [path, shown] of Object.entries(paths)) expectShown(path, { name, rule: sees }, shown);
  for (const q of ["umbra", "from:umbra", "to:umbra"]) {
    const { results } = await mailbox.search({ params, query: { q } });
    if (name !== "sender" && name !== "umbra") expect(results, q).toEqual([]);
  }
  const { threads } = await mailbox.threads({ params });
  const mine = letters.filter((one) => sees(name, one));
  for (const thread of THREADS)
    expect(threads.find((one) => one.thread === thread)?.messages ?? 0, thread).toBe(
      mine.filter((one) => one.thread === thread).length,
    );
  expect(JSON.stringify(threads)).not.toContain("umbra");
}

async function connect({ token }: Viewer, search = ""): Promise<McpClient> {
  const client = new McpClient({ name: "test", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(`${server.url}/mcp${search}`), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport as Transport);
  connections.push(client);
  return client;
}

/** A tool's answer; what it refuses is thrown as the problem that it is. */
async function call(client: McpClient, name: string, args: object): Promise<unknown> {
  const answer = await client.callTool({ name, arguments: { ...args } });
  const [content] = answer.content as { text: string }[];
  const value: unknown = JSON.parse(content?.text ?? "null");
  if (answer.isError === true) throw Object.assign(new Error("refused"), value);
  return value;
}

describe("what a message's sender, recipients and strangers see of it", () => {
  it("is the same over HTTP, for agents and for the users that own them", async () => {
    for (const { name, client, user } of viewers) {
      await expectOverHttp(name, client);
      await expectOverHttp(name, user.client);
    }
  });

  it("is in the inbox and on the stream what was delivered", async () => {
    for (const { name, client, token } of viewers) {
      expectShown("inbox", { name, rule: got }, await client.mailbox.inbox({ params }));
      const stream = await openStream(server.url, token);
      stream.send({ type: "subscribe.inbox", project: "default", after: 0 });
      await stream.until(({ type }) => type === "caught-up");
      expectShown("stream", { name, rule: got }, stream.frames);
      stream.close();
      await stream.closed;
    }
  });

  it("decides on the attachment, and receipts are the sender's alone", async () => {
    for (const { name, client } of viewers) {
      const [first] = letters;
      const file = { params: { ...params, sha256: attachment } };
      const fetched = await orNothing(client.mailbox.attachment(file));
      expect(fetched !== null, name).toBe(first !== undefined && sees(name, first));
      for (const { id, from, recipients } of letters) {
        const asked = client.mailbox.receipts({ params: { ...params, message: id } });
        const receipts = (await asked.catch(() => null))?.receipts.map(({ agent }) => agent);
        expect(receipts?.toSorted(), name).toEqual(
          from === name ? recipients.toSorted() : undefined,
        );
      }
    }
  });

  it("is the same over MCP, in both profiles and as resources", async () => {
    for (const one of viewers) {
      const { name } = one;
      const client = await connect(one);
      const resource = (uri: string) => client.readResource({ uri });
      const none = (): null => null;
      const shown = {
        read: await each(ids(), (message) => call(client, "read", { message, peek: true })),
        thread: await each(THREADS, (thread) => call(client, "thread", { thread })),
        digest: await each(THREADS, (thread) => call(client, "thread", { thread, digest: true })),
        search: await call(client, "search", { query: "quartz" }),
        resource: await Promise.all(
          THREADS.map((thread) => resource(`resource://thread/${thread}`).catch(none)),
        ),
      };
      for (const [path, what] of Object.entries(shown))
        expectShown(`mcp ${path}`, { name, rule: sees }, what);
      expectShown("mcp inbox", { name, rule: got }, await call(client, "inbox", {}));
      expectShown("mcp inbox", { name, rule: got }, await resource(`resource://inbox/${name}`));

      const other = await connect(one, "?profile=agent-mail");
      const key = { project_key: "default" };
      const inbox = await call(other, "fetch_inbox", { ...key, include_bodies: true });
      expectShown("fetch_inbox", { name, rule: got }, inbox);
      const found = await call(other, "search_messages", { ...key, query: "quartz" });
      expectShown("search_messages", { name, rule: sees }, found);
      const digests = await each(THREADS, (thread_id) =>
        call(other, "summarize_thread", { ...key, thread_id }),
      );
      expectShown("summarize_thread", { name, rule: sees }, digests);
    }
  });

  it("is in the project's repository what is open to every reader, bcc never", async () => {
    await server.running.archive.flush();
    const work = await mkdtemp(join(tmpdir(), "gridpost-visibility-"));
    const token = await viewer("stranger").user.token();
    const url = `${server.url.replace("//", `//git:${token}@`)}/v1/projects/default/archive.git`;
    await run("git", ["clone", "--quiet", url, join(work, "clone")]);
    const { stdout } = await run("git", ["-C", join(work, "clone"), "log", "-p", "--", "threads"]);
    const open: Rule = (_, letter) => letter.open;
    const shown = stdout.replaceAll(/^Author.*$/gm, "");
    expectShown("archive", { name: "stranger", rule: open }, shown);
    await rm(work, { recursive: true });
  });

  it("is everything of a sweep's thread for every reader of the project", async () => {
    const text = `name: cut\ncell:\n  image: busybox:1\n  command: [echo]\nmetrics: { primary: performance }\n`;
    const asking = await connect(viewer("sender"));
    const ran = (await call(asking, "sweep", { action: "run", text })) as { thread?: string };
    const thread = ran.thread ?? "";
    for (const { client } of viewers) {
      const read = async () =>
        (await client.mailbox.thread({ params: { ...params, thread } }).catch(() => null))?.messages
          .length ?? 0;
      await expect.poll(read).toBe(1);
    }
  });
});
