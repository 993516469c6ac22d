import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { blobRefs } from "../archive/blob-refs.ts";
import { cloneBare } from "../archive/clone.ts";
import { describeFault } from "../contract/fault.ts";
import { verifyRepository } from "../archive/verify.ts";
import { ProblemError } from "../contract/problem.ts";
import { writePrivate } from "../runtime/private-file.ts";
import type { BlobRef } from "../storage/blobs.ts";
import type { Db } from "../storage/db.ts";
import { applyAll, insertLoggedEvent } from "../storage/events.ts";
import type { LoggedEvent } from "../storage/log.ts";
import { migrate } from "../storage/migrate.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { stateHash } from "../storage/state-hash.ts";
import { archiveFolder, databaseFile, takeDataFolder } from "./data-folder.ts";
import { projections } from "./projections.ts";
import { splitAddress } from "./remotes.ts";
import { beginEpoch, rebuildEphemeral } from "./epoch.ts";

const BATCH = 500;

export interface Restored {
  readonly data: string;
  /** The commit of the journal that it was rebuilt from. */
  readonly commit: string;
  /** The last event of the journal. */
  readonly lastSeq: number;
  readonly events: number;
  readonly epoch: number;
  /** Hash of every projection before the new epoch began: equal to that of the original server at `lastSeq`. */
  readonly stateHash: string;
  /** Attachments, inputs and evidence that the journal speaks of and that must be copied from the old `blobs` folder. */
  readonly missingBlobs: readonly BlobRef[];
}

/**
 * Rebuilds a data folder from a clone of a journal, after checking all of it.
 * @param source a URL or a folder that Git can clone
 * @param signal gives it up; the folder is then left empty, too
 * @throws ProblemError CONFLICT if the folder is not empty, INTERNAL with segment file and line if the journal is not
 *   as it was written; the folder is then left empty
 */
export async function restoreServer(
  source: string,
  data: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<Restored> {
  const folder = resolve(data);
  await refuseUsed(folder);
  const held = await takeDataFolder(folder);
  try {
    const restored = await rebuild(source, folder, signal);
    held.release();
    return restored;
  } catch (error) {
    held.release();
    for (const name of await readdir(folder))
      await rm(join(folder, name), { recursive: true, force: true });
    throw error;
  }
}

async function refuseUsed(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length === 0) return;
  throw new ProblemError("CONFLICT", `the folder ${folder} is not empty`, {
    next: "restore into a new folder: gridpost archive restore URL --data NEW",
  });
}

async function rebuild(source: string, folder: string, signal: AbortSignal): Promise<Restored> {
  const journal = join(archiveFolder(folder), "journal.git");
  await mkdir(archiveFolder(folder), { recursive: true });
  await cloneFrom(source, journal, { file: join(folder, "restoring.credential"), signal });
  // Under another name until it is whole, so that no server starts on half of it.
  const unfinished = join(folder, "restoring.db");
  const loaded = await withDb(unfinished, (db) => loadJournal(db, journal, signal));
  // Opened anew: the clock of a database starts at its last event.
  const { epoch } = await withDb(unfinished, async (db) => {
    await rebuildEphemeral(db);
    return beginEpoch(db, loaded.lastSeq);
  });
  signal.throwIfAborted();
  await rename(unfinished, databaseFile(folder));
  const missingBlobs = [...loaded.blobs].map(([sha256, size]) => ({ sha256, size }));
  const { commit, lastSeq, events } = loaded;
  return { data: folder, commit, lastSeq, events, epoch, stateHash: loaded.hash, missingBlobs };
}

/** A password in the address is shown to Git alone, and only while it clones. */
async function cloneFrom(
  source: string,
  journal: string,
  { file, signal }: { readonly file: string; readonly signal: AbortSignal },
): Promise<void> {
  const { url, credential } = splitAddress(source);
  if (credential === null) return cloneBare(url, journal, { signal });
  await writePrivate(file, credential);
  try {
    await cloneBare(url, journal, { credentialFile: file, signal });
  } finally {
    await rm(file);
  }
}

async function withDb<T>(file: string, work: (db: Db) => Promise<T>): Promise<T> {
  const db = openSqlite({ file });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

interface Loaded {
  readonly commit: string;
  readonly lastSeq: number;
  readonly events: number;
  readonly hash: string;
  readonly blobs: ReadonlyMap<string, number>;
}

/** Verifies and replays in one pass; what is found damaged is thrown away with everything before it. */
async function loadJournal(db: Db, journal: string, signal: AbortSignal): Promise<Loaded> {
  await migrate(db);
  const apply = applyAll(projections);
  const blobs = new Map<string, number>();
  let waiting: LoggedEvent[] = [];
  let count = 0;
  const load = async (): Promise<void> => {
    const batch = waiting;
    waiting = [];
    count += batch.length;
    await db.tx(["restore"], async (query) => {
      for (const event of batch) {
        await insertLoggedEvent(query, event);
        await apply(query, event);
      }
    });
  };
  const { head, lastSeq, fault } = await verifyRepository({
    folder: journal,
    repository: "journal",
    onEvents: async (events) => {
      signal.throwIfAborted();
      waiting.push(...events);
      for (const { body } of events)
        for (const { sha256, size } of blobRefs(body)) blobs.set(sha256, size);
      if (waiting.length >= BATCH) await load();
    },
  });
  if (fault !== null) throw damaged(describeFault(fault));
  if (head === null) throw damaged("the journal is empty");
  await load();
  const tables = projections.flatMap((projection) => projection.tables);
  return { commit: head, lastSeq, events: count, hash: await stateHash(db.query, tables), blobs };
}

const damaged = (what: string): ProblemError =>
  new ProblemError("INTERNAL", `nothing was restored: ${what}`, {
    next: "restore from another clone, or from a commit before the damage",
  });
