import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sha256 } from "../../contract/cell/cell-id.ts";
import type { Client } from "../../contract/client.ts";
import { fetchInputs } from "../../daemon/input-files.ts";
import { grantedSession } from "./support.ts";

it("input files are fetched again after a try that was cut off, also by a daemon that is not root", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gridpost-inputs-"));
  const [run] = grantedSession([]).runs;
  if (run === undefined) throw new Error("no run");
  const files = [{ path: "a/run.sh", sha256: sha256("true"), size: 4 }];
  const content = Buffer.from("true").toString("base64");
  const client = { cells: { cellFile: () => Promise.resolve({ content }) } } as unknown as Client;
  const fetch = (): Promise<void> =>
    fetchInputs(client, { ...run, cell: { ...run.cell, files } }, folder);
  await fetch();
  const path = join(folder, "a/run.sh");
  // Held open, so that its number is not given to another one.
  const held = await open(path);
  await fetch();
  expect((await stat(path)).ino).not.toBe((await held.stat()).ino);
  expect((await stat(path)).mode & 0o777).toBe(0o555);
  expect(await readFile(path, "utf8")).toBe("true");
  await held.close();
  await rm(folder, { recursive: true });
});
