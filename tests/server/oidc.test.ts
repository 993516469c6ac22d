import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeProtectedHeader } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { createClient } from "../../contract/client.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const AUDIENCE = "https://gridpost.example/api";
const script = fileURLToPath(new URL("oidc-issuer-child.mjs", import.meta.url));

interface Discovered {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly token_endpoint: string;
}

describe("a real OpenID Connect issuer", () => {
  let child: ChildProcess;
  let found: Discovered;
  let server: TestServer;
  beforeAll(async () => {
    child = fork(script, { stdio: "ignore" });
    const [{ issuer }] = (await once(child, "message")) as [{ issuer: string }];
    const response = await fetch(`${issuer}/.well-known/openid-configuration`);
    found = (await response.json()) as Discovered;
    server = await startTestServer({
      prepare: (data) => {
        const oidc = {
          issuer: found.issuer,
          jwksUri: found.jwks_uri,
          audience: AUDIENCE,
          userPrefix: "sso-",
          roles: [
            { claim: "groups", value: "gpu-team", role: "member", project: "default" },
            { claim: "scope", value: "fleet", role: "operator" },
          ],
        };
        return writeFile(join(data, "config.yaml"), stringify({ oidc: [oidc] }));
      },
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    await server.stop();
    child.disconnect();
    await once(child, "exit");
  });

  const order = async (what: "rotate" | "asked"): Promise<number> => {
    child.send(what);
    const [{ asked }] = (await once(child, "message")) as [{ asked: number }];
    return asked;
  };
  const tokenOf = async (name: string, more: Record<string, string> = {}): Promise<string> => {
    const response = await fetch(found.token_endpoint, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`${name}:secret-of-${name}`).toString("base64")}`,
      },
      body: new URLSearchParams({
        grant_type: "client_credentials",
        resource: AUDIENCE,
        ...more,
      }),
    });
    const { access_token: token } = (await response.json()) as { access_token: string };
    return token;
  };
  const whoami = (token: string) =>
    createClient({ url: server.url, token: () => Promise.resolve(token) }).identity.whoami({
      query: { project: "default" },
    });
  const refused = { code: "UNAUTHENTICATED" };

  it("proves its users, whose roles follow from claims and scopes", async () => {
    const ci = await whoami(await tokenOf("ci"));
    expect(ci).toMatchObject({ principal: "user:sso-ci", kind: "user" });
    expect(ci.scopes).toContain("mail:send");
    expect(ci.scopes).not.toContain("lease:force");
    const boss = await whoami(await tokenOf("boss", { scope: "fleet" }));
    expect(boss.scopes).toContain("lease:force");
    // Without the scope the next token takes the role away.
    expect((await whoami(await tokenOf("boss"))).scopes).not.toContain("lease:force");
    expect((await whoami(await tokenOf("guest"))).scopes).toEqual([]);
  });

  it("is refused for a token that it made for somebody else, or that was changed", async () => {
    const elsewhere = await tokenOf("ci", { resource: "https://elsewhere.example" });
    await expect(whoami(elsewhere)).rejects.toMatchObject(refused);
    const [header, , signature] = (await tokenOf("ci")).split(".");
    const [, payload] = (await tokenOf("boss")).split(".");
    await expect(whoami([header, payload, signature].join("."))).rejects.toMatchObject(refused);
  });

  it("can rotate its key: the new one is fetched once the last fetch is half a minute ago", async () => {
    const old = await tokenOf("ci");
    await whoami(old);
    const before = await order("rotate");
    const token = await tokenOf("ci");
    expect(decodeProtectedHeader(token).kid).not.toBe(decodeProtectedHeader(old).kid);
    for (let i = 0; i < 5; i += 1) await expect(whoami(token)).rejects.toMatchObject(refused);
    expect(await order("asked")).toBe(before);
    const now = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => now() + 31_000);
    expect((await whoami(token)).principal).toBe("user:sso-ci");
    expect((await whoami(await tokenOf("ci"))).principal).toBe("user:sso-ci");
    expect((await whoami(old)).principal).toBe("user:sso-ci");
    expect(await order("asked")).toBe(before + 1);
  });
});
