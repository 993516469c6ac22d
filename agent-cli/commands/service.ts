import { hostname } from "node:os";
import { ProblemError } from "../../contract/problem-error.ts";
import { count, given, notEmpty, repeated } from "../arguments.ts";
import { type Define, examples } from "../command.ts";
import { variable } from "../environment.ts";

/** `gridpost server` */
export const defineServer: Define = (program, { environment }) => {
  program
    .command("server")
    .description("Run the server until SIGTERM or Ctrl-C")
    .option(
      "--data <dir>",
      "folder of everything that it keeps (GRIDPOST_DATA); made if missing",
      notEmpty,
    )
    .option("--listen <host:port>", "where it answers (GRIDPOST_LISTEN, else 127.0.0.1:7411)")
    .option("--set <key=value>", "a setting, such as leases.minTtl=10s; repeatable", repeated)
    .option("--new-admin-join", "write another join token for an admin to DIR/admin.join")
    .option("--json", "print an error as JSON")
    .addHelpText(
      "after",
      `${examples("server --data /var/lib/gridpost")}

The first start writes DIR/admin.join; use it with: gridpost join URL --token-file DIR/admin.join
Settings stand in DIR/config.yaml under the same keys.`,
    )
    .action(async ({ listen, set, newAdminJoin, ...options }) => {
      const data = options.data ?? variable(environment, "GRIDPOST_DATA");
      if (data === undefined)
        throw new ProblemError("BAD_REQUEST", "the server needs a folder for what it keeps", {
          next: "gridpost server --data DIR",
        });
      await environment.runServer({ data, listen, set, newAdminJoin });
    });
};

/** `gridpost daemon` */
export const defineDaemon: Define = (program, cli) => {
  program
    .command("daemon")
    .description("Run this machine as a node until SIGTERM or Ctrl-C")
    .option("--url <url>", "the server (GRIDPOST_URL)")
    .option("--token-file <file>", "join token for the node; needed at its first start")
    .option("--name <name>", "the node's name (default: the host name)")
    .requiredOption("--data <dir>", "folder of its key, spool and work; made if missing", notEmpty)
    .option("--allow-process", "policy: cells that ask for it may run without a container")
    .option("--slots <n>", "sessions without GPUs side by side (default 1)", count)
    .option("--label <key=value>", "a label for `requires.labels`; repeatable", repeated)
    .option(
      "--mount-root <dir>",
      "cells may mount folders below it, read only; repeatable",
      repeated,
    )
    .option("--simulate-gpus <file>", "JSON list of GPUs to pretend to have; marked in results")
    .option("--insecure", "allow plain HTTP beyond this machine")
    .option("--json", "print an error as JSON")
    .addHelpText(
      "after",
      examples("daemon --url http://10.0.0.1:7411 --token-file node.join --data /var/lib/gridpost"),
    )
    .action(async (options) => {
      const { tokenFile, allowProcess, slots, simulateGpus, mountRoot: mountRoots } = options;
      await cli.environment.runDaemon({
        url: await cli.context({ url: options.url }).url(),
        name: options.name ?? hostname(),
        data: options.data,
        ...given({ tokenFile, allowProcess, slots, simulateGpus, mountRoots }),
        ...(options.label === undefined ? {} : { labels: labelsOf(options.label) }),
        ...(options.insecure === undefined ? {} : { insecure: options.insecure }),
      });
    });
};

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
      if (key !== undefined && value !== undefined) return [key, value];
      throw new ProblemError("BAD_REQUEST", `"${pair}" is not a label`, {
        next: "write it as --label key=value",
      });
    }),
  );
}
