import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import { mailboxProjection } from "../../mailbox/projection.ts";
import { type EventLog, openLog } from "../../storage/event-log.ts";
import { migrate } from "../../storage/migrate.ts";
import type { SearchIndex } from "../../storage/search.ts";
import { openFtsIndex } from "../../storage/search-fts.ts";
import { openSqlite, type SqliteDb } from "../../storage/sqlite.ts";

const BATCHES = 8;
const PARTS = "select count(distinct id >> 37) as parts from documents_data where id > 10";

let folder: string;
let db: SqliteDb;
let index: SearchIndex;

const openIndex = (): SearchIndex =>
  openFtsIndex({ file: join(folder, "search.db"), source: join(folder, "gridpost.db") });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gridpost-search-"));
  db = openSqlite({ file: join(folder, "gridpost.db") });
  await migrate(db);
  index = openIndex();
});
afterEach(async () => {
  await index.close();
  await db.close();
  await rm(folder, { recursive: true });
});

const parts = (): number => {
  const file = new Database(join(folder, "search.db"), { readonly: true });
  const { parts } = file.prepare(PARTS).get() as { parts: number };
  file.close();
  return parts;
};

const found = async (): Promise<string[]> => {
  const text = { kind: "phrase", text: "kernel", prefix: false } as const;
  const searcher = { project: "default", agents: ["red"] };
  const page = { searcher, where: "m.project = $1", values: ["default"], skip: 0, limit: 100 };
  const { hits } = await index.search({ text, ...page, order: "recent" });
  return hits.map(({ id }) => id);
};

const own = { project: "default", actor: "user:anna" };

async function register(log: EventLog): Promise<void> {
  const agent = { owner: "user:anna", program: null, model: null, task: null, node: null };
  await log.tx([], async (tx) => {
    for (const name of ["red", "blue"])
      await tx.append({ type: "agent.registered", ...own, body: { name, ...agent } });
  });
}

/** Answers the id of the message. */
async function send(log: EventLog, subject: string): Promise<string> {
  const id = newId();
  const to = { to: ["blue"], cc: [], bcc: [] };
  const message = { id, thread: id, open: false, replyTo: null, from: "red", ...to };
  const text = { subject, body: "the kernel", importance: "normal", ackRequired: false };
  await log.tx([], (tx) =>
    tx.append({ type: "message.sent", ...own, body: { ...message, ...text } }),
  );
  return id;
}

it("merges the parts of the search index when nobody asks, and finds the same then", async () => {
  const log = openLog({ db, projections: [mailboxProjection] });
  await register(log);
  for (let batch = 0; batch < BATCHES; batch += 1) {
    await send(log, `result ${batch}`);
    await index.catchUp();
  }
  const before = await found();
  expect(before).toHaveLength(BATCHES);
  await expect.poll(parts).toBe(1);
  expect(await found()).toEqual(before);
});

it("is built anew when its file is damaged", async () => {
  const log = openLog({ db, projections: [mailboxProjection] });
  await register(log);
  const sent = await send(log, "kept");
  await index.catchUp();
  await index.close();
  await writeFile(join(folder, "search.db"), "this is no database".repeat(300));
  index = openIndex();
  expect(await found()).toEqual([sent]);
});

it("is built anew when the log was set back, and finds what came in the place of what was lost", async () => {
  const log = openLog({ db, projections: [mailboxProjection] });
  await register(log);
  await send(log, "lost");
  await send(log, "lost, too");
  await index.catchUp();
  await index.close();
  await db.tx([], async (query) => {
    await query("delete from events where seq > 2");
    for (const table of ["p_messages", "p_thread_members", "p_threads"])
      await query(`delete from ${table}`);
  });
  const sent = await send(log, "instead");
  index = openIndex();
  expect(await found()).toEqual([sent]);
});
