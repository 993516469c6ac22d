import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import { createOutside, type OutsideDeps } from "../../server/identity/outside.ts";
import { OutsideIssuer, outsideUser, roleChanges } from "../../server/identity/outside-rules.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const inDefault = { params: { project: "default" } };

describe("tokens of an outside issuer", () => {
  let issuer: TestIssuer;
  let server: TestServer;
  beforeAll(async () => {
    issuer = await startIssuer("gridpost-test");
    server = await startTestServer({
      prepare: async (data) => {
        const { issuer: name, jwksUri } = issuer;
        const roles = [
          { claim: "groups", value: "gpu-team", role: "member", project: "default" },
          { claim: "groups", value: "gpu-admins", role: "operator" },
        ];
        const oidc = [
          { issuer: name, jwksUri, audience: "gridpost-test", userPrefix: "corp-", roles },
        ];
        await writeFile(join(data, "config.yaml"), stringify({ oidc }));
      },
    });
  });
  afterAll(async () => {
    await server.stop();
    await issuer.close();
  });

  const as = (token: string): Client =>
    createClient({ url: server.url, token: () => Promise.resolve(token) });
  const whoami = (client: Client) => client.identity.whoami({ query: { project: "default" } });

  it("prove a user with the roles that the claims give", async () => {
    const token = await issuer.sign({ sub: "ines", groups: ["gpu-team"] });
    const who = await whoami(as(token));
    expect(who).toMatchObject({ principal: "user:corp-ines", kind: "user" });
    expect(who.scopes).toContain("mail:send");
    expect(who.scopes).not.toContain("token:write");
    await as(token).mailbox.registerAgent({ ...inDefault, body: { name: "ines-bot" } });
  });

  it("make a user who counts as an admin of the server, until it is revoked", async () => {
    const { access, identity } = server.admin.client;
    const role = "admin" as const;
    const own = { principal: "user:admin", role };
    const corp = { principal: "user:corp-boss", role };
    await access.grantRole({ body: corp });
    const boss = as(await issuer.sign({ sub: "boss" }));
    await access.revokeRole({ body: own });
    await expect(boss.access.revokeRole({ body: corp })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await boss.access.grantRole({ body: own });
    await identity.revokePrincipal({ params: { principal: corp.principal }, body: {} });
    await expect(access.revokeRole({ body: own })).rejects.toMatchObject({ code: "CONFLICT" });
    await access.revokeRole({ body: corp });
  });

  it("take roles away again when the claims no longer give them", async () => {
    await whoami(as(await issuer.sign({ sub: "jan", groups: ["gpu-team", "gpu-admins"] })));
    const who = await whoami(as(await issuer.sign({ sub: "jan", groups: ["gpu-team"] })));
    expect(who.scopes).toContain("mail:send");
    expect(who.scopes).not.toContain("lease:force");
    const { entries } = await server.admin.client.access.audit({ query: { type: "role.revoked" } });
    expect(entries[0]?.details).toEqual({
      principal: "user:corp-jan",
      role: "operator",
      project: null,
    });
  });

  it("buy a token of this server, to act as one's agents", async () => {
    const assertion = await issuer.sign({ sub: "kim", groups: ["gpu-team"] });
    await as(assertion).mailbox.registerAgent({ ...inDefault, body: { name: "kim-bot" } });
    const agent = { project: "default", name: "kim-bot" };
    const bought = await createClient({ url: server.url }).identity.token({
      body: { assertion, agent },
    });
    expect(await whoami(as(bought.token))).toMatchObject({
      principal: "agent:default/kim-bot",
      act: "user:corp-kim",
    });
  });

  it("are refused when anything is wrong with them", async () => {
    const good = { sub: "leo", groups: ["gpu-team"] };
    const other = await startIssuer("gridpost-test");
    const cases = {
      "another audience": await issuer.sign({ ...good, aud: "elsewhere" }),
      "an unknown issuer": await other.sign(good),
      "the keys of another issuer": await other.sign({ ...good, iss: issuer.issuer }),
      "an embedded key": await issuer.sign(good, { jku: `${other.issuer}/jwks` }),
      "a name that nobody can have": await issuer.sign({ ...good, sub: "leo/../admin" }),
      "no name": await issuer.sign({ groups: ["gpu-admins"] }),
    };
    for (const [what, token] of Object.entries(cases))
      await expect(whoami(as(token)), what).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(whoami(as(cases["an unknown issuer"]))).rejects.toThrow(/issuer that this server/);
    await other.close();
  });

  it("cannot be issued for somebody who joined here, and nobody can join under their names", async () => {
    await expect(server.join("user", "corp-max")).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect((await whoami(as(await issuer.sign({ sub: "admin" })))).principal).toBe(
      "user:corp-admin",
    );
  });

  it("end at once when their user is revoked, bought tokens included", async () => {
    const assertion = await issuer.sign({ sub: "nina", groups: ["gpu-team"] });
    const { identity } = createClient({ url: server.url });
    await whoami(as(assertion));
    const bought = await identity.token({ body: { assertion } });
    const params = { principal: "user:corp-nina" };
    await server.admin.client.identity.revokePrincipal({ params, body: {} });
    for (const token of [assertion, bought.token, await issuer.sign({ sub: "nina" })])
      await expect(whoami(as(token))).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(identity.token({ body: { assertion } })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });

  it("count again once an admin readmits their user, and nobody else can be readmitted", async () => {
    const { identity, access } = server.admin.client;
    const anew = async () => whoami(as(await issuer.sign({ sub: "rita", groups: ["gpu-team"] })));
    await anew();
    const params = { principal: "user:corp-rita" };
    const readmit = (client: Client) =>
      client.identity.readmitPrincipal({ params, body: { reason: "a mistake" } });
    await expect(readmit(server.admin.client)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await identity.revokePrincipal({ params, body: {} });
    await expect(anew()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const member = await server.join("user", "sam", { role: "operator" });
    await expect(readmit(member.client)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await readmit(server.admin.client);
    expect((await anew()).scopes).toContain("mail:send");
    await identity.revokePrincipal({ params, body: {} });
    await expect(anew()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const { entries } = await access.audit({ query: { type: "principal.readmitted" } });
    expect(entries).toMatchObject([{ actor: "user:admin", details: { reason: "a mistake" } }]);
    await expect(
      identity.readmitPrincipal({ params: { principal: "user:sam" }, body: {} }),
    ).rejects.toMatchObject({ code: "CONFLICT", next: expect.stringContaining("--name sam") });
  });

  it("do not make the server ask for keys over and over", async () => {
    const before = issuer.asked();
    for (let i = 0; i < 20; i += 1) {
      const token = await issuer.sign({ sub: "otto" }, { kid: `unknown-${i}` });
      await expect(whoami(as(token))).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    }
    expect(issuer.asked() - before).toBeLessThanOrEqual(1);
  });
});

describe("an issuer that cannot give its keys", () => {
  it.each([
    [503, "busy"],
    [200, "<html>"],
    [200, "{}"],
  ])("is not taken for a wrong token (%i %s)", async (status, text) => {
    const issuer = await startIssuer("gridpost-test");
    const broken = createServer((_request, response) => response.writeHead(status).end(text));
    await once(broken.listen(0, "127.0.0.1"), "listening");
    const { port } = broken.address() as AddressInfo;
    const outside = createOutside({
      issuers: [
        OutsideIssuer.parse({
          issuer: issuer.issuer,
          jwksUri: `http://127.0.0.1:${port}/jwks`,
          audience: "gridpost-test",
          userPrefix: "corp-",
        }),
      ],
    } as unknown as OutsideDeps);
    const token = await issuer.sign({ sub: "leo" });
    await expect(outside.verify(token, Date.now())).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: `the keys of ${issuer.issuer} cannot be fetched`,
    });
    broken.close();
    await issuer.close();
  });
});

describe("the claim map", () => {
  const issuer = OutsideIssuer.parse({
    issuer: "https://id.example",
    jwksUri: "https://id.example/jwks",
    audience: "gridpost",
    userPrefix: "x-",
    userClaim: "preferred_username",
    roles: [
      { claim: "scope", value: "fleet", role: "operator" },
      { claim: "groups", value: "a", role: "member", project: "lab" },
      { claim: "groups", value: "b", role: "member", project: "lab" },
    ],
  });

  it("refuses key sets over plain HTTP, symmetric algorithms and unknown settings", () => {
    const plain = { ...issuer, jwksUri: "http://id.example/jwks" };
    expect(OutsideIssuer.safeParse(plain).success).toBe(false);
    expect(OutsideIssuer.safeParse({ ...issuer, algorithms: ["HS256"] }).success).toBe(false);
    expect(OutsideIssuer.safeParse({ ...issuer, colour: "red" }).success).toBe(false);
  });

  it("names users by the claim that it is told", () => {
    expect(outsideUser(issuer, { preferred_username: "mia", sub: "42" })).toBe("user:x-mia");
    expect(outsideUser(issuer, { preferred_username: 42 })).toBeUndefined();
    expect(outsideUser(issuer, { preferred_username: "a b" })).toBeUndefined();
  });

  it("reads lists and words, and leaves roles alone that it does not map", () => {
    const held = [
      { role: "viewer" as const, project: "lab" },
      { role: "member" as const, project: "lab" },
    ];
    expect(roleChanges(issuer, { scope: "read fleet", groups: ["b"] }, held)).toEqual([
      { type: "role.granted", role: "operator", project: null },
    ]);
    expect(roleChanges(issuer, {}, held)).toEqual([
      { type: "role.revoked", role: "member", project: "lab" },
    ]);
  });
});
