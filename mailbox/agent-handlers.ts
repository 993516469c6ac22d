import type { Handlers, Principal } from "../contract/handlers.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import type { NewEvent } from "../storage/log.ts";
import {
  AGENT_COLUMNS,
  type AgentRow,
  agentView,
  getAgent,
  OWNED_BY,
  registerAgent,
} from "./agents.ts";
import { generateName } from "./name-words.ts";
import { fold } from "./names.ts";

const PAGE = `select ${AGENT_COLUMNS} from p_agents where project = $1 and folded > $2 order by folded limit $3`;
const OWN_PAGE = `select a.* from ${OWNED_BY} and o.folded > $3 order by o.folded limit $4`;
/** How often a generated name may be taken before one is made longer. */
const TRIES = 8;

type AgentHandlers = Pick<
  Handlers<typeof mailbox>,
  "registerAgent" | "agents" | "agent" | "retireAgent" | "unretireAgent" | "setPolicy"
>;
type RegisterCall = Parameters<AgentHandlers["registerAgent"]>[0];

const show = async (query: Query, project: string, name: string) =>
  agentView(await getAgent(query, project, name));

/** The handlers about agents themselves. */
export function agentHandlers(log: EventLog): AgentHandlers {
  return {
    registerAgent: (call) =>
      call.body.name === undefined ? registerAny(log, call) : register(log, call, call.body.name),
    agents: async ({ params: { project }, query: { after, limit, mine }, principal }) => {
      const owner = principal.act ?? principal.id;
      const rows = await log.query<AgentRow>(mine ? OWN_PAGE : PAGE, [
        ...(mine ? [owner] : []),
        project,
        fold(after ?? ""),
        limit + 1,
      ]);
      const page = rows.slice(0, limit);
      const next = rows.length > limit ? fold(page.at(-1)?.name ?? "") : null;
      return { agents: page.map(agentView), next };
    },
    agent: ({ params: { project, name } }) => show(log.query, project, name),
    retireAgent: (call) =>
      change(log, call, ({ name, owner, retired_at }) => {
        refuseOthers(call.principal, { name, owner }, "principal:write");
        return retired_at === null ? { type: "agent.retired", body: { name } } : null;
      }),
    unretireAgent: (call) =>
      change(log, call, ({ name, owner, retired_at }) => {
        refuseOthers(call.principal, { name, owner }, "principal:write");
        return retired_at === null ? null : { type: "agent.unretired", body: { name } };
      }),
    setPolicy: (call) =>
      change(log, call, ({ name, owner, policy: before }) => {
        const { policy } = call.body;
        refuseOthers(call.principal, { name, owner });
        return before === policy ? null : { type: "agent.policy_set", body: { name, policy } };
      }),
  };
}

function register(log: EventLog, call: RegisterCall, wanted: string) {
  const { principal, body, params } = call;
  const { project } = params;
  return log.once(
    callOf(call, [`agents:${project}`], wanted),
    async (tx, name) => {
      const owner = { owner: principal.id, actor: principal.actor };
      const fresh = body.name === undefined;
      await registerAgent(tx, { ...body, name, project, fresh, ...owner });
      return show(tx.query, project, name);
    },
    (query, name) => show(query, project, name),
  );
}

/** Registers under a generated name that nobody has; a race for one is lost by name and tried again. */
async function registerAny(log: EventLog, call: RegisterCall) {
  for (let attempt = 1; ; attempt += 1) {
    const name = generateName(attempt > TRIES);
    try {
      return await register(log, call, name);
    } catch (error) {
      if (!(error instanceof ProblemError) || error.code !== "NAME_TAKEN") throw error;
    }
  }
}

type Change = Pick<NewEvent, "type" | "body">;
type ChangeCall = Parameters<AgentHandlers["retireAgent"]>[0];

/** Appends what `decide` makes of an agent, if anything, and answers the agent after it. */
function change(log: EventLog, call: ChangeCall, decide: (agent: AgentRow) => Change | null) {
  const { project, name } = call.params;
  return log.once(
    callOf(call, [`agents:${project}`], name),
    async (tx) => {
      const event = decide(await getAgent(tx.query, project, name));
      if (event !== null) await tx.append({ ...event, project, actor: call.principal.actor });
      return show(tx.query, project, name);
    },
    (query) => show(query, project, name),
  );
}

/**
 * Lets the owner of an agent pass, and the agent itself if it acts by its own key.
 * @param override a scope that lets others pass, too
 * @throws ProblemError FORBIDDEN
 */
export function refuseOthers(
  principal: Principal,
  agent: { readonly name: string; readonly owner: string },
  override?: "principal:write",
): void {
  if (principal.id === agent.owner) return;
  const itself = principal.kind === "agent" && principal.act === null;
  if (itself && fold(principal.name) === fold(agent.name)) return;
  if (override !== undefined && principal.scopes.has(override)) return;
  throw new ProblemError("FORBIDDEN", `the agent ${agent.name} belongs to ${agent.owner}`, {
    next: `ask ${agent.owner}${override === undefined ? "" : ", or a server admin"}`,
  });
}
