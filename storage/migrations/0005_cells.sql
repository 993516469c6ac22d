create table p_sweeps (
  id             text   primary key,
  project        text   not null,
  name           text   not null,
  thread         text   not null,
  state          text   not null,
  submitted_by   text   not null,
  submitted_at   bigint not null,
  finished_at    bigint,
  -- The parsed sweep file.
  source         text   not null,
  cells          bigint not null,
  runs           bigint not null,
  lost_after_ms  bigint not null,
  budget_ms      bigint not null,
  repeats        bigint not null,
  primary_metric text   not null,
  -- Runs by state, once the sweep has ended.
  states         text
);
create index p_sweeps_by_project on p_sweeps (project, id);
create index p_sweeps_by_name on p_sweeps (project, name, id);

-- Cells by content: one row for all sweeps that hold the cell; `spec` is the whole cell.
create table p_cells (
  id   text primary key,
  spec text not null
);

create table p_sweep_cells (
  sweep text   not null,
  ord   bigint not null,
  cell  text   not null,
  primary key (sweep, ord)
) /*sqlite without rowid*/;

-- What the runs of one sweep with one image ask of a node; `open` of them have not ended, `taken` of those are at a holder.
-- Every result changes `open`, so the index is over `closed`, which the end of the sweep sets.
create table p_queues (
  id           text   primary key,
  project      text   not null,
  sweep        text   not null,
  image        text,
  image_id     text,
  priority     bigint not null,
  submitted_at bigint not null,
  demand       text   not null,
  open         bigint not null,
  taken        bigint not null,
  closed       bigint not null
) /*sqlite without rowid*/;
create index p_queues_by_sweep on p_queues (sweep);
create index p_queues_open on p_queues (id) where closed = 0;

-- `lane` names the nodes that a retried run must not go back to; empty for a run that no node has failed yet.
create table p_runs (
  id          text   primary key,
  project     text   not null,
  sweep       text   not null,
  ord         bigint not null,
  cell        text   not null,
  block       bigint not null,
  queue       text   not null,
  state       text   not null,
  lane        text   not null,
  retries     bigint not null,
  -- The number of its latest attempt; 0 before the first.
  attempt     bigint not null,
  queued_at   bigint not null,
  started_at  bigint,
  finished_at bigint,
  unique (sweep, ord)
) /*sqlite without rowid*/;
create index p_runs_queued on p_runs (queue, lane, ord) where state = 'queued';

-- A session is its attempts: each says what was granted to all of them.
create table p_attempts (
  id          text   primary key,
  run         text   not null,
  n           bigint not null,
  session     text   not null,
  holder      text   not null,
  lease       text   not null,
  -- The lease's.
  fence       bigint not null,
  gpus        text   not null,
  state       text   not null,
  claimed_at  bigint not null,
  started_at  bigint,
  finished_at bigint,
  runtime     text,
  image       text,
  outcome     text,
  message     text,
  measured_id text,
  -- Without the samples of an accepted result, which are rows of p_samples.
  report      text,
  unique (run, n)
) /*sqlite without rowid*/;
create index p_attempts_by_session on p_attempts (session);
create index p_attempts_live on p_attempts (holder, session) where state in ('claimed', 'running');

create table p_samples (
  attempt   text             not null,
  repeat    bigint           not null,
  metric    text             not null,
  statistic text             not null,
  value     double precision not null,
  unit      text             not null,
  n         bigint           not null,
  primary key (attempt, repeat, metric, statistic)
) /*sqlite without rowid*/;

create table p_nodes (
  name          text   primary key,
  inventory     text   not null,
  registered_at bigint not null,
  draining      bigint not null,
  revoked       bigint not null
) /*sqlite without rowid*/;

-- What a node was, from a time on: what it measured then is not the work of what it is now.
create table p_inventories (
  node      text   not null,
  since     bigint not null,
  inventory text   not null,
  primary key (node, since)
) /*sqlite without rowid*/;

-- Proof of life; `images` are those present on the node, name as written -> repo digest or image id.
create table e_nodes (
  node       text   primary key,
  install_id text   not null,
  boot_id    text   not null,
  beat_at    bigint not null,
  ready      bigint not null,
  reason     text,
  images     text   not null
) /*sqlite without rowid*/;

-- Live logs, bounded: the head and the tail of each attempt's.
create table e_logs (
  attempt text   not null,
  start   bigint not null,
  size    bigint not null,
  text    text   not null,
  primary key (attempt, start)
);
