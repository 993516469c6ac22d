import { spawn } from "node:child_process";
import { once } from "node:events";
import { joinedCli, type TestCli } from "../tests/support/cli.ts";
import type { MailServer } from "./mail-http.ts";
import { closedLoop, inTurns, type Rate } from "./measure.ts";

const ROUNDS = 15;
const AGENT = "cold";

/** Cold starts of two programs, in turns. */
export interface ColdStarts {
  readonly cli: Rate;
  readonly node: Rate;
  /** How many times as long as Node alone the command takes; the median over the rounds. */
  readonly times: number;
}

/** Measures `gridpost inbox` as agents run it, compiled and in a process of its own, beside `node -e 0`. */
export async function coldInbox({ url, owner }: MailServer): Promise<ColdStarts> {
  const cli = await joinedCli({ url, admin: owner }, AGENT);
  try {
    await runCli(cli, "agent", "register", AGENT);
    const inbox = (): Promise<void> => runCli(cli, "inbox", "--as", AGENT);
    // The files of both are in memory before they are measured, and the command keeps its access token.
    await inbox();
    await emptyNode();
    const { one, other, ratio } = await inTurns(ROUNDS, turn(inbox), turn(emptyNode));
    return { cli: one, node: other, times: 1 / ratio };
  } finally {
    await cli.remove();
  }
}

const turn = (call: () => Promise<void>) => () => closedLoop({ callers: 1, calls: 1, call });

async function runCli(cli: TestCli, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await cli.run(...args);
  if (code !== 0) throw new Error(`gridpost ${args.join(" ")} failed: ${stderr}`);
}

async function emptyNode(): Promise<void> {
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await once(child, "exit");
}
