import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Repository } from "../../archive/repository.ts";
import { type Gate, makeGate } from "../support/gate.ts";
import { makeTestKey } from "./support.ts";

const PATH = process.env["PATH"] ?? "";

/** A `git` that tells the process id of its importer, and merges packs only when it need not wait. */
const slowGit = (wait: string): string => `#!/bin/sh
folder=$(dirname "$0")
case " $* " in
  *" fast-import "*) echo $$ > "$folder/importer" ;;
  *" repack "*) : > "$folder/merging"; ${wait} ;;
esac
PATH=\${PATH#*:} exec git "$@"
`;

describe("a repository of the archive", () => {
  let folder: string;
  let repository: Repository;
  const errors: unknown[] = [];
  let gate: Gate;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gridpost-repository-"));
    gate = await makeGate();
    writeFileSync(join(folder, "git"), slowGit(gate.wait));
    chmodSync(join(folder, "git"), 0o755);
    process.env["PATH"] = `${folder}:${PATH}`;
    repository = new Repository({
      name: "journal",
      gitDir: join(folder, "journal.git"),
      onError: (error) => errors.push(error),
    });
  });
  afterEach(async () => {
    process.env["PATH"] = PATH;
    await repository.close();
    rmSync(folder, { recursive: true });
  });

  const { signer } = makeTestKey("key-1");
  const append = (seq: number): Promise<unknown> =>
    repository.append({
      from: seq,
      to: seq,
      at: seq,
      actors: ["server"],
      chain: "0".repeat(64),
      changes: [{ path: `segments/${seq}`, text: `${seq}\n` }],
      signer,
    });
  const log = (): string[] =>
    execFileSync("git", ["log", "--format=%ct", "main"], {
      cwd: join(folder, "journal.git"),
      encoding: "utf8",
    }).split("\n");

  it("goes on at once after its Git was killed while packs are merged", async () => {
    await append(1_000);
    repository.rest();
    await expect.poll(() => readFileSync(join(folder, "merging"), "utf8")).toBe("");
    await append(2_000);
    process.kill(Number(readFileSync(join(folder, "importer"), "utf8")), "SIGKILL");
    await expect(append(3_000)).rejects.toThrow("git fast-import failed");
    await append(3_000);
    expect(log()).toEqual(["3", "2", "1", ""]);
    await gate.open();
    await repository.close();
    expect(errors).toEqual([]);
  });
});
