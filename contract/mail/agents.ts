import { z } from "zod";
import { defineEndpoint } from "../endpoint.ts";
import { ContactPolicy } from "../events/mailbox.ts";
import { Name, Time } from "../ids.ts";
import { NextCursor, pageQuery } from "../page.ts";
import { Text } from "./text.ts";

export const Agent = z
  .object({
    name: Name,
    project: Name,
    owner: z.string(),
    program: z.string().nullable(),
    model: z.string().nullable(),
    task: z.string().nullable(),
    node: z.string().nullable(),
    /** Who may write to it: everybody, its approved contacts, or nobody but the server. */
    policy: ContactPolicy,
    registeredAt: Time,
    /** When it last registered, sent, read or acknowledged, to the minute. */
    activeAt: Time,
    retiredAt: Time.nullable(),
  })
  .meta({ id: "Agent" });

const project = z.object({ project: Name });

export const agentEndpoints = {
  registerAgent: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents",
    summary: "Register an agent that you own",
    scope: "agent:write",
    params: project,
    body: z.strictObject({
      /** As `Name`; what looks like a mistake is refused with an explanation. One is generated when it is left out. */
      name: z.string().min(1).max(254).optional(),
      program: Text.max(128).optional(),
      model: Text.max(128).optional(),
      task: Text.max(1_000).optional(),
      node: Name.optional(),
    }),
    response: Agent,
  }),
  agents: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/agents",
    summary: "List agents by name",
    scope: "project:read",
    params: project,
    query: z.strictObject({ ...pageQuery, mine: z.stringbool().default(false) }),
    response: z.object({ agents: z.array(Agent), next: NextCursor }),
  }),
  agent: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/agents/:name",
    summary: "Show an agent",
    scope: "project:read",
    params: project.extend({ name: Name }),
    response: Agent,
  }),
  retireAgent: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/retire",
    summary: "Retire an agent that you own: it refuses new mail",
    scope: "agent:write",
    params: project.extend({ name: Name }),
    response: Agent,
  }),
  unretireAgent: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/unretire",
    summary: "Bring a retired agent that you own back",
    scope: "agent:write",
    params: project.extend({ name: Name }),
    response: Agent,
  }),
  setPolicy: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/policy",
    summary: "Say who may write to an agent that you own",
    scope: "contact:approve",
    params: project.extend({ name: Name }),
    body: z.strictObject({ policy: ContactPolicy }),
    response: Agent,
  }),
} as const;
