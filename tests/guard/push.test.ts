import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { GitRepo } from "../support/git-repo.ts";
import { repoAt } from "../support/git-repo.ts";
import { useGuarded } from "./guarded.ts";

describe("the Git guard at a merge or push", () => {
  const all = useGuarded();
  let remote = "";
  let other: GitRepo;

  beforeEach(async () => {
    remote = join(all.folder, "app.git");
    await all.repo.git("init", "-q", "--bare", "-b", "main", remote);
    await all.repo.git("remote", "add", "origin", remote);
    await all.repo.git("push", "-q", "origin", "main");
    await all.repo.git("fetch", "-q", "origin");
    const path = join(all.folder, "other");
    await all.repo.git("clone", "-q", remote, path);
    other = repoAt(path, all.env());
  });

  /** Commits a file in a repository. */
  const change = async (repo: GitRepo, path: string): Promise<void> => {
    await repo.stage(path, `${path} ${Math.random()}`);
    await repo.git("commit", "-qm", path);
  };

  it("lets git merge by itself what others have committed, of one branch or of several", async () => {
    for (const branch of ["one", "two"]) {
      await all.repo.git("checkout", "-qb", branch, "main");
      await change(all.repo, `src/${branch}.ts`);
    }
    await all.repo.git("checkout", "-q", "main");
    await change(all.repo, "mine.md");
    await all.hold("src/**");
    await all.guard("install");
    expect(await all.repo.git("merge", "-q", "-m", "one", "one")).toMatchObject({ code: 0 });
    await all.repo.git("reset", "-q", "--hard", "HEAD~1");
    expect(await all.repo.git("merge", "-q", "-m", "both", "one", "two")).toMatchObject({
      code: 0,
    });
  });

  it("knows what a remote has also when the push names its address", async () => {
    await change(all.repo, "src/old.ts");
    await all.repo.git("push", "-q", "origin", "main");
    await all.hold("src/**");
    await all.guard("install", "--pre-push");
    await change(all.repo, "docs/a.md");
    expect(await all.repo.git("push", "-q", remote, "main:new")).toMatchObject({ code: 0 });
    await change(all.repo, "src/old.ts");
    expect((await all.repo.git("push", "-q", remote, "main:newer")).code).toBe(1);
  });

  it("lets branches come and go, and tags, of what the remote knows", async () => {
    await change(all.repo, "src/old.ts");
    await all.repo.git("push", "-q", "origin", "main");
    await all.repo.git("tag", "-a", "v1", "-m", "v1");
    await all.repo.git("tag", "blob", "HEAD:README.md");
    await all.hold("src/**");
    await all.guard("install", "--pre-push");
    const push = (...args: string[]) => all.repo.git("push", "-q", "origin", ...args);
    expect(await push("main:refs/heads/copy")).toMatchObject({ code: 0 });
    expect(await push("v1", "blob")).toMatchObject({ code: 0 });
    expect(await push("--delete", "copy", "v1")).toMatchObject({ code: 0 });
    await change(all.repo, "src/old.ts");
    expect((await push("main:refs/heads/new")).code).toBe(1);
    expect((await push("main:refs/tags/v2")).code).toBe(1);
  });

  it.each([
    ["the clone", () => all.repo.path],
    ["the repository that receives it", () => remote],
  ])(
    "blocks in %s a push by force that takes away commits of what another holds",
    async (_where, at) => {
      const start = (await all.repo.git("rev-parse", "HEAD")).output.trim();
      await change(all.repo, "src/old.ts");
      await all.repo.git("push", "-q", "origin", "main");
      await all.hold("src/**");
      await all.repo.git("reset", "-q", "--hard", start);
      await change(all.repo, "free.md");
      await all.cli.runWith({ cwd: at(), env: all.env() }, "guard", "install");
      const forced = await all.repo.git("push", "--force", "origin", "main");
      expect(forced.code).toBe(1);
      expect(forced.output).toContain("src/old.ts: blue holds");
    },
  );

  it.each([
    ["the clone", () => all.repo.path],
    ["the repository that receives it", () => remote],
  ])(
    "blocks in %s that a branch is deleted which alone has commits of what another holds",
    async (_where, at) => {
      const push = (...args: string[]) => all.repo.git("push", "origin", ...args);
      await all.repo.git("checkout", "-qb", "work");
      await change(all.repo, "src/old.ts");
      await push("work", "work:copy");
      await all.hold("src/**");
      await all.cli.runWith({ cwd: at(), env: all.env() }, "guard", "install");
      expect((await push("--delete", "copy")).code).toBe(0);
      await push("work:again");
      expect((await push("--delete", "work", "again")).code).toBe(1);
      expect((await push("work:renamed", ":work", ":again")).code).toBe(0);
      const gone = await push("--delete", "renamed");
      expect(gone.code).toBe(1);
      expect(gone.output).toContain("src/old.ts: blue holds");
    },
  );

  it("cannot tell what a push takes away that the clone has never seen", async () => {
    await change(other, "src/old.ts");
    await other.git("push", "-q", "origin", "main");
    await change(all.repo, "free.md");
    await all.guard("install", "--pre-push");
    const forced = await all.repo.git("push", "--force", "origin", "main");
    expect(forced.code).toBe(1);
    expect(forced.output).toContain(
      "refs/heads/main has commits there that this clone has not seen",
    );
    await all.guard("install", "--pre-push", "--push-policy", "open");
    expect((await all.repo.git("push", "-q", "--force", "origin", "main")).code).toBe(0);
  });
});
