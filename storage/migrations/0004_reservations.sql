-- Never deleted with a lease: a counter that started again would admit an old holder.
create table p_fences (
  project text   primary key,
  fence   bigint not null
);

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
create index p_leases_by_session on p_leases (session) where session is not null;

-- Where a new request may meet an open lease. Open: held, in grace, or ended by expiry or force with no conflicting
-- grant since. `key` is compared by bytes: for files the directories that every path of the pattern starts with.
create table p_lease_keys (
  lease    text   not null,
  n        bigint not null,
  project  text   not null,
  scope    text   not null,
  key      text   not null,
  resource text   not null,
  primary key (lease, n, key)
);
create index p_lease_keys_by_key on p_lease_keys (project, scope, key);
