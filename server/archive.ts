import type { Logger } from "pino";
import { readTip } from "../archive/git.ts";
import { type RunningArchive, startArchive } from "../archive/start.ts";
import type { Signer } from "../archive/ports.ts";
import { gitDirOf, JOURNAL } from "../archive/writer.ts";
import { ProblemError } from "../contract/problem.ts";
import type { MakeReport } from "../reports/ports.ts";
import type { EventLog } from "../storage/event-log.ts";
import { openLocalFile } from "../storage/local-file.ts";
import { archiveFolder } from "./data-folder.ts";
import { openRemotes } from "./remotes.ts";
import type { Settings } from "./settings.ts";
import type { Identity } from "./identity/open.ts";

export interface OpenArchive {
  readonly settings: Settings;
  readonly eventLog: EventLog;
  readonly identity: Identity;
  readonly report: MakeReport;
  readonly log: Logger;
}

/** Starts the archive of a data folder, signed with the server's key. */
export const openArchive = async ({
  settings,
  eventLog,
  identity,
  report: make,
  log,
}: OpenArchive): Promise<RunningArchive> =>
  startArchive({
    log: eventLog,
    folder: archiveFolder(settings.data),
    signer: () => archiveSigner(identity, eventLog.now()),
    lock: openLocalFile,
    remotes: await openRemotes(settings),
    report: async (project, sweep) => {
      const { report } = await make({ project, sweep, format: "json" });
      const { text } = await make({ project, sweep, format: "md" });
      return { json: `${JSON.stringify(report, null, 2)}\n`, markdown: text ?? "" };
    },
    onError: (err) => log.error({ err }, "archiving failed"),
  });

/**
 * Beside an archive no new server begins: its database was lost, or a restore was cut short.
 * @throws ProblemError CONFLICT if the journal of a data folder whose log is empty holds something
 */
export async function refuseLostDatabase(data: string): Promise<void> {
  const journal = gitDirOf(archiveFolder(data), JOURNAL);
  const tip = await readTip(journal).catch(() => null);
  if (tip === null) return;
  throw new ProblemError("CONFLICT", `the data folder ${data} has an archive but no database`, {
    next: `put the database back, or rebuild it: gridpost archive restore ${journal} --data NEW`,
  });
}

function archiveSigner({ deps }: Identity, now: number): Signer {
  const { kid, jwk, key } = deps.keys().current(now);
  return {
    kid,
    jwk,
    sign: async (bytes) => {
      // A copy, because the type of the bytes allows shared memory and WebCrypto does not.
      const signature = await crypto.subtle.sign("Ed25519", key, new Uint8Array(bytes));
      return new Uint8Array(signature);
    },
  };
}
