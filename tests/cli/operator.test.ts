import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinedCli, openCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let admin: TestCli;
let guest: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  [admin, guest] = await Promise.all([joinedCli(server, "olga", "admin"), openCli()]);
});

afterAll(async () => {
  await Promise.all([admin.remove(), guest.remove()]);
  await server.stop();
});

describe("an operator at the command line", () => {
  it("lets somebody in with a token that fits into a file, and out again", async () => {
    const made = await admin.run("token", "create", "--kind", "user", "--name", "gast");
    expect(made.stdout).toMatch(/^gpj_\S+\n$/);
    await writeFile(join(guest.home, "token"), made.stdout, { mode: 0o600 });
    const joined = await guest.run("join", server.url, "--token-file", "token", "--json");
    expect(joined.json()).toMatchObject({ principal: "user:gast", url: server.url });
    const again = await guest.run("join", server.url, "--token-file", "token", "--json");
    expect(again.code).toBe(5);

    expect((await guest.run("whoami", "--json")).json()).toMatchObject({ principal: "user:gast" });
    expect((await admin.run("token", "revoke", "user:gast", "--reason", "test")).code).toBe(0);
    expect((await guest.run("whoami", "--json")).code).toBe(5);
  });

  it("keeps keys and tokens to their owner", async () => {
    for (const name of await readdir(admin.home, { recursive: true })) {
      const file = await stat(join(admin.home, name));
      if (file.isFile() && name !== "join.token")
        expect([name, (file.mode & 0o077).toString(8)]).toEqual([name, "0"]);
    }
  });

  it("prints an access token that a script can use", async () => {
    const { stdout } = await admin.run("token", "print");
    const answer = await fetch(`${server.url}/v1/whoami`, {
      headers: { authorization: `Bearer ${stdout.trim()}` },
    });
    expect(await answer.json()).toMatchObject({ principal: "user:olga" });
    expect((await admin.run("token", "print", "--json")).json()).toEqual({
      token: expect.any(String),
    });
  });

  it("makes projects, gives roles and reads what was done", async () => {
    expect((await admin.run("project", "create", "llm", "--json")).json()).toMatchObject({
      name: "llm",
    });
    const grant = ["role", "grant", "user:olga", "operator", "--project", "llm", "--json"];
    expect((await admin.run(...grant)).json()).toMatchObject({ role: "operator", project: "llm" });
    expect((await admin.run("role", "ls", "--project", "llm", "--json")).json()).toMatchObject({
      roles: expect.arrayContaining([{ principal: "user:olga", role: "operator", project: "llm" }]),
    });
    expect((await admin.run("role", "grant", "user:olga", "king")).code).toBe(2);
    const lost = await admin.run("audit", "--after", "xx", "--json");
    expect([lost.code, lost.json()]).toMatchObject([2, { next: "gridpost audit --help" }]);
    const { entries } = (await admin.run("audit", "--json")).json<{
      entries: { type: string }[];
    }>();
    expect(entries.map(({ type }) => type)).toContain("role.granted");
  });

  it("checks the archive and rebuilds a server from it", async () => {
    await expect
      .poll(async () => (await admin.run("archive", "status", "--json")).json())
      .toMatchObject({ lagEvents: 0, commit: expect.stringMatching(/^[0-9a-f]{40}$/) });
    const verified = await admin.run("archive", "verify", "--json");
    expect([verified.code, verified.json()]).toMatchObject([0, { ok: true, fault: null }]);

    const deep = await admin.run("archive", "verify", "--deep");
    expect([deep.stdout, deep.code]).toEqual([
      expect.stringContaining("database\tas a replay of the journal makes it"),
      0,
    ]);
    expect((await admin.run("archive", "verify")).stdout).not.toContain("database\t");

    const journal = join(server.data, "archive/journal.git");
    const clone = await guest.run("archive", "verify", journal, "--json");
    expect([clone.code, clone.json()]).toMatchObject([0, { ok: true }]);
    expect((await guest.run("archive", "verify", "nowhere")).code).toBe(2);

    const data = join(guest.home, "rebuilt");
    const restored = await guest.run("archive", "restore", journal, "--data", data, "--json");
    expect([restored.code, restored.json()]).toMatchObject([0, { data, missingBlobs: [] }]);
    const onto = await guest.run("archive", "restore", journal, "--data", data, "--json");
    expect(onto.code).toBe(3);
  });
});
