-- What an MCP connection of a user is bound to. Ephemeral: a client that finds its session gone begins a new one.
create table e_mcp_sessions (
  id text primary key,
  principal text not null,
  project text,
  agent text,
  at bigint not null
);
create index e_mcp_sessions_at on e_mcp_sessions (at);
