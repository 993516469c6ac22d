import type { EventBody } from "../contract/events/index.ts";
import { MAX_RECIPIENTS } from "../contract/mail/text.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import { unknownAgents } from "./agents.ts";
import { type Correspondent, hasAsked, mayWrite } from "./contact-rules.ts";
import { expandGroup } from "./group-members.ts";
import { fold } from "./names.ts";
import { EVERYBODY, isGroup, type Kind, unique } from "./recipients.ts";

type Sent = EventBody<"message.sent">;
type Skipped = NonNullable<Sent["skipped"]>[number];

/** Who writes to whom, in any case of the names. */
export interface Addressed {
  readonly project: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  /** Recipients that the sender did not name: left out, and not an error, when mail may not go to them but to others. */
  readonly implied: readonly string[];
  /** The author of the message that this replies to, if that was written to the sender. */
  readonly answers: string | null;
}

/** The recipients of a message that may be sent. */
export interface Admitted extends Pick<Sent, Kind | "from"> {
  readonly groups: NonNullable<Sent["groups"]>;
  readonly skipped: Skipped[];
  /** The place that the message will take, by agent. */
  readonly places: ReadonlyMap<string, number>;
}

interface AgentRow extends Correspondent {
  readonly next_seq: number;
}

const AGENT = `select name, next_seq, policy, retired_at is not null as retired from p_agents
  where project = $1 and folded = $2`;
const KINDS = ["to", "cc", "bcc"] as const;

/**
 * The one place that decides who gets a message. Names are resolved to their registered form and groups to their members.
 * @throws ProblemError AGENT_NOT_FOUND, AGENT_RETIRED, CONTACT_REQUIRED; each with all the recipients that it is about;
 *   BAD_REQUEST for more of them than a message may have, or groups with nobody in them
 */
export async function admit(query: Query, addressed: Addressed): Promise<Admitted> {
  const { project } = addressed;
  refuseMixedBroadcast(addressed);
  const written = unique(KINDS.flatMap((kind) => addressed[kind]));
  const people = written.filter((name) => !isGroup(name));
  refuseTooMany(people.length);
  const agents = await findAgents(query, project, [addressed.from, ...people]);
  const from = senderOf(agents, addressed.from);
  const { answers } = addressed;
  const refusals = await refused(query, { project, from, answers }, agents);
  const out = new Set(refusals.map(({ agent }) => fold(agent)));
  const resolve = (names: readonly string[]): string[] =>
    unique(names)
      .filter((name) => !out.has(fold(name)))
      .map((name) => agents.get(fold(name))?.name ?? name);
  const [to, cc, bcc] = [resolve(addressed.to), resolve(addressed.cc), resolve(addressed.bcc)];
  const implied = new Set(addressed.implied.map(fold));
  const nobody = to.length + cc.length + bcc.length === 0;
  const named = refusals.filter(({ agent }) => nobody || !implied.has(fold(agent)));
  const isClosed = (name: string): boolean => agents.get(fold(name))?.policy === "closed";
  const asking = named.find(({ agent, reason }) => reason === "policy" && !isClosed(agent));
  const asked = asking !== undefined && (await hasAsked(query, { project, from }, asking.agent));
  throwRefusals(named, { isClosed, asked });
  const places = new Map([...agents.values()].map(({ name, next_seq }) => [name, next_seq]));
  const admitted = { from, to, cc, bcc, groups: [], skipped: refusals, places };
  return [...to, ...cc, ...bcc].some(isGroup) ? withGroups(query, addressed, admitted) : admitted;
}

async function findAgents(
  query: Query,
  project: string,
  names: readonly string[],
): Promise<Map<string, AgentRow>> {
  const agents = new Map<string, AgentRow>();
  const missing: string[] = [];
  for (const name of unique(names)) {
    const [agent] = await query<AgentRow>(AGENT, [project, fold(name)]);
    if (agent === undefined) missing.push(name);
    else agents.set(fold(name), agent);
  }
  if (missing.length > 0) throw await unknownAgents(query, project, missing);
  return agents;
}

function senderOf(agents: ReadonlyMap<string, AgentRow>, from: string): string {
  const sender = agents.get(fold(from));
  if (sender?.retired === 1) throwRefusals([{ agent: sender.name, reason: "retired" }]);
  return sender?.name ?? from;
}

/** Those that a message from the sender may not reach. */
async function refused(
  query: Query,
  sending: Pick<Addressed, "project" | "from" | "answers">,
  agents: ReadonlyMap<string, AgentRow>,
): Promise<Skipped[]> {
  const skipped: Skipped[] = [];
  for (const agent of agents.values()) {
    if (agent.retired === 1) skipped.push({ agent: agent.name, reason: "retired" });
    else if (!(await mayWrite(query, sending, agent)))
      skipped.push({ agent: agent.name, reason: "policy" });
  }
  return skipped;
}

