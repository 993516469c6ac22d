import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { createCli } from "../../agent-cli/command.ts";
import { ALIASES, NOUNS } from "../../agent-cli/commands.ts";
import { createOutput } from "../../agent-cli/output.ts";
import { freePort, openCli, type TestCli } from "../support/cli.ts";
import { TestClock } from "../support/clock.ts";
import { startTestServer } from "../support/server.ts";

let cli: TestCli;

beforeAll(async () => {
  cli = await openCli();
});

afterAll(() => cli.remove());

/** The verbs that people see; a hook of Git calls one that they do not. */
const visible = (command: CommandUnknownOpts): readonly CommandUnknownOpts[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");

describe("help", () => {
  it("lists every command, each of which explains itself", async () => {
    const { stdout } = await cli.run("--help");
    const program = new Command();
    const parts = {
      environment: {
        variables: {},
        entry: "",
        runServer: () => Promise.resolve(),
        runDaemon: () => Promise.resolve(),
        restoreServer: () => Promise.reject(new Error("not here")),
        verifyClone: () => Promise.reject(new Error("not here")),
        lockFile: () => Promise.reject(new Error("not here")),
      },
      out: createOutput(true),
      trailing: undefined,
    };
    for (const { name, load } of NOUNS) {
      expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
      (await load())(program, createCli(parts));
    }
    expect(program.commands.map((command) => command.name())).toEqual(
      NOUNS.map(({ name }) => name),
    );
    for (const command of program.commands) {
      expect(command.description()).not.toBe("");
      for (const one of command.commands.length > 0 ? visible(command) : [command])
        expect([one.name(), one.options.map(({ long }) => long)]).toEqual([
          one.name(),
          expect.arrayContaining(["--json"]),
        ]);
    }
  });

  it("suggests what was meant", async () => {
    expect((await cli.run("sweap", "ls")).stderr).toContain('did you mean "sweep"?');
    expect((await cli.run("sweep", "planm", "x")).stderr).toMatch(/plan/);
  });
});

describe("completion", () => {
  it("completes nouns, verbs and options in bash", async () => {
    const { stdout: script } = await cli.run("completion", "bash");
    const complete = (...words: readonly string[]): string[] => {
      const line = words.map((word) => `'${word}'`).join(" ");
      const ask = `${script}\nCOMP_WORDS=(gridpost ${line}); COMP_CWORD=${words.length}; _gridpost; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", ask], { encoding: "utf8" }).trim().split("\n");
    };
    expect(complete("swe")).toEqual(["sweep"]);
    expect(complete("lea")).toEqual(expect.arrayContaining(["lease", ...Object.keys(ALIASES)]));
    expect(complete("sweep", "pl")).toEqual(["plan"]);
    expect(complete("--json", "sweep", "run", "--wa")).toEqual(["--wait"]);
  });

  it("answers the first completion of zsh, which is what loads it", async () => {
    const { stdout: script } = await cli.run("completion", "zsh");
    // Enough of zsh for bash to read it.
    const zsh =
      'autoload() { :; }; bashcompinit() { :; }; _bash_complete() { echo "asked $*"; }; funcstack=(- "$1")';
    const load = (caller: string): string =>
      execFileSync("bash", ["-c", `${zsh}\n${script}`, "bash", caller], { encoding: "utf8" });
    expect(load("_gridpost")).toBe("asked -o default -F _gridpost\n");
    expect(load("")).toBe("");
  });

  it("tells a verb from the noun of the same name in fish", async () => {
    const { stdout: script } = await cli.run("completion", "fish");
    const logs = script.split("\n").filter((line) => line.includes(" -a logs "));
    expect(logs).toEqual([expect.stringContaining("-n '__gridpost_place run' -a logs ")]);
    expect(script).toContain("-n '__gridpost_place sweep/run' -l wait ");
    expect(script).toContain("-n '__gridpost_place' -a run ");
  });

  it("has a script for each shell, and says which there are", async () => {
    for (const shell of ["zsh", "fish"]) {
      const { code, stdout } = await cli.run("completion", shell);
      expect([code, stdout.includes("gridpost")]).toEqual([0, true]);
    }
    const unknown = await cli.run("completion", "tcsh");
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("bash|zsh|fish")]);
  });
});

describe("doctor", () => {
  it("says what is wrong and what to do, and ends with the first failure's code", async () => {
    const alone = await cli.run("doctor", "--json");
    expect(alone.code).toBe(6);
    expect(alone.json()).toMatchObject({
      ok: false,
      checks: expect.arrayContaining([
        expect.objectContaining({ name: "server", state: "fail" }),
        expect.objectContaining({ name: "node.js", state: "ok" }),
      ]),
    });
    const away = await cli.run("doctor", "--url", `http://127.0.0.1:${await freePort()}`);
    expect(away.code).toBe(6);
    expect(away.stdout).toMatch(/^reachable\tfail\t.*ECONNREFUSED/m);
  });

  it("compares the clock with the time that the server goes by", async () => {
    const server = await startTestServer({ clock: new TestClock(Date.now() + 7_200_000) });
    const { stdout } = await cli.run("doctor", "--url", server.url);
    expect(stdout).toMatch(/^clock\twarn\t7\d{3} s behind the server\t.*restart the server$/m);
    await server.stop();
  });
});
