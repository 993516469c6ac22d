import type { Principal } from "../contract/handlers.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import { OWNED_BY } from "./agents.ts";

const OWNED = `select a.name from ${OWNED_BY}`;

/** In whose name a caller looks at the mail of a project. */
export interface Viewer {
  readonly project: string;
  /** The agent that calls, or every agent of the user that calls. */
  readonly agents: readonly string[];
}

/**
 * The one predicate of visibility, for a row of `p_messages`: its sender and its recipients see a message, and every
 * reader of the project sees those of an open thread.
 * @param m alias of the row; the caller limits it to the viewer's project
 * @param agents a sub-select of the viewer's agents: `dialect.list("$n")`
 */
export const visible = (m: string, agents: string): string =>
  `(${m}.sender in ${agents}
    or exists (select 1 from p_deliveries vd where vd.message = ${m}.id and vd.agent in ${agents})
    or exists (select 1 from p_threads vt
               where vt.project = ${m}.project and vt.thread = ${m}.thread and vt.open = 1))`;

/**
 * The agent that calls.
 * @throws ProblemError BAD_REQUEST for a user or node, FORBIDDEN for an agent of another project
 */
export function callingAgent(principal: Principal, project: string): string {
  if (principal.kind !== "agent") {
    throw new ProblemError("BAD_REQUEST", `${principal.id} is no agent and has no mail`, {
      next: "act as an agent that you own: --as NAME",
    });
  }
  if (principal.project !== project) throw foreign(principal, project);
  return principal.name;
}

/** What the caller sees: an agent what it sees itself, a user what its agents see. */
export async function viewerOf(
  query: Query,
  principal: Principal,
  project: string,
): Promise<Viewer> {
  if (principal.kind === "agent") return { project, agents: [callingAgent(principal, project)] };
  const owned = await query<{ name: string }>(OWNED, [principal.id, project]);
  return { project, agents: owned.map(({ name }) => name) };
}

const foreign = (principal: Principal, project: string): ProblemError =>
  new ProblemError("FORBIDDEN", `${principal.id} does not belong to project ${project}`, {
    next: `use an agent of project ${project}`,
  });
