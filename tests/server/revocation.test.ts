import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as inFolder } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../runtime/clock.ts";
import { joinServer } from "../../runtime/join.ts";
import { joinAs, type Member, startTestServer, type TestServer } from "../support/server.ts";

describe("a revocation", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  const revoke = (principal: string) =>
    server.admin.client.identity.revokePrincipal({ params: { principal }, body: {} });
  const tokenOf = async (
    { client }: Member,
    body: Parameters<Member["client"]["identity"]["createToken"]>[0]["body"],
  ) => (await client.identity.createToken({ body })).token;
  const join = (token: string, name?: string) =>
    joinAs({
      url: server.url,
      clock: systemClock,
      token,
      ...(name === undefined ? {} : { name }),
    });
  const dead = {
    code: "UNAUTHENTICATED",
    message: "this join token is unknown or was revoked",
  };

  it("voids the join tokens that somebody made, so that nobody comes back with them", async () => {
    const anna = await server.join("user", "anna", { role: "operator" });
    await anna.asAgent("blue");
    const made = [
      await tokenOf(anna, { kind: "user", name: "anna" }),
      await tokenOf(anna, { kind: "user", name: "mallory", role: "operator" }),
      await tokenOf(anna, { kind: "agent", name: "blue" }),
    ];
    const fleet = await tokenOf(anna, { kind: "node", namePattern: "n-*", uses: 2 });
    await join(fleet, "n-1");
    await revoke(anna.principal);
    for (const token of made) await expect(join(token)).rejects.toMatchObject(dead);
    await expect(join(fleet, "n-2")).rejects.toMatchObject(dead);
  });

  it("of a name that nobody has tells where the names are listed", async () => {
    for (const [principal, next] of [
      ["node:nosuch", "gridpost node ls"],
      ["user:nosuch", "gridpost role ls"],
      ["nosuch", "write it as user:NAME, node:NAME or agent:PROJECT/NAME"],
    ] as const)
      await expect(revoke(principal)).rejects.toMatchObject({ code: "NOT_FOUND", next });
  });

  it("ends the agents of a user that have a key of their own, retired ones included, and no others", async () => {
    const dora = await server.join("user", "dora");
    const keyed = async (name: string): Promise<Member> => {
      await dora.asAgent(name);
      return join(await tokenOf(dora, { kind: "agent", name }));
    };
    const own = [await keyed("pink"), await keyed("gray")];
    const other = await server.join("agent", "solo");
    const params = { project: "default", name: "gray" };
    await dora.client.mailbox.retireAgent({ params });
    const who = ({ client }: Member) => client.identity.whoami({ query: {} });
    for (const agent of [...own, other]) expect((await who(agent)).kind).toBe("agent");
    await revoke(dora.principal);
    for (const agent of own)
      await expect(who(agent)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect((await who(other)).principal).toBe("agent:default/solo");
  });

  it("of an agent holds against its owner, too, until the agent joins with a key", async () => {
    const emma = await server.join("user", "emma");
    const teal = await emma.asAgent("teal");
    const act = () => teal.identity.whoami({ query: {} });
    await act();
    await revoke("agent:default/teal");
    await expect(act()).rejects.toMatchObject({
      code: "FORBIDDEN",
      next: expect.stringContaining("token create --kind agent --name teal") as unknown,
    });
    await join(await tokenOf(emma, { kind: "agent", name: "teal" }));
    expect((await act()).principal).toBe("agent:default/teal");
  });

  it("voids the join tokens that others made for that name, and no others", async () => {
    const { admin } = server;
    await server.join("user", "ben");
    await admin.client.identity.createProject({ body: { name: "other" } });
    const agent = { kind: "agent" as const, name: "ben" };
    const spared = [
      await tokenOf(admin, { kind: "user", name: "benno" }),
      await tokenOf(admin, { kind: "node", name: "ben" }),
      await tokenOf(admin, agent),
    ];
    const own = await tokenOf(admin, { kind: "user", name: "ben" });
    const ofAgent = await tokenOf(admin, { ...agent, project: "other" });
    await revoke("user:ben");
    await revoke("agent:other/ben");
    for (const token of [own, ofAgent]) await expect(join(token)).rejects.toMatchObject(dead);
    for (const token of spared) await join(token);
  });

  it("is undone by a join token that is made after it", async () => {
    await server.join("user", "carl");
    await revoke("user:carl");
    expect((await server.join("user", "carl")).principal).toBe("user:carl");
  });

  it("is for good: who has the key does not come back with it, not even under another name", async () => {
    const home = await mkdtemp(inFolder(tmpdir(), "gridpost-revoked-"));
    onTestFinished(() => rm(home, { recursive: true }));
    const { admin, url } = server;
    const joinAgain = async (name: string) =>
      joinServer({ url, home, token: await tokenOf(admin, { kind: "user", name }) });
    await joinAgain("carla");
    await revoke("user:carla");
    for (const name of ["carla", "carla2"])
      await expect(joinAgain(name)).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining("this key was revoked") as unknown,
        next: expect.stringContaining("key.json") as unknown,
      });
    await rm(inFolder(home, "key.json"));
    expect(await joinAgain("carla")).toMatchObject({ principal: "user:carla" });
  });
});
