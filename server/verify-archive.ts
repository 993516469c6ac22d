import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { eventText } from "../archive/chain.ts";
import { FaultFound } from "../archive/fault.ts";
import type { VerifyAnswer, VerifyRequest } from "../archive/ports.ts";
import { placedSeq, type Reached, reachedHeads } from "../archive/places.ts";
import { KnownKeys } from "../archive/signatures.ts";
import { type Verified, verifyRepository } from "../archive/verify.ts";
import { gitDirOf, JOURNAL, repositoryName } from "../archive/writer.ts";
import { applyAll, eventsAfter, insertLoggedEvent } from "../storage/events.ts";
import type { Db, Query } from "../storage/db.ts";
import { lastSeq, type LoggedEvent, type Projection } from "../storage/log.ts";
import { migrate } from "../storage/migrate.ts";
import { type Difference, diffProjections } from "../storage/projection-diff.ts";
import { openSnapshot, type Snapshot } from "../storage/snapshot.ts";
import { openSqlite } from "../storage/sqlite.ts";
import { stateHash } from "../storage/state-hash.ts";
import { archiveFolder, databaseFile } from "./data-folder.ts";

const BATCH = 200;
const KEYS_AFTER = "select body from events where type = 'signing_key.published' and seq > $1";
const NO_KEPT_HEAD =
  "without a head that was kept (--since) a rewrite by the owner of the server's key cannot be excluded";

/** What is verified: a data folder, and how its events build its state. */
export interface Verifiable {
  readonly data: string;
  /** A folder for the replay; whoever gives it removes it. */
  readonly scratch: string;
  readonly projections: readonly Projection[];
}

/** Checks every repository of a data folder, and on request that the journal's replay is the database. */
export async function verifyArchive(
  { data, scratch, projections }: Verifiable,
  request: VerifyRequest,
): Promise<VerifyAnswer> {
  const file = databaseFile(data);
  // Read first: the archive is never behind it.
  const archived = await lookAt(file, archivedBy);
  const twin = request.deep ? await openTwin(file, scratch, projections) : null;
  try {
    const journal = await verifyJournal(data, request, twin);
    const checked = [reaching(archived.seq, journal.found)];
    await lookAt(file, (query) => addKeysToCome(query, journal));
    const there = await projectsIn(data);
    const heads = new Map(archived.projects.map(({ project, head }) => [project, head]));
    for (const project of [...new Set([...there, ...heads.keys()])].toSorted()) {
      if (checked.at(-1)?.fault !== null) break;
      const since = heads.get(project);
      checked.push(
        there.includes(project)
          ? await verifyRepository({
              ...placeOf(data, project),
              keys: journal.keys,
              ...(since === undefined ? {} : { since }),
            })
          : nothingOf(repositoryName(project)),
      );
    }
    const good = checked.at(-1)?.fault === null;
    return answerOf(request, checked, good && twin !== null ? await twin.compare() : null);
  } finally {
    await twin?.close();
  }
}

const placeOf = (data: string, project: string): { folder: string; repository: string } => ({
  folder: gitDirOf(archiveFolder(data), project),
  repository: repositoryName(project),
});

interface Journal {
  readonly found: Verified;
  readonly keys: KnownKeys;
}

/** Checks the journal; the keys that it names are those of the other repositories. */
async function verifyJournal(
  data: string,
  { since }: VerifyRequest,
  twin: Twin | null,
): Promise<Journal> {
  const keys = new KnownKeys();
  const found = await verifyRepository({
    ...placeOf(data, JOURNAL),
    keys,
    ...(since === undefined ? {} : { since }),
    ...(twin === null ? {} : { onEvents: (events) => twin.add(events) }),
  });
  return { found, keys };
}

/** What the database says of the archive. */
interface Archived {
  /** The last event that was archived. */
  readonly seq: number;
  readonly projects: readonly Reached[];
}

const archivedBy = async (query: Query): Promise<Archived> => ({
  seq: await placedSeq(query),
  projects: await reachedHeads(query),
});

/** A key signs the other repositories before the journal has come to it, as after a restore: they are written anew first. */
async function addKeysToCome(query: Query, { found, keys }: Journal): Promise<void> {
  const rows = await query<{ body: string }>(KEYS_AFTER, [found.lastSeq]);
  for (const { body } of rows) keys.addLogged(JSON.parse(body));
}

async function lookAt<T>(file: string, look: (query: Query) => Promise<T>): Promise<T> {
  const snapshot = openSnapshot(file);
  try {
    return await look(snapshot.query);
  } finally {
    snapshot.close();
  }
}

