import { toTime } from "../contract/ids.ts";
import { ProblemError } from "../contract/problem.ts";
import type { LeaseConflict } from "../contract/reservations.ts";
import { formatResource, type Resource } from "../contract/resource.ts";
import { shellWord } from "../contract/shell-word.ts";
import type { Query } from "../storage/db.ts";
import type { Demand, Meeting } from "./demand.ts";
import type { Ahead, Obstacles } from "./obstacles.ts";
import type { AgentDirectory, AgentFacts } from "./ports.ts";
import type { Rival } from "./rivals.ts";
import { holderName, isAgentOf, isHeld } from "./rules.ts";
import { queueLength } from "./tickets.ts";

/** More would be a list that nobody reads; the rest shows up when these are gone. */
const MAX_CONFLICTS = 100;

export interface Describer {
  readonly query: Query;
  readonly agents: AgentDirectory;
}

/** What an agent needs to decide whether to wait, to ask, or to do something else. */
export async function describeConflicts(
  { query, agents }: Describer,
  demand: Demand,
  { rivals, ahead }: Obstacles,
): Promise<LeaseConflict[]> {
  const { project } = demand;
  const some = [
    ...rivals.map((rival) => fromRival(demand, rival)),
    ...ahead.map((waiter) => fromWaiter(demand, waiter)),
  ].slice(0, MAX_CONFLICTS);
  const facts = await agents.describe(query, project, [...new Set(some.map((one) => one.holder))]);
  const conflicts: LeaseConflict[] = [];
  for (const { blocker, ...one } of some) {
    const queue = await queueLength(query, blocker);
    conflicts.push({ ...one, ...known(facts.get(one.holder)), queue });
  }
  return conflicts;
}

type Known = Pick<LeaseConflict, "program" | "lastActivityAt">;
type Described = Omit<LeaseConflict, keyof Known | "queue"> & { readonly blocker: string };

const known = (facts: AgentFacts | undefined): Known => ({
  program: facts?.program ?? null,
  lastActivityAt:
    facts?.lastActivityAt === undefined || facts.lastActivityAt === null
      ? null
      : toTime(facts.lastActivityAt),
});

function fromRival(demand: Demand, rival: Rival): Described {
  const { lease } = rival;
  const ends = isHeld(lease.state) ? lease.due : lease.unlock;
  return {
    ...shown(demand, rival, lease.holder),
    ...(lease.project === demand.project ? told(lease) : UNTOLD),
    blocker: lease.id,
    mode: lease.mode,
    state: lease.state,
    expiresAt: ends === null ? null : toTime(ends),
  };
}

type Told = Pick<LeaseConflict, "lease" | "fence" | "reason" | "thread">;

const told = ({ id, fence, reason, thread }: Rival["lease"]): Told => ({
  lease: id as LeaseConflict["lease"],
  fence,
  reason,
  thread,
});

/** Of a lease of another project on a GPU of the fleet: what that project does is not for others. */
const UNTOLD: Told = { lease: null, fence: null, reason: null, thread: null };

function fromWaiter(demand: Demand, waiter: Ahead): Described {
  const { ticket, order } = waiter;
  return {
    ...shown(demand, waiter, ticket.holder),
    blocker: ticket.id,
    lease: null,
    mode: order.mode,
    state: "waiting",
    fence: null,
    expiresAt: toTime(ticket.ends_at),
    reason: order.reason,
    thread: order.thread,
  };
}

function shown(demand: Demand, { wanted, theirs, witness }: Meeting, principal: string) {
  const holder = seenHolder(principal, demand.project);
  const question = `when will you release ${formatResource(theirs)}?`;
  return {
    pattern: formatResource(wanted),
    held: formatResource(theirs),
    witness: witness === "" ? null : witness,
    holder,
    wait: waitFor(wanted, demand),
    ask: isAgentOf(principal, demand.project)
      ? `gridpost send ${holder} -s ${shellWord(question)}`
      : null,
  };
}

/** A holder as the members of a project may see it. */
const seenHolder = (principal: string, project: string): string =>
  principal.startsWith("agent:") && !isAgentOf(principal, project)
    ? "an agent of another project"
    : holderName(principal, project);

/** The command that asks for the same from any folder, and waits for it. */
const waitFor = (wanted: Resource, { mode, refs }: Demand): string =>
  [
    `gridpost reserve ${shellWord(formatResource(wanted))}`,
    ...(wanted.kind === "file" ? [`--repo ${shellWord(wanted.repo)}`] : []),
    ...(mode === "shared" ? ["--shared"] : []),
    ...(refs === null ? [] : [`--ref ${shellWord(refs.join(","))}`]),
    "--wait 10m",
  ].join(" ");

/** The refusal of a request that these are in the way of. */
export function conflictProblem(conflicts: readonly LeaseConflict[]): ProblemError {
  const [first] = conflicts;
  const others = conflicts.length > 1 ? ` (and ${conflicts.length - 1} more)` : "";
  const how = first?.state === "waiting" ? "is waited for by" : "is held by";
  return new ProblemError(
    "RESERVATION_CONFLICT",
    `${first?.pattern ?? "it"} cannot be granted: ${first?.held ?? "it"} ${how} ${first?.holder ?? "somebody else"}${others}`,
    { details: [...conflicts], ...(first === undefined ? {} : { next: first.wait }) },
  );
}

/** The refusal of a wait that could never end. */
export function circleProblem(holders: readonly string[], project: string): ProblemError {
  const names = holders.map((holder) => seenHolder(holder, project));
  return new ProblemError("WAIT_CYCLE", `waiting would never end: ${names.join(" waits for ")}`, {
    details: [{ holders: names }],
    next: `release what ${names.at(-2) ?? "the other"} waits for, or ask ${names[1] ?? "the other"} to release first`,
  });
}
