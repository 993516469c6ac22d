create table p_agents (
  project       text   not null,
  -- The name in lower case: names are unique without regard to case.
  folded        text   not null,
  name          text   not null,
  owner         text   not null,
  program       text,
  model         text,
  task          text,
  node          text,
  policy        text   not null,
  -- The place that the next message takes in the inbox.
  next_seq      bigint not null,
  registered_at bigint not null,
  active_at     bigint not null,
  retired_at    bigint,
  primary key (project, folded)
) /*sqlite without rowid*/;
create index p_agents_by_owner on p_agents (owner, project, folded);

-- Private threads that are named by their only message, as most are, have no row here and none of members.
create table p_threads (
  project      text    not null,
  thread       text    not null,
  open         integer not null,
  subject      text    not null,
  messages     bigint  not null,
  -- The place of the newest message: as many as messages, and beyond the gap that a restore leaves.
  last_n       bigint  not null,
  last_message text    not null,
  primary key (project, thread)
) /*sqlite without rowid*/;
create index p_threads_open on p_threads (project, last_message) where open = 1;

-- Who sent or received a message of a thread. The subject is that of the first message that the agent saw. The threads of
-- an agent in order are the search index's to know: an index here would cost a send more pages than all its other rows.
create table p_thread_members (
  project      text not null,
  thread       text not null,
  agent        text not null,
  subject      text not null,
  -- How many of its messages the agent sent or received.
  messages     bigint not null,
  last_message text not null,
  primary key (project, thread, agent)
) /*sqlite without rowid*/;

create table p_messages (
  id           text    primary key,
  project      text    not null,
  thread       text    not null,
  -- The place in the thread, from 1; gapless but for restores.
  n            bigint  not null,
  reply_to     text,
  sender       text    not null,
  -- As addressed, each a JSON array.
  to_list      text    not null,
  cc_list      text    not null,
  bcc_list     text    not null,
  subject      text    not null,
  body         text    not null,
  importance   text    not null,
  ack_required integer not null,
  -- Milliseconds from 'at' on; null: no end.
  ack_within    bigint,
  expires_after bigint,
  payload      text,
  -- Whether an @all is still on its way.
  pending      integer not null,
  at           bigint  not null
);
create unique index p_messages_by_thread on p_messages (project, thread, n);

create table p_deliveries (
  message    text    not null,
  agent      text    not null,
  project    text    not null,
  seq        bigint  not null,
  kind       text    not null,
  -- Whether its importance is high or urgent.
  urgent     integer not null,
  -- Milliseconds from 'at' on. No deadline, or acknowledged: null.
  ack_within    bigint,
  expires_after bigint,
  at         bigint  not null,
  read_at    bigint,
  acked_at   bigint,
  primary key (message, agent)
) /*sqlite without rowid*/;
-- Every inbox in two parts, the unread and the read: one index, because each further one costs every delivery a page.
create index p_deliveries_places on p_deliveries (project, agent, (read_at is null), seq);
create index p_deliveries_urgent on p_deliveries (project, agent, seq) where urgent = 1;
create index p_deliveries_ack on p_deliveries (project, agent, seq) where ack_within is not null;

-- Whom a message did not reach, and why.
create table p_skipped (
  message text not null,
  agent   text not null,
  reason  text not null,
  primary key (message, agent)
) /*sqlite without rowid*/;

create table p_uploads (
  project text   not null,
  sha256  text   not null,
  owner   text   not null,
  size    bigint not null,
  type    text   not null,
  at      bigint not null,
  primary key (project, sha256, owner)
);

create table p_attachments (
  message text    not null,
  n       integer not null,
  project text    not null,
  sha256  text    not null,
  name    text    not null,
  size    bigint  not null,
  type    text    not null,
  primary key (message, n)
);
create index p_attachments_by_content on p_attachments (project, sha256);

create table p_groups (
  project    text   not null,
  folded     text   not null,
  name       text   not null,
  owner      text   not null,
  created_at bigint not null,
  primary key (project, folded)
);

create table p_group_members (
  project text not null,
  folded  text not null,
  agent   text not null,
  primary key (project, folded, agent)
) /*sqlite without rowid*/;

-- A request is pending until answered or expired; an approval may expire as well.
create table p_contacts (
  project      text   not null,
  agent        text   not null,
  peer         text   not null,
  state        text   not null,
  reason       text,
  requested_at bigint not null,
  answered_at  bigint,
  -- From the answer on, or from the request on while there is none; null: no end.
  ttl          bigint,
  -- The last answer was no, also while the peer asks again.
  denied       integer not null default 0,
  primary key (project, agent, peer)
) /*sqlite without rowid*/;
create index p_contacts_by_peer on p_contacts (project, peer, agent);

create table p_followers (
  project text not null,
  thread  text not null,
  agent   text not null,
  state   text not null,
  primary key (project, thread, agent)
) /*sqlite without rowid*/;

-- When the followers of a thread were last told what.
create table p_notices (
  project text   not null,
  thread  text   not null,
  notice  text   not null,
  at      bigint not null,
  primary key (project, thread, notice)
) /*sqlite without rowid*/;
