import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI_ENTRY, freePort, joinedCli, type TestCli } from "../support/cli.ts";
import { repoAt } from "../support/git-repo.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let anna: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  anna = await joinedCli(server, "anna");
  await anna.run("agent", "register", "blue");
});

afterAll(async () => {
  await anna.remove();
  await server.stop();
});

const connect = (...args: readonly string[]): Promise<Client> =>
  connectFrom({ home: anna.home }, ...args);

interface Where {
  readonly home: string;
  readonly cwd?: string;
}

async function connectFrom({ home, cwd }: Where, ...args: readonly string[]): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [CLI_ENTRY, "mcp", ...args],
    env: { PATH: process.env["PATH"] ?? "", GRIDPOST_HOME: home },
    stderr: "ignore",
    ...(cwd === undefined ? {} : { cwd }),
  });
  await client.connect(transport as Transport);
  return client;
}

const textOf = async (answer: Promise<unknown>): Promise<string> =>
  JSON.stringify(((await answer) as { content: unknown }).content);

/** Waits for the first message of an inbox, for five minutes. */
const waitForMail = { name: "inbox", arguments: { after: 0, waitSeconds: 300 } };

describe("gridpost mcp", () => {
  it("carries a client's calls as the agent, whom it names by itself, and ends when stdin closes", async () => {
    const client = await connect();
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("inbox");
    await client.callTool({
      name: "send",
      arguments: { to: ["blue"], subject: "over stdio", body: "" },
    });
    expect(await textOf(client.callTool({ name: "inbox", arguments: {} }))).toContain("over stdio");
    // Rejects if the process has to be killed.
    await client.close();
  });

  it("answers other calls while one waits, and that one when there is mail", async () => {
    await anna.run("agent", "register", "red");
    const client = await connect("--as", "red");
    const waited = textOf(client.callTool(waitForMail));
    await client.ping();
    await client.callTool({
      name: "send",
      arguments: { to: ["red"], subject: "wake up", body: "" },
    });
    expect(await waited).toContain("wake up");
    await client.close();
  });

  it("ends a call that its client cancels, for the server too", async () => {
    const holder = await connect("--as", "blue");
    const resources = ["src/**"];
    await holder.callTool({ name: "reserve", arguments: { resources } });
    await anna.run("agent", "register", "green");
    const client = await connect("--as", "green");
    const cancel = new AbortController();
    const call = { name: "reserve", arguments: { resources, waitSeconds: 300 } };
    const waited = client.callTool(call, undefined, { signal: cancel.signal });
    const thereFor = (ms: number): Promise<unknown[]> =>
      server.running.eventLog.query(
        "select 1 from e_lease_tickets where holder like '%green' and present_until > $1",
        [Date.now() + ms],
      );
    // Whoever is there for so long has taken its place and waits for its turn.
    await expect.poll(() => thereFor(10_000)).toHaveLength(1);
    cancel.abort();
    await expect(waited).rejects.toThrow("aborted");
    await expect.poll(() => thereFor(0)).toHaveLength(0);
    await client.close();
    await holder.close();
  });

  it("ends when stdin closes, also while a call waits", async () => {
    await anna.run("agent", "register", "gray");
    const child = anna.start("mcp", "--as", "gray");
    const poll = { jsonrpc: "2.0", id: 1, method: "tools/call", params: waitForMail };
    child.stdin?.end(`${JSON.stringify(poll)}\n`);
    await expect.poll(() => child.exitCode).toBe(0);
  });

  it("reserves files of the repository that it was started in, unless a call names another", async () => {
    const cwd = join(anna.home, "flash");
    const repo = repoAt(cwd, {});
    await mkdir(cwd);
    await repo.git("init", "-q");
    await repo.git("remote", "add", "origin", "git@host:team/attention.git");
    const client = await connectFrom({ home: anna.home, cwd }, "--as", "blue");
    const reserve = (given: Record<string, unknown>): Promise<string> =>
      textOf(client.callTool({ name: "reserve", arguments: given }));
    expect(await reserve({ resources: ["own.ts"] })).toContain('repo\\":\\"attention');
    expect(await reserve({ resources: ["other.ts"], repo: "lib" })).toContain('repo\\":\\"lib');
    await client.close();
  });

  it("begins a session anew that the server has forgotten", async () => {
    const client = await connect("--profile", "agent-mail", "--as", "blue");
    const { db } = server.running.eventLog;
    await db.tx([], async (query) => {
      await query("delete from e_mcp_sessions");
    });
    const answer = textOf(
      client.callTool({ name: "fetch_inbox", arguments: { project_key: "default" } }),
    );
    expect(await answer).toContain("over stdio");
    await client.close();
  });

  it("answers a call with an error while the server is away: where it was sought, why, and what to do", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const away = `cannot reach ${url}: connect ECONNREFUSED`;
    await expect(connect("--as", "blue", "--url", url)).rejects.toThrow(away);

    const other = await startTestServer();
    const bob = await joinedCli(other, "bob");
    await bob.run("agent", "register", "red");
    const client = await connectFrom({ home: bob.home }, "--as", "red");
    await other.stop();
    await expect(client.listTools()).rejects.toThrow(
      new RegExp(`cannot reach ${other.url}: .* Next: gridpost doctor$`),
    );
    await client.close();
    await bob.remove();
  });

  it("tells what the server refuses as it is, with what to do", async () => {
    await expect(connect("--as", "nobody")).rejects.toThrow(
      /: there is no agent nobody in project default Next: gridpost agent register nobody --project default$/,
    );
  });
});
