import { appendFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nextChain } from "../../archive/chain.ts";
import { shardOf } from "../../archive/shards.ts";
import { verifyRepository } from "../../archive/verify.ts";
import { lastSeq } from "../../storage/log.ts";
import { message, useArchive } from "./support.ts";

const JOURNAL = "journal.git";
const PROJECT = "projects/default.git";

describe("the writer of the archive", () => {
  const bench = useArchive();

  const files = (repository: string): string[] =>
    bench().git(repository, "ls-tree", "-r", "--name-only", "main").split("\n").filter(Boolean);
  const show = (repository: string, path: string): string =>
    bench().git(repository, "show", `main:${path}`);
  const archivedSeqs = (): number[] =>
    files(JOURNAL)
      .flatMap((path) => show(JOURNAL, path).split("\n").filter(Boolean))
      .map((line) => (JSON.parse(line) as { seq: number }).seq)
      .toSorted((a, b) => a - b);

  /** Puts a commit that the server did not make on top of the journal. */
  const commitOfAStranger = (): string => {
    const { git } = bench();
    const who = ["-c", "user.name=x", "-c", "user.email=x@y"];
    const foreign = git(
      JOURNAL,
      ...who,
      "commit-tree",
      "-p",
      "main",
      "-m",
      "mine",
      "main^{tree}",
    ).trim();
    git(JOURNAL, "update-ref", "refs/heads/main", foreign);
    return foreign;
  };

  it("writes every event to the journal, each once, and open threads to the project's repository", async () => {
    const { add, start } = bench();
    await add("message.sent", message({ thread: "plans", open: true }));
    await add("message.sent", message({ thread: "plans", open: null, body: "a reply" }));
    await add("message.sent", message({ thread: "whisper", open: false, body: "private words" }));
    await add("message.sent", message({ thread: "whisper", open: null, body: "private answer" }));
    const archive = await start();
    await archive.flush();

    expect(archivedSeqs()).toEqual([1, 2, 3, 4, 5]);
    const readable = files(PROJECT);
    expect(readable.filter((path) => path.startsWith("threads/"))).toEqual([
      expect.stringMatching(
        /^threads\/2026\/11\/20\/plans\/2026-11-20T12-00-00\.000Z-[0-9a-f-]{36}\.md$/,
      ),
      expect.stringMatching(/^threads\/2026\/11\/20\/plans\//),
    ]);
    const all = readable.map((path) => show(PROJECT, path)).join("\n");
    expect(all).toContain("Hello, **red**.");
    expect(all).toContain("a reply");
    expect(all).not.toMatch(/private|secretive|\bbcc\b/);
  });

  it("writes an event once although several ask at the same time that all be written", async () => {
    const { add, start } = bench();
    const archive = await start();
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 20; i += 1) await add("message.sent", message({ thread: `t${i}` }));
      await Promise.all([archive.flush(), archive.flush(), archive.flush()]);
    }
    expect(archivedSeqs()).toEqual(Array.from({ length: 61 }, (_, i) => i + 1));
  });

  it("archives what there is when asked to, however much comes meanwhile", async () => {
    const { add, start, log } = bench();
    const archive = await start();
    let asked = true;
    const flood = (async () => {
      while (asked) await add("message.read", { message: "m", agent: "red" });
    })();
    await expect.poll(() => lastSeq(log.query)).toBeGreaterThan(300);
    const before = await lastSeq(log.query);
    await archive.flush().finally(() => (asked = false));
    expect(archivedSeqs().at(-1)).toBeGreaterThanOrEqual(before);
    await flood;
  }, 60_000);

  it("merges the packs that processes before it left behind", async () => {
    const { add, start, folder } = bench();
    const packs = (): number =>
      readdirSync(join(folder, JOURNAL, "objects/pack")).filter((name) => name.endsWith(".pack"))
        .length;
    const killed = await start();
    for (let commit = 0; commit < 101; commit += 1) {
      await add("message.read", { message: "m", agent: "red" });
      await killed.flush();
    }
    await killed.stop();
    expect(packs()).toBeGreaterThan(100);
    const archive = await start();
    await add("message.read", { message: "m", agent: "red" });
    await archive.flush();
    await expect.poll(packs).toBeLessThan(10);
    expect((await verifyRepository({ folder: join(folder, JOURNAL) })).fault).toBeNull();
  });

  it("goes on after a restart, whether or not its cursor was saved after the last commit", async () => {
    const { add, start, log } = bench();
    await add("agent.registered", { name: "blue", owner: "user:anna" });
    await (await start()).stop();
    await log.tx([], async ({ query }) => {
      for (const table of [
        "e_archive_folders",
        "e_archive_branches",
        "e_archive_heads",
        "e_archive_state",
        "e_cursors",
      ])
        await query(`delete from ${table}`);
    });
    await add("message.sent", message({ thread: "plans" }));
    const archive = await start();
    await archive.flush();
    expect(archivedSeqs()).toEqual([1, 2, 3]);
    expect(files(PROJECT).filter((path) => !path.startsWith("keys/"))).toHaveLength(2);
  });

  it("rebuilds an archive that was lost, with the same readable files", async () => {
    const { add, start, root } = bench();
    for (let i = 0; i < 300; i += 1) await add("message.sent", message({ thread: `t${i}` }));
    const first = await start();
    await first.stop();
    const before = files(PROJECT);
    const second = await start({ folder: join(root, "archive-2") });
    await second.flush();
    const tree = (folder: string): string =>
      bench().git(`../${folder}/${PROJECT}`, "rev-parse", "main^{tree}");
    expect(before.length).toBe(301);
    expect(tree("archive-2")).toBe(tree("archive"));
  });

  it("writes again what the repository of a project has lost, and nothing twice", async () => {
    const { add, start, git, folder } = bench();
    const first = await start();
    await add("message.sent", message({ thread: "plans" }));
    await first.flush();
    const early = git(PROJECT, "rev-parse", "main").trim();
    await add("message.sent", message({ thread: "ideas" }));
    await first.stop();
    const tree = (): string => git(PROJECT, "rev-parse", "main^{tree}");
    const whole = tree();
    for (const lose of [
      () => void git(PROJECT, "update-ref", "refs/heads/main", early),
      () => rmSync(join(folder, PROJECT), { recursive: true }),
    ]) {
      lose();
      await (await start()).stop();
      expect(tree()).toBe(whole);
      expect(archivedSeqs()).toEqual([1, 2, 3]);
    }
  });

  it("keeps every folder small", async () => {
    const { add, start } = bench();
    for (let i = 0; i < 400; i += 1) {
      await add("message.sent", message({ thread: `t${i}` }));
      await add("message.sent", message({ thread: "busy", open: i === 0 ? true : null }));
      await add("agent.registered", { name: `agent-${i}`, owner: "user:anna" });
    }
    const archive = await start();
    await archive.flush();
    const sizes = new Map<string, number>();
    const trees = bench().git(PROJECT, "ls-tree", "-r", "-t", "--name-only", "main");
    for (const path of trees.split("\n").filter(Boolean)) {
      const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
      sizes.set(folder, (sizes.get(folder) ?? 0) + 1);
    }
    expect(Math.max(...sizes.values())).toBeLessThanOrEqual(256);
    expect(files(PROJECT).filter((path) => path.endsWith("profile.md"))).toHaveLength(400);
  });

  it("signs each commit, names who acted, and chains the lines", async () => {
    const { add, start } = bench();
    await add("message.sent", message(), { actor: "user:anna>agent:default/blue" });
    await add("message.sent", message(), { actor: "node:n1" });
    const archive = await start();
    await archive.flush();
    expect(await archive.head()).toBe(bench().git(JOURNAL, "rev-parse", "main").trim());
    const [author, committer] = bench().git(PROJECT, "log", "-1", "--format=%an%n%cn").split("\n");
    expect(author).toBe("user:anna as agent:default/blue");
    expect(committer).toBe("gridpost");
    const body = bench().git(JOURNAL, "log", "-1", "--format=%B");
    expect(body).toMatch(/^Gridpost-Events: 1-3$/m);
    expect(body).toMatch(/^Gridpost-Signature: [\w-]{86}$/m);
    let chain = "0".repeat(64);
    for (const line of show(JOURNAL, files(JOURNAL)[0] ?? "")
      .split("\n")
      .filter(Boolean)) {
      const { sum, ...event } = JSON.parse(line) as { sum: string };
      chain = nextChain(chain, JSON.stringify(event));
      expect(chain.startsWith(sum)).toBe(true);
    }
    expect(body).toContain(`Gridpost-Chain: ${chain}`);
  });

  it("refuses a folder that another writer holds", async () => {
    const { start } = bench();
    await start();
    await expect(start()).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("says what to do when its folder cannot be written", async () => {
    const { start, root } = bench();
    writeFileSync(join(root, "taken"), "a file");
    await expect(start({ folder: join(root, "taken", "archive") })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("cannot be written"),
    });
  });

  it("stops at a foreign commit on the branch and says which, and goes on when it is gone", async () => {
    const { add, start, git, errors } = bench();
    await (await start()).stop();
    const good = git(JOURNAL, "rev-parse", "main").trim();
    const foreign = commitOfAStranger();
    await add("message.sent", message());
    const archive = await start();
    await expect.poll(() => errors.map(String).join()).toContain(foreign);
    expect(await archive.progress()).toMatchObject({
      lagEvents: 1,
      error: expect.stringContaining(foreign),
    });
    await archive.stop();
    git(JOURNAL, "update-ref", "refs/heads/main", good);
    await (await start()).flush();
    expect(archivedSeqs()).toEqual([1, 2]);
  });

  it("notices a foreign commit that comes while it runs", async () => {
    const { add, start, errors } = bench();
    const archive = await start();
    await archive.flush();
    const foreign = commitOfAStranger();
    await add("message.sent", message());
    await expect.poll(() => errors.map(String).join()).toContain(foreign);
  });

  it("says in Git's words why the branch did not move, and goes on", async () => {
    const { add, start, folder, errors } = bench();
    const archive = await start();
    await archive.flush();
    writeFileSync(join(folder, JOURNAL, "HEAD.lock"), "");
    await add("message.sent", message());
    await expect.poll(archivedSeqs).toEqual([1, 2]);
    expect(errors.map(String)).toEqual([
      expect.stringMatching(/fast-import failed: .*HEAD\.lock/s),
    ]);
  });

  it("removes what a killed Git left behind, but not what one writes that outlived its server", async () => {
    const { add, start, folder } = bench();
    await (await start()).stop();
    const pack = join(folder, JOURNAL, "objects/pack");
    for (const name of ["tmp_pack_left", "tmp_pack_growing"])
      writeFileSync(join(pack, name), "half");
    utimesSync(join(pack, "tmp_pack_left"), 0, 0);
    for (const lock of ["refs/heads/main.lock", "HEAD.lock", "config.lock"])
      writeFileSync(join(folder, JOURNAL, lock), "");
    appendFileSync(join(pack, "pack-0000.keep"), "fast-import");
    await add("message.sent", message());
    await (await start()).flush();
    expect(archivedSeqs()).toEqual([1, 2]);
    const left = readdirSync(pack);
    expect(left).toContain("tmp_pack_growing");
    expect(left).not.toContain("tmp_pack_left");
    expect(bench().git(JOURNAL, "fsck", "--full", "--strict")).toBe("");
  });
});

describe("the shards of a folder", () => {
  it("are none for the first 120 entries, and never more than 120 to a level", () => {
    expect([0, 119, 120, 14_399, 14_400].map(shardOf)).toEqual(["", "", "1/", "119/", "1/0/"]);
  });
});
