import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeProtectedHeader } from "jose";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../contract/client.ts";
import { readSettings, startServer } from "../../server/main.ts";
import { TestClock } from "../support/clock.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

const inDefault = { params: { project: "default" } };

describe("roles and the audit", () => {
  let server: TestServer;
  let anna: Member;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await server.join("user", "anna", { role: "viewer", project: "default" });
  });
  afterAll(() => server.stop());

  it("change what a user may do from the next call on", async () => {
    const register = (name: string) =>
      anna.client.mailbox.registerAgent({ ...inDefault, body: { name } });
    await expect(register("blue")).rejects.toMatchObject({ code: "FORBIDDEN" });
    const body = { principal: "user:anna", role: "member" as const };
    await server.admin.client.access.grantProjectRole({ ...inDefault, body });
    await register("blue");
    await server.admin.client.access.revokeProjectRole({ ...inDefault, body });
    await expect(register("green")).rejects.toMatchObject({ code: "FORBIDDEN" });
    const { roles } = await server.admin.client.access.projectRoles(inDefault);
    expect(roles).toContainEqual({ principal: "user:anna", role: "viewer", project: "default" });
    expect(roles).not.toContainEqual(expect.objectContaining({ role: "member" }));
  });

  it("are given by admins only: of the server, or of the project", async () => {
    const body = { principal: "user:anna", role: "admin" as const };
    for (const call of [
      anna.client.access.grantRole({ body }),
      anna.client.access.grantProjectRole({ ...inDefault, body }),
    ])
      await expect(call).rejects.toMatchObject({ code: "FORBIDDEN" });
    const owner = await server.join("user", "olga", { role: "admin", project: "default" });
    const member = { principal: "user:paul", role: "member" as const, ahead: true };
    await owner.client.access.grantProjectRole({ ...inDefault, body: member });
    await expect(owner.client.access.grantRole({ body: member })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("leave the server at least one admin", async () => {
    const body = { principal: "user:admin", role: "admin" as const };
    await expect(server.admin.client.access.revokeRole({ body })).rejects.toMatchObject({
      code: "CONFLICT",
      message: "user:admin is the only admin of the server who can act",
    });
  });

  it("show who did what, without hashes and keys", async () => {
    const { entries } = await server.admin.client.access.audit({ query: { limit: 500 } });
    const types = new Set(entries.map(({ type }) => type));
    for (const type of ["token.created", "principal.joined", "role.granted", "role.revoked"])
      expect(types).toContain(type);
    expect(JSON.stringify(entries)).not.toMatch(/"(hash|jwk)"/);
    const { entries: own } = await server.admin.client.access.audit({
      query: { actor: "user:admin", type: "role.revoked" },
    });
    expect(own).toHaveLength(1);
    await expect(
      server.admin.client.access.audit({ query: { after: "xx" } }),
      "a place of no list",
    ).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(anna.client.access.audit({ query: {} })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("are given to users who are there, or ahead of their coming when that is said", async () => {
    const { access } = server.admin.client;
    const body = { principal: "user:nobody", role: "operator" as const };
    const unknown = { code: "NOT_FOUND", message: "there is no user nobody" };
    await expect(access.grantRole({ body })).rejects.toMatchObject(unknown);
    await expect(access.revokeRole({ body })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await access.grantRole({ body: { ...body, ahead: true } });
    await access.revokeRole({ body });
    const anna = { ...body, principal: "user:anna" };
    await access.grantProjectRole({ ...inDefault, body: anna });
    await expect(access.revokeRole({ body: anna })).rejects.toMatchObject({
      message: "user:anna does not have the role operator on the server",
    });
    await access.revokeProjectRole({ ...inDefault, body: anna });
  });

  it("show ten denials of a principal a minute, then a count", async () => {
    const mallory = await server.join("user", "mallory");
    for (let i = 0; i < 25; i += 1)
      await expect(mallory.client.access.audit({ query: {} })).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
    const ask = (type: string) => server.admin.client.access.audit({ query: { type, limit: 100 } });
    const denied = await ask("access.denied");
    const hers = denied.entries.filter(({ actor }) => actor === "user:mallory");
    expect(hers).toHaveLength(10);
    expect(hers[0]?.details).toMatchObject({ endpoint: "GET /v1/audit" });
  });

  it("keep strangers out of the log: they go to a file of their own", async () => {
    const header = Buffer.from('{"alg":"EdDSA","sec-ret-42":1}').toString("base64url");
    for (const token of [`${header}.e30.x`, "sec-ret-42"])
      await fetch(`${server.url}/v1/projects`, { headers: { authorization: `Bearer ${token}` } });
    const lines = async (): Promise<unknown[]> => {
      const text = await readFile(join(server.data, "denied.log"), "utf8");
      expect(text).not.toContain("sec-ret-42");
      return text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as unknown);
    };
    const last = async (): Promise<unknown> => (await lines()).at(-1);
    const denied = { address: "127.0.0.1", method: "GET", route: "/v1/projects" };
    await expect.poll(last).toMatchObject(denied);
  });
});

describe("the last admin of the server", () => {
  it("is not taken for one of several when the others have yet to join, or their keys are void", async () => {
    const server = await startTestServer();
    const { access, identity } = server.admin.client;
    const role = "admin" as const;
    const only = {
      code: "CONFLICT",
      message: "user:admin is the only admin of the server who can act",
    };
    const resign = () => access.revokeRole({ body: { principal: "user:admin", role } });
    await access.grantRole({ body: { principal: "user:later", role, ahead: true } });
    await expect(resign()).rejects.toMatchObject(only);
    const gone = await server.join("user", "gone", { role });
    await identity.revokePrincipal({ params: { principal: gone.principal }, body: {} });
    await expect(resign()).rejects.toMatchObject(only);
    await access.revokeRole({ body: { principal: "user:later", role } });
    const other = await server.join("user", "other", { role });
    await resign();
    await other.client.access.grantRole({ body: { principal: "user:admin", role } });
    await access.revokeRole({ body: { principal: other.principal, role } });
    await server.stop();
  });

  it("cannot be revoked before another one can act", async () => {
    const server = await startTestServer();
    const { access, identity } = server.admin.client;
    const role = "admin" as const;
    const revoke = (principal: string, by = identity) =>
      by.revokePrincipal({ params: { principal }, body: {} });
    await access.grantRole({ body: { principal: "user:later", role, ahead: true } });
    await expect(revoke("user:admin")).rejects.toMatchObject({
      code: "CONFLICT",
      message: "user:admin is the only admin of the server who can act",
      next: expect.stringContaining("gridpost server --new-admin-join") as string,
    });
    const later = await server.join("user", "later");
    await revoke("user:admin", later.client.identity);
    await expect(revoke(later.principal, later.client.identity)).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await server.stop();
  });
});

describe("the server's signing key", () => {
  it("is published before it signs, and the old one verifies until its last token ends", async () => {
    const clock = new TestClock();
    const server = await startTestServer({ clock });
    const { client } = server.admin;
    const old = await server.admin.token();
    const kids = async () =>
      (await createClient({ url: server.url }).identity.jwks()).keys.map(({ kid }) => kid);
    const [first] = await kids();
    const { kid: second } = await client.access.rotateKey({ body: {} });
    expect(await kids()).toEqual([first, second]);
    expect(decodeProtectedHeader(await server.admin.token(true)).kid).toBe(first);

    clock.advance(599_000);
    const last = await server.admin.token(true);
    expect(decodeProtectedHeader(last).kid).toBe(first);
    clock.advance(2_000);
    expect(decodeProtectedHeader(await server.admin.token(true)).kid).toBe(second);
    const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    const whoami = `${server.url}/v1/whoami`;
    expect((await fetch(whoami, headers(last))).status).toBe(200);
    expect((await fetch(whoami, headers(old))).status).toBe(401);
    clock.advance(600_000);
    expect(await kids()).toEqual([second]);
    await server.stop();
  });

  it("keeps its private half, and so does each new one, when rotations meet", async () => {
    const clock = new TestClock();
    const server = await startTestServer({ clock });
    const rotate = () => server.admin.client.access.rotateKey({ body: { delayMs: 0 } });
    for (let round = 0; round < 20; round += 1) {
      const made = await Promise.all([rotate(), rotate(), rotate()]);
      const files = await readdir(join(server.data, "keys"));
      expect(files).toEqual(expect.arrayContaining(made.map(({ kid }) => `${kid}.json`)));
    }
    clock.advance(700_000);
    expect(await server.admin.token(true)).toBeTypeOf("string");
    expect((await server.admin.client.identity.whoami({ query: {} })).name).toBe("admin");
    await server.stop();
  });

  it("signs and verifies on when the private half of the next one is lost", async () => {
    const clock = new TestClock();
    const server = await startTestServer({ clock });
    const { access, identity } = server.admin.client;
    clock.advance(1);
    const { kid } = await access.rotateKey({ body: { delayMs: 0 } });
    await rm(join(server.data, "keys", `${kid}.json`));
    await access.rotateKey({ body: { delayMs: 3_600_000 } });
    clock.advance(700_000);
    await server.admin.token(true);
    expect((await identity.whoami({ query: {} })).name).toBe("admin");
    await server.stop();
  });

  it("can be revoked at once, with every token that it signed", async () => {
    const server = await startTestServer();
    const old = await server.admin.token();
    await server.admin.client.access.rotateKey({ body: { revokeOld: true } });
    const call = (token: string) =>
      fetch(`${server.url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
    expect((await call(old)).status).toBe(401);
    expect((await call(await server.admin.token(true))).status).toBe(200);
    expect(await readdir(join(server.data, "keys"))).toHaveLength(1);
    await server.stop();
  });
});

describe("the network edge", () => {
  it("answers 429 with Retry-After beyond the limit of a principal, and spares the others", async () => {
    const server = await startTestServer({ set: ["limits.requests=20"] });
    const anna = await server.join("user", "anna");
    const headers = { authorization: `Bearer ${await anna.token()}` };
    const statuses: number[] = [];
    for (let i = 0; i < 22; i += 1) {
      const response = await fetch(`${server.url}/v1/whoami`, { headers });
      statuses.push(response.status);
      if (response.status !== 429) continue;
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ code: "RATE_LIMITED" });
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    await server.admin.client.identity.whoami({ query: {} });
    await server.stop();
  });

  it("tells whoever asks that it is alive, also an address beyond its limit", async () => {
    const server = await startTestServer({ set: ["limits.strangers=20"] });
    const ask = async (path: string): Promise<number> => (await fetch(server.url + path)).status;
    for (let i = 0; i < 30; i += 1) expect(await ask("/healthz")).toBe(200);
    // What was not counted leaves the limit to what is.
    expect(await ask("/.well-known/jwks.json")).toBe(200);
    for (let i = 0; i < 20; i += 1) await ask("/.well-known/jwks.json");
    expect(await ask("/.well-known/jwks.json")).toBe(429);
    expect(await ask("/healthz")).toBe(200);
    expect(await ask("/readyz")).toBe(200);
    await server.stop();
  });

  it("speaks TLS with the files that it is given", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gridpost-tls-"));
    // A pair for 127.0.0.1 that nothing but this test knows.
    const [key, cert] = ["tls-key.pem", "tls-cert.pem"].map((name) =>
      fileURLToPath(new URL(`fixtures/${name}`, import.meta.url)),
    );
    const data = join(folder, "data");
    const set = [`tls.cert=${cert}`, `tls.key=${key}`];
    const settings = readSettings({ data, listen: "127.0.0.1:0", set });
    const server = await startServer({ settings, log: pino({ level: "silent" }) });
    expect(server.url).toMatch(/^https:/);
    const ca = await readFile(cert ?? "");
    const status = await new Promise((resolve, reject) => {
      request(`${server.url}/healthz`, { ca }, (response) => resolve(response.statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
    await server.stop();
    await rm(folder, { recursive: true });
  });
});
