import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI_ENTRY, joinedCli, type TestCli } from "../support/cli.ts";
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

async function connect(...args: readonly string[]): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [CLI_ENTRY, "mcp", ...args],
    env: { PATH: process.env["PATH"] ?? "", GRIDPOST_HOME: anna.home },
    stderr: "ignore",
  });
  await client.connect(transport as Transport);
  return client;
}

const textOf = async (answer: Promise<unknown>): Promise<string> =>
  JSON.stringify(((await answer) as { content: unknown }).content);

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

  it("answers a call with an error while the server is away", async () => {
    const client = await connect("--as", "blue");
    const url = `${server.url.replace(/\d+$/, "")}1`;
    const away = await connect("--as", "blue", "--url", url).catch((error: Error) => error.message);
    expect(away).toContain("cannot reach");
    await client.close();
  });
});
