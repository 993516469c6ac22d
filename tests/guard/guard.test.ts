import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repoAt } from "../support/git-repo.ts";
import { params, useGuarded } from "./guarded.ts";

describe("the Git guard", () => {
  const all = useGuarded();

  it("blocks a commit of what another holds, and lets the rest through", async () => {
    await all.hold("src/**");
    expect((await all.guard("install")).code).toBe(0);
    await all.repo.stage("docs/a.md");
    expect(await all.repo.git("commit", "-qm", "docs")).toMatchObject({ code: 0 });
    await all.repo.stage("src/new.ts");
    const blocked = await all.repo.git("commit", "-qm", "src");
    expect(blocked.code).toBe(1);
    expect(blocked.output).toContain("src/new.ts: blue holds src/**");
    expect(blocked.output).toContain("rewriting");
  });

  it("says why it blocks what an agent of one's own holds that was not named", async () => {
    await all.cli.runWith({ cwd: all.repo.path }, "reserve", "own.ts", "--as", "red");
    await all.guard("install");
    const nobody = repoAt(all.repo.path, all.env({ GRIDPOST_AGENT: "" }));
    await nobody.stage("own.ts");
    const blocked = await nobody.git("commit", "-qm", "own");
    expect(blocked.output).toContain("own.ts: red holds own.ts");
    expect(blocked.output).toContain("GRIDPOST_AGENT names nobody");
    expect((await all.repo.git("commit", "-qm", "own")).code).toBe(0);
    await all.cli.run("release", "--all", "--as", "red");
  });

  it("blocks a rename by its old path, and a deletion", async () => {
    await all.hold("src/old.ts");
    await all.guard("install");
    await all.repo.git("mv", "src/old.ts", "moved.ts");
    expect((await all.repo.git("commit", "-qm", "move")).output).toContain(
      "src/old.ts: blue holds",
    );
    await all.repo.git("reset", "-q", "--hard");
    await all.repo.git("rm", "-q", "src/old.ts");
    expect((await all.repo.git("commit", "-qm", "remove")).code).toBe(1);
  });

  it("blocks a change of a submodule that holds leased paths", async () => {
    await all.hold("lib/core/**");
    await all.guard("install");
    const head = (await all.repo.git("rev-parse", "HEAD")).output.trim();
    await all.repo.git("update-index", "--add", "--cacheinfo", `160000,${head},lib`);
    expect((await all.repo.git("commit", "-qm", "submodule")).output).toContain("lib/: blue holds");
  });

  it("shows the reason of another without what would steer a terminal or make a line of its own", async () => {
    const reason = "\u001B[2J\u001B]0;owned\u0007rewriting\n  all: clear";
    const resources = [{ kind: "file" as const, repo: "app", pattern: "src/**" }];
    await all.blue.reservations.acquire({ params, body: { resources, reason } });
    await all.guard("install");
    await all.repo.stage("src/new.ts");
    const { output } = await all.repo.git("commit", "-qm", "src");
    expect(output).toContain("(rewriting   all: clear)\n");
    expect(output).not.toContain("\u001B");
  });

  it("blocks a path in any case where the repository ignores it", async () => {
    const { admin } = all.server;
    const repository = { params: { ...params, repo: "app" } };
    await admin.client.reservations.defineRepository({ ...repository, body: { ignoreCase: true } });
    await all.hold("Src/New.ts");
    await admin.client.reservations.defineRepository({
      ...repository,
      body: { ignoreCase: false },
    });
    await all.guard("install");
    await all.repo.stage("src/new.ts");
    const blocked = await all.repo.git("commit", "-qm", "src");
    expect(blocked.code).toBe(1);
    expect(blocked.output).toContain("src/new.ts: blue holds Src/New.ts");
  });

  it("blocks a path in any case by a lease from before its repository ignored it, in the snapshot too", async () => {
    const { admin } = all.server;
    const define = (ignoreCase: boolean) =>
      admin.client.reservations.defineRepository({
        params: { ...params, repo: "app" },
        body: { ignoreCase },
      });
    await all.hold("Src/New.ts");
    await define(true);
    expect((await all.guard("check", "src/new.ts")).code).toBe(3);
    const { snapshot } = await admin.client.guard.guardCheck({
      params,
      body: { repo: "app", paths: [] },
    });
    const signed = Buffer.from(snapshot.split(".")[1] ?? "", "base64url").toString();
    await define(false);
    expect(JSON.parse(signed)).toMatchObject({ leases: [{ ignoreCase: true }] });
  });

  it("knows the caller's own leases and the branch", async () => {
    await all.hold("src/**", ["release"]);
    await all.guard("install");
    await all.repo.stage("src/new.ts");
    expect((await all.repo.git("commit", "-qm", "on main")).code).toBe(0);
    await all.repo.git("checkout", "-qb", "release");
    await all.repo.stage("src/new.ts", "again");
    expect((await all.repo.git("commit", "-qm", "on release")).code).toBe(1);
    const own = repoAt(
      all.repo.path,
      all.env({ GRIDPOST_AGENT: "blue", GRIDPOST_HOME: all.cli.home }),
    );
    // anna may not act as blue: the guard cannot decide, and commits go on.
    const undecided = await own.git("commit", "-qm", "as blue");
    expect(undecided).toMatchObject({ code: 0 });
    expect(undecided.output).toContain("nothing was checked");
  });

  it("asks about the project that it was installed for, whoever commits without naming one", async () => {
    const other = { project: "kernels" };
    await all.server.admin.client.identity.createProject({ body: { name: other.project } });
    const member = { principal: "user:anna", role: "member" as const };
    await all.server.admin.client.access.grantProjectRole({ params: other, body: member });
    await all.cli.run("agent", "register", "red", "--project", other.project);
    const blue = await all.server.admin.asAgent("blue", other.project);
    const resources = [{ kind: "file" as const, repo: "default", pattern: "src/**" }];
    await blue.reservations.acquire({ params: other, body: { resources } });
    // The command that the MCP tool install_precommit_guard answers.
    const named = { cwd: all.repo.path, env: all.env({ GRIDPOST_PROJECT: other.project }) };
    await all.cli.runWith(named, "guard", "install", "--repo", "default");
    await all.repo.stage("src/new.ts");
    const blocked = await all.repo.git("commit", "-qm", "src");
    expect([blocked.code, blocked.output]).toEqual([
      1,
      expect.stringContaining("src/new.ts: blue holds src/**"),
    ]);
    expect((await all.guard("check", "src/new.ts")).code).toBe(3);
    expect((await all.guard("check", "src/new.ts", "--project", "default")).code).toBe(0);
    const elsewhere = repoAt(all.repo.path, all.env({ GRIDPOST_PROJECT: "default" }));
    expect((await elsewhere.git("commit", "-qm", "src")).code).toBe(0);
    await all.guard("uninstall");
    expect((await all.repo.git("config", "--get-regexp", "^gridpost")).output).toBe("");
    await all.guard("install", "--project", other.project);
    expect((await all.repo.git("config", "gridpost.guardProject")).output).toBe("kernels\n");
  });

  it("works in a worktree, and with hooks that are there already", async () => {
    const hooks = join(all.repo.path, ".git/hooks");
    await mkdir(hooks, { recursive: true });
    await writeFile(join(hooks, "pre-commit"), "#!/bin/bash\necho shell hook ran\n");
    await writeFile(
      join(hooks, "pre-push"),
      `#!${process.execPath}\nconsole.log("node hook ran", require("fs").readFileSync(0, "utf8").split(" ").length);\n`,
    );
    for (const hook of ["pre-commit", "pre-push"]) await chmod(join(hooks, hook), 0o755);
    const before = await readFile(join(hooks, "pre-push"), "utf8");
    await all.guard("install");
    await all.guard("install");
    await all.repo.git("worktree", "add", "-q", join(all.folder, "tree"), "-b", "side");
    await all.hold("src/new.ts");
    const tree = repoAt(join(all.folder, "tree"), all.env());
    await tree.stage("other.md");
    const passed = await tree.git("commit", "-m", "other");
    expect(passed.output).toContain("shell hook ran");
    await tree.stage("src/new.ts");
    expect((await tree.git("commit", "-qm", "src")).code).toBe(1);
    await all.repo.git("init", "-q", "--bare", join(all.folder, "remote.git"));
    const pushed = await all.repo.git("push", join(all.folder, "remote.git"), "side");
    expect(pushed.output).toContain("node hook ran 4");
    await all.cli.runWith({ cwd: all.repo.path, env: all.env() }, "guard", "uninstall");
    expect(await readFile(join(hooks, "pre-push"), "utf8")).toBe(before);
    expect(await readFile(join(hooks, "pre-commit"), "utf8")).toBe(
      "#!/bin/bash\necho shell hook ran\n",
    );
    expect(existsSync(join(hooks, "gridpost-chained"))).toBe(false);
    expect(existsSync(join(hooks, "pre-merge-commit"))).toBe(false);
  });

  it("honours core.hooksPath as husky sets it", async () => {
    const husky = join(all.repo.path, ".husky");
    await mkdir(join(husky, "_"), { recursive: true });
    await writeFile(join(husky, "pre-commit"), "echo husky ran\n");
    await writeFile(
      join(husky, "_/h"),
      `n=$(basename "$0")\ns=$(dirname "$(dirname "$0")")/$n\n[ ! -f "$s" ] && exit 0\nsh -e "$s" "$@"\n`,
    );
    await writeFile(join(husky, "_/pre-commit"), `#!/usr/bin/env sh\n. "$(dirname "$0")/h"`);
    await chmod(join(husky, "_/pre-commit"), 0o755);
    await all.repo.git("config", "core.hooksPath", ".husky/_");
    await all.guard("install");
    await all.repo.stage("free.md");
    expect((await all.repo.git("commit", "-m", "free")).output).toContain("husky ran");
    await all.hold("**");
    await all.repo.stage("free.md", "more");
    expect((await all.repo.git("commit", "-m", "held")).code).toBe(1);
  });

  it("lets a merge bring what others have committed, but not what the merge changes itself", async () => {
    await all.repo.git("checkout", "-qb", "theirs");
    await all.repo.stage("src/theirs.ts");
    await all.repo.git("commit", "-qm", "theirs");
    await all.repo.git("checkout", "-q", "main");
    await all.repo.stage("mine.md");
    await all.repo.git("commit", "-qm", "mine");
    await all.hold("src/**");
    await all.guard("install");
    expect(await all.repo.git("merge", "-q", "--no-commit", "theirs")).toMatchObject({ code: 0 });
    expect(await all.repo.git("commit", "-qm", "merge")).toMatchObject({ code: 0 });
    await all.repo.git("reset", "-q", "--hard", "HEAD~1");
    await all.repo.git("merge", "-q", "--no-commit", "theirs");
    await all.repo.stage("src/theirs.ts", "changed by the merge");
    expect((await all.repo.git("commit", "-qm", "evil merge")).code).toBe(1);
  });

  it("checks what a push brings, commit by commit", async () => {
    const remote = join(all.folder, "remote.git");
    await all.repo.git("init", "-q", "--bare", remote);
    await all.repo.git("remote", "add", "origin", remote);
    await all.repo.git("push", "-q", "origin", "main");
    await all.guard("install", "--pre-push", "--repo", "app");
    await all.repo.stage("src/new.ts");
    await all.repo.git("commit", "-qm", "touches it");
    await all.repo.git("rm", "-qf", "src/new.ts");
    await all.repo.git("commit", "-qm", "and takes it back");
    await all.hold("src/new.ts");
    const pushed = await all.repo.git("push", "origin", "main");
    expect(pushed.code).toBe(1);
    expect(pushed.output).toContain("src/new.ts: blue holds");
  });

  it("refuses a push in the bare repository that receives it", async () => {
    const remote = join(all.folder, "app.git");
    await all.repo.git("init", "-q", "--bare", remote);
    await all.cli.runWith({ cwd: remote, env: all.env() }, "guard", "install");
    await all.repo.git("remote", "add", "origin", remote);
    expect(await all.repo.git("push", "-q", "origin", "main")).toMatchObject({ code: 0 });
    await all.hold("src/**");
    await all.repo.stage("src/new.ts");
    await all.repo.git("commit", "-qm", "held");
    const off = repoAt(all.repo.path, all.env({ GRIDPOST_GUARD: "off" }));
    const refused = await off.git("push", "origin", "main");
    expect(refused.code).toBe(1);
    expect(refused.output).toContain("src/new.ts: blue holds src/**");
    // What the transport says of the pusher counts: blue may.
    const asBlue = repoAt(all.repo.path, { GRIDPOST_HOME: all.cli.home, REMOTE_USER: "blue" });
    expect(await asBlue.git("push", "-q", "origin", "main")).toMatchObject({ code: 0 });
  });
});