/** Finds fault with a journal whose end was cut off. */
function reaching(seq: number, journal: Verified): Verified {
  const { fault, repository, head, lastSeq: last } = journal;
  if (fault !== null || last >= seq) return journal;
  const problem = `it ends with event ${last}, but the server has archived events up to ${seq}`;
  return { ...journal, fault: { repository, commit: head, file: null, line: null, problem } };
}

const nothingOf = (repository: string): Verified => ({
  repository,
  head: null,
  commits: 0,
  lastSeq: 0,
  handovers: [],
  fault: {
    repository,
    commit: null,
    file: null,
    line: null,
    problem: "the repository is missing, but the server has archived files in it",
  },
});

async function projectsIn(data: string): Promise<string[]> {
  const names = await readdir(join(archiveFolder(data), "projects")).catch(() => []);
  return names
    .filter((name) => name.endsWith(".git"))
    .map((name) => name.slice(0, -4))
    .toSorted();
}

interface Comparison {
  readonly difference: string | null;
  readonly stateHash: string | null;
}

/** What a verification says, of all that was checked up to the first fault. */
export function answerOf(
  { since }: VerifyRequest,
  checked: readonly Verified[],
  comparison: Comparison | null,
): VerifyAnswer {
  const fault = checked.at(-1)?.fault ?? null;
  const difference = comparison?.difference ?? null;
  return {
    ok: fault === null && difference === null,
    repositories: checked.map(({ repository, head, commits, lastSeq: last }) => ({
      repository,
      head,
      commits,
      lastSeq: last,
    })),
    fault,
    handovers: checked.flatMap(({ handovers }) => handovers),
    difference,
    stateHash: comparison?.stateHash ?? null,
    note: since === undefined ? NO_KEPT_HEAD : null,
  };
}

/** The database as it is now, and beside it one that is built from the journal's events. */
interface Twin {
  /** @throws FaultFound when the database has another event in that place */
  add(events: readonly LoggedEvent[]): Promise<void>;
  compare(): Promise<Comparison>;
  close(): Promise<void>;
}

async function openTwin(
  file: string,
  scratch: string,
  projections: readonly Projection[],
): Promise<Twin> {
  const snapshot = openSnapshot(file);
  const copy = openSqlite({ file: join(scratch, "replay.db") });
  await migrate(copy);
  const end = await lastSeq(snapshot.query);
  const replay = replayInto(copy, projections);
  let seq = 0;
  const tables = projections.flatMap((projection) => projection.tables);
  return {
    add: async (events) => {
      const known = events.filter((event) => event.seq <= end);
      await refuseOther(snapshot, known);
      await replay(known);
      seq = known.at(-1)?.seq ?? seq;
    },
    compare: async () => {
      // What the archive has not reached yet is taken from the database.
      for (;;) {
        const rest = await eventsAfter(snapshot.query, seq, BATCH);
        const last = rest.at(-1);
        if (last === undefined) break;
        await replay(rest);
        seq = last.seq;
      }
      const difference = await diffProjections(snapshot, copy, tables);
      if (difference !== null) return { difference: describe(difference), stateHash: null };
      return { difference: null, stateHash: await stateHash(snapshot.query, tables) };
    },
    close: async () => {
      snapshot.close();
      await copy.close();
    },
  };
}

function replayInto(
  db: Db,
  projections: readonly Projection[],
): (events: readonly LoggedEvent[]) => Promise<void> {
  const apply = applyAll(projections);
  return async (events) => {
    for (let at = 0; at < events.length; at += BATCH) {
      await db.tx(["replay"], async (query) => {
        for (const event of events.slice(at, at + BATCH)) {
          await insertLoggedEvent(query, event);
          await apply(query, event);
        }
      });
    }
  };
}

async function refuseOther({ query }: Snapshot, events: readonly LoggedEvent[]): Promise<void> {
  const [first] = events;
  if (first === undefined) return;
  const stored = await eventsAfter(query, first.seq - 1, events.length);
  for (const [i, event] of events.entries()) {
    const other = stored[i];
    if (other !== undefined && eventText(other) === eventText(event)) continue;
    throw new FaultFound(`event ${event.seq} is another one in the database`);
  }
}

function describe({ table, key, column, a, b }: Difference): string {
  const where = `${table} ${JSON.stringify(key)}`;
  if (column === null)
    return `${where}: ${a === undefined ? "only the replay has the row" : "only the database has the row"}`;
  return `${where}.${column}: the database has ${JSON.stringify(a)}, the replay ${JSON.stringify(b)}`;
}
