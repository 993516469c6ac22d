import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cloneBare } from "../../archive/clone.ts";
import { describeFault } from "../../contract/fault.ts";
import { KnownKeys } from "../../archive/signatures.ts";
import { verifyRepository } from "../../archive/verify.ts";
import { verifyClone } from "../../server/verify-clone.ts";
import { gitOut, makeTestKey, message, useArchive } from "./support.ts";

const GIT_USER = ["-c", "user.name=Mallory", "-c", "user.email=m@example.org"];

describe("the verification of an archive", () => {
  const bench = useArchive();
  let clone: string;
  let readable: string;

  afterEach(() => void vi.unstubAllEnvs());
  beforeEach(async () => {
    const { start, add, root, folder } = bench();
    const archive = await start();
    for (let i = 0; i < 6; i += 1) {
      await add("message.sent", message({ thread: `t${i}`, body: `number ${i}` }));
      if (i % 2 === 1) await archive.flush();
    }
    clone = join(root, "clone");
    readable = join(root, "readable");
    gitOut(root, "clone", "-q", join(folder, "journal.git"), clone);
    gitOut(root, "clone", "-q", join(folder, "projects/default.git"), readable);
  });

  const segments = (): string[] =>
    gitOut(clone, "ls-tree", "-r", "--name-only", "HEAD").split("\n").filter(Boolean);
  const segment = (from: number): string =>
    segments().find((path) => path.includes(`/${from}-`)) ?? "";
  const edit = (folder: string, path: string, change: (text: string) => string): void => {
    const file = join(folder, path);
    writeFileSync(file, change(readFileSync(file, "utf8")));
  };
  const commit = (folder: string): void => {
    gitOut(folder, ...GIT_USER, "commit", "-qam", "nothing to see");
  };
  const faultOf = async (folder: string, since?: string): Promise<string> => {
    const { fault } = await verifyRepository({ folder, ...(since === undefined ? {} : { since }) });
    return fault === null ? "" : describeFault(fault);
  };

  it("finds nothing wrong with what the server wrote", async () => {
    const head = gitOut(clone, "rev-parse", "HEAD").trim();
    expect(await verifyRepository({ folder: clone, since: head })).toEqual({
      repository: "journal",
      head,
      commits: 3,
      lastSeq: 7,
      handovers: [],
      fault: null,
    });
    expect(await verifyRepository({ folder: readable })).toMatchObject({
      repository: "project/default",
      commits: 3,
      fault: null,
    });
    expect(await faultOf(join(bench().folder, "journal.git"))).toBe("");
  });

  it("names file and line of a flipped byte, committed or not", async () => {
    edit(clone, segment(4), (text) => text.replace("number 3", "number 8"));
    expect(await faultOf(clone)).toContain(`${segment(4)} line 2: the line was changed`);
    commit(clone);
    expect(await faultOf(clone)).toContain(`${segment(4)} line 2: the line was changed`);
  });

  it("names the segment whose bytes in Git are damaged", async () => {
    const blob = gitOut(clone, "rev-parse", `HEAD:${segment(4)}`).trim();
    const loose = join(clone, ".git/objects", blob.slice(0, 2), blob.slice(2));
    const pack = join(clone, ".git/objects/pack");
    const packs = readdirSync(pack).filter((file) => file.endsWith(".pack"));
    const contents = packs.map((file) => readFileSync(join(pack, file)));
    for (const file of readdirSync(pack)) rmSync(join(pack, file), { force: true });
    for (const input of contents)
      execFileSync("git", ["unpack-objects", "-q"], { cwd: clone, input });
    const bytes = readFileSync(loose);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1;
    chmodSync(loose, 0o644);
    writeFileSync(loose, bytes);
    expect(await faultOf(clone)).toContain(segment(4));
  });

  it("finds a removed segment", async () => {
    const gone = segment(4);
    rmSync(join(clone, gone));
    expect(await faultOf(clone)).toContain(`${gone}: the file was removed`);
    commit(clone);
    expect(await faultOf(clone)).toContain(`${gone}: the file was removed`);
  });

  it("finds an edited readable file", async () => {
    const path =
      gitOut(readable, "ls-files", "threads/**/t2/*")
        .split("\n")
        .find((one) => one !== "") ?? "";
    edit(readable, path, (text) => text.replace("number 2", "number two"));
    commit(readable);
    expect(await faultOf(readable)).toContain(path);
  });

  it("compares the files of a clone with the archive's branch, whatever Git thinks of them", async () => {
    const [path = ""] = gitOut(readable, "ls-files", "threads").split("\n");
    const forge = (): void => edit(readable, path, (text) => `${text}forged\n`);
    writeFileSync(join(readable, `${path}.forged.md`), "forged");
    expect(await faultOf(readable)).toContain(
      `${path}.forged.md: the file is not part of the archive`,
    );
    rmSync(join(readable, `${path}.forged.md`));
    gitOut(readable, "update-index", "--assume-unchanged", path);
    forge();
    expect(await faultOf(readable)).toMatch(/t0.* line \d+: the line was changed/);
    gitOut(readable, "update-index", "--no-assume-unchanged", path);
    gitOut(readable, "checkout", "-q", "-b", "evil");
    commit(readable);
    expect(await faultOf(readable)).toMatch(/t0.* line \d+: the line was changed/);
    gitOut(readable, "checkout", "-q", "main");
    expect(await faultOf(readable)).toBe("");
  });

  it("finds nothing wrong whatever Git is told on a machine", async () => {
    const { start, root, folder } = bench();
    const settings = `[safe]\n bareRepository = explicit\n[clone]\n defaultRemoteName = upstream\n[core]\n autocrlf = true\n`;
    writeFileSync(join(root, ".gitconfig"), settings);
    vi.stubEnv("HOME", root);
    const archive = await start({ folder: join(root, "other") });
    await archive.flush();
    expect((await archive.progress()).error).toBeNull();
    const crlf = join(root, "crlf");
    gitOut(root, "clone", "-q", join(folder, "projects/default.git"), crlf);
    const [path = ""] = gitOut(crlf, "ls-files", "threads").split("\n");
    expect(readFileSync(join(crlf, path), "utf8")).toContain("\r\n");
    expect(await faultOf(crlf)).toBe("");
    const { signal } = new AbortController();
    await cloneBare(crlf, join(root, "bare"), { signal });
    vi.stubEnv("GIT_DIR", join(folder, "journal.git"));
    expect(await faultOf(join(root, "bare"))).toBe("");
    edit(crlf, path, (text) => text.replace("number", "NUMBER"));
    expect(await faultOf(crlf)).toMatch(/line 1[0-9]: the line was changed/);
  });

  it("finds fault with a clone that has nothing on the archive's branch", async () => {
    gitOut(readable, "checkout", "-q", "-b", "evil");
    gitOut(readable, "branch", "-q", "-D", "main");
    expect(await faultOf(readable)).toContain("the file is not part of the archive");
    const bare = join(bench().root, "empty.git");
    gitOut(bench().root, "init", "-q", "--bare", bare);
    expect(await verifyClone(bare, undefined)).toMatchObject({
      ok: false,
      fault: { problem: expect.stringContaining("it has no commit on the branch main") },
    });
  });

  it("says of another project's repository that it is no archive, whatever its branch is called", async () => {
    const other = join(bench().root, "other");
    gitOut(bench().root, "init", "-q", "-b", "main", other);
    writeFileSync(join(other, "a.txt"), "a\n");
    gitOut(other, "add", "-A");
    commit(other);
    writeFileSync(join(other, "b.txt"), "b\n");
    for (const branch of ["main", "trunk"]) {
      gitOut(other, "branch", "-q", "-M", branch);
      await expect(verifyClone(other, undefined)).rejects.toMatchObject({
        code: "BAD_REQUEST",
        message: `${other} is no Gridpost archive`,
      });
    }
    gitOut(readable, "branch", "-q", "-m", "main", "evil");
    expect(await verifyClone(readable, undefined)).toMatchObject({ ok: false });
  });

  it("finds a history that was rewritten with the old trailers", async () => {
    const stream = execFileSync("git", ["fast-export", "main"], { cwd: clone, encoding: "utf8" });
    const input = stream.replace("number 1", "number 9");
    execFileSync("git", ["fast-import", "--force", "--quiet"], { cwd: clone, input });
    gitOut(clone, "reset", "-q", "--hard");
    expect(await faultOf(clone)).toContain(`${segment(1)} line 3: the line was changed`);
  });

  it("names the commit from which on a key signs that no earlier key has signed", async () => {
    const { add, start, root } = bench();
    const folder = join(root, "rotated");
    const handovers = async (): Promise<readonly { seq: number; kid: string }[]> =>
      (await verifyRepository({ folder: join(folder, "journal.git") })).handovers;
    let signer = bench().key.signer;
    const archive = await start({ folder, signer: () => signer });
    const [second, third] = [makeTestKey("key-2"), makeTestKey("key-3")];
    await add("signing_key.published", second.event, { project: null });
    await archive.flush();
    signer = second.signer;
    await add("message.sent", message({ thread: "x" }));
    await archive.flush();
    expect(await handovers()).toEqual([]);
    signer = third.signer;
    await add("signing_key.published", third.event, { project: null });
    await archive.flush();
    expect(await handovers()).toMatchObject([{ repository: "journal", kid: "key-3", seq: 10 }]);
    signer = makeTestKey("key-2").signer;
    await add("signing_key.published", { ...third.event, kid: "key-2" }, { project: null });
    await archive.flush();
    expect(await faultOf(join(folder, "journal.git"))).toContain("gives the name key-2");
  });

  it("finds nothing wrong when an earlier key signs again", async () => {
    const { add, start, root, key } = bench();
    const folder = join(root, "back");
    const other = makeTestKey("key-2");
    let signer = key.signer;
    const archive = await start({ folder, signer: () => signer });
    for (const next of [other.signer, key.signer, other.signer]) {
      await archive.flush();
      signer = next;
      await add("message.sent", message());
    }
    await archive.flush();
    expect(await faultOf(join(folder, "projects/default.git"))).toBe("");
  });

  it("refuses a readable repository with a key that the journal does not have", async () => {
    const keys = new KnownKeys();
    keys.addEvent(bench().key.event);
    const of = async (known: KnownKeys) =>
      (await verifyRepository({ folder: readable, keys: known })).fault;
    expect(await of(keys)).toBeNull();
    expect(await of(new KnownKeys())).toMatchObject({
      file: "keys/key-1.json",
      problem: "this key is not in the journal",
    });
  });

  it("finds a rewrite by whoever has a key only with a head that was kept", async () => {
    const { root, log, start, folder } = bench();
    const kept = gitOut(clone, "rev-parse", "HEAD").trim();
    const other = makeTestKey("key-1");
    await log.tx([], ({ query }) =>
      query("update events set body = $1 where seq = 1", [JSON.stringify(other.event)]),
    );
    const forged = join(root, "forged");
    const archive = await start({ folder: forged, signer: () => other.signer });
    await archive.flush();
    expect(folder).not.toBe(forged);
    expect(await faultOf(join(forged, "journal.git"))).toBe("");
    expect(await faultOf(join(forged, "journal.git"), kept)).toContain("rewritten");
  });
});
