import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { Client } from "../../contract/client.ts";
import { joinedCli, type TestCli } from "../support/cli.ts";
import { type GitRepo, openRepos, repoAt } from "../support/git-repo.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

export const params = { project: "default" };

/** A server, a user with the agent red, another agent blue, and a new repository for each test. */
export class Guarded {
  server!: TestServer;
  cli!: TestCli;
  blue!: Client;
  folder = "";
  repo!: GitRepo;

  env(more: Record<string, string> = {}): Record<string, string> {
    return { GRIDPOST_HOME: this.cli.home, GRIDPOST_AGENT: "red", ...more };
  }

  /** Blue takes a lease. */
  hold(pattern: string, refs?: string[]) {
    return this.blue.reservations.acquire({
      params,
      body: {
        resources: [{ kind: "file", repo: "app", pattern }],
        reason: "rewriting",
        ...(refs === undefined ? {} : { refs }),
      },
    });
  }

  /** `gridpost guard …` in the repository. */
  guard(...args: string[]) {
    return this.cli.runWith({ cwd: this.repo.path, env: this.env() }, "guard", ...args);
  }
}

export function useGuarded(): Guarded {
  const guarded = new Guarded();
  let remove = (): Promise<void> => Promise.resolve();
  beforeAll(async () => {
    guarded.server = await startTestServer();
    guarded.cli = await joinedCli(guarded.server, "anna");
    await guarded.cli.run("agent", "register", "red");
    guarded.blue = await guarded.server.admin.asAgent("blue");
  });
  afterAll(async () => {
    await guarded.cli.remove();
    await guarded.server.stop();
  });
  beforeEach(async () => {
    const repos = await openRepos();
    remove = repos.remove;
    guarded.folder = repos.folder;
    const path = join(repos.folder, "app");
    await mkdir(path);
    const repo = repoAt(path, guarded.env());
    guarded.repo = repo;
    await repo.git("init", "-q", "-b", "main");
    await repo.stage("src/old.ts", "some lines\nof text\nthat stay\n");
    await repo.stage("README.md");
    await repo.git("commit", "-qm", "start");
  });
  afterEach(async () => {
    const { blue } = guarded;
    const { leases } = await blue.reservations.leases({ params, query: { mine: "true" } });
    for (const { id } of leases)
      await blue.reservations.release({ params: { ...params, lease: id } });
    await remove();
  });
  return guarded;
}
