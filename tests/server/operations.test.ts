import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createClient } from "../../contract/client.ts";
import { Problem } from "../../contract/problem.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

describe("the HTTP edge", () => {
  let server: TestServer;
  let anna: Member;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await server.join("user", "anna");
    await anna.asAgent("blue");
  });
  afterEach(() => void vi.useRealTimers());
  afterAll(() => server.stop());

  const post = async (body: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`${server.url}/v1/projects/default/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${await anna.agentToken("blue")}`, ...headers },
      body,
    });
  const json = { "content-type": "application/json" };
  const problemOf = async (response: Response): Promise<Problem> =>
    Problem.parse(await response.json());

  it("answers health and readiness while the writer is busy", async () => {
    // Nothing ends a transaction that takes long: the writer is busy until `finish`.
    vi.useFakeTimers({ toFake: ["setInterval"] });
    let finish: () => void = () => undefined;
    const busy = server.running.eventLog.tx(["busy"], () => new Promise<void>((r) => (finish = r)));
    for (const path of ["/healthz", "/readyz"])
      expect((await fetch(server.url + path)).status).toBe(200);
    finish();
    await busy;
  });

  it("shows metrics and the OpenAPI document to this machine, but not through a proxy", async () => {
    const metrics = await fetch(`${server.url}/metrics`);
    expect(await metrics.text()).toContain("gridpost_log_seq");
    const proxied = { headers: { "x-forwarded-for": "203.0.113.9" } };
    expect((await fetch(`${server.url}/metrics`, proxied)).status).toBe(401);
    expect((await fetch(`${server.url}/openapi.json`, proxied)).status).toBe(401);
    const authorization = `Bearer ${await server.admin.token()}`;
    const headers = { ...proxied.headers, authorization };
    expect((await fetch(`${server.url}/metrics`, { headers })).status).toBe(200);
    const member = { ...proxied.headers, authorization: `Bearer ${await anna.token()}` };
    expect((await fetch(`${server.url}/metrics`, { headers: member })).status).toBe(403);
  });

  it("names every mistake of a request at once, in plain words", async () => {
    const wrong = '{"to": [], "importance": "highest", "subjct": "s", "body": "b"}';
    const problem = await problemOf(await post(wrong, json));
    expect(problem.code).toBe("BAD_REQUEST");
    expect(problem.details).toEqual([
      { path: "body.to", message: "name at least one recipient" },
      { path: "body.subject", message: "is missing; expected string" },
      {
        path: "body.importance",
        message: 'expected "low" or "normal" or "high" or "urgent"',
      },
      { path: "body.subjct", message: 'unknown key "subjct"; did you mean "subject"?' },
    ]);
  });

  it("answers whatever it cannot read with a problem", async () => {
    const cases = [
      { sent: await post("{", json), status: 400, code: "BAD_REQUEST" },
      { sent: await post("x", { "content-type": "text/plain" }), status: 415 },
      {
        sent: await post(`{"subject": "${"x".repeat(9 * 1_048_576)}"}`, json),
        status: 413,
        code: "PAYLOAD_TOO_LARGE",
      },
      { sent: await fetch(`${server.url}/v1/${"x".repeat(9_000)}`), status: 414 },
      { sent: await post("{}", { ...json, "idempotency-key": "two words" }), status: 400 },
    ];
    for (const { sent, status, code } of cases) {
      const problem = await problemOf(sent);
      expect(sent.status).toBe(status);
      if (code !== undefined) expect(problem.code).toBe(code);
      expect(problem.message).not.toBe("");
    }
  });

  it("repeats the reply of a call with the same key, and refuses another body under it", async () => {
    const blue = await anna.asAgent("blue");
    const params = { project: "default" };
    const body = { to: ["blue"], subject: "once" };
    const key = { idempotencyKey: "the-key" };
    const first = await blue.mailbox.send({ params, body }, key);
    expect(await blue.mailbox.send({ params, body }, key)).toEqual(first);
    await expect(
      blue.mailbox.send({ params, body: { ...body, subject: "twice" } }, key),
    ).rejects.toMatchObject({ code: "IDEMPOTENCY_MISMATCH" });
  });

  it("says nothing about unknown paths to strangers", async () => {
    expect((await fetch(`${server.url}/v1/secrets`)).status).toBe(401);
    const headers = { authorization: `Bearer ${await anna.token()}` };
    const response = await fetch(`${server.url}/v1/secrets`, { headers });
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toMatchObject({ code: "NOT_FOUND" });
  });

  it("makes projects, whose members see no other project", async () => {
    const { client } = server.admin;
    await client.identity.createProject({ body: { name: "lab" } });
    for (const name of ["lab", "LAB"])
      await expect(client.identity.createProject({ body: { name } })).rejects.toMatchObject({
        code: "NAME_TAKEN",
        message: "project lab exists",
      });
    const lena = await server.join("user", "lena", { project: "lab" });
    const { projects } = await lena.client.identity.projects({});
    expect(projects.map(({ name }) => name)).toEqual(["lab"]);
    const params = { project: "default" };
    await expect(lena.client.identity.project({ params })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    const lab = { project: "lab" };
    expect(await lena.client.identity.project({ params: lab })).toMatchObject({ agents: 0 });
  });

  it("knows no project that was not made, not even for admins", async () => {
    const body = { name: "blue" };
    const ghost = { project: "ghost" };
    const { mailbox } = server.admin.client;
    await expect(mailbox.registerAgent({ params: ghost, body })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(anna.client.mailbox.agents({ params: ghost })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("takes the token as the password of Basic, as Git sends it", async () => {
    const basic = Buffer.from(`x:${await anna.token()}`).toString("base64");
    const headers = { authorization: `Basic ${basic}` };
    expect((await fetch(`${server.url}/v1/whoami`, { headers })).status).toBe(200);
  });

  it("publishes the key that signs its tokens", async () => {
    const { keys } = await createClient({ url: server.url }).identity.jwks();
    expect(keys).toHaveLength(1);
    expect(keys[0]).toMatchObject({ alg: "EdDSA", use: "sig", crv: "Ed25519" });
    expect(JSON.stringify(keys)).not.toContain('"d"');
  });
});
