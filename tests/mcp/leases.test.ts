import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Connection } from "../../server/mcp/agent-mail/connection.ts";
import { reservationTools } from "../../server/mcp/agent-mail/reservations.ts";
import { leaseTools } from "../../server/mcp/lease-tools.ts";
import type { McpCall } from "../../server/mcp/tool.ts";
import { callTool, connectMcp } from "../support/mcp.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

describe("leases over MCP", () => {
  let server: TestServer;
  const open: Client[] = [];
  const faults: string[] = [];
  beforeAll(async () => {
    const log = pino({ level: "error" }, { write: (line: string) => void faults.push(line) });
    server = await startTestServer({ log });
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await server.stop();
  });

  async function connect(token: string): Promise<Client> {
    const client = await connectMcp(`${server.url}/mcp`, `Bearer ${token}`);
    open.push(client);
    return client;
  }

  async function asAgent(name: string): Promise<Client> {
    await server.admin.asAgent(name);
    return connect(await server.admin.agentToken(name));
  }

  it("answers a conflict with who holds it and what to do next", async () => {
    const [one, two] = [await asAgent("one"), await asAgent("two")];
    const lease = await callTool(one, "reserve", { resources: ["src/**"], reason: "refactoring" });
    const refused = await callTool(two, "reserve", { resources: ["src/a.ts"] });
    expect(refused).toMatchObject({
      isError: true,
      value: { code: "RESERVATION_CONFLICT", details: [{ holder: "one", reason: "refactoring" }] },
    });
    expect(
      (await callTool(two, "reserve", { resources: ["src/a.ts"], dryRun: true })).value,
    ).toMatchObject({ free: false });
    await callTool(one, "release", { lease: (lease.value as { id: string }).id });
    expect((await callTool(two, "reserve", { resources: ["src/a.ts"] })).isError).toBe(false);
    expect((await callTool(two, "release", { all: true })).value).toMatchObject({
      released: [expect.any(String)],
    });
  });

  it("renews a lease, changes its mode, hands it on, takes it away, and tells its history", async () => {
    const [one, two] = [await asAgent("holder"), await asAgent("heir")];
    const resources = ["lib/**"];
    const { value } = await callTool(one, "reserve", { resources, ttlSeconds: 60 });
    const {
      id: lease,
      fence,
      expiresAt,
    } = value as { id: string; fence: number; expiresAt: string };
    const renewed = await callTool(one, "reserve", { lease, ttlSeconds: 3_600, shared: true });
    expect(renewed.value).toMatchObject({ id: lease, fence, mode: "shared" });
    const later = Date.parse((renewed.value as { expiresAt: string }).expiresAt);
    expect(later).toBeGreaterThan(Date.parse(expiresAt) + 3_000_000);
    expect(await callTool(two, "reserve", { lease })).toMatchObject({ isError: true });
    for (const wrong of [{ lease, resources }, {}])
      expect((await callTool(one, "reserve", wrong)).isError).toBe(true);
    for (const wrong of [{ lease, to: "heir", force: "x" }, { all: true, to: "heir" }, {}])
      expect((await callTool(one, "release", wrong)).isError).toBe(true);

    const handed = await callTool(one, "release", { lease, to: "heir" });
    expect(handed.value).toMatchObject({ id: lease, holder: "heir" });
    const waiting = await callTool(one, "reserve", { resources, waitSeconds: 1 });
    expect(waiting.value).toMatchObject({
      code: "RESERVATION_CONFLICT",
      details: [{ holder: "heir" }],
    });
    // An agent may not take a lease away by force, an operator may.
    expect(await callTool(one, "release", { lease, force: "mine" })).toMatchObject({
      isError: true,
      value: { code: "FORBIDDEN" },
    });
    const operator = await connect(await server.admin.token());
    const taken = await callTool(operator, "release", { lease, force: "the build must go on" });
    expect(taken.value).toMatchObject({ id: lease, state: "released" });
    const told = await callTool(two, "reserve", { resources: ["lib/a"], history: true });
    const [past] = (told.value as { history: { leases: { id: string; holder: string }[] }[] })
      .history;
    expect(past).toMatchObject({ resource: "lib/a" });
    expect(past?.leases.map(({ id, holder }) => [id, holder])).toEqual([
      [lease, "heir"],
      [lease, "holder"],
    ]);
  });

  it("lets others pass a client that went away while it waited", async () => {
    const [one, two] = [await asAgent("keeper"), await asAgent("patient")];
    const resources = ["doc/**"];
    const { value } = await callTool(one, "reserve", { resources });
    await server.admin.asAgent("leaver");
    const leaver = await server.admin.agentToken("leaver");
    const gone = new AbortController();
    const left = fetch(`${server.url}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${leaver}`,
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "reserve", arguments: { resources, waitSeconds: 300 } },
      }),
      signal: gone.signal,
    });
    const thereFor = (ms: number): Promise<unknown[]> =>
      server.running.eventLog.query(
        "select 1 from e_lease_tickets where holder like '%leaver' and present_until > $1",
        [Date.now() + ms],
      );
    // Whoever is there for so long has taken its place and waits for its turn.
    await expect.poll(() => thereFor(10_000)).toHaveLength(1);
    gone.abort();
    await expect(left).rejects.toThrow("aborted");
    await expect.poll(() => thereFor(0)).toHaveLength(0);
    expect(faults).toEqual([]);
    await callTool(one, "release", { lease: (value as { id: string }).id });
    const { value: mine } = await callTool(two, "reserve", { resources, waitSeconds: 300 });
    expect(mine).toMatchObject({ holder: "patient" });
  });

  it("tells the history of no more resources than a lease may cover, one after another", async () => {
    const one = await asAgent("reader");
    const many = Array.from({ length: 1_001 }, (_, i) => `many/${i}`);
    expect(await callTool(one, "reserve", { resources: many, history: true })).toMatchObject({
      isError: true,
    });
    let running = 0;
    let most = 0;
    const history = async () => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      running -= 1;
      return { leases: [] };
    };
    const reserve = leaseTools.find(({ name }) => name === "reserve");
    const call = { client: { reservations: { history } }, project: "default" };
    await reserve?.run({ resources: ["a", "b", "c"], history: true }, call as unknown as McpCall);
    expect(most).toBe(1);
  });

  describe("in the agent-mail profile", () => {
    const project_key = "/data/app";
    async function bound(agent_name: string): Promise<Client> {
      const url = `${server.url}/mcp?profile=agent-mail`;
      const client = await connectMcp(url, `Bearer ${await server.admin.token()}`);
      open.push(client);
      const start = { human_key: project_key, program: "p", model: "m", agent_name };
      expect(await callTool(client, "macro_start_session", start)).toMatchObject({
        isError: false,
      });
      return client;
    }

    it("leaves nothing reserved when one of several paths is refused, and keeps what was held before", async () => {
      const [one, two] = [await bound("Delta"), await bound("Epsilon")];
      const before = await callTool(one, "file_reservation_paths", {
        project_key,
        paths: ["kept"],
      });
      expect(before.isError).toBe(false);
      const paths = ["kept", "src/a.ts", "/abs/path"];
      const start = { human_key: project_key, program: "p", model: "m", agent_name: "Delta" };
      for (const [tool, args] of [
        ["file_reservation_paths", { project_key, paths }],
        ["macro_file_reservation_cycle", { project_key, paths }],
        ["macro_start_session", { ...start, file_reservation_paths: paths }],
      ] as const)
        expect(await callTool(one, tool, args), tool).toMatchObject({
          isError: true,
          value: { message: expect.stringContaining("/abs/path") },
        });
      const asked = { project_key, paths: ["src/a.ts", "kept"] };
      expect((await callTool(two, "file_reservation_paths", asked)).value).toMatchObject({
        granted: [{ path_pattern: "src/a.ts" }],
        conflicts: [{ path: "kept", holders: [{ agent: "Delta" }] }],
      });
    });

    it("releases all that its agent holds, however many", async () => {
      const held = Array.from({ length: 600 }, (_, i) => ({ id: `l${i}`, resources: [] }));
      const leases = ({ query }: { query: { after?: string } }) => {
        const from = Number(query.after ?? 0);
        const next = from + 500 < held.length ? String(from + 500) : null;
        return Promise.resolve({ leases: held.slice(from, from + 500), next });
      };
      const released: string[] = [];
      const release = ({ params }: { params: { lease: string } }) =>
        Promise.resolve(void released.push(params.lease));
      const connection = {
        bound: () => Promise.resolve({ project: "p", agent: "a" }),
        as: () => Promise.resolve({ reservations: { leases, release } }),
      };
      const tool = reservationTools.find(({ name }) => name === "release_file_reservations");
      const answer = await tool?.run({ project_key: "p" }, connection as unknown as Connection);
      expect(answer).toMatchObject({ released: 600 });
      expect(released).toEqual(held.map(({ id }) => id));
    });
  });
});
