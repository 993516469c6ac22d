-- `integer primary key` is the row id of SQLite; the first PostgreSQL migration widens seq to bigint.
create table events (
  seq     integer primary key,
  -- Not indexed: every append would pay for it.
  id      text   not null,
  v       bigint not null,
  type    text   not null,
  project text,
  actor   text   not null,
  at      bigint not null,
  key     text,
  body    text   not null
);

create table e_cursors (
  name text   primary key,
  seq  bigint not null
) /*sqlite without rowid*/;

create table e_deadlines (
  kind    text   not null,
  subject text   not null,
  due     bigint not null,
  primary key (kind, subject)
) /*sqlite without rowid*/;
create index e_deadlines_by_due on e_deadlines (due);

-- The key comes first: clients make keys that rise with time, so that new rows of all principals meet in one page.
create table e_idempotency (
  key       text   not null,
  principal text   not null,
  endpoint  text   not null,
  hash      text   not null,
  ref       text   not null,
  at        bigint not null,
  primary key (key, principal)
) /*sqlite without rowid*/;
