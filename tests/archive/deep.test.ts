import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Client, createClient } from "../../contract/client.ts";
import type { ProblemError } from "../../contract/problem.ts";
import type { LeaseId, SessionId } from "../../contract/ids.ts";
import { type Member, startTestServer, type TestServer } from "../support/server.ts";

const project = { project: "default" };

describe("the archive of a running server", () => {
  let server: TestServer;
  let work: string;
  let blue: Client;
  let red: Client;
  let anna: Member;

  const start = async (...set: string[]): Promise<void> => {
    server = await startTestServer({ set });
    anna = await server.join("user", "anna");
    [blue, red] = [await anna.asAgent("blue"), await anna.asAgent("red")];
  };
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), "gridpost-deep-"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.stop();
    rmSync(work, { recursive: true });
  });

  const send = (body: string, thread = "plans"): Promise<{ id: string }> =>
    blue.mailbox.send({
      params: project,
      body: { to: ["red"], subject: "hello", body, thread, open: true },
    });
  const verify = (body: { deep?: boolean; since?: string }) =>
    server.admin.client.archive.verify({ body });
  const projectGit = (...args: string[]): string =>
    execFileSync("git", args, {
      cwd: join(server.data, "archive/projects/default.git"),
      encoding: "utf8",
    });

  it("is verified by a replay that gives the database's state", async () => {
    await start();
    await send("one");
    const { commit } = await server.admin.client.archive.status();
    const clean = await verify({ deep: true });
    expect(clean).toMatchObject({ ok: true, fault: null, difference: null });
    expect(clean.stateHash).toMatch(/^[0-9a-f]{64}$/);
    expect(clean.note).toContain("--since");
    expect(clean.repositories.map(({ repository }) => repository)).toEqual([
      "journal",
      "project/default",
    ]);
    const later = await server.admin.client.archive.status();
    expect(later).toMatchObject({ lagEvents: 0, lagSeconds: 0, error: null, remotes: [] });
    const kept = commit ?? later.commit ?? "";
    expect(await verify({ since: kept })).toMatchObject({ ok: true, note: null });
    expect(await verify({ since: "0".repeat(40) })).toMatchObject({ ok: false });
  });

  it("is verified beside the server, which goes on answering, and no longer than somebody waits", async () => {
    await start();
    for (let i = 0; i < 20; i += 1)
      await Promise.all(
        Array.from({ length: 25 }, (_, n) => send(`${i} ${n} ${"x".repeat(2_000)}`)),
      );
    await server.running.archive.flush();
    // Where no other test leaves anything.
    vi.stubEnv("TMPDIR", work);
    const before = performance.eventLoopUtilization();
    expect(await verify({ deep: true })).toMatchObject({ ok: true });
    // Client and server of this test share this thread, and have nothing else to do.
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.4);
    const hasty = createClient({
      url: server.url,
      token: () => server.admin.token(),
      timeoutMs: 200,
    });
    await expect(hasty.archive.verify({ body: { deep: true } })).rejects.toThrow();
    const scratch = (): string[] =>
      readdirSync(work).filter((name) => name.startsWith("gridpost-verify-"));
    await expect.poll(scratch).toEqual([]);
  });

  it("names the first row, and the first event, that was changed behind the server's back", async () => {
    await start();
    await send("one");
    await server.running.archive.flush();
    const database = new Database(join(server.data, "gridpost.db"));
    database.exec("update p_messages set body = 'other'");
    expect((await verify({ deep: true })).difference).toMatch(
      /^p_messages .*body: the database has "other", the replay "one"/,
    );
    database.exec("update p_messages set body = 'one'");
    database.exec(`update events set body = replace(body, '"one"', '"two"')`);
    expect((await verify({ deep: true })).fault?.problem).toMatch(
      /^event \d+ is another one in the database$/,
    );
    database.exec(`update events set body = replace(body, '"two"', '"one"')`);
    database.close();
    expect((await verify({ deep: true })).ok).toBe(true);
  });

  it("misses the end of a journal or of a project's repository, and a whole repository", async () => {
    await start();
    await send("one");
    await server.running.archive.flush();
    const journal = join(server.data, "archive/journal.git");
    const git = (...args: string[]): string =>
      execFileSync("git", ["-C", journal, ...args], { encoding: "utf8" }).trim();
    const head = git("rev-parse", "main");
    const projectHead = projectGit("rev-parse", "main").trim();
    await send("two");
    await server.running.archive.flush();
    const whole = git("rev-parse", "main");
    const projectWhole = projectGit("rev-parse", "main").trim();
    git("update-ref", "refs/heads/main", head);
    expect((await verify({})).fault).toMatchObject({
      repository: "journal",
      commit: head,
      problem: expect.stringMatching(/^it ends with event \d+, but the server has archived/),
    });
    git("update-ref", "refs/heads/main", whole);
    expect(await verify({})).toMatchObject({ ok: true });
    projectGit("update-ref", "refs/heads/main", projectHead);
    expect((await verify({})).fault).toMatchObject({
      repository: "project/default",
      problem: expect.stringContaining(`does not contain the head ${projectWhole} that was kept`),
    });
    projectGit("update-ref", "refs/heads/main", projectWhole);
    expect(await verify({})).toMatchObject({ ok: true });
    const away = join(work, "default.git");
    renameSync(join(server.data, "archive/projects/default.git"), away);
    expect((await verify({})).fault).toMatchObject({
      repository: "project/default",
      problem: expect.stringContaining("the repository is missing"),
    });
    renameSync(away, join(server.data, "archive/projects/default.git"));
  });

  it("hides a redacted message in mail and files, and says that Git remembers", async () => {
    await start();
    const params = project;
    const content = new TextEncoder().encode("a file that says it all");
    const { sha256 } = await blue.mailbox.putAttachment({ params, content });
    const attachments = [{ sha256, name: "plan.txt" }];
    const { id } = await blue.mailbox.send({
      params,
      body: {
        to: ["red"],
        subject: "hello",
        body: "my secret plan",
        thread: "plans",
        open: true,
        attachments,
      },
    });
    const fetchers = [blue, red, anna.client];
    for (const reader of fetchers)
      await reader.mailbox.attachment({ params: { ...project, sha256 } });
    await server.running.archive.flush();
    const redacted = await server.admin.client.archive.redact({
      body: { event: id, reason: "sent by mistake" },
    });
    expect(redacted).toMatchObject({ message: id, note: expect.stringContaining("rewrite") });
    expect(redacted.note).toContain("replies and reminders");
    const acts = await server.admin.client.access.audit({ query: { type: "event.redacted" } });
    expect(acts.entries).toMatchObject([{ details: { message: id, reason: "sent by mistake" } }]);
    const { messages } = await red.mailbox.thread({ params: { ...project, thread: "plans" } });
    expect(messages[0]).toMatchObject({ subject: "[redacted]", body: "[redacted]" });
    const found = await red.mailbox.search({ params: project, query: { q: "secret" } });
    expect(found.results).toEqual([]);
    for (const reader of fetchers)
      await expect(
        reader.mailbox.attachment({ params: { ...project, sha256 } }),
      ).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(
      blue.mailbox.send({ params, body: { to: ["red"], subject: "again", attachments } }),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
    const hidden = await red.mailbox.message({ params: { ...project, message: id } });
    expect(hidden).toMatchObject({ attachments: [], payload: null });
    await server.running.archive.flush();
    const files = projectGit("grep", "-h", "sent by mistake", "main", "--", "threads");
    expect(files).toContain("reason:");
    expect(() => projectGit("grep", "secret plan", "main")).toThrow();
    expect((await verify({ deep: true })).ok).toBe(true);
    await expect(blue.archive.redact({ body: { event: id, reason: "x" } })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("refuses secrets before they are written, and says where", async () => {
    await start();
    const token = `ghp_${"aB3dE5".repeat(6)}`;
    await expect(send(`use ${token}`)).rejects.toMatchObject({
      code: "SECRET_REFUSED",
      details: [{ path: "body", kind: "GitHub token", at: 4 }],
    });
    const { admin } = server;
    const [reason, id] = [`for ${token}`, "01991c7e-0000-7000-8000-000000000000"];
    const resources = [{ kind: "file" as const, repo: "repo", pattern: "src/**" }];
    const wanted = { resources, reason };
    const lease = { ...project, lease: id as LeaseId };
    const sendWith = (options: { idempotencyKey: string }) =>
      blue.mailbox.send(
        { params: project, body: { to: ["red"], subject: "s", body: "b" } },
        options,
      );
    for (const call of [
      () => blue.reservations.acquire({ params: project, body: wanted }),
      () => blue.reservations.enqueue({ params: project, body: { ...wanted, waitMs: 1_000 } }),
      () => blue.cells.cancelSweep({ params: { ...project, sweep: id }, body: { reason } }),
      () => admin.client.reservations.forceRelease({ params: lease, body: { reason } }),
      () =>
        admin.client.identity.revokePrincipal({
          params: { principal: "user:anna" },
          body: { reason },
        }),
      () => admin.client.archive.redact({ body: { event: id, reason } }),
      () =>
        blue.mailbox.send({
          params: project,
          body: { to: ["red"], subject: "s", payload: { kind: "k", data: { a: { [token]: 1 } } } },
        }),
      () => sendWith({ idempotencyKey: token }),
      () => blue.mailbox.createGroup({ params: project, body: { name: token, members: ["red"] } }),
      () =>
        blue.mailbox.followThread({
          params: { ...project, thread: token },
          body: { state: "follow" },
        }),
      () =>
        blue.cells.completeClaim({
          params: { ...project, session: id as SessionId },
          body: { report: { outcome: "failed", message: reason } },
        }),
      () =>
        blue.cells.completeClaim({
          params: { ...project, session: id as SessionId },
          body: { report: { environment: { [token]: "1" } } },
        }),
    ]) {
      const refusal: unknown = await call().then(
        () => "done",
        (error: unknown) => error,
      );
      expect(refusal).toMatchObject({ code: "SECRET_REFUSED" });
      expect(JSON.stringify((refusal as ProblemError).toProblem())).not.toContain(token);
    }
    await server.running.archive.flush();
    expect(() => execFileSync("grep", ["-rlaF", token, server.data])).toThrow();
  });

  it("pushes to an append-only remote, and says why when it cannot", async () => {
    const remote = join(work, "remote.git");
    execFileSync("git", ["init", "-q", "--bare", "-b", "main", remote]);
    await start(`archive.remotes.backup.url=${remote}`);
    const head = (): string =>
      execFileSync("git", ["rev-parse", "main"], { cwd: remote, encoding: "utf8" }).trim();
    await send("one");
    const pushed = await server.admin.client.archive.push();
    const { commit, lastSeq } = await server.admin.client.archive.status();
    expect(pushed.remotes).toEqual([
      { name: "backup", url: remote, repository: "journal", pushedSeq: lastSeq, error: null },
    ]);
    expect(head()).toBe(commit);
    const tree = execFileSync("git", ["rev-parse", "main^{tree}"], {
      cwd: remote,
      encoding: "utf8",
    }).trim();
    const user = ["-c", "user.name=x", "-c", "user.email=x@y"];
    const other = execFileSync("git", [...user, "commit-tree", "-p", "main", "-m", "x", tree], {
      cwd: remote,
      encoding: "utf8",
    }).trim();
    execFileSync("git", ["update-ref", "refs/heads/main", other], { cwd: remote });
    await send("two");
    const [diverged] = (await server.admin.client.archive.push()).remotes;
    expect(diverged?.error).toContain("diverged");
    expect(head()).toBe(other);
    writeFileSync(join(remote, "HEAD"), "nonsense");
    expect((await server.admin.client.archive.push()).remotes[0]?.error).not.toBeNull();
  });
});
