import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Client } from "../../contract/client.ts";
import { freePort, joinedCli, type TestCli } from "../support/cli.ts";
import { type GitRepo, openRepos, repoAt } from "../support/git-repo.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const params = { project: "default" };

describe("the Git guard", () => {
  let server: TestServer;
  let cli: TestCli;
  let blue: Client;
  let folder: string;
  let remove: () => Promise<void>;
  let repo: GitRepo;
  const env = (more: Record<string, string> = {}) => ({
    GRIDPOST_HOME: cli.home,
    GRIDPOST_AGENT: "red",
    ...more,
  });

  beforeAll(async () => {
    server = await startTestServer();
    cli = await joinedCli(server, "anna");
    await cli.run("agent", "register", "red");
    blue = await server.admin.asAgent("blue");
  });
  afterAll(async () => {
    await cli.remove();
    await server.stop();
  });
  beforeEach(async () => {
    ({ folder, remove } = await openRepos());
    const path = join(folder, "app");
    await mkdir(path);
    repo = repoAt(path, env());
    await repo.git("init", "-q", "-b", "main");
    await repo.stage("src/old.ts", "some lines\nof text\nthat stay\n");
    await repo.stage("README.md");
    await repo.git("commit", "-qm", "start");
  });
  afterEach(async () => {
    const { leases } = await blue.reservations.leases({ params, query: { mine: "true" } });
    for (const { id } of leases)
      await blue.reservations.release({ params: { ...params, lease: id } });
    await remove();
  });

  const hold = (pattern: string, refs?: string[]) =>
    blue.reservations.acquire({
      params,
      body: {
        resources: [{ kind: "file", repo: "app", pattern }],
        reason: "rewriting",
        ...(refs === undefined ? {} : { refs }),
      },
    });
  const install = (...args: string[]) =>
    cli.runWith({ cwd: repo.path, env: env() }, "guard", "install", ...args);
  const check = (...paths: string[]) =>
    cli.runWith({ cwd: repo.path, env: env() }, "guard", "check", ...paths, "--json");

  it("blocks a commit of what another holds, and lets the rest through", async () => {
    await hold("src/**");
    expect((await install()).code).toBe(0);
    await repo.stage("docs/a.md");
    expect(await repo.git("commit", "-qm", "docs")).toMatchObject({ code: 0 });
    await repo.stage("src/new.ts");
    const blocked = await repo.git("commit", "-qm", "src");
    expect(blocked.code).toBe(1);
    expect(blocked.output).toContain("src/new.ts: blue holds src/**");
    expect(blocked.output).toContain("rewriting");
  });

  it("blocks a rename by its old path, and a deletion", async () => {
    await hold("src/old.ts");
    await install();
    await repo.git("mv", "src/old.ts", "moved.ts");
    expect((await repo.git("commit", "-qm", "move")).output).toContain("src/old.ts: blue holds");
    await repo.git("reset", "-q", "--hard");
    await repo.git("rm", "-q", "src/old.ts");
    expect((await repo.git("commit", "-qm", "remove")).code).toBe(1);
  });

  it("blocks a change of a submodule that holds leased paths", async () => {
    await hold("lib/core/**");
    await install();
    const head = (await repo.git("rev-parse", "HEAD")).output.trim();
    await repo.git("update-index", "--add", "--cacheinfo", `160000,${head},lib`);
    expect((await repo.git("commit", "-qm", "submodule")).output).toContain("lib/: blue holds");
  });

  it("knows the caller's own leases and the branch", async () => {
    await hold("src/**", ["release"]);
    await install();
    await repo.stage("src/new.ts");
    expect((await repo.git("commit", "-qm", "on main")).code).toBe(0);
    await repo.git("checkout", "-qb", "release");
    await repo.stage("src/new.ts", "again");
    expect((await repo.git("commit", "-qm", "on release")).code).toBe(1);
    const own = repoAt(repo.path, env({ GRIDPOST_AGENT: "blue", GRIDPOST_HOME: cli.home }));
    // anna may not act as blue: the guard cannot decide, and commits go on.
    const undecided = await own.git("commit", "-qm", "as blue");
    expect(undecided).toMatchObject({ code: 0 });
    expect(undecided.output).toContain("nothing was checked");
  });

  it("works in a worktree, and with hooks that are there already", async () => {
    const hooks = join(repo.path, ".git/hooks");
    await mkdir(hooks, { recursive: true });
    await writeFile(join(hooks, "pre-commit"), "#!/bin/bash\necho shell hook ran\n");
    await writeFile(
      join(hooks, "pre-push"),
      `#!${process.execPath}\nconsole.log("node hook ran", require("fs").readFileSync(0, "utf8").split(" ").length);\n`,
    );
    for (const hook of ["pre-commit", "pre-push"]) await chmod(join(hooks, hook), 0o755);
    const before = await readFile(join(hooks, "pre-push"), "utf8");
    await install();
    await install();
    await repo.git("worktree", "add", "-q", join(folder, "tree"), "-b", "side");
    await hold("src/new.ts");
    const tree = repoAt(join(folder, "tree"), env());
    await tree.stage("other.md");
    const passed = await tree.git("commit", "-m", "other");
    expect(passed.output).toContain("shell hook ran");
    await tree.stage("src/new.ts");
    expect((await tree.git("commit", "-qm", "src")).code).toBe(1);
    await repo.git("init", "-q", "--bare", join(folder, "remote.git"));
    const pushed = await repo.git("push", join(folder, "remote.git"), "side");
    expect(pushed.output).toContain("node hook ran 4");
    await cli.runWith({ cwd: repo.path, env: env() }, "guard", "uninstall");
    expect(await readFile(join(hooks, "pre-push"), "utf8")).toBe(before);
    expect(await readFile(join(hooks, "pre-commit"), "utf8")).toBe(
      "#!/bin/bash\necho shell hook ran\n",
    );
    expect(existsSync(join(hooks, "gridpost-chained"))).toBe(false);
    expect(existsSync(join(hooks, "pre-merge-commit"))).toBe(false);
  });

  it("honours core.hooksPath as husky sets it", async () => {
    const husky = join(repo.path, ".husky");
    await mkdir(join(husky, "_"), { recursive: true });
    await writeFile(join(husky, "pre-commit"), "echo husky ran\n");
    await writeFile(
      join(husky, "_/h"),
      `n=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\n`,
    );
    await writeFile(join(husky, "_/pre-commit"), `#!/usr/bin/env sh\n. "$(dirname "$0")/h"`);
    await chmod(join(husky, "_/pre-commit"), 0o755);
    await repo.git("config", "core.hooksPath", ".husky/_");
    await install();
    await repo.stage("free.md");
    expect((await repo.git("commit", "-m", "free")).output).toContain("husky ran");
    await hold("**");
    await repo.stage("free.md", "more");
    expect((await repo.git("commit", "-m", "held")).code).toBe(1);
  });

  it("lets a merge bring what others have committed, but not what the merge changes itself", async () => {
    await repo.git("checkout", "-qb", "theirs");
    await repo.stage("src/theirs.ts");
    await repo.git("commit", "-qm", "theirs");
    await repo.git("checkout", "-q", "main");
    await repo.stage("mine.md");
    await repo.git("commit", "-qm", "mine");
    await hold("src/**");
    await install();
    expect(await repo.git("merge", "-q", "--no-commit", "theirs")).toMatchObject({ code: 0 });
    expect(await repo.git("commit", "-qm", "merge")).toMatchObject({ code: 0 });
    await repo.git("reset", "-q", "--hard", "HEAD~1");
    await repo.git("merge", "-q", "--no-commit", "theirs");
    await repo.stage("src/theirs.ts", "changed by the merge");
    expect((await repo.git("commit", "-qm", "evil merge")).code).toBe(1);
  });

  it("checks what a push brings, commit by commit", async () => {
    const remote = join(folder, "remote.git");
    await repo.git("init", "-q", "--bare", remote);
    await repo.git("remote", "add", "origin", remote);
    await repo.git("push", "-q", "origin", "main");
    await install("--pre-push", "--repo", "app");
    await repo.stage("src/new.ts");
    await repo.git("commit", "-qm", "touches it");
    await repo.git("rm", "-qf", "src/new.ts");
    await repo.git("commit", "-qm", "and takes it back");
    await hold("src/new.ts");
    const pushed = await repo.git("push", "origin", "main");
    expect(pushed.code).toBe(1);
    expect(pushed.output).toContain("src/new.ts: blue holds");
  });

  it("refuses a push in the bare repository that receives it", async () => {
    const remote = join(folder, "app.git");
    await repo.git("init", "-q", "--bare", remote);
    await cli.runWith({ cwd: remote, env: env() }, "guard", "install");
    await repo.git("remote", "add", "origin", remote);
    expect(await repo.git("push", "-q", "origin", "main")).toMatchObject({ code: 0 });
    await hold("src/**");
    await repo.stage("src/new.ts");
    await repo.git("commit", "-qm", "held");
    const off = repoAt(repo.path, env({ GRIDPOST_GUARD: "off" }));
    const refused = await off.git("push", "origin", "main");
    expect(refused.code).toBe(1);
    expect(refused.output).toContain("src/new.ts: blue holds src/**");
    // What the transport says of the pusher counts: blue may.
    const asBlue = repoAt(repo.path, { GRIDPOST_HOME: cli.home, REMOTE_USER: "blue" });
    expect(await asBlue.git("push", "-q", "origin", "main")).toMatchObject({ code: 0 });
  });

  it("answers a question with 0, 3 or 8", async () => {
    await hold("src/**");
    expect((await check("docs/a.md")).code).toBe(0);
    const held = await check("docs/a.md", "src/a.ts");
    expect(held.code).toBe(3);
    expect(held.json()).toMatchObject({
      verdict: "blocked",
      from: "server",
      blocked: [{ path: "src/a.ts", holder: "blue", pattern: "src/**" }],
    });
    const away = env({ GRIDPOST_URL: `http://127.0.0.1:${await freePort()}` });
    const unknown = await cli.runWith({ cwd: repo.path, env: away }, "guard", "check", "src/a.ts");
    expect(unknown.code).toBe(8);
    expect(unknown.stdout).toContain("cannot tell");
  });

  it("answers by a signed copy of the last minute while the server is away", async () => {
    const other = await startTestServer();
    const home = await joinedCli(other, "anna");
    await home.run("agent", "register", "red");
    const green = await other.admin.asAgent("green");
    await green.reservations.acquire({
      params,
      body: { resources: [{ kind: "file", repo: "app", pattern: "src/**" }] },
    });
    const ask = (path: string) =>
      home.runWith(
        { cwd: repo.path, env: { GRIDPOST_AGENT: "red" } },
        ...["guard", "check", path, "--json"],
      );
    expect((await ask("free.md")).code).toBe(0);
    await other.stop();
    const held = await ask("src/a.ts");
    expect(held.json()).toMatchObject({ from: "snapshot", blocked: [{ holder: "green" }] });
    expect(held.code).toBe(3);
    expect((await ask("docs")).code).toBe(0);
    const copies = join(home.home, "guard");
    const [file = ""] = (await readdir(copies)).filter((name) => name.endsWith(".json"));
    const copy = JSON.parse(await readFile(join(copies, file), "utf8")) as { snapshot: string };
    const [header, , signature] = copy.snapshot.split(".");
    const nothing = { project: "default", repo: "app", leases: [] };
    const payload = Buffer.from(JSON.stringify(nothing)).toString("base64url");
    const forged = { ...copy, snapshot: `${header}.${payload}.${signature}` };
    await writeFile(join(copies, file), JSON.stringify(forged), { mode: 0o600 });
    expect((await ask("src/a.ts")).code).toBe(8);
    await home.remove();
  });

  it("goes by its policies when nobody can tell, and says so", async () => {
    const away = env({ GRIDPOST_URL: `http://127.0.0.1:${await freePort()}` });
    const cut = repoAt(repo.path, away);
    await install();
    await repo.git("init", "-q", "--bare", join(folder, "remote.git"));
    await cut.stage("a.md");
    const open = await cut.git("commit", "-m", "open");
    expect(open.code).toBe(0);
    expect(open.output).toContain("nothing was checked");
    const closed = await cut.git("push", join(folder, "remote.git"), "main");
    expect(closed.code).toBe(1);
    expect(closed.output).toContain("gridpost.guardPush is closed");
    await install("--commit-policy", "closed", "--push-policy", "open");
    await cut.stage("b.md");
    expect((await cut.git("commit", "-m", "closed")).code).toBe(1);
    expect((await cut.git("push", join(folder, "remote.git"), "main")).code).toBe(0);
  });

  it("is switched off by hand, and the server hears of it later", async () => {
    await hold("**");
    await install();
    const off = repoAt(repo.path, env({ GRIDPOST_GUARD: "off" }));
    await off.stage("a.md");
    expect(await off.git("commit", "-qm", "off")).toMatchObject({ code: 0 });
    await check("a.md");
    const rows = await server.running.eventLog.query<{ body: string }>(
      "select body from events where type = 'guard.bypassed'",
    );
    expect(rows.map(({ body }) => JSON.parse(body) as unknown)).toMatchObject([
      { repo: "app", hook: "pre-commit" },
    ]);
  });

  it("does not touch hooks that all repositories of a machine share", async () => {
    await writeFile(join(folder, "gitconfig"), `[core]\n\thooksPath = ${folder}/hooks\n`);
    const refused = await cli.runWith(
      { cwd: repo.path, env: env({ GIT_CONFIG_GLOBAL: join(folder, "gitconfig") }) },
      "guard",
      "install",
    );
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("for all repositories");
  });
});
