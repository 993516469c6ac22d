import Database from "better-sqlite3";
import { type FtsQuery, ftsQuery } from "./fts-query.ts";
import { type Found, type Hit, MAX_RANKED, type SearchRequest } from "./search.ts";
import { Connection } from "./sqlite-connection.ts";

/** Bumped when the tables change: the index is thrown away and built again from the log. */
const VERSION = 3;
const BATCH = 1_000;

const SCHEMA = `
  create virtual table documents using fts5(id unindexed, subject, body, tokenize = 'unicode61 remove_diacritics 2');
  insert into documents (documents, rank) values ('rank', 'bm25(0.0, 3.0, 1.0)');
  insert into documents (documents, rank) values ('usermerge', 2);
  create table thread_members (
    project text not null, agent text not null, thread text not null, last_message text not null,
    primary key (project, agent, thread)
  ) without rowid;
  create index thread_members_by_last on thread_members (project, agent, last_message);
  create table progress (seq integer not null);
  insert into progress values (0);
  pragma user_version = ${VERSION};`;
const NEXT = `select seq, type, body from source.events where seq > $1 order by seq limit $2`;
const ADD = "insert into documents (rowid, id, subject, body) values ($1, $2, $3, $4)";
/** The redacted event is the one that was indexed under its place. */
const HIDE = "delete from documents where rowid = $1";
/** Those who were last in the threads of some messages by these, the first of which is the second value, or by later ones. */
const JOIN = `insert into thread_members (project, agent, thread, last_message)
  select k.project, k.agent, k.thread, k.last_message
  from (select distinct project, thread from source.p_messages
        where id in (select value from json_each($1))) t
    cross join source.p_thread_members k on k.project = t.project and k.thread = t.thread
  where k.last_message >= $2
  on conflict (project, agent, thread) do update set last_message = excluded.last_message`;
/** So many pages take a few milliseconds. */
const MERGE = "insert into documents (documents, rank) values ('merge', 32)";
const SNIPPET = "snippet(documents, -1, '**', '**', '…', 16)";

interface LogRow {
  readonly seq: number;
  readonly type: string;
  readonly body: string;
}

const all = (hits: Hit[]): Found => ({ hits, newestOnly: false });

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
    const events = this.rows<LogRow>(NEXT, [from, BATCH]);
    const last = events.at(-1);
    if (last === undefined) return false;
    connection.database.transaction(() => {
      const messages = events.flatMap((event) => this.note(event) ?? []).toSorted();
      if (messages.length > 0) connection.run(JOIN, [JSON.stringify(messages), messages[0]]);
      connection.run("update progress set seq = $1", [last.seq]);
    })();
    return events.length === BATCH;
  }

  /** Indexes what an event says; answers the message that it sends or delivers, if it does. */
  private note({ seq, type, body }: LogRow): string | undefined {
    const { connection } = this;
    if (type === "event.redacted") {
      connection.run(HIDE, [(JSON.parse(body) as { place: number }).place]);
    } else if (type === "message.delivered") {
      return (JSON.parse(body) as { message: string }).message;
    } else if (type === "message.sent") {
      const sent = JSON.parse(body) as { id: string; subject: string; body: string };
      connection.run(ADD, [seq, sent.id, sent.subject, sent.body]);
      return sent.id;
    }
    return undefined;
  }

  /**
   * Merges a little of what the index consists of: each batch adds a part, and a search looks into every one.
   * @returns false when there was nothing to merge
   */
  tidy(): boolean {
    const before = this.changes();
    this.connection.run(MERGE, []);
    // FTS5 notes that it was asked, whatever it did.
    return this.changes() - before > 1;
  }

  private changes(): number {
    return this.rows<{ count: number }>("select total_changes() as count", [])[0]?.count ?? 0;
  }

  /** The rows of a statement that only reads. */
  query(text: string, values: readonly unknown[]): unknown[] {
    return this.connection.run(text, values);
  }

  search(request: SearchRequest): Found {
    const { text, order } = request;
    if (text === null) return all(this.newest(request));
    const query = ftsQuery(text);
    if (query.matches === null || order === "recent") return all(this.find(request, query));
    // To compare every message that holds a common word would take longer the more mail there is.
    return this.fitMoreThan(MAX_RANKED, query.matches)
      ? this.rankNewest(request, query.matches)
      : all(this.find(request, query));
  }

  private newest({ where, values, limit, skip }: SearchRequest): Hit[] {
    const param = (offset: number): string => `$${values.length + offset}`;
    return this.rows<Hit>(
      `select m.id, null as snippet from p_messages m where ${where}
       order by m.id desc limit ${param(1)} offset ${param(2)}`,
      [...values, limit, skip],
    );
  }

  private fitMoreThan(count: number, matches: string): boolean {
    const rows = this.rows("select 1 from documents where documents match $1 limit 1 offset $2", [
      matches,
      count,
    ]);
    return rows.length > 0;
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

  /** Compares the newest messages that fit the query and the condition; looks up the snippets of a page only. */
  private rankNewest({ where, values, limit, skip }: SearchRequest, matches: string): Found {
    const param = (offset: number): string => `$${values.length + offset}`;
    const page = this.rows<{ id: string; place: number; fit: number }>(
      `select id, place, count(*) over () as fit
       from (select m.id as id, documents.rowid as place, documents.rank as score
             from documents cross join p_messages m on m.id = documents.id
             where documents match ${param(1)} and ${where}
             order by documents.rowid desc limit ${MAX_RANKED})
       order by score, place desc
       limit ${param(2)} offset ${param(3)}`,
      [...values, matches, limit, skip],
    );
    const hits = page.map(({ id, place }) => ({ id, snippet: this.snippet(matches, place) }));
    return { hits, newestOnly: page[0]?.fit === MAX_RANKED };
  }

  private snippet(matches: string, place: number): string | null {
    // A number is bound as a real one, and FTS5 looks for whole ones only: by another it would find every row.
    const [row] = this.rows<{ snippet: string }>(
      `select ${SNIPPET} as snippet from documents
       where documents match $1 and rowid = cast($2 as integer)`,
      [matches, place],
    );
    return row?.snippet ?? null;
  }

  close(): void {
    this.connection.database.close();
  }

  private rows<R>(text: string, values: readonly unknown[]): R[] {
    return this.connection.run(text, values) as R[];
  }

  private rebuild(database: Database.Database): void {
    database.exec(
      "drop table if exists documents; drop table if exists thread_members; drop table if exists progress;",
    );
    database.exec(SCHEMA);
  }
}
