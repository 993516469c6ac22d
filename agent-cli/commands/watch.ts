import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { Option } from "@commander-js/extra-typings";
import { ProblemError } from "../../contract/problem-error.ts";
import { makeFolders } from "../../runtime/folders.ts";
import { digest } from "../../runtime/home.ts";
import { readPrivate, writePrivate } from "../../runtime/private-file.ts";
import { notEmpty } from "../arguments.ts";
import { type Cli, type Define, examples, leaf } from "../command.ts";
import { leaveSignalsTo } from "../leave-signals.ts";
import { inboxView } from "../mail-view.ts";
import type { Output } from "../output.ts";
import { continued } from "../view.ts";
import { type Cursor, type Message, type Watch, watchInbox } from "../watch-inbox.ts";

const fromOption = () =>
  new Option("--from <place>", "where the first watch starts; else at the oldest unread").choices([
    "now",
  ] as const);

/** `gridpost watch` */
export const defineWatch: Define = (program, cli) => {
  leaf(program, "watch", "Print new mail as it comes, or run a command for each message")
    .option(
      "--exec <command>",
      "run by sh -c for each message; tried again until it succeeds",
      notEmpty,
    )
    .addOption(fromOption())
    .addHelpText(
      "after",
      `${examples("watch --json", `watch --exec 'my-agent "$GRIDPOST_MESSAGE_SUBJECT"'`)}

The command finds the message as JSON on stdin, and GRIDPOST_MESSAGE_ID, _SEQ, _FROM, _SUBJECT
and _THREAD in its environment. A watch that is started again goes on where it was; one that prints
takes nothing from the one that runs commands, of which an agent has one at a time. A signal that
ends the watch goes to the command that runs, and the watch ends after it.`,
    )
    .action(async ({ exec, from, ...common }) => {
      const context = cli.context(common);
      const { api, name } = await context.agent();
      const { project, home } = context;
      // An agent's name is the same in any case.
      const inbox = [await context.url(), project, name.toLowerCase()];
      // Who only looks has a place of its own: nothing that it prints counts as handled.
      const own = JSON.stringify(exec === undefined ? [...inbox, "print"] : inbox);
      const place = join(home, "watch", digest(own));
      const lock = exec === undefined ? undefined : await lockOf(place, name, cli);
      const print = printer(cli.out);
      let ended: NodeJS.Signals | undefined;
      const handle = async (message: Sequenced): Promise<boolean> => {
        if (exec === undefined) return print(message);
        const ran = await run(exec, message, cli);
        ended = ran.signal;
        return ran.ok;
      };
      await watchInbox({
        api,
        project,
        cursor: cursorIn(`${place}.json`),
        fromNow: from === "now",
        note: (line) => cli.out.note(line),
        handle,
        over: () => ended !== undefined,
      }).finally(() => lock?.close());
      if (ended !== undefined) process.kill(process.pid, ended);
    });
};

/** Lets one process at a time run commands for an inbox. @throws ProblemError CONFLICT with who does */
async function lockOf(
  place: string,
  agent: string,
  { environment }: Cli,
): Promise<{ close(): void }> {
  const holder = `${place}.pid`;
  await makeFolders(dirname(place));
  try {
    const lock = await environment.lockFile(`${place}.lock`);
    await writePrivate(holder, String(process.pid));
    return lock;
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== "CONFLICT") throw error;
    const pid = await readPrivate(holder);
    const who = pid === undefined ? "another process" : `process ${pid}`;
    throw new ProblemError("CONFLICT", `${who} runs commands for the inbox of ${agent} already`, {
      next: "end it first, or leave --exec out to print what comes",
      cause: error,
    });
  }
}

function cursorIn(file: string): Cursor {
  return {
    load: async () => {
      const text = await readPrivate(file);
      return text === undefined ? undefined : Number(text);
    },
    save: (seq) => writePrivate(file, String(seq)),
  };
}

/** Prints each message as a line of one table. */
export function printer(out: Output): Watch["handle"] {
  let begun = false;
  return async (message) => {
    const view = inboxView([message]);
    await out.show(message, begun ? continued(view) : view);
    begun = true;
    return true;
  };
}

type Sequenced = Message & { readonly seq: number };

interface Ran {
  readonly ok: boolean;
  /** Came for the watch meanwhile, and was left to the command. */
  readonly signal: NodeJS.Signals | undefined;
}

/** Runs a command with the message. */
function run(command: string, message: Sequenced, { environment, out }: Cli): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn("sh", ["-c", command], {
      stdio: ["pipe", "inherit", "inherit"],
      env: {
        ...environment.variables,
        GRIDPOST_MESSAGE_ID: message.id,
        GRIDPOST_MESSAGE_SEQ: String(message.seq),
        GRIDPOST_MESSAGE_FROM: message.from,
        GRIDPOST_MESSAGE_SUBJECT: message.subject,
        GRIDPOST_MESSAGE_THREAD: message.thread,
      },
    });
    const takeSignals = leaveSignalsTo(child);
    // A command that does not read its input closes the pipe early.
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify(message));
    child.once("error", (error) => {
      out.note(`gridpost: cannot run sh: ${error.message}`);
      resolve({ ok: false, signal: takeSignals() });
    });
    child.once("close", (code, signal) => {
      if (code !== 0) out.note(`gridpost: the command ended with ${signal ?? `code ${code}`}`);
      resolve({ ok: code === 0, signal: takeSignals() });
    });
  });
}
