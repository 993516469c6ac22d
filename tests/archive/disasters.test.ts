import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyRepository } from "../../archive/verify.ts";
import { refuseWhileBehind } from "../../server/boundary.ts";
import { readSettings, startServer } from "../../server/main.ts";
import { restoreServer } from "../../server/restore.ts";
import { verifyInThread } from "../../server/verify-thread.ts";
import { TestClock } from "../support/clock.ts";
import { startGitRemote } from "../support/git-remote.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { gitOut, message, useArchive } from "./support.ts";

const MOUNT_SIZE = "2m";
const FULL = /fast-import failed.*(?:Out of diskspace|No space left)/s;
const params = { project: "default" };

/** A small disk of its own; undefined where this user may mount nothing. */
function mountDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "gridpost-disk-"));
  try {
    const options = ["-t", "tmpfs", "-o", `size=${MOUNT_SIZE}`, "tmpfs", folder];
    execFileSync("mount", options, { stdio: "ignore" });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

const unmount = (folder: string): void => {
  execFileSync("umount", [folder]);
  rmSync(folder, { recursive: true });
};

describe("a disk that is full", () => {
  let disk: string | undefined;
  beforeEach(({ skip }) => {
    disk = mountDisk();
    if (disk === undefined) skip("needs the right to mount a tmpfs");
  });
  afterEach(() => {
    if (disk !== undefined) unmount(disk);
  });
  // Its archive stops before the disk goes.
  const bench = useArchive();

  it("in the middle of a commit is told, and the commit is made when there is space again", async () => {
    const { add, start, errors } = bench();
    const folder = join(disk ?? "", "archive");
    const archive = await start({ folder });
    await add("message.sent", message({ body: "before" }));
    await archive.flush();
    const filler = join(disk ?? "", "filler");
    const { bavail, bsize } = statfsSync(disk ?? "");
    writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 64 * 1_024)));
    const large = randomBytes(150_000).toString("base64");
    for (const body of [large, "after"]) await add("message.sent", message({ body }));
    await expect.poll(() => errors.map(String).join()).toMatch(FULL);
    expect(await archive.progress()).toMatchObject({
      lagEvents: 2,
      error: expect.stringMatching(FULL) as unknown,
    });
    rmSync(filler);
    await archive.flush();
    expect(await archive.progress()).toMatchObject({ lagEvents: 0, error: null });
    const seqs: number[] = [];
    const journal = await verifyRepository({
      folder: join(folder, "journal.git"),
      onEvents: (events) => Promise.resolve(void seqs.push(...events.map(({ seq }) => seq))),
    });
    expect(journal.fault).toBeNull();
    expect(seqs).toEqual([1, 2, 3, 4]);
    const readable = join(folder, "projects/default.git");
    expect((await verifyRepository({ folder: readable })).fault).toBeNull();
    expect(gitOut(readable, "grep", "-l", "after", "main")).not.toBe("");
  });
});

describe("a report that cannot be made", () => {
  const bench = useArchive();

  it("is tried again, and then archived without", async () => {
    const { add, start, errors, git } = bench();
    let tries = 0;
    const report = (_: string, sweep: string) => {
      tries += 1;
      if (sweep === "good" && tries > 1) return Promise.resolve({ json: "{}", markdown: "# Good" });
      return Promise.reject(new Error(`${sweep} cannot be made`));
    };
    const archive = await start({ report });
    for (const id of ["good", "bad"]) await add("sweep.finished", { id, states: {} });
    await add("message.sent", message({ thread: "after" }));
    await expect.poll(async () => (await archive.progress()).lagEvents).toBe(0);
    const files = git("projects/default.git", "ls-tree", "-r", "--name-only", "main");
    expect(files.match(/^reports.*$/gm)).toEqual([
      expect.stringMatching(/good\/report\.json$/),
      expect.stringMatching(/good\/report\.md$/),
    ]);
    expect(files).toContain("/after/");
    expect(errors.map(String)).toContain("Error: bad cannot be made");
  });
});

