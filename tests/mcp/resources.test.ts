import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { McpError } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callTool, connectMcp } from "../support/mcp.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

describe("the resources of the agent-mail profile", () => {
  const key = "/data/app";
  let server: TestServer;
  let client: Client;
  beforeAll(async () => {
    server = await startTestServer();
    const token = await server.admin.token();
    client = await connectMcp(`${server.url}/mcp?profile=agent-mail`, `Bearer ${token}`);
    const start = { human_key: key, program: "p", model: "m", agent_name: "Blue" };
    await callTool(client, "macro_start_session", start);
    for (const subject of ["first", "second"]) {
      const letter = { to: ["Blue"], subject, body_md: `# ${subject}`, thread_id: "FEAT-1" };
      await callTool(client, "send_message", { project_key: key, ...letter });
    }
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });

  async function read(uri: string): Promise<{ messages: { subject: string; body?: string }[] }> {
    const { contents } = await client.readResource({ uri });
    return JSON.parse((contents[0] as { text: string }).text) as never;
  }

  it.each([
    "resource://inbox/Blue",
    "resource://inbox/blue?project=/data/app",
    "resource://inbox/Blue?project=/data/app&limit=20",
    "resource://inbox/Blue?limit=5000&project=%2Fdata%2Fapp",
    "resource://thread/FEAT-1",
    "resource://thread/FEAT-1?project=/data/app&include_bodies=true",
    "resource://thread/FEAT-1?include_bodies=true&project=%2Fdata%2Fapp",
    "resource://thread/FEAT-1?project=data-app&unknown=1",
  ])("reads %s", async (uri) => {
    expect((await read(uri)).messages.map(({ subject }) => subject)).toEqual(["first", "second"]);
  });

  it("reads the page and the bodies that are asked for", async () => {
    const uri = "resource://inbox/Blue?project=/data/app";
    expect((await read(uri)).messages[0]).not.toHaveProperty("body");
    expect((await read(`${uri}&limit=1`)).messages).toMatchObject([{ subject: "second" }]);
    expect((await read(`${uri}&limit=1&after=0&include_bodies=true`)).messages).toMatchObject([
      { subject: "first", body: "# first" },
    ]);
    const thread = "resource://thread/FEAT-1?project=/data/app";
    expect((await read(thread)).messages[0]?.body).toBe("# first");
    const [bare] = (await read(`${thread}&include_bodies=false`)).messages;
    expect(bare).toMatchObject({ subject: "first" });
    expect(bare).not.toHaveProperty("body");
  });

  it("lists one template for each resource, and those that need no name as resources", async () => {
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
      "resource://inbox/{agent}{?project,limit,after,include_bodies}",
      "resource://thread/{id}{?project,limit,after,include_bodies}",
      "resource://agents{?project,limit,after}",
      "resource://leases{?project,limit,after}",
    ]);
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(["resource://agents", "resource://leases"]);
    expect(
      (await client.readResource({ uri: "resource://agents?project=/data/app" })).contents,
    ).toHaveLength(1);
  });

  it.each([
    ["resource://inbox/other", "FORBIDDEN", "read resource://inbox/Blue"],
    [
      "resource://inbox/Blue?project=default",
      "FORBIDDEN",
      "read resource://inbox/Blue without project",
    ],
    ["resource://thread/none", "NOT_FOUND", expect.any(String)],
    ["resource://inbox/Blue?limit=many", "BAD_REQUEST", expect.stringContaining("templates/list")],
    ["resource://inbx/Blue", "NOT_FOUND", expect.stringContaining("templates/list")],
    ["resource://inbox", "NOT_FOUND", expect.stringContaining("templates/list")],
    ["resource://inbox/%zz", "FORBIDDEN", expect.any(String)],
    ["no-uri", "NOT_FOUND", expect.stringContaining("templates/list")],
  ])("says of %s what is wrong and what to do", async (uri, code, next: unknown) => {
    const error = await client.readResource({ uri }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(McpError);
    expect((error as McpError).data).toMatchObject({ code, next });
    expect((error as McpError).message).toContain("Next: ");
  });
});
