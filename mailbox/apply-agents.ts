import type { EventBody, EventType } from "../contract/events/index.ts";
import type { Query } from "../storage/db.ts";
import type { Apply, Event } from "../storage/log.ts";
import { fold } from "./names.ts";

const REGISTER = `insert into p_agents
    (project, folded, name, owner, program, model, task, node, policy, next_seq, registered_at, active_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, 'open', 1, $9, $9)
  on conflict (project, folded) do update set program = excluded.program, model = excluded.model,
    task = excluded.task, node = excluded.node, active_at = excluded.active_at`;
const RETIRED = "update p_agents set retired_at = $3 where project = $1 and folded = $2";
const POLICY = "update p_agents set policy = $3 where project = $1 and folded = $2";
const REQUESTED = `insert into p_contacts (project, agent, peer, state, reason, requested_at, ttl)
  values ($1, $2, $3, 'pending', $4, $5, $6)
  on conflict (project, agent, peer) do update set state = 'pending', reason = excluded.reason,
    requested_at = excluded.requested_at, answered_at = null, ttl = excluded.ttl`;
const ANSWERED = `insert into p_contacts (project, agent, peer, state, requested_at, answered_at, ttl, denied)
  values ($1, $2, $3, $4, $5, $5, $6, $4 = 'denied')
  on conflict (project, agent, peer) do update set state = excluded.state,
    answered_at = excluded.answered_at, ttl = excluded.ttl, denied = excluded.denied`;
const GROUP =
  "insert into p_groups (project, folded, name, owner, created_at) values ($1, $2, $3, $4, $5)";
const ADD = `insert into p_group_members (project, folded, agent) values ($1, $2, $3)
  on conflict (project, folded, agent) do nothing`;
const REMOVE = "delete from p_group_members where project = $1 and folded = $2 and agent = $3";

/** An `Apply` that sees the body as its event type declares it. */
export const applies =
  <T extends EventType>(
    _type: T,
    apply: (query: Query, event: Event<T, EventBody<T>>) => Promise<void>,
  ): Apply =>
  (query, event) =>
    apply(query, event as Event<T, EventBody<T>>);

const register = applies("agent.registered", async (query, { project, at, body }) => {
  const { name, owner, program, model, task, node } = body;
  await query(REGISTER, [project, fold(name), name, owner, program, model, task, node, at]);
});

async function members(
  query: Query,
  statement: string,
  { project, group, agents }: { project: string | null; group: string; agents: readonly string[] },
): Promise<void> {
  for (const agent of agents) await query(statement, [project, fold(group), agent]);
}

/** How events about agents, contacts and groups change the projections. */
export const agentsApply: Readonly<Record<string, Apply>> = {
  "agent.registered": register,
  "agent.retired": applies("agent.retired", async (query, { project, at, body }) => {
    await query(RETIRED, [project, fold(body.name), at]);
  }),
  "agent.unretired": applies("agent.unretired", async (query, { project, body }) => {
    await query(RETIRED, [project, fold(body.name), null]);
  }),
  "agent.policy_set": applies("agent.policy_set", async (query, { project, body }) => {
    await query(POLICY, [project, fold(body.name), body.policy]);
  }),
  "contact.requested": applies("contact.requested", async (query, { project, at, body }) => {
    const { agent, peer, reason, ttlMs } = body;
    await query(REQUESTED, [project, agent, peer, reason, at, ttlMs]);
  }),
  "contact.answered": applies("contact.answered", async (query, { project, at, body }) => {
    const { agent, peer, accepted, ttlMs } = body;
    await query(ANSWERED, [project, agent, peer, accepted ? "approved" : "denied", at, ttlMs]);
  }),
  "group.created": applies("group.created", async (query, { project, at, body }) => {
    const { name, owner } = body;
    await query(GROUP, [project, fold(name), name, owner, at]);
    await members(query, ADD, { project, group: name, agents: body.members });
  }),
  "group.changed": applies("group.changed", async (query, { project, body }) => {
    await members(query, ADD, { project, group: body.name, agents: body.added });
    await members(query, REMOVE, { project, group: body.name, agents: body.removed });
  }),
};
