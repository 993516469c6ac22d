create table p_server (
  id text primary key
);

create table p_projects (
  name       text   primary key,
  created_at bigint not null
);

create table p_principals (
  id         text   primary key,
  kind       text   not null,
  name       text   not null,
  project    text,
  -- Raised by a revocation: tokens of an earlier generation are dead.
  generation bigint not null,
  -- null: an agent that was revoked and never had a key of its own.
  joined_at  bigint
);

create table p_keys (
  thumbprint text primary key,
  principal  text not null,
  jwk        text not null
);
create index p_keys_by_principal on p_keys (principal);

-- Who has a copy of such a key must not come back with it.
create table p_revoked_keys (
  thumbprint text primary key
);

-- project '': on the server, for every project.
create table p_roles (
  principal text not null,
  project   text not null,
  role      text not null,
  primary key (principal, project, role)
);

create table p_join_tokens (
  id           text   primary key,
  hash         text   not null unique,
  kind         text   not null,
  name         text,
  name_pattern text,
  project      text,
  uses_left    bigint not null,
  -- null: no end. The time of the end is not kept: it follows from these two.
  ttl_ms       bigint,
  created_at   bigint not null,
  role         text,
  adds_key     bigint not null,
  created_by   text   not null,
  revoked      bigint not null
);

create table p_signing_keys (
  kid         text   primary key,
  jwk         text   not null,
  active_from bigint not null,
  revoked     bigint not null
);

-- Administrative acts and denials, for those who audit.
create table p_audit (
  id      text   primary key,
  at      bigint not null,
  actor   text   not null,
  type    text   not null,
  project text,
  details text   not null
);
create index p_audit_by_actor on p_audit (actor, id);
create index p_audit_by_type on p_audit (type, id);

-- Nonces that were used, until they would have ended anyway.
create table e_used_nonces (
  nonce text   primary key,
  due   bigint not null
);
create index e_used_nonces_by_due on e_used_nonces (due);