describe("a database that was set back", () => {
  const bench = useArchive();

  it("is never archived behind events that it does not hold, however far it goes on", async () => {
    const { add, start, log, git, errors } = bench();
    const head = (): string => git("journal.git", "rev-parse", "main");
    for (const body of ["kept", "lost", "lost"]) await add("message.sent", message({ body }));
    await (await start()).stop();
    const end = head();
    await log.tx([], async ({ query }) => {
      await query("delete from events where seq > 2");
      await query("update e_archive_state set seq = 2");
    });
    const older = await start();
    await expect.poll(() => errors.map(String).join()).toContain("older than its archive");
    for (let i = 0; i < 5; i += 1) await add("message.sent", message({ body: "new" }));
    await older.stop();
    const archive = await start();
    await expect
      .poll(() => errors.map(String).join())
      .toContain("event 4, the last of the journal");
    await expect(archive.flush()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(head()).toBe(end);
  });
});

describe("an archive of a newer version", () => {
  const bench = useArchive();

  it("is not called damaged by a version that does not know its events", async () => {
    const { start, log, root } = bench();
    await log.tx([], ({ query }) =>
      query(`insert into events (id, v, type, project, actor, at, key, body)
             values ('x', 1, 'thing.invented', null, 'server', 0, null, '{}')`),
    );
    await (await start()).stop();
    const refusal = {
      code: "UNAVAILABLE",
      message: expect.stringMatching(/does not know the event type thing\.invented$/),
      next: "use the version that wrote it, or a newer one",
    };
    const { signal } = new AbortController();
    const source = join(root, "archive/journal.git");
    await expect(verifyInThread(root, { deep: true }, signal)).rejects.toMatchObject(refusal);
    await expect(restoreServer(source, join(root, "new"))).rejects.toMatchObject(refusal);
    expect(readdirSync(join(root, "new"))).toEqual([]);
  });
});

describe("a server whose archive cannot follow", () => {
  let server: TestServer;
  afterEach(() => server.stop());

  it("takes no new mail after a minute, shows the rest, and takes it again afterwards", async () => {
    const clock = new TestClock(Date.now());
    server = await startTestServer({ clock });
    const anna = await server.join("user", "anna");
    const [blue, red] = [await anna.asAgent("blue"), await anna.asAgent("red")];
    const send = () => blue.mailbox.send({ params, body: { to: ["red"], subject: "s" } });
    await send();
    await server.running.archive.flush();
    const journal = join(server.data, "archive/journal.git");
    const good = gitOut(journal, "rev-parse", "main").trim();
    const user = ["-c", "user.name=x", "-c", "user.email=x@y"];
    const foreign = gitOut(
      journal,
      ...user,
      "commit-tree",
      "-p",
      good,
      "-m",
      "x",
      `${good}^{tree}`,
    );
    gitOut(journal, "update-ref", "refs/heads/main", foreign.trim());
    await send();
    clock.advance(61_000);
    const refusal = () =>
      send().then(
        () => undefined,
        (error: unknown) => error,
      );
    await expect
      .poll(refusal, { interval: 500 })
      .toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 10_000 });
    expect((await red.mailbox.inbox({ params })).messages.length).toBeGreaterThan(1);
    const status = await server.admin.client.archive.status();
    expect(status.error).toContain(foreign.trim());
    expect(status.lagSeconds).toBeGreaterThan(60);
    gitOut(journal, "update-ref", "refs/heads/main", good);
    await server.running.archive.flush();
    await expect.poll(refusal, { interval: 500 }).toBeUndefined();
  });

  it("is not begun beside an archive whose database was lost, or not restored to its end", async () => {
    server = await startTestServer();
    await server.running.archive.flush();
    const data = mkdtempSync(join(tmpdir(), "gridpost-lost-"));
    cpSync(join(server.data, "archive"), join(data, "archive"), { recursive: true });
    const settings = readSettings({ data, listen: "127.0.0.1:0" });
    const start = () => startServer({ settings, log: pino({ level: "silent" }) });
    for (let i = 0; i < 2; i += 1)
      await expect(start()).rejects.toMatchObject({
        code: "CONFLICT",
        message: expect.stringContaining("an archive but no database"),
        next: expect.stringContaining(join(data, "archive/journal.git")),
      });
    rmSync(data, { recursive: true });
  });

  it("is not held up by a remote that does not answer", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gridpost-remote-"));
    mkdirSync(join(folder, "x.git"));
    const remote = await startGitRemote(folder, "a:b");
    remote.hold();
    const url = `http://a:b@127.0.0.1:${remote.port}/x.git`;
    server = await startTestServer({ set: [`archive.remotes.far.url=${url}`] });
    const anna = await server.join("user", "anna");
    const blue = await anna.asAgent("blue");
    const pushing = server.admin.client.archive.push().catch(() => undefined);
    await expect.poll(() => remote.requests()).toBeGreaterThan(0);
    await blue.mailbox.send({ params, body: { to: ["blue"], subject: "s", open: true } });
    await server.running.archive.flush();
    expect(await server.admin.client.archive.status()).toMatchObject({
      lagEvents: 0,
      remotes: [{ pushedSeq: null }],
    });
    await remote.close();
    await pushing;
    rmSync(folder, { recursive: true });
  });
});

it("is refused with how long it is behind, from a minute on", () => {
  const check = (lag: number) => () =>
    refuseWhileBehind({ lagSeconds: () => lag } as Parameters<typeof refuseWhileBehind>[0])({});
  expect(check(60)).not.toThrow();
  expect(check(61)).toThrow("61 s behind");
});
