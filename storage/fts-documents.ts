import Database from "better-sqlite3";
import { type FtsQuery, ftsQuery } from "./fts-query.ts";
import type { Hit, SearchRequest } from "./search.ts";
import { Connection } from "./sqlite-connection.ts";

/** Bumped when the tables change: the index is thrown away and built again from the log. */
const VERSION = 1;
const BATCH = 1_000;

const SCHEMA = `
  create virtual table documents using fts5(id unindexed, subject, body, tokenize = 'unicode61 remove_diacritics 2');
  insert into documents (documents, rank) values ('rank', 'bm25(0.0, 3.0, 1.0)');
  create table progress (seq integer not null);
  insert into progress values (0);
  pragma user_version = ${VERSION};`;
const NEXT = `select seq, type, body from source.events where seq > $1 order by seq limit $2`;
const ADD = "insert into documents (rowid, id, subject, body) values ($1, $2, $3, $4)";
/** The redacted event is the one that was indexed under its place. */
const HIDE = "delete from documents where rowid = $1";
const SNIPPET = "snippet(documents, -1, '**', '**', '…', 16)";

/** The index file: FTS5 tables filled from the log of the main database, which it only reads. */
export class FtsDocuments {
  private readonly connection: Connection;

  /**
   * Opens or creates the index.
   * @param file of the index; it holds nothing that is not in `source`
   * @param source the main database, migrated
   */
  constructor(file: string, source: string) {
    const database = new Database(file, { timeout: 5_000 });
    database.pragma("journal_mode = wal");
    // A lost tail is indexed again.
    database.pragma("synchronous = normal");
    database.prepare("attach database ? as source").run(source);
    this.connection = new Connection(database);
    if (database.pragma("user_version", { simple: true }) !== VERSION) this.rebuild(database);
  }

  /** Indexes the next messages of the log; false when there was no further event. */
  advance(): boolean {
    const { connection } = this;
    const from = this.rows<{ seq: number }>("select seq from progress", [])[0]?.seq ?? 0;
    const events = this.rows<{ seq: number; type: string; body: string }>(NEXT, [from, BATCH]);
    const last = events.at(-1);
    if (last === undefined) return false;
    connection.database.transaction(() => {
      for (const { seq, type, body } of events) {
        if (type === "event.redacted") {
          connection.run(HIDE, [(JSON.parse(body) as { place: number }).place]);
          continue;
        }
        if (type !== "message.sent") continue;
        const sent = JSON.parse(body) as { id: string; subject: string; body: string };
        connection.run(ADD, [seq, sent.id, sent.subject, sent.body]);
      }
      connection.run("update progress set seq = $1", [last.seq]);
    })();
    return events.length === BATCH;
  }

  search(request: SearchRequest): Hit[] {
    const { text, where, values, limit, skip } = request;
    if (text !== null) return this.find(request, ftsQuery(text));
    const param = (offset: number): string => `$${values.length + offset}`;
    return this.rows<Hit>(
      `select m.id, null as snippet from p_messages m where ${where}
       order by m.id desc limit ${param(1)} offset ${param(2)}`,
      [...values, limit, skip],
    );
  }

  private find({ where, values, order, limit, skip }: SearchRequest, query: FtsQuery): Hit[] {
    const param = (offset: number): string => `$${values.length + offset}`;
    const finds = query.matches !== null;
    const condition = finds
      ? `documents match ${param(1)}`
      : `documents.rowid not in (select rowid from documents where documents match ${param(1)})`;
    const ranked = finds && order === "relevance";
    // The cross join keeps the index outside: its rows come in order, and the limit ends the work.
    return this.rows<Hit>(
      `select m.id, ${finds ? SNIPPET : "null"} as snippet
       from documents cross join p_messages m on m.id = documents.id
       where ${condition} and ${where}
       order by ${ranked ? "rank" : "documents.rowid desc"} limit ${param(2)} offset ${param(3)}`,
      [...values, finds ? query.matches : query.unless, limit, skip],
    );
  }

  close(): void {
    this.connection.database.close();
  }

  private rows<R>(text: string, values: readonly unknown[]): R[] {
    return this.connection.run(text, values) as R[];
  }

  private rebuild(database: Database.Database): void {
    database.exec("drop table if exists documents; drop table if exists progress;");
    database.exec(SCHEMA);
  }
}
