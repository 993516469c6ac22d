import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../runtime/clock.ts";
import { joinAs, type Member, startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };

describe("what a user has made", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  type Body = Parameters<Member["client"]["identity"]["createToken"]>[0]["body"];
  const tokenBy = async ({ client }: Member, body: Body): Promise<string> =>
    (await client.identity.createToken({ body })).token;
  const join = (token: string, name?: string): Promise<Member> =>
    joinAs({ url: server.url, clock: systemClock, token, ...(name === undefined ? {} : { name }) });
  const take = ({ principal }: Member, role: "admin" | "operator" | "member", project?: string) =>
    project === undefined
      ? server.admin.client.access.revokeRole({ body: { principal, role } })
      : server.admin.client.access.revokeProjectRole({
          params: { project },
          body: { principal, role },
        });
  const void_ = { code: "UNAUTHENTICATED" };

  it("lets nobody in once the user may not make it any more", async () => {
    const oskar = await server.join("user", "oskar", { role: "operator" });
    const fleet = await tokenBy(oskar, { kind: "node", namePattern: "n-*", uses: 2 });
    const made = [
      await tokenBy(oskar, { kind: "user", name: "mallory", role: "operator" }),
      await tokenBy(oskar, { kind: "agent", name: "spy" }),
    ];
    await join(fleet, "n-1");
    const own = await tokenBy(oskar, { kind: "user", name: "oskar" });
    await take(oskar, "operator");
    await expect(join(fleet, "n-2")).rejects.toMatchObject(void_);
    for (const token of made) await expect(join(token)).rejects.toMatchObject(void_);
    expect(await join(own)).toMatchObject({ principal: "user:oskar" });
  });

  it("gives no higher role than the user still could", async () => {
    const olga = await server.join("user", "olga", { role: "admin" });
    const high = await tokenBy(olga, { kind: "user", name: "mallet", role: "admin" });
    const low = await tokenBy(olga, { kind: "user", name: "maria", role: "member" });
    const other = await tokenBy(olga, { kind: "user", name: "admin" });
    await server.admin.client.access.grantRole({
      body: { principal: olga.principal, role: "operator" },
    });
    await take(olga, "admin");
    await expect(join(high)).rejects.toMatchObject(void_);
    await expect(join(other)).rejects.toMatchObject(void_);
    expect(await join(low)).toMatchObject({ principal: "user:maria" });
  });

  it("belongs to the user, who was let make it for themselves alone", async () => {
    const mia = await server.join("user", "mia", { role: "member" });
    const scout = await join(await tokenBy(mia, { kind: "agent", name: "scout" }));
    expect(
      await scout.client.mailbox.agent({ params: { ...params, name: "scout" } }),
    ).toMatchObject({ owner: "user:mia" });
    await server.admin.client.identity.revokePrincipal({
      params: { principal: mia.principal },
      body: {},
    });
    await expect(scout.client.mailbox.agents({ params })).rejects.toMatchObject(void_);
  });

  it("does no more than the user may: an agent by its own key, too", async () => {
    const nils = await server.join("user", "nils", { role: "member", project: "default" });
    await nils.asAgent("pilot");
    const pilot = await join(await tokenBy(nils, { kind: "agent", name: "pilot" }));
    await pilot.client.mailbox.agents({ params });
    await take(nils, "member", "default");
    await expect(pilot.client.mailbox.agents({ params })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });
});
