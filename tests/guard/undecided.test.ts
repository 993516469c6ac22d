import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePort, joinedCli } from "../support/cli.ts";
import { repoAt } from "../support/git-repo.ts";
import { startTestServer } from "../support/server.ts";
import { params, useGuarded } from "./guarded.ts";

describe("the Git guard, asked or left alone,", () => {
  const all = useGuarded();

  it("answers a question with 0, 3 or 8", async () => {
    await all.hold("src/**");
    expect((await all.guard("check", "--json", "docs/a.md")).code).toBe(0);
    const held = await all.guard("check", "--json", "docs/a.md", "src/a.ts");
    expect(held.code).toBe(3);
    expect(held.json()).toMatchObject({
      verdict: "blocked",
      from: "server",
      blocked: [{ path: "src/a.ts", holder: "blue", pattern: "src/**" }],
    });
    const away = all.env({ GRIDPOST_URL: `http://127.0.0.1:${await freePort()}` });
    const unknown = await all.cli.runWith(
      { cwd: all.repo.path, env: away },
      "guard",
      "check",
      "src/a.ts",
    );
    expect(unknown.code).toBe(8);
    expect(unknown.stdout).toContain("cannot tell");
  });

  it("reads paths as reserve does, and takes a folder for all below it", async () => {
    await all.hold("src/**/*.ts");
    const answer = async (...paths: string[]) => (await all.guard("check", ...paths)).code;
    for (const held of ["./src/a.ts", "docs/../src//a.ts", "src", "src/", "src/deep/", ".", "./"])
      expect(await answer(held), held).toBe(3);
    expect(await answer("docs/", "README.md", "src/a.md")).toBe(0);
    for (const none of ["", "/src/a.ts", "..", "../src/a.ts", "docs/../../src/a.ts"])
      expect(await answer(none), none).toBe(2);
  });

  it("answers also where no copy of the answer can be kept", async () => {
    await all.hold("src/**");
    const home = await joinedCli(all.server, "carl");
    await writeFile(join(home.home, "guard"), "");
    const ask = (path: string) => home.runWith({ cwd: all.repo.path }, "guard", "check", path);
    expect([(await ask("README.md")).code, (await ask("src/a.ts")).code]).toEqual([0, 3]);
    await home.remove();
  });

  it("answers by a signed copy of the last minute while the server is away", async () => {
    const other = await startTestServer();
    const home = await joinedCli(other, "anna");
    await home.run("agent", "register", "red");
    const green = await other.admin.asAgent("green");
    await green.reservations.acquire({
      params,
      body: { resources: [{ kind: "file", repo: "app", pattern: "src/**" }], refs: ["main"] },
    });
    const ask = (...asked: string[]) =>
      home.runWith(
        { cwd: all.repo.path, env: { GRIDPOST_AGENT: "red" } },
        "guard",
        "check",
        ...asked,
        "--json",
      );
    expect((await ask("free.md")).code).toBe(0);
    await other.stop();
    const held = await ask("src/a.ts");
    expect(held.json()).toMatchObject({ from: "snapshot", blocked: [{ holder: "green" }] });
    expect(held.code).toBe(3);
    expect((await ask("docs")).code).toBe(0);
    expect((await ask("src/a.ts", "--ref", "main")).code).toBe(3);
    expect((await ask("src/a.ts", "--ref", "feature")).code).toBe(0);
    const copies = join(home.home, "guard");
    const [file = ""] = (await readdir(copies)).filter((name) => name.endsWith(".json"));
    const copy = JSON.parse(await readFile(join(copies, file), "utf8")) as {
      snapshot: string;
      savedAt: number;
    };
    const save = (one: object) =>
      writeFile(join(copies, file), JSON.stringify(one), { mode: 0o600 });
    await save({ ...copy, savedAt: copy.savedAt - 61_000 });
    expect((await ask("src/a.ts")).code).toBe(8);
    const [header, , signature] = copy.snapshot.split(".");
    const nothing = { project: "default", repo: "app", leases: [] };
    const payload = Buffer.from(JSON.stringify(nothing)).toString("base64url");
    const forged = { ...copy, snapshot: `${header}.${payload}.${signature}` };
    await save(forged);
    expect((await ask("src/a.ts")).code).toBe(8);
    await home.remove();
  });

  it("does not wait for long where a server takes the question and says nothing", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const away = all.env({ GRIDPOST_URL: `http://127.0.0.1:${port}` });
    const since = performance.now();
    const unknown = await all.cli.runWith(
      { cwd: all.repo.path, env: away },
      "guard",
      "check",
      "src/a.ts",
    );
    expect([unknown.code, unknown.stdout]).toEqual([
      8,
      expect.stringContaining("no answer in time"),
    ]);
    // Three times the patience of the guard, half of what any other command waits.
    expect(performance.now() - since).toBeLessThan(15_000);
    silent.close();
  });

  it("goes by its policies when nobody can tell, and says so", async () => {
    const away = all.env({ GRIDPOST_URL: `http://127.0.0.1:${await freePort()}` });
    const cut = repoAt(all.repo.path, away);
    await all.guard("install");
    await all.repo.git("init", "-q", "--bare", join(all.folder, "remote.git"));
    await cut.stage("a.md");
    const open = await cut.git("commit", "-m", "open");
    expect(open.code).toBe(0);
    expect(open.output).toContain("nothing was checked");
    const closed = await cut.git("push", join(all.folder, "remote.git"), "main");
    expect(closed.code).toBe(1);
    expect(closed.output).toContain("gridpost.guardPush is closed");
    await all.guard("install", "--commit-policy", "closed", "--push-policy", "open");
    await cut.stage("b.md");
    expect((await cut.git("commit", "-m", "closed")).code).toBe(1);
    expect((await cut.git("push", join(all.folder, "remote.git"), "main")).code).toBe(0);
  });

  it("is switched off by hand, and the server hears of it later", async () => {
    await all.hold("**");
    await all.guard("install");
    const off = repoAt(all.repo.path, all.env({ GRIDPOST_GUARD: "off" }));
    await off.stage("a.md");
    expect(await off.git("commit", "-qm", "off")).toMatchObject({ code: 0 });
    await all.guard("check", "--json", "a.md");
    const { entries } = await all.server.admin.client.access.audit({
      query: { type: "guard.bypassed" },
    });
    expect(entries).toMatchObject([
      { project: "default", details: { repo: "app", hook: "pre-commit" } },
    ]);
  });

  it("does not touch hooks that all repositories of a machine share", async () => {
    await writeFile(join(all.folder, "gitconfig"), `[core]\n\thooksPath = ${all.folder}/hooks\n`);
    const refused = await all.cli.runWith(
      { cwd: all.repo.path, env: all.env({ GIT_CONFIG_GLOBAL: join(all.folder, "gitconfig") }) },
      "guard",
      "install",
    );
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("for all repositories");
  });
});
