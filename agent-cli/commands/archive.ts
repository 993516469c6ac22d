import { existsSync } from "node:fs";
import type { Command } from "@commander-js/extra-typings";
import { describeFault } from "../../contract/fault.ts";
import { ProblemError } from "../../contract/problem-error.ts";
import type { Answer } from "../api.ts";
import { notEmpty } from "../arguments.ts";
import { type Cli, type Define, change, examples, group, leaf } from "../command.ts";
import type { Restored } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import { record, type View } from "../view.ts";

/** `gridpost archive` */
export const defineArchive: Define = (program, cli) => {
  const archive = group(program, "archive", "The Git archive of record");
  defineStatusVerbs(archive, cli);
  defineVerify(archive, cli);
  defineRestore(archive, cli);
  defineRedact(archive, cli);
};

type Remote = Answer<"GET /v1/archive">["remotes"][number];

const remoteFields = (remotes: readonly Remote[]) =>
  remotes.map(
    ({ name, repository, url, pushedSeq, error }) =>
      [
        `${name} (${repository})`,
        `${url}, pushed to ${pushedSeq ?? "nothing"}${error === null ? "" : `: ${error}`}`,
      ] as const,
  );

function defineStatusVerbs(archive: Command, cli: Cli): void {
  leaf(archive, "status", "How far the archive follows the log")
    .addHelpText("after", examples("archive status --json"))
    .action(async (options) => {
      const api = await cli.context(options).user();
      const status = await api("GET /v1/archive");
      await cli.out.show(
        status,
        record([
          ["last event", status.lastSeq],
          ["archived", status.archivedSeq],
          ["lag", `${status.lagEvents} events, ${status.lagSeconds} s`],
          ["commit", status.commit],
          ["error", status.error],
          ...remoteFields(status.remotes),
        ]),
      );
    });

  leaf(archive, "push", "Push to the configured remotes now").action(async (options) => {
    const api = await cli.context(options).user();
    const call = { unkeyed: true as const, timeoutMs: LONG_MS };
    const { remotes } = await api("POST /v1/archive/push", {}, call);
    await cli.out.show({ remotes }, record(remoteFields(remotes)));
    if (remotes.some(({ error }) => error !== null)) cli.exitWith(EXIT.failure);
  });
}

/** Whole histories are read. */
const LONG_MS = 3_600_000;

function defineVerify(archive: Command, cli: Cli): void {
  leaf(archive, "verify [dir]", "Check the server's archive, or a clone without a server")
    .option("--deep", "also replay the journal and compare it with the database")
    .option("--since <head>", "a commit of the journal that you kept: history must contain it")
    .addHelpText("after", examples("archive verify --deep", "archive verify journal.git"))
    .action(async (dir, { deep, since, ...common }) => {
      const verified = await (dir === undefined
        ? verifyAtServer(cli, { deep: deep ?? false, since, common })
        : verifyClone(cli, dir, { deep, since }));
      await cli.out.show(verified, verifiedView(verified));
      if (!verified.ok) cli.exitWith(EXIT.failure);
    });
}

type Verified = Answer<"POST /v1/archive/verify">;

function verifiedView(verified: Verified): View {
  const { ok, repositories, fault, handovers, difference, stateHash, note } = verified;
  return record([
    ["archive", ok ? "as it was written" : "NOT as it was written"],
    ...repositories.map(
      ({ repository, head, commits, lastSeq }) =>
        [repository, `${commits} commits to event ${lastSeq}, head ${head ?? "none"}`] as const,
    ),
    ...handovers.map(
      ({ repository, kid, commit, seq }) =>
        [
          "hand-over",
          `${repository}, event ${seq} (commit ${commit}): key ${kid} begins, and no earlier key has signed that; a restore does so`,
        ] as const,
    ),
    ...(fault === null ? [] : [["fault", describeFault(fault)] as const]),
    ...(difference === null ? [] : [["difference", difference] as const]),
    ...(stateHash === null ? [] : [["database", "as a replay of the journal makes it"] as const]),
    ...(note === null ? [] : [["note", note] as const]),
  ]);
}

async function verifyAtServer(
  cli: Cli,
  { deep, since, common }: { deep: boolean; since: string | undefined; common: object },
): Promise<Verified> {
  const api = await cli.context(common).user();
  return api(
    "POST /v1/archive/verify",
    { body: { deep, ...(since === undefined ? {} : { since }) } },
    { unkeyed: true, timeoutMs: LONG_MS },
  );
}

async function verifyClone(
  cli: Cli,
  dir: string,
  { deep, since }: { deep: true | undefined; since: string | undefined },
): Promise<Verified> {
  if (!existsSync(dir))
    throw new ProblemError("BAD_REQUEST", `there is no folder ${dir}`, { next: "check the path" });
  if (deep)
    throw new ProblemError("BAD_REQUEST", "a clone has no database to compare with", {
      next: "gridpost archive verify --deep, without a folder, asks the server",
    });
  return cli.environment.verifyClone(dir, since);
}

const MOST_LISTED = 20;

export function restoredView({ data, commit, lastSeq, epoch, missingBlobs }: Restored): View {
  const more = missingBlobs.length - MOST_LISTED;
  return record([
    ["data", data],
    ["commit", commit],
    ["last event", lastSeq],
    ["epoch", epoch],
    ["missing files", missingBlobs.length],
    ...missingBlobs.slice(0, MOST_LISTED).map(({ sha256 }) => ["missing", sha256] as const),
    ...(more > 0 ? [["missing", `${more} more; --json lists all`] as const] : []),
  ]);
}

function defineRestore(archive: Command, cli: Cli): void {
  archive
    .command("restore <source>")
    .description("Rebuild a server's data folder from a clone of its journal")
    .requiredOption("--data <dir>", "the new folder; must be empty or missing", notEmpty)
    .option("--json", "print one JSON document")
    .addHelpText(
      "after",
      `${examples("archive restore backup/journal.git --data /var/lib/gridpost-new")}

The journal is verified first; nothing is written when it is not as it was.`,
    )
    .action(async (source, { data }) => {
      const restored = await cli.environment.restoreServer(source, data);
      await cli.out.show(restored, restoredView(restored));
      if (!cli.out.json) cli.out.note(`next: gridpost server --data ${restored.data}`);
    });
}

function defineRedact(archive: Command, cli: Cli): void {
  change(archive, "redact <event>", "Hide the text of a message; Git's history keeps it")
    .requiredOption("--reason <text>", "why")
    .addHelpText("after", "\nEVENT is the id of the message, or of the event that holds it.")
    .action(async (event, options) => {
      const idempotencyKey = cli.key(options);
      const api = await cli.context(options).user();
      const body = { event, reason: options.reason };
      const hidden = await api("POST /v1/archive/redact", { body }, { idempotencyKey });
      await cli.out.show(
        hidden,
        record([
          ["message", hidden.message],
          ["note", hidden.note],
        ]),
      );
    });
}
