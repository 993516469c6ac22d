import { z } from "zod";
import type { Client } from "../../../contract/client.ts";
import { given } from "../mail-tools.ts";
import { actor, agentMailTool, type Connection } from "./connection.ts";

type Contact = Awaited<ReturnType<Client["mailbox"]["requestContact"]>>;

const contactShape = ({
  agent,
  peer,
  state,
  reason,
  answeredAt,
  requestedAt,
  expiresAt,
}: Contact) => ({
  from: peer,
  to: agent,
  status: state,
  reason: reason ?? "",
  updated_ts: answeredAt ?? requestedAt,
  expires_ts: expiresAt,
});

/** The policies of that profile in our words: its `auto` lets everybody write, as our default does. */
const POLICIES = {
  open: "open",
  auto: "open",
  contacts_only: "contacts",
  block_all: "closed",
} as const;

const target = { project_key: z.string(), agent_name: z.string().optional() };
const seconds = z.int().min(60).max(31_536_000).optional();
const ms = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : value * 1_000;

interface Request {
  readonly project_key: string;
  readonly from_agent?: string | undefined;
  readonly to_agent: string;
  readonly reason?: string | undefined;
  readonly ttl_seconds?: number | undefined;
}

/** Asks an agent, as the connection's agent, to let it write. */
export async function requestContact(connection: Connection, request: Request) {
  const { client, project } = await actor(connection, request.project_key, request.from_agent);
  const contact = await client.mailbox.requestContact({
    params: { project, name: request.to_agent },
    body: given({ reason: request.reason, ttlMs: ms(request.ttl_seconds) }),
  });
  return contactShape(contact);
}

interface Answer {
  readonly project: string;
  readonly to: string;
  readonly from: string;
  readonly accept: boolean;
  readonly ttl_seconds?: number | undefined;
}

/** Answers a request to an agent of the connection's principal; the server refuses everybody else. */
export async function answerContact({ own }: Connection, answer: Answer) {
  const contact = await own.mailbox.answerContact({
    params: { project: answer.project, name: answer.to, peer: answer.from },
    body: { accept: answer.accept, ...given({ ttlMs: ms(answer.ttl_seconds) }) },
  });
  return { ...contactShape(contact), approved: answer.accept };
}

export const contactTools = [
  agentMailTool({
    name: "request_contact",
    description: "Ask an agent to let this connection's agent write to it",
    input: z.strictObject({
      project_key: z.string(),
      from_agent: z.string().optional(),
      to_agent: z.string(),
      reason: z.string().optional(),
      ttl_seconds: seconds,
    }),
    ignores: ["register_if_missing"],
    run: (args, connection) => requestContact(connection, args),
  }),
  agentMailTool({
    name: "respond_contact",
    description: "Let another agent write to this connection's agent, or not",
    input: z.strictObject({
      project_key: z.string(),
      to_agent: z.string().optional(),
      from_agent: z.string(),
      accept: z.boolean(),
      ttl_seconds: seconds,
    }),
    run: async ({ project_key, to_agent, from_agent, accept, ttl_seconds }, connection) => {
      const { project, agent } = await actor(connection, project_key, to_agent);
      return answerContact(connection, {
        project,
        to: agent,
        from: from_agent,
        accept,
        ttl_seconds,
      });
    },
  }),
  agentMailTool({
    name: "list_contacts",
    description: "Who may write to this connection's agent, and to whom it may write",
    input: z.strictObject(target),
    run: async ({ project_key, agent_name }, connection) => {
      const { client, project, agent } = await actor(connection, project_key, agent_name);
      const { contacts } = await client.mailbox.contacts({
        params: { project, name: agent },
        query: { limit: 500 },
      });
      return contacts.map(contactShape);
    },
  }),
  agentMailTool({
    name: "set_contact_policy",
    description: "Who may write to this connection's agent",
    input: z.strictObject({
      ...target,
      policy: z.enum(["open", "auto", "contacts_only", "block_all"]),
    }),
    run: async ({ project_key, agent_name, policy }, connection) => {
      const { project, agent } = await actor(connection, project_key, agent_name);
      const changed = await connection.own.mailbox.setPolicy({
        params: { project, name: agent },
        body: { policy: POLICIES[policy] },
      });
      return { agent: changed.name, policy: changed.policy };
    },
  }),
];
