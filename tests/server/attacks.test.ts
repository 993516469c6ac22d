import { decodeJwt, SignJWT, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../contract/client.ts";
import { type Problem, ProblemError } from "../../contract/problem.ts";
import { makeKey } from "../../runtime/key-store.ts";
import { lastSeq } from "../../storage/log.ts";
import { forgeries } from "../support/forge.ts";
import { call, routes } from "../support/routes.ts";
import { joinAs, type Member, startTestServer, type TestServer } from "../support/server.ts";
import { systemClock } from "../../runtime/clock.ts";

const guarded = routes.filter(({ endpoint }) => endpoint.scope !== "public");

describe("tokens that must be refused", () => {
  let server: TestServer;
  let anna: Member;
  let forged: Record<string, string>;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await server.join("user", "anna");
    await anna.asAgent("blue");
    forged = await forgeries(server);
  });
  afterAll(() => server.stop());

  /** Calls every guarded route and expects the refusal everywhere, before the body is looked at, and no event. */
  async function refusedEverywhere(
    headers: Record<string, string>,
    status = 401,
    code = "UNAUTHENTICATED",
  ): Promise<void> {
    const { query } = server.running.eventLog;
    const before = await lastSeq(query);
    for (const route of guarded) {
      const response = await call(server.url, route, headers);
      const problem = (await response.json()) as Problem;
      expect({ route: route.name, status: response.status, code: problem.code }).toEqual({
        route: route.name,
        status,
        code,
      });
      expect(JSON.stringify(problem)).not.toContain(headers["authorization"]?.slice(7) ?? "\0");
    }
    expect(await lastSeq(query)).toBe(before);
  }

  it("are refused on every route when there is none", () => refusedEverywhere({}));

  it("are refused on every route, whatever is wrong with them", async () => {
    expect(Object.keys(forged).length).toBeGreaterThan(20);
    for (const [what, token] of Object.entries(forged)) {
      await refusedEverywhere({ authorization: `Bearer ${token}` }).catch((error: unknown) => {
        throw new Error(`a token with ${what} was not refused`, { cause: error });
      });
    }
  });

  it("are refused on every route when they are 1 MiB long", () =>
    refusedEverywhere(
      { authorization: `Bearer ${"x".repeat(1_048_576)}` },
      413,
      "PAYLOAD_TOO_LARGE",
    ));

  it("are refused on every route after their principal was revoked, and so are those of its agents", async () => {
    const ben = await server.join("user", "ben");
    await ben.asAgent("red");
    const tokens = [await ben.token(), await ben.agentToken("red")];
    const params = { principal: "user:ben" };
    await server.admin.client.identity.revokePrincipal({ params, body: {} });
    for (const token of tokens) await refusedEverywhere({ authorization: `Bearer ${token}` });
    await expect(ben.token(true)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("gives a node nothing but what nodes do", async () => {
    const node = await server.join("node", "n1");
    const headers = { authorization: `Bearer ${await node.token()}` };
    for (const route of guarded) {
      const { scope } = route.endpoint;
      const response = await call(server.url, route, headers);
      const { code } = (await response.json()) as Problem;
      if (scope !== "node:self" && scope !== "self")
        expect([route.name, code]).toEqual([route.name, "FORBIDDEN"]);
    }
  });

  it("gives an agent none of the scopes of its owner that are not an agent's", async () => {
    await anna.asAgent("green");
    const token = await anna.agentToken("green");
    const forbidden = ["token:write", "principal:write", "lease:force", "contact:approve"];
    for (const route of guarded) {
      if (!forbidden.includes(route.endpoint.scope)) continue;
      const response = await call(server.url, route, { authorization: `Bearer ${token}` });
      expect([route.name, response.status]).toEqual([route.name, 403]);
    }
  });

  it("gives nobody an agent of somebody else, and names the owner", async () => {
    const carl = await server.join("user", "carl");
    await expect(carl.agentToken("blue")).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "agent blue belongs to user:anna, not to user:carl",
    });
    await expect(carl.agentToken("nobody")).rejects.toMatchObject({ code: "AGENT_NOT_FOUND" });
  });
});

