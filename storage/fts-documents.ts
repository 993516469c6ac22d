import Database from "better-sqlite3";
import { partiesOf, type SentTo } from "./fts-parties.ts";
import { searchDocuments } from "./fts-search.ts";
import type { Found, SearchRequest } from "./search.ts";
import { Connection } from "./sqlite-connection.ts";

/** Bumped when the tables change: the index is thrown away and built again from the log. */
const VERSION = 5;
const BATCH = 1_000;

const SCHEMA = `
  create virtual table documents using fts5(
    id unindexed, subject, body, parties, tokenize = 'unicode61 remove_diacritics 2'
  );
  insert into documents (documents, rank) values ('rank', 'bm25(0.0, 3.0, 1.0, 0.0)');
  insert into documents (documents, rank) values ('usermerge', 2);
  create table thread_members (
    project text not null, agent text not null, thread text not null, last_message text not null,
    primary key (project, agent, thread)
  ) without rowid;
  create index thread_members_by_last on thread_members (project, agent, last_message);
  create table parties (party text primary key, documents integer not null) without rowid;
  create table progress (seq integer not null, event text not null, documents integer not null);
  insert into progress values (0, '', 0);
  pragma user_version = ${VERSION};`;
const NEXT = `select seq, id, type, project, body from source.events where seq > $1 order by seq limit $2`;
const ADD = "insert into documents (rowid, id, subject, body, parties) values ($1, $2, $3, $4, $5)";
const OPEN = "select open from source.p_threads where project = $1 and thread = $2";
const COUNT = `insert into parties (party, documents) values ($1, $2)
  on conflict (party) do update set documents = documents + excluded.documents`;
const PROGRESS = "update progress set seq = $1, event = $2, documents = documents + $3";
/** The log may have been set back meanwhile, and gone on with other events. */
const PARTED = `select 1 from progress p left join source.events e on e.seq = p.seq
  where p.seq > 0 and e.id is not p.event`;
/** The redacted event is the one that was indexed under its place. */
const HIDE = "delete from documents where rowid = $1";
/** The senders and recipients of some messages, which are the newest that they saw of their threads if there was none since. */
const JOIN = `insert into thread_members (project, agent, thread, last_message)
  select m.project, m.sender, m.thread, m.id from source.p_messages m
    where m.id in (select value from json_each($1))
  union all select m.project, d.agent, m.thread, m.id
    from source.p_messages m cross join source.p_deliveries d on d.message = m.id
    where m.id in (select value from json_each($1))
  on conflict (project, agent, thread) do update
    set last_message = max(thread_members.last_message, excluded.last_message)`;
/** So many pages take a few milliseconds. */
const MERGE = "insert into documents (documents, rank) values ('merge', 32)";

interface Sent extends SentTo {
  readonly id: string;
  readonly subject: string;
  readonly body: string;
}

interface LogRow {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly project: string;
  readonly body: string;
}

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
    const current = database.pragma("user_version", { simple: true }) === VERSION;
    if (!current || this.rows(PARTED, []).length > 0) this.rebuild(database);
  }

  /** Indexes the next messages of the log; false when there was no further event. */
  advance(): boolean {
    const { connection } = this;
    const from = this.rows<{ seq: number }>("select seq from progress", [])[0]?.seq ?? 0;
    const events = this.rows<LogRow>(NEXT, [from, BATCH]);
    const last = events.at(-1);
    if (last === undefined) return false;
    connection.database.transaction(() => {
      const parties = new Map<string, number>();
      const messages = events.flatMap((event) => this.note(event, parties) ?? []);
      if (messages.length > 0) connection.run(JOIN, [JSON.stringify(messages)]);
      for (const [party, documents] of parties) connection.run(COUNT, [party, documents]);
      const sent = events.filter(({ type }) => type === "message.sent").length;
      connection.run(PROGRESS, [last.seq, last.id, sent]);
    })();
    return events.length === BATCH;
  }

  /**
   * Indexes what an event says; answers the message that it sends or delivers, if it does.
   * @param parties counts the messages of each
   */
  private note(event: LogRow, parties: Map<string, number>): string | undefined {
    const { seq, type, project, body } = event;
    const { connection } = this;
    if (type === "event.redacted") {
      connection.run(HIDE, [(JSON.parse(body) as { place: number }).place]);
    } else if (type === "message.delivered") {
      return (JSON.parse(body) as { message: string }).message;
    } else if (type === "message.sent") {
      const sent = JSON.parse(body) as Sent;
      const its = partiesOf(project, sent, this.isOpen(project, sent));
      connection.run(ADD, [seq, sent.id, sent.subject, sent.body, its.join(" ")]);
      for (const party of its) parties.set(party, (parties.get(party) ?? 0) + 1);
      return sent.id;
    }
    return undefined;
  }

  private isOpen(project: string, { open, thread }: Sent): boolean {
    if (open !== null) return open;
    return this.rows<{ open: number }>(OPEN, [project, thread])[0]?.open === 1;
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
    return searchDocuments((text, values) => this.rows(text, values), request);
  }

  close(): void {
    this.connection.database.close();
  }

  private rows<R>(text: string, values: readonly unknown[]): R[] {
    return this.connection.run(text, values) as R[];
  }

  private rebuild(database: Database.Database): void {
    database.exec(
      "drop table if exists documents; drop table if exists thread_members; drop table if exists parties; drop table if exists progress;",
    );
    database.exec(SCHEMA);
  }
}
