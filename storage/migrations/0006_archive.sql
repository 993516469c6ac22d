-- Where the next file of a folder of a project's readable repository goes ('' is the journal); moved with the writer's
-- cursor, so that a repeated batch finds the same places.
create table e_archive_folders (
  project text   not null,
  folder  text   not null,
  entries bigint not null,
  primary key (project, folder)
);

-- Sub-folders that later events must find again: a thread, an agent, a sweep.
create table e_archive_branches (
  project text not null,
  kind    text not null,
  name    text not null,
  path    text not null,
  primary key (project, kind, name)
);

-- One row: the last event whose places are counted.
create table e_archive_state (
  id  bigint primary key,
  seq bigint not null
);

-- What each project's repository held after its last batch: it may be ahead of this, never behind.
create table e_archive_heads (
  project text   primary key,
  head    text   not null,
  seq     bigint not null
);

-- When the server was rebuilt from its journal.
create table p_epochs (
  epoch       bigint primary key,
  last_seq    bigint not null,
  restored_at bigint not null
);

-- Which events are hidden, by whom and why.
create table p_redactions (
  event   text   primary key,
  message text   not null,
  actor   text   not null,
  reason  text   not null,
  at      bigint not null
);
create index p_redactions_by_message on p_redactions (message);
