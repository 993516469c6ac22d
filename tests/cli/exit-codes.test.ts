import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProblemError, PROBLEMS, type ProblemCode } from "../../contract/problem-error.ts";
import { exitCodeOf } from "../../agent-cli/exit-codes.ts";
import { CLI_ENTRY, freePort, joinedCli, openCli, type TestCli } from "../support/cli.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let cli: TestCli;
let stranger: TestCli;

beforeAll(async () => {
  server = await startTestServer();
  cli = await joinedCli(server, "anna");
  stranger = await openCli();
  await cli.run("agent", "register", "blue");
});

afterAll(async () => {
  await Promise.all([cli.remove(), stranger.remove()]);
  await server.stop();
});

interface ProblemDocument {
  code: string;
  message: string;
  next: string;
}

describe("exit codes", () => {
  it("follow the status of every problem code", () => {
    const expected: Readonly<Record<number, number>> = {
      400: 2,
      413: 2,
      414: 2,
      415: 2,
      422: 2,
      409: 3,
      412: 3,
      404: 4,
      410: 4,
      401: 5,
      403: 5,
    };
    for (const code of Object.keys(PROBLEMS) as ProblemCode[])
      expect([code, exitCodeOf(new ProblemError(code, "x"))]).toEqual([
        code,
        expected[PROBLEMS[code]] ?? 1,
      ]);
  });

  it("of a daemon that is told what cannot be says it in the words of the other commands", async () => {
    const told = ["--url", "http://127.0.0.1:1", "--data", "node", "--slots", "0"];
    const { code, stderr } = await stranger.run("daemon", ...told);
    expect(code).toBe(2);
    expect(stderr).toContain("gridpost: slots: must be at least 1\n");
  });

  it.each([
    ["an unknown command", ["inbx"], 2],
    ["no verb", ["agent"], 2],
    ["no command", ["--nonsense"], 2],
    ["an agent that would do what only its user may", ["token", "ls", "--as", "blue"], 5],
    ["an unknown option", ["inbox", "--frm", "x"], 2],
    ["a missing argument", ["send"], 2],
    ["a bare number as a duration", ["inbox", "--wait", "30"], 2],
    ["a word as a number", ["inbox", "--after", "x"], 2],
    ["a command to run that is empty", ["watch", "--exec", " "], 2],
    ["a file that is not there", ["send", "blue", "-s", "x", "-f", "nowhere.md"], 2],
    ["a key that no header carries", ["agent", "register", "red", "--key", "ключ"], 2],
    ["a subject that is too long", ["send", "blue", "-s", "x".repeat(201)], 2],
    ["a time for a denial, which has none", ["contact", "deny", "red", "--ttl", "1h"], 2],
    ["a policy that there is not", ["agent", "policy", "blue", "shut"], 2],
    ["a message that is not there", ["read", "77"], 4],
    ["a name that an address would take for a step up", ["agent", "show", ".."], 2],
    ["an agent that is not there", ["agent", "show", "nobody"], 4],
    ["an agent of nobody", ["inbox", "--as", "nobody"], 4],
    ["a project that may not be read", ["project", "show", "other"], 4],
    ["an admin's verb", ["node", "drain", "n1"], 5],
  ])("tell of %s", async (_, args, code) => {
    const result = await cli.run(...args, "--json");
    const { message, next } = result.json<ProblemDocument>();
    expect([result.code, message]).toEqual([code, expect.stringMatching(/\S/)]);
    expect(result.stdout.split("\n")).toHaveLength(2);

    const told = await cli.run(...args);
    expect(told.code).toBe(code);
    expect(told.stdout).toBe("");
    expect(told.stderr).toContain("gridpost: ");
    if (next !== undefined) expect(told.stderr).toContain(`next: ${next}`);
  });

  it("are 2 for a folder without a name, which is not the folder that one is in", async () => {
    for (const args of [
      ["server", "--data", "", "--listen", "nowhere"],
      ["daemon", "--data", "", "--slots", "x"],
      ["archive", "restore", "nowhere", "--data", ""],
    ]) {
      const { code, stderr } = await cli.run(...args);
      expect([args, code, stderr]).toEqual([args, 2, expect.stringMatching(/--data .*empty/)]);
    }
  });

  it("come with the help of the verb that was wrong", async () => {
    for (const [verb, ...args] of [
      ["archive verify", "--depe"],
      ["project create"],
      ["lease ls", "--min"],
    ])
      expect((await cli.run(...(verb ?? "").split(" "), ...args)).stderr).toContain(
        `next: gridpost ${verb} --help`,
      );
  });

  it("are 1 and one line where the answer cannot be written, and 0 where nobody reads on", () => {
    const shell = (redirect: string) =>
      spawnSync("sh", ["-c", `"$0" "$@" ${redirect}`, process.execPath, CLI_ENTRY, "--help"]);
    const full = shell(">/dev/full");
    expect([full.status, full.stderr.toString()]).toEqual([
      1,
      expect.stringMatching(/^gridpost: cannot write the answer: ENOSPC.*\n$/),
    ]);
    const closed = shell("| true");
    expect([closed.status, closed.stderr.toString()]).toEqual([0, ""]);
  });

  it("are 0 for help, and for an empty list", async () => {
    for (const args of [
      ["--help"],
      ["help", "send"],
      ["send", "--help"],
      ["--version"],
      ["leases"],
    ])
      expect([args, (await cli.run(...args)).code]).toEqual([args, 0]);
  });

  it("say 6 without credentials for the server", async () => {
    const nowhere = await stranger.run("inbox", "--json");
    expect([nowhere.code, nowhere.json<ProblemDocument>().code]).toEqual([6, "NO_CREDENTIALS"]);
    const unknown = await stranger.run("inbox", "--url", server.url, "--json");
    expect([unknown.code, unknown.json<ProblemDocument>().code]).toEqual([6, "NO_CREDENTIALS"]);
    expect(unknown.json<ProblemDocument>().next).toContain(`gridpost join ${server.url}`);
  });

  it("say 6 for an unreachable server, with the command that is safe to repeat", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const args = ["send", "blue", "-s", "it's late", "--url", url];
    const result = await cli.run(...args, "--json");
    expect(result.code).toBe(6);
    const { code, next } = result.json<ProblemDocument>();
    expect(code).toBe("UNREACHABLE");
    expect(next).toMatch(
      new RegExp(
        `^gridpost send blue -s 'it'\\\\''s late' --url ${url} --json --key [0-9a-f-]{36}$`,
      ),
    );
    const given = await cli.run(...args, "--key", "mine");
    expect(given.code).toBe(6);
    expect(given.stderr).toContain(`--url ${url} --key mine`);
  });
});
