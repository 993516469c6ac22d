import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliResult, joinedCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const TERMINAL = "process.stdin.isTTY = process.stdout.isTTY = true";

describe("a message that is written in an editor at a terminal", () => {
  let server: TestServer;
  let anna: TestCli;
  let running = true;
  beforeAll(async () => {
    server = await startTestServer();
    anna = await joinedCli(server, "anna");
    await anna.run("agent", "register", "blue");
  });
  afterAll(async () => {
    await anna.remove();
    if (running) await server.stop();
  });

  const write = (...args: string[]): Promise<CliResult> => {
    const env = {
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(TERMINAL)}`,
      TMPDIR: anna.home,
      EDITOR: "printf written >",
    };
    return anna.runWith({ env }, ...args);
  };
  const drafts = async (): Promise<string[]> =>
    (await readdir(anna.home)).filter((name) => name.startsWith("gridpost-"));
  const keptIn = ({ stderr }: CliResult): string => /kept in (\S+)/.exec(stderr)?.[1] ?? "";

  it("is sent, and leaves no file", async () => {
    const sent = await write("send", "blue", "-s", "Edited", "--json");
    const { id } = sent.json<{ id: string }>();
    expect((await anna.run("read", id, "--json")).json()).toMatchObject({ body: "written" });
    expect((await write("reply", id)).code).toBe(0);
    expect(await drafts()).toEqual([]);
  });

  it("is kept in a file when it is refused", async () => {
    const file = keptIn(await write("send", "bleu", "-s", "Edited"));
    expect(await readFile(file, "utf8")).toBe("written");
    expect((await anna.run("send", "blue", "-s", "Edited", "-f", file)).code).toBe(0);
  });

  it("is in the command that is safe to repeat when the server is away", async () => {
    await server.stop();
    running = false;
    const away = await write("send", "blue", "-s", "Edited");
    const file = keptIn(away);
    expect(await readFile(file, "utf8")).toBe("written");
    expect(away.stderr).toContain(`next: gridpost send blue -s Edited -f ${file} --key `);
  });
});
