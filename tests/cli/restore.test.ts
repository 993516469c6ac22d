import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openCli, type TestCli } from "../support/cli.ts";
import { startTestServer } from "../support/server.ts";

describe("gridpost archive restore", () => {
  let cli: TestCli;
  let work: string;
  beforeEach(async () => {
    cli = await openCli();
    work = await mkdtemp(join(tmpdir(), "gridpost-restore-"));
  });
  afterEach(async () => {
    await cli.remove();
    await rm(work, { recursive: true });
  });

  it("leaves neither a password nor half a server when it is interrupted", async () => {
    const silent = createServer();
    const asked = new Promise((resolve) => silent.once("connection", resolve));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const data = join(work, "new");
    const child = cli.start(
      "archive",
      "restore",
      `http://anna:a-password@127.0.0.1:${port}/journal.git`,
      "--data",
      data,
    );
    await asked;
    expect(await readdir(data)).toContain("restoring.credential");
    const code = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    expect(await code).toBe(130);
    expect(await readdir(data)).toEqual([]);
  });

  it("keeps what it restores from other users, also in a folder that they may enter", async () => {
    const server = await startTestServer();
    onTestFinished(() => server.stop());
    await server.running.archive.flush();
    const data = join(work, "made before");
    await mkdir(data, { mode: 0o755 });
    const journal = join(server.data, "archive/journal.git");
    const { code, stderr } = await cli.run("archive", "restore", journal, "--data", data);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (const name of ["gridpost.db", "archive"])
      expect((await stat(join(data, name))).mode & 0o077).toBe(0);
  });

  it("tells what is no clone from one that was tampered with", async () => {
    const verify = (...args: string[]) => cli.run("archive", "verify", ...args);
    const folder = await verify(work);
    expect(folder).toMatchObject({ code: 2, stdout: "" });
    expect(folder.stderr).toContain("not a git repository");
    const head = await verify(work, "--since", "4f2c");
    expect(head).toMatchObject({ code: 2, stdout: "" });
    expect(head.stderr).toContain("40 hexadecimal digits");
  });
});
