import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ProblemError } from "../contract/problem.ts";
import type { EventLog } from "../storage/event-log.ts";
import { lastSeq } from "../storage/log.ts";
import { readBatch, type Reader, type ReaderOptions, runReader } from "../storage/readers.ts";
import { placedSeq } from "./places.ts";
import type { ArchiveDeps } from "./ports.ts";
import { type Progress, progressOf } from "./progress.ts";
import { type RemoteState, startPusher } from "./push.ts";
import { gitDirOf, JOURNAL, Writer } from "./writer.ts";

const BATCH = 200;
/** Events that come within this time share a commit. */
const GATHER_MS = 500;
const RETRY_MS = 5_000;
const LAG_MS = 5_000;
const READER = "archive";

/** The writer of the archive, following the log until it is stopped. */
export interface RunningArchive {
  readonly folder: string;
  /** The newest commit of a project's readable repository, or of the journal without a name; null before the first. */
  head(project?: string): Promise<string | null>;
  /** The folder of that repository, which is made if it has nothing yet. */
  repository(project?: string): Promise<string>;
  progress(): Promise<Progress>;
  /** How far the remotes are. */
  remotes(): readonly RemoteState[];
  /** Pushes to every remote now. */
  push(): Promise<void>;
  /** Age of the oldest event that is not archived, as it was a moment ago. */
  lagSeconds(): number;
  /** Archives everything that is in the log now; waits for the batch in flight. */
  flush(): Promise<void>;
  /** Archives what is left and ends every Git process. */
  stop(): Promise<void>;
}

/**
 * Takes the archive's folder for this process and follows the log from where the journal ends. What goes wrong later is
 * told to `onError` and tried again; the server does not stop for it.
 * @throws ProblemError CONFLICT when another process writes the folder, UNAVAILABLE when it cannot be written
 */
export async function startArchive(deps: ArchiveDeps): Promise<RunningArchive> {
  const { log, folder } = deps;
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw notWritable(folder, error);
  });
  const lock = takeLock(deps);
  let error: string | null = null;
  const onError = (thrown: unknown): void => {
    error = thrown instanceof Error ? thrown.message : String(thrown);
    deps.onError(thrown);
  };
  const writer = new Writer({ ...deps, onError });
  const options: ReaderOptions = {
    log,
    name: READER,
    batch: BATCH,
    gatherMs: GATHER_MS,
    transactional: false,
    handle: async (events) => {
      await writer.write(events);
      error = null;
    },
  };
  const lag = watchLag(log);
  const pusher = startPusher({
    remotes: deps.remotes,
    gitDir: (repository) => gitDirOf(folder, repository.replace(/^journal$|^project\//, "")),
    onError: deps.onError,
  });
  const follower = follow(options, writer, onError);
  return {
    folder,
    head: async (project) => (await writer.head(project)).commit,
    repository: async (project = JOURNAL) => {
      await writer.head(project);
      return gitDirOf(folder, project);
    },
    progress: async () => progressOf(log, { commit: await lastCommit(writer), error }),
    remotes: () => pusher.states(),
    push: () => pusher.pushAll(),
    lagSeconds: () => lag.seconds(),
    flush: () => follower.flush(),
    stop: async () => {
      lag.stop();
      await follower.stop();
      await pusher.stop();
      await writer.close();
      lock.close();
    },
  };
}

function takeLock({ lock, folder }: ArchiveDeps): { close(): void } {
  try {
    return lock(join(folder, "writer.lock"));
  } catch (error) {
    throw error instanceof ProblemError ? error : notWritable(folder, error);
  }
}

const lastCommit = (writer: Writer): Promise<string | null> =>
  writer.head().then(
    ({ commit }) => commit,
    () => null,
  );

/** Looks at the lag every few seconds, so that asking for it costs nothing. */
function watchLag(log: EventLog): { seconds(): number; stop(): void } {
  let seconds = 0;
  const look = async (): Promise<void> => {
    seconds = (await progressOf(log, { commit: null, error: null })).lagSeconds;
  };
  // A database that cannot be read is told by everything else.
  const timer = setInterval(() => void look().catch(() => undefined), LAG_MS).unref();
  return { seconds: () => seconds, stop: () => clearInterval(timer) };
}

interface Follower {
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/** Runs the reader once the cursor agrees with the journal; looks again every few seconds until it does. */
function follow(
  options: ReaderOptions,
  writer: Writer,
  onError: (error: unknown) => void,
): Follower {
  const { log } = options;
  let reader: Reader | undefined;
  let aligned = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  const begin = async (): Promise<void> => {
    try {
      await align(log, writer);
      aligned = true;
      if (!stopped) reader = await runReader(options, onError);
    } catch (error) {
      onError(error);
      if (!stopped) retry = setTimeout(again, RETRY_MS).unref();
    }
  };
  const again = (): void => void (starting = begin());
  let starting = begin();
  const pause = async (): Promise<void> => {
    await starting;
    const running = reader;
    reader = undefined;
    await running?.stop();
  };
  // Two that drain at once would both write the same events.
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  return {
    flush: () =>
      inTurn(async () => {
        await pause();
        if (!aligned) throw notFollowing();
        try {
          await drain(options);
        } finally {
          if (!stopped) reader = await runReader(options, onError);
        }
      }),
    stop: () => {
      stopped = true;
      clearTimeout(retry);
      return inTurn(async () => {
        await pause();
        if (aligned) await drain(options).catch(onError);
      });
    },
  };
}

/** Archives what is in the log now: while events keep coming there is no end of it. */
async function drain(options: ReaderOptions): Promise<void> {
  const { log } = options;
  const until = await lastSeq(log.query);
  while ((await placedSeq(log.query)) < until && (await readBatch(options)) > 0);
}

/**
 * Brings cursor and places back to what the journal and the projects' repositories hold.
 * @throws ProblemError CONFLICT if the journal holds more than the log, or something else
 */
async function align(log: EventLog, writer: Writer): Promise<void> {
  const { seq } = await writer.head();
  const last = await lastSeq(log.query);
  if (seq > last) throw ahead(seq, last);
  // A database that was set back grows beyond the journal some time, with other events.
  if (!(await writer.continues())) throw parted(seq);
  if (seq < (await placedSeq(log.query)) || (await writer.hasLost())) await writer.startOver();
  const placed = await placedSeq(log.query);
  await log.tx([`cursor:${READER}`], ({ query }) =>
    query(
      `insert into e_cursors (name, seq) values ($1, $2)
       on conflict (name) do update set seq = excluded.seq`,
      [READER, placed],
    ),
  );
}

const ahead = (journal: number, log: number): ProblemError =>
  otherLog(
    `the journal ends at event ${journal}, the database at ${log}: the database is older than its archive`,
  );

const parted = (journal: number): ProblemError =>
  otherLog(
    `event ${journal}, the last of the journal, is another one in the database: the database was older than its archive when it went on`,
  );

const otherLog = (message: string): ProblemError =>
  new ProblemError("CONFLICT", message, {
    next: "put back the newest database, or rebuild one: gridpost archive restore DIR --data NEW",
  });

const notFollowing = (): ProblemError =>
  new ProblemError("UNAVAILABLE", "the archive is not being written", {
    next: "see the error in: gridpost archive status",
  });

const notWritable = (folder: string, cause: unknown): ProblemError =>
  new ProblemError("UNAVAILABLE", `the archive's folder ${folder} cannot be written`, {
    next: "give the server's user the right to write it",
    cause,
  });
