-- Never deleted with a lease: a counter that started again would admit an old holder.
create table p_fences (
  project text   primary key,
  fence   bigint not null
) /*sqlite without rowid*/;

create table p_leases (
  id         text   primary key,
  project    text   not null,
  holder     text   not null,
  mode       text   not null,
  state      text   not null,
  fence      bigint not null,
  resources  text   not null,
  refs       text,
  session    text,
  reason     text,
  thread     text,
  ttl_ms     bigint not null,
  granted_at bigint not null,
  ended_at   bigint
);
create index p_leases_by_fence on p_leases (project, fence);
create index p_leases_held on p_leases (project, fence) where state in ('held', 'grace');
create index p_leases_by_holder on p_leases (holder) where state in ('held', 'grace');
create index p_leases_by_session on p_leases (session) where session is not null;

-- Where a new request may meet an open lease. Open: held, in grace, or ended by expiry or force with no conflicting
-- grant since. `key` is compared by bytes: for files the directories that every path of the pattern starts with.
create table p_lease_keys (
  lease    text   not null,
  n        bigint not null,
  scope    text   not null,
  key      text   not null,
  resource text   not null,
  -- As in the lease, so that most of those that lie near but on other refs are passed over without a look at it.
  refs     text,
  primary key (scope, key, lease, n)
) /*sqlite without rowid*/;
create index p_lease_keys_by_lease on p_lease_keys (lease);

-- Who held a lease under a fence that an upgrade or transfer has replaced.
create table p_lease_past (
  lease   text   not null,
  fence   bigint not null,
  project text   not null,
  holder  text   not null,
  mode    text   not null,
  since   bigint not null,
  until   bigint not null,
  primary key (lease, fence)
);
create index p_lease_past_by_fence on p_lease_past (project, fence);

create table p_slots (
  project  text   not null,
  name     text   not null,
  capacity bigint not null,
  primary key (project, name)
) /*sqlite without rowid*/;

-- What is not here tells case apart.
create table p_repositories (
  project     text   not null,
  name        text   not null,
  ignore_case bigint not null,
  primary key (project, name)
);

create table e_lease_sessions (
  id      text   primary key,
  project text   not null,
  holder  text   not null,
  beat_at bigint not null
) /*sqlite without rowid*/;

-- The queue, in the order of n.
create table e_lease_tickets (
  id          text   primary key,
  n           bigint not null,
  project     text   not null,
  holder      text   not null,
  -- waiting, granted (nobody has come for the lease yet), taken, refused (it can never be granted)
  state       text   not null,
  request     text   not null,
  lease       text,
  -- The problem that its holder is told, when it was refused.
  refusal     text,
  ends_at     bigint not null,
  -- Somebody is there to take a lease until then; who is not lets others pass and takes its place again afterwards.
  present_until bigint not null,
  -- The place is kept until then without another call about it.
  alive_until   bigint not null
);
create index e_lease_tickets_waiting on e_lease_tickets (project, n) where state = 'waiting';
create index e_lease_tickets_by_holder on e_lease_tickets (holder) where state = 'waiting';

-- What each waiter waits for: a lease, an earlier ticket, or `slot:<project>/<name>`.
create table e_lease_waits (
  ticket  text not null,
  blocker text not null,
  primary key (ticket, blocker)
) /*sqlite without rowid*/;
create index e_lease_waits_by_blocker on e_lease_waits (blocker);
