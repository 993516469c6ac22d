import type { Query } from "../../storage/db.ts";
import type { LogTx } from "../../storage/log.ts";

/** What identity needs to know of the mailbox's agents. */
export interface AgentsPort {
  /** The principal that owns an agent, and the agent's name as it was registered; null if there is none. */
  find(
    query: Query,
    project: string,
    name: string,
  ): Promise<{ readonly name: string; readonly owner: string } | null>;
  /** The agents that a principal owns, in one project or (null) in all, by project and name. */
  ownedBy(
    query: Query,
    owner: string,
    project: string | null,
  ): Promise<{ project: string; name: string }[]>;
  /** Registers an agent that joins with its own key, unless it exists; without an owner it owns itself. */
  register(
    tx: LogTx,
    agent: { readonly project: string; readonly name: string; readonly owner: string | null },
  ): Promise<void>;
}

/** How many things a project holds, counted by the domains that own them. */
export interface ProjectCounts {
  readonly agents: number;
  readonly threads: number;
  readonly sweeps: number;
  readonly leases: number;
}
export type CountProject = (query: Query, project: string) => Promise<ProjectCounts>;
