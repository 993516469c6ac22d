import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasSigningKey, loadSigningKeys } from "../../server/identity/signing-keys.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

describe("identity", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  it("makes the user of admin.join an admin of the server and of project default", async () => {
    const who = await server.admin.client.identity.whoami({ query: { project: "default" } });
    expect(who).toMatchObject({ principal: "user:admin", kind: "user", act: null });
    expect(who.scopes).toContain("journal:read");
    expect(who.scopes).toContain("archive:read");
    const { projects } = await server.admin.client.identity.projects({});
    expect(projects.map(({ name }) => name)).toEqual(["default"]);
  });

  it("lets a user act as an agent that it owns, with agent scopes only", async () => {
    const anna = await server.join("user", "anna");
    const blue = await anna.asAgent("blue");
    const who = await blue.identity.whoami({ query: {} });
    expect(who).toMatchObject({ principal: "agent:default/blue", act: "user:anna" });
    expect(who.scopes).not.toContain("agent:write");
    await anna.asAgent("green");
    const all = await anna.client.identity.whoami({ query: {} });
    expect(all.agents.map(({ name }) => name)).toEqual(["blue", "green"]);
    const again = await blue.identity.whoami({ query: {} });
    expect(again.agents).toEqual([{ project: "default", name: "blue" }]);
  });

  it("lets an agent with its own key decide who may write to it, and nobody who acts as an agent", async () => {
    const params = { project: "default" };
    const solo = await server.join("agent", "solo", { project: "default" });
    const asker = await server.admin.asAgent("asker");
    const policy = { body: { policy: "contacts" as const } };
    await solo.client.mailbox.setPolicy({ params: { ...params, name: "solo" }, ...policy });
    const letter = { params, body: { to: ["solo"], subject: "hello" } };
    await expect(asker.mailbox.send(letter)).rejects.toThrow();
    await asker.mailbox.requestContact({ params: { ...params, name: "solo" }, body: {} });
    const answer = { params: { ...params, name: "solo", peer: "asker" }, body: { accept: true } };
    await expect(asker.mailbox.answerContact(answer)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await solo.client.mailbox.answerContact(answer);
    await asker.mailbox.send(letter);

    const others = { ...params, name: "asker" };
    await expect(
      solo.client.mailbox.setPolicy({ params: others, ...policy }),
    ).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(asker.mailbox.setPolicy({ params: others, ...policy })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("tells nobody which agents a project has that they may not read, nor whose they are", async () => {
    const { admin } = server;
    const project = "secret";
    await admin.client.identity.createProject({ body: { name: project } });
    const olga = await server.join("user", "olga", { role: "member", project });
    await olga.asAgent("BlueFox", project);
    const eve = await server.join("user", "eve");
    for (const name of ["BlueFox", "bluefox", "nobody"])
      await expect(eve.agentToken(name, project)).rejects.toMatchObject({
        code: "AGENT_NOT_FOUND",
        message: `there is no agent ${name} in project secret`,
      });
    for (const place of [project, "no-such-project"])
      await expect(
        eve.client.identity.createToken({ body: { kind: "agent", name: "spy", project: place } }),
      ).rejects.toMatchObject({ code: "FORBIDDEN", message: "you may not make this token" });
    await expect(admin.agentToken("bluefox", project)).rejects.toMatchObject({
      message: "there is no agent bluefox in project secret; did you mean BlueFox?",
    });
    for (const name of ["bluefox", "BleuFox"])
      await expect(olga.agentToken(name, project)).rejects.toMatchObject({
        message: `there is no agent ${name} in project secret; did you mean BlueFox?`,
        next: "act as BlueFox, or register another: gridpost agent register NAME",
      });
    const body = { principal: olga.principal, role: "member" as const };
    await admin.client.access.revokeProjectRole({ params: { project }, body });
    expect(await olga.agentToken("BlueFox", project)).toBeTypeOf("string");
  });
});

describe("signing keys that cannot be read", () => {
  it("are named, and no new key takes their place", async () => {
    const server = await startTestServer();
    const { query } = server.running.eventLog;
    const folder = join(server.data, "keys");
    const [file = ""] = await readdir(folder);
    await truncate(join(folder, file));
    await expect(loadSigningKeys(query, folder)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `the signing key ${join(folder, file)} is damaged`,
    });
    await expect(hasSigningKey(query, join(folder, file))).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("the signing keys cannot be read: ENOTDIR") as unknown,
    });
    await server.stop();
  });
});
