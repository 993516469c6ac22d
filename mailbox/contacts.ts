import type { z } from "zod";
import type { Handlers } from "../contract/handlers.ts";
import { newId, toTime } from "../contract/ids.ts";
import type { Contact as ContactView } from "../contract/mail/contacts.ts";
import type { mailbox } from "../contract/mailbox.ts";
import { ProblemError } from "../contract/problem.ts";
import type { Query } from "../storage/db.ts";
import type { EventLog } from "../storage/event-log.ts";
import { callOf } from "../storage/idempotency.ts";
import type { LogTx } from "../storage/log.ts";
import { refuseOthers } from "./agent-handlers.ts";
import { getAgent } from "./agents.ts";
import { postAsServer } from "./server-post.ts";
import { callingAgent, viewerOf } from "./visibility.ts";

const COLUMNS = `agent, peer, state, reason, requested_at, answered_at, ttl, denied,
  ttl is not null and coalesce(answered_at, requested_at) + ttl <= now_ms() as expired`;
const ONE = `select ${COLUMNS} from p_contacts where project = $1 and agent = $2 and peer = $3`;
const PAGE = `select * from (
    select ${COLUMNS} from p_contacts where project = $1 and agent = $2
    union select ${COLUMNS} from p_contacts where project = $1 and peer = $2) c
  where (agent, peer) > ($3, $4) order by agent, peer limit $5`;

interface ContactRow {
  readonly agent: string;
  readonly peer: string;
  readonly state: "pending" | "approved" | "denied";
  readonly reason: string | null;
  readonly requested_at: number;
  readonly answered_at: number | null;
  readonly ttl: number | null;
  /** The last answer was no. */
  readonly denied: number;
  readonly expired: number;
}

type View = z.input<typeof ContactView>;
type ContactHandlers = Pick<
  Handlers<typeof mailbox>,
  "contacts" | "requestContact" | "answerContact"
>;

/** The handlers about who may write to whom. */
export function contactHandlers(log: EventLog): ContactHandlers {
  return {
    contacts: async ({ params: { project, name }, query: { after, limit }, principal }) => {
      const { name: agent } = await getAgent(log.query, project, name);
      const viewer = await viewerOf(log.query, principal, project);
      if (!viewer.agents.includes(agent)) throw notYours(agent);
      const cursor = cursorOf(after);
      const rows = await log.query<ContactRow>(PAGE, [project, agent, ...cursor, limit + 1]);
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      const more = rows.length > limit && last !== undefined;
      return { contacts: page.map(view), next: more ? `${last.agent} ${last.peer}` : null };
    },
    requestContact: (call) => {
      const { params, body, principal } = call;
      const { project } = params;
      const peer = callingAgent(principal, project);
      return log.once(
        callOf(call, [`contacts:${project}`], params.name),
        async (tx, name) => {
          const asked = await getAgent(tx.query, project, name);
          const { name: agent } = asked;
          const { name: asker } = await getAgent(tx.query, project, peer);
          refuseItself(agent, asker);
          const before = await find(tx.query, { project, agent, peer: asker });
          if (before === undefined || mayAskAgain(before)) {
            const request = { agent, peer: asker, reason: body.reason ?? null, ttlMs: body.ttlMs };
            const { actor } = principal;
            await tx.append({ type: "contact.requested", project, actor, body: request });
            if (asked.policy === "contacts" && before?.denied !== 1)
              await announce(tx, { project, agent, peer: asker });
          }
          return show(tx.query, { project, agent, peer: asker });
        },
        (query, agent) => show(query, { project, agent, peer }),
      );
    },
    answerContact: (call) => {
      const { params, body, principal } = call;
      const { project } = params;
      return log.once(
        callOf(call, [`contacts:${project}`], params.name),
        async (tx) => {
          const agent = await getAgent(tx.query, project, params.name);
          refuseOthers(principal, agent);
          const { name: peer } = await getAgent(tx.query, project, params.peer);
          refuseItself(agent.name, peer);
          const { accept: accepted, ttlMs = null } = body;
          const answer = { agent: agent.name, peer, accepted, ttlMs: accepted ? ttlMs : null };
          const { actor } = principal;
          await tx.append({ type: "contact.answered", project, actor, body: answer });
          return show(tx.query, { project, agent: agent.name, peer });
        },
        (query) => show(query, { project, agent: params.name, peer: params.peer }),
      );
    },
  };
}

/** Nobody needs leave to write to itself, and nothing that it answered would take that away. */
function refuseItself(agent: string, peer: string): void {
  if (agent !== peer) return;
  throw new ProblemError("BAD_REQUEST", `${agent} may always write to itself`, {
    next: "name another agent: gridpost agent ls",
  });
}

interface Pair {
  readonly project: string;
  readonly agent: string;
  readonly peer: string;
}

/**
 * Tells an agent that somebody asks to write to it: once, and not in the other's words, which it did not let in yet. Who
 * was denied may ask again, but is not announced again.
 */
const announce = (tx: LogTx, { project, agent, peer }: Pair): Promise<unknown> =>
  postAsServer(tx, {
    project,
    thread: newId(),
    open: false,
    subject: `${peer} asks to write to you`,
    body: `gridpost contact approve ${peer} --as ${agent}, or contact deny; its reason: gridpost contact ls --as ${agent}`,
    to: [agent],
  });

async function find(query: Query, { project, agent, peer }: Pair): Promise<ContactRow | undefined> {
  const [row] = await query<ContactRow>(ONE, [project, agent, peer]);
  return row;
}

async function show(query: Query, { project, agent, peer }: Pair): Promise<View> {
  const { name } = await getAgent(query, project, agent);
  const { name: other } = await getAgent(query, project, peer);
  const row = await find(query, { project, agent: name, peer: other });
  if (row !== undefined) return view(row);
  throw new ProblemError("NOT_FOUND", `${other} has not asked to write to ${name}`, {
    next: `gridpost contact request ${name}`,
  });
}

/** Whether asking again makes sense: not while a request is open or an approval holds. */
const mayAskAgain = ({ state, expired }: ContactRow): boolean =>
  state === "denied" || expired === 1;

const view = (row: ContactRow): View => ({
  agent: row.agent,
  peer: row.peer,
  state: row.expired === 1 ? "expired" : row.state,
  reason: row.reason,
  requestedAt: toTime(row.requested_at),
  answeredAt: row.answered_at === null ? null : toTime(row.answered_at),
  expiresAt: row.ttl === null ? null : toTime((row.answered_at ?? row.requested_at) + row.ttl),
});

function cursorOf(after: string | undefined): [agent: string, peer: string] {
  const [agent = "", peer = ""] = (after ?? "").split(" ");
  return [agent, peer];
}

const notYours = (agent: string): ProblemError =>
  new ProblemError("FORBIDDEN", `the contacts of ${agent} are its own`, {
    next: "ask for those of an agent of yours",
  });
