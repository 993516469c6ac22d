import type { CountProject, ProjectCounts } from "./identity/ports.ts";

const COUNTS = `select
  (select count(*) from p_agents where project = $1 and retired_at is null) as agents,
  (select count(distinct thread) from p_messages where project = $1) as threads,
  (select count(*) from p_sweeps where project = $1) as sweeps,
  (select count(*) from p_leases where project = $1 and state in ('held', 'grace')) as leases`;

/** Counts over the tables of all domains. */
export const countProject: CountProject = async (query, project) => {
  const [row] = await query<ProjectCounts>(COUNTS, [project]);
  return row ?? { agents: 0, threads: 0, sweeps: 0, leases: 0 };
};
