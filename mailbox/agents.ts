import type { z } from "zod";
import { toTime } from "../contract/ids.ts";
import type { Agent as AgentView } from "../contract/mail/agents.ts";
import { ProblemError } from "../contract/problem.ts";
import { didYouMean } from "../contract/suggest.ts";
import type { Query } from "../storage/db.ts";
import type { LogTx } from "../storage/log.ts";
import { fold } from "./names.ts";
import { meansEverybody, TO_EVERYBODY } from "./recipients.ts";
import { refuseBadName } from "./rules.ts";

/** The columns of an `AgentRow`. */
export const AGENT_COLUMNS =
  "project, name, owner, program, model, task, node, policy, registered_at, active_at, retired_at";
const ONE = `select ${AGENT_COLUMNS} from p_agents where project = $1 and folded = $2`;
const OWNED = `select project, name from p_agents where owner = $1 and retired_at is null
  order by project, folded`;
/**
 * The agents `a` of an owner, `$1`, in a project, `$2`. A cross join by an index that holds its side, because SQLite would
 * else go through all agents of the project.
 */
export const OWNED_BY = `p_agents o cross join p_agents a
  where o.owner = $1 and o.project = $2 and a.project = o.project and a.folded = o.folded`;
const OWNED_IN = `select a.project, a.name from ${OWNED_BY} and a.retired_at is null order by o.folded`;
const NAMES = "select name from p_agents where project = $1 and retired_at is null limit 2000";

/** So many unknown names are told one by one: to look for one that is close takes a while where there are many. */
const NAMED = 3;

export interface AgentRow {
  readonly project: string;
  readonly name: string;
  readonly owner: string;
  readonly program: string | null;
  readonly model: string | null;
  readonly task: string | null;
  readonly node: string | null;
  readonly policy: "open" | "contacts" | "closed";
  readonly registered_at: number;
  readonly active_at: number;
  readonly retired_at: number | null;
}

/** An agent to register. */
export interface NewAgent {
  readonly project: string;
  readonly name: string;
  /** The principal that will own it. */
  readonly owner: string;
  readonly actor: string;
  /** Refuses a name that the owner has already, too. */
  readonly fresh?: boolean;
  readonly program?: string | undefined;
  readonly model?: string | undefined;
  readonly task?: string | undefined;
  readonly node?: string | undefined;
}

/** Who owns an agent, and its name as it was registered; null when there is none. */
export async function agentOwner(
  query: Query,
  project: string,
  name: string,
): Promise<{ name: string; owner: string; retired: boolean } | null> {
  const row = await findAgent(query, project, name);
  if (row === undefined) return null;
  return { name: row.name, owner: row.owner, retired: row.retired_at !== null };
}

/** The agents that a principal owns and that are not retired, in one project or (null) in all. */
export const agentsOwnedBy = (
  query: Query,
  owner: string,
  project: string | null,
): Promise<{ project: string; name: string }[]> =>
  project === null ? query(OWNED, [owner]) : query(OWNED_IN, [owner, project]);

/**
 * Registers an agent, or renews the profile of one that the owner has already.
 * @throws ProblemError BAD_REQUEST for a name that looks like a mistake, NAME_TAKEN, AGENT_RETIRED
 */
export async function registerAgent(tx: LogTx, agent: NewAgent): Promise<void> {
  const { project, name, owner, actor, program, model, task, node } = agent;
  refuseBadName(name);
  const existing = await findAgent(tx.query, project, name);
  if (existing !== undefined) refuseTaken(existing, agent);
  await tx.append({
    type: "agent.registered",
    project,
    actor,
    body: {
      name,
      owner,
      program: program ?? null,
      model: model ?? null,
      task: task ?? null,
      node: node ?? null,
    },
  });
}

function refuseTaken({ name, owner, retired_at }: AgentRow, wanted: NewAgent): void {
  const details = [{ name }];
  if (owner !== wanted.owner || wanted.fresh === true) {
    throw new ProblemError("NAME_TAKEN", `the agent name ${name} is taken`, {
      details,
      next: "choose another name, or give none to get one",
    });
  }
  if (name !== wanted.name) {
    throw new ProblemError(
      "NAME_TAKEN",
      `${wanted.name} is your agent ${name}: names differ by more than case`,
      {
        details,
        next: `use ${name}`,
      },
    );
  }
  if (retired_at !== null) {
    throw new ProblemError("AGENT_RETIRED", `your agent ${name} is retired`, {
      details,
      next: `bring it back: gridpost agent unretire ${name}`,
    });
  }
}

async function findAgent(
  query: Query,
  project: string,
  name: string,
): Promise<AgentRow | undefined> {
  const [row] = await query<AgentRow>(ONE, [project, fold(name)]);
  return row;
}

/** @throws ProblemError AGENT_NOT_FOUND with a suggestion */
export async function getAgent(query: Query, project: string, name: string): Promise<AgentRow> {
  const row = await findAgent(query, project, name);
  return row ?? Promise.reject(await unknownAgents(query, project, [name]));
}

/** The refusal of names that no agent of the project has. */
export async function unknownAgents(
  query: Query,
  project: string,
  names: readonly string[],
): Promise<ProblemError> {
  const known = (await query<{ name: string }>(NAMES, [project])).map(({ name }) => name);
  const said = names
    .slice(0, NAMED)
    .map((name) => `${JSON.stringify(name)}${didYouMean(name, known)}`);
  const more = names.length > NAMED ? `, nor ${names.length - NAMED} more` : "";
  const message = `project ${project} has no agent ${said.join(", ")}${more}`;
  return new ProblemError("AGENT_NOT_FOUND", message, {
    details: names.map((agent) => ({ agent })),
    next: names.some(meansEverybody) ? TO_EVERYBODY : "list the agents: gridpost agent ls",
  });
}

export const agentView = (row: AgentRow): z.input<typeof AgentView> => ({
  name: row.name,
  project: row.project,
  owner: row.owner,
  program: row.program,
  model: row.model,
  task: row.task,
  node: row.node,
  policy: row.policy,
  registeredAt: toTime(row.registered_at),
  activeAt: toTime(row.active_at),
  retiredAt: row.retired_at === null ? null : toTime(row.retired_at),
});