interface Standing {
  readonly isClosed: (name: string) => boolean;
  /** That the sender waits for the answer of the first that it may ask. */
  readonly asked: boolean;
}

function throwRefusals(
  refusals: readonly Skipped[],
  { isClosed, asked }: Standing = { isClosed: () => false, asked: false },
): void {
  const of = (wanted: Skipped["reason"]): string[] =>
    refusals.filter(({ reason }) => reason === wanted).map(({ agent }) => agent);
  const [retired, policy] = [of("retired"), of("policy")];
  const are = (names: readonly string[]): string =>
    `${names.join(", ")} ${names.length === 1 ? "is" : "are"}`;
  if (retired.length > 0) {
    throw new ProblemError("AGENT_RETIRED", `${are(retired)} retired`, {
      details: retired.map((agent) => ({ agent })),
      next: "leave retired agents out, or have the owner bring one back: gridpost agent unretire NAME",
    });
  }
  const closed = policy.filter(isClosed);
  if (closed.length > 0) {
    throw new ProblemError("CONTACT_REQUIRED", `${are(closed)} closed to mail from others`, {
      details: closed.map((agent) => ({ agent })),
      next: "leave closed agents out, or have the owner open one: gridpost agent policy NAME contacts",
    });
  }
  if (policy.length > 0) {
    throw new ProblemError("CONTACT_REQUIRED", `${are(policy)} open to approved contacts only`, {
      details: policy.map((agent) => ({ agent })),
      next: asked
        ? "wait: you have asked, and the answer is its owner's: gridpost contact ls"
        : `ask to be let in: gridpost contact request ${policy[0] ?? "NAME"}`,
    });
  }
}

function refuseMixedBroadcast({ to, cc, bcc }: Addressed): void {
  const all = [...to, ...cc, ...bcc];
  if (!all.includes(EVERYBODY) || (all.length === 1 && to.length === 1)) return;
  throw new ProblemError("BAD_REQUEST", "@all reaches everybody and stands alone in to", {
    next: "send to @all, without other recipients",
  });
}

async function withGroups(
  query: Query,
  addressed: Addressed,
  admitted: Admitted,
): Promise<Admitted> {
  const { project, from, answers } = addressed;
  const groups: Admitted["groups"] = [];
  const skipped = [...admitted.skipped];
  const places = new Map(admitted.places);
  const named = KINDS.flatMap((kind) => admitted[kind]);
  const taken = new Set(named.filter((name) => !isGroup(name)));
  for (const kind of KINDS) {
    for (const written of admitted[kind]) {
      if (!isGroup(written) || written === EVERYBODY) continue;
      const group = await expandGroup(query, project, written.slice(1));
      const fresh = group.members.filter((name) => name !== from && !taken.has(name));
      for (const name of fresh) taken.add(name);
      refuseTooMany(taken.size);
      const agents = await findAgents(query, project, fresh);
      const refusals = await refused(query, { project, from: admitted.from, answers }, agents);
      const out = new Set(refusals.map(({ agent }) => agent));
      const members = fresh.filter((name) => !out.has(name));
      for (const { name, next_seq } of agents.values()) places.set(name, next_seq);
      skipped.push(...refusals);
      groups.push({ name: group.name, kind, members });
    }
  }
  const reached =
    named.some((name) => !isGroup(name) || name === EVERYBODY) || groups.some(hasMembers);
  if (!reached) refuseNobody(named, skipped);
  return { ...admitted, groups, skipped, places };
}

const hasMembers = ({ members }: { readonly members: readonly string[] }): boolean =>
  members.length > 0;

/** @throws ProblemError for groups of which nobody would get the message: why those in them do not, or that nobody is */
function refuseNobody(groups: readonly string[], skipped: readonly Skipped[]): never {
  throwRefusals(skipped);
  const names = unique(groups).join(", ");
  const have = groups.length === 1 ? "has" : "have";
  throw new ProblemError("BAD_REQUEST", `${names} ${have} no members but you`, {
    next: "name the agents that you mean, or add them: gridpost group add GROUP AGENT",
  });
}

function refuseTooMany(count: number): void {
  if (count <= MAX_RECIPIENTS) return;
  throw new ProblemError(
    "BAD_REQUEST",
    `the message has at least ${count} recipients, counting members of groups; at most ${MAX_RECIPIENTS} are allowed`,
    { next: "send to @all, or to fewer groups at a time" },
  );
}
