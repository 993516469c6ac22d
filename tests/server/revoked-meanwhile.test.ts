import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../contract/client.ts";
import { TOKEN_TYPES } from "../../contract/token.ts";
import { signAssertion } from "../../runtime/assertion.ts";
import { agentsPort } from "../../server/agents-port.ts";
import { exchange } from "../../server/identity/exchange.ts";
import { openIdentity } from "../../server/identity/open.ts";
import { OutsideIssuer } from "../../server/identity/outside-rules.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

describe("a token that is bought while its buyer is revoked", () => {
  let issuer: TestIssuer;
  let trusted: OutsideIssuer;
  let server: TestServer;
  beforeAll(async () => {
    issuer = await startIssuer("gridpost-test");
    trusted = OutsideIssuer.parse({
      issuer: issuer.issuer,
      jwksUri: issuer.jwksUri,
      audience: "gridpost-test",
      userPrefix: "corp-",
      roles: [{ claim: "groups", value: "gpu-team", role: "member" }],
    });
    server = await startTestServer({
      prepare: (data) => writeFile(join(data, "config.yaml"), stringify({ oidc: [trusted] })),
    });
  });
  afterAll(async () => {
    await server.stop();
    await issuer.close();
  });

  const revoke = (principal: string) =>
    server.admin.client.identity.revokePrincipal({ params: { principal }, body: {} });
  const assertionOf = async ({ key, principal }: Member): Promise<string> => {
    const { nonce, audience } = await createClient({ url: server.url }).identity.nonce();
    return signAssertion({
      key,
      typ: TOKEN_TYPES.assertion,
      subject: principal,
      audience,
      claims: { nonce, jti: randomUUID() },
      now: Date.now(),
    });
  };

  /** What an assertion buys when `principal` is revoked after the check, before the transaction that follows it. */
  async function buy(principal: string, assertion: string): Promise<string> {
    const { eventLog } = server.running;
    const { deps } = await openIdentity({
      log: {
        ...eventLog,
        tx: async (keys, change) => {
          await revoke(principal);
          return eventLog.tx(keys, change);
        },
      },
      data: server.data,
      newAdminJoin: false,
      agents: agentsPort,
      countProject: () => Promise.reject(new Error("not asked for")),
      issuers: [trusted],
    });
    return (await exchange(deps, { assertion })).token;
  }

  const refused = async (token: string): Promise<void> => {
    const { identity } = createClient({ url: server.url, token: () => Promise.resolve(token) });
    await expect(identity.whoami({ query: {} })).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  };

  it("is of the generation that was revoked", async () => {
    const anna = await server.join("user", "anna");
    await refused(await buy(anna.principal, await assertionOf(anna)));
  });

  it("is so for the user of an outside issuer, too", async () => {
    const assertion = await issuer.sign({ sub: "ines", groups: ["gpu-team"] });
    await refused(await buy("user:corp-ines", assertion));
  });

  it("is so for an agent as which a call over MCP acts, when the call's body comes late", async () => {
    const ben = await server.join("user", "ben");
    const url = `${server.url}/mcp?profile=agent-mail`;
    const headers: Record<string, string> = {
      authorization: `Bearer ${await ben.token()}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    };
    const said = (method: string, params: object): string =>
      JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const tool = (name: string, more: object): string =>
      said("tools/call", { name, arguments: { project_key: "default", ...more } });
    const look = tool("fetch_inbox", { agent_name: "red" });
    const post = (body: string) => fetch(url, { method: "POST", headers, body });
    const hello = said("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    });
    headers["mcp-session-id"] = (await post(hello)).headers.get("mcp-session-id") ?? "";
    await post(tool("register_agent", { name: "red", program: "p", model: "m" }));
    expect(await (await post(look)).text()).not.toContain("isError");

    const answer = await postLate(url, headers, {
      body: look,
      before: () => revoke(ben.principal),
    });
    expect(answer).toContain("UNAUTHENTICATED");
  });
});

describe("a call whose body comes after its caller was revoked", () => {
  it("is refused, so that no stolen key makes a token or a role for later", async () => {
    const server = await startTestServer();
    const carl = await server.join("user", "carl", { role: "admin" });
    const headers = {
      authorization: `Bearer ${await carl.token()}`,
      "content-type": "application/json",
    };
    const params = { principal: carl.principal };
    const revoke = () => server.admin.client.identity.revokePrincipal({ params, body: {} });
    const late = (path: string, body: object, before: () => Promise<unknown>) =>
      postLate(`${server.url}${path}`, headers, { body: JSON.stringify(body), before });
    const role = { principal: "user:mallory", role: "admin", ahead: true };
    const answers = await Promise.all([
      late("/v1/tokens", { kind: "user", name: "carl" }, revoke),
      late("/v1/roles", role, revoke),
    ]);
    for (const answer of answers) expect(answer).toContain("UNAUTHENTICATED");
    await server.stop();
  });
});

describe("a call that waits while its caller is revoked", () => {
  it("is told nothing of what comes afterwards", async () => {
    const server = await startTestServer();
    const dora = await server.join("user", "dora");
    const params = { project: "default" };
    await dora.asAgent("red");
    const headers = { authorization: `Bearer ${await dora.agentToken("red")}` };
    const inbox = (wait: number): Promise<Response> =>
      fetch(`${server.url}/v1/projects/default/inbox?wait=${wait}`, { headers });
    const waiting = inbox(10_000);
    // The server takes them up in this order.
    expect((await inbox(0)).status).toBe(200);

    const revoked = { principal: dora.principal };
    await server.admin.client.identity.revokePrincipal({ params: revoked, body: {} });
    const mail = { to: ["red"], subject: "the plan", body: "for red alone" };
    const blue = await server.admin.asAgent("blue");
    await blue.mailbox.send({ params, body: mail });
    const answer = await waiting;
    expect([answer.status, await answer.text()]).toEqual([
      401,
      expect.not.stringContaining("plan"),
    ]);
    await server.stop();
  });
});

/** Posts the headers, and the body when the server has them and `before` is done. */
async function postLate(
  url: string,
  headers: Record<string, string>,
  { body, before }: { readonly body: string; readonly before: () => Promise<unknown> },
): Promise<string> {
  const call = request(url, { method: "POST", headers: { ...headers, expect: "100-continue" } });
  call.flushHeaders();
  // The answer to one of two may be there before the other has revoked, too.
  const answered = once(call, "response") as Promise<[IncomingMessage]>;
  await once(call, "continue");
  await before();
  call.end(body);
  const [answer] = await answered;
  return text(answer);
}