describe("assertions and join proofs", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  const exchange = async (member: Member, change: Record<string, unknown>, nonce?: string) => {
    const client = createClient({ url: server.url });
    const fresh = await client.identity.nonce();
    const now = Math.floor(Date.now() / 1_000);
    const { calculateJwkThumbprint } = await import("jose");
    const assertion = await new SignJWT({
      iss: member.principal,
      sub: member.principal,
      aud: fresh.audience,
      iat: now,
      exp: now + 60,
      jti: "one",
      nonce: nonce ?? fresh.nonce,
      ...change,
    })
      .setProtectedHeader({
        alg: "EdDSA",
        typ: "assertion+jwt",
        kid: await calculateJwkThumbprint(member.key),
      })
      .sign(await importJWK(member.key, "EdDSA"));
    return client.identity.token({ body: { assertion } });
  };

  it("buy one token per nonce", async () => {
    const { nonce } = await createClient({ url: server.url }).identity.nonce();
    const first = await exchange(server.admin, {}, nonce);
    expect(decodeJwt(first.token)).toMatchObject({ sub: "user:admin" });
    await expect(exchange(server.admin, {}, nonce)).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: "this nonce was used before",
    });
  });

  it("are refused with a foreign nonce, audience or subject", async () => {
    for (const change of [
      { nonce: "AAAA" },
      { aud: "gridpost:another" },
      { sub: "user:root", iss: "user:root" },
    ])
      await expect(exchange(server.admin, change)).rejects.toMatchObject({
        code: "UNAUTHENTICATED",
      });
  });

  it("name the difference when the client's clock is ten minutes off", async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (const [offset, side] of [
      [600, "ahead of"],
      [-600, "behind"],
    ] as const) {
      const times = { iat: now + offset, exp: now + offset + 60 };
      const error = await exchange(server.admin, times).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ProblemError);
      expect((error as ProblemError).message).toMatch(
        new RegExp(`^the clock of your machine is (59|60)\\d s ${side} the server's`),
      );
      expect((error as ProblemError).next).toBe("timedatectl set-ntp true");
    }
    await exchange(server.admin, { iat: now + 50, exp: now + 110 });
    await exchange(server.admin, { iat: now - 100, exp: now - 40 });
  });

  it("use up a join token, which is good for its own name only", async () => {
    const { admin, url } = server;
    const clock = systemClock;
    const made = await admin.client.identity.createToken({ body: { kind: "user", name: "dora" } });
    await expect(joinAs({ url, clock, token: made.token, name: "eve" })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await joinAs({ url, clock, token: made.token });
    await expect(joinAs({ url, clock, token: made.token })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: "this join token was used up",
    });
  });

  it("cannot add a key to somebody who exists, unless the token was made for that", async () => {
    const { admin, url } = server;
    const clock = systemClock;
    const open = await admin.client.identity.createToken({ body: { kind: "user" } });
    await server.join("user", "fred");
    await expect(joinAs({ url, clock, token: open.token, name: "fred" })).rejects.toMatchObject({
      code: "NAME_TAKEN",
    });
    const second = await server.join("user", "fred");
    expect(second.principal).toBe("user:fred");
  });

  it("let a member make tokens for itself and its agents, and for nobody else", async () => {
    const gina = await server.join("user", "gina");
    await gina.asAgent("gold");
    const { createToken } = gina.client.identity;
    await createToken({ body: { kind: "user", name: "gina" } });
    await createToken({ body: { kind: "agent", name: "gold" } });
    await createToken({ body: { kind: "agent", name: "silver" } });
    for (const body of [
      { kind: "user" as const },
      { kind: "user" as const, name: "fred" },
      { kind: "user" as const, name: "gina", role: "admin" as const },
      { kind: "node" as const, name: "n9" },
    ])
      await expect(createToken({ body })).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  it("give nobody but its owner or an admin the first key of an agent", async () => {
    const hugo = await server.join("user", "hugo");
    const iris = await server.join("user", "iris", { role: "operator" });
    const { url } = server;
    const agent = { kind: "agent" as const, name: "copper" };
    const early = await iris.client.identity.createToken({ body: agent });
    await hugo.asAgent("copper");
    await expect(iris.client.identity.createToken({ body: agent })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "agent:default/copper exists: only user:hugo or an admin can give it a key",
    });
    await expect(joinAs({ url, clock: systemClock, token: early.token })).rejects.toMatchObject({
      code: "NAME_TAKEN",
    });
    await expect(
      hugo.client.identity.createToken({ body: { ...agent, name: "Copper" } }),
    ).rejects.toMatchObject({ code: "NAME_TAKEN" });
    const { token } = await hugo.client.identity.createToken({ body: agent });
    const copper = await joinAs({ url, clock: systemClock, token });
    expect(copper.principal).toBe("agent:default/copper");
  });

  it("let nobody take the name for which a higher role waits", async () => {
    const { admin, url } = server;
    const kim = await server.join("user", "kim", { role: "operator" });
    const body = { principal: "user:lena", role: "admin" as const, ahead: true };
    await admin.client.access.grantRole({ body });
    const lena = { kind: "user" as const, name: "lena" };
    await expect(kim.client.identity.createToken({ body: lena })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "the role admin waits for user:lena: you lack its scopes",
    });
    const unbound = await kim.client.identity.createToken({ body: { kind: "user" } });
    const stranger = { url, clock: systemClock, token: unbound.token, name: "lena" };
    await expect(joinAs(stranger)).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect((await server.join("user", "lena")).principal).toBe("user:lena");
  });

  it("give an agent with its own key a token without an owner behind it", async () => {
    const robot = await server.join("agent", "robot");
    const who = await robot.client.identity.whoami({ query: {} });
    expect(who).toMatchObject({ principal: "agent:default/robot", act: null });
    const thread = await robot.client.mailbox.send({
      params: { project: "default" },
      body: { to: ["robot"], subject: "to myself" },
    });
    expect(thread.recipients).toEqual([{ agent: "robot", seq: 1 }]);
  });

  it("install a fleet with one token and a name pattern", async () => {
    const { admin, url } = server;
    const clock = systemClock;
    const { token } = await admin.client.identity.createToken({
      body: { kind: "node", namePattern: "gpu-[001-016]", uses: 2, ttlMs: 3_600_000 },
    });
    await expect(joinAs({ url, clock, token, name: "gpu-017" })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await joinAs({ url, clock, token, name: "gpu-001" });
    await joinAs({ url, clock, token, name: "gpu-016" });
    await expect(joinAs({ url, clock, token, name: "gpu-002" })).rejects.toMatchObject({
      message: "this join token was used up",
    });
  });

  it("are refused when a token was revoked or is not from this server", async () => {
    const { admin, url } = server;
    const clock = systemClock;
    const { id, token } = await admin.client.identity.createToken({ body: { kind: "user" } });
    await admin.client.identity.revokeToken({ params: { id } });
    await expect(joinAs({ url, clock, token, name: "x" })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
    const stranger = `gpj_${"A".repeat(22)}.${makeKey().x}`;
    await expect(joinAs({ url, clock, token: stranger, name: "x" })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });
});
