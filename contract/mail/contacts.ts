import { z } from "zod";
import { defineEndpoint } from "../endpoint.ts";
import { Name, Time } from "../ids.ts";
import { NextCursor, pageQuery } from "../page.ts";
import { Text } from "./text.ts";

const MAX_TTL_MS = 365 * 86_400_000;
const TtlMs = z.int().min(60_000).max(MAX_TTL_MS);

/** That `peer` may write to `agent`, or wants to. */
export const Contact = z
  .object({
    agent: Name,
    peer: Name,
    state: z.enum(["pending", "approved", "denied", "expired"]),
    reason: z.string().nullable(),
    requestedAt: Time,
    answeredAt: Time.nullable(),
    /** When a request or an approval ends; null: never. */
    expiresAt: Time.nullable(),
  })
  .meta({ id: "Contact" });

export const Group = z
  .object({
    /** Written `@name` as a recipient. */
    name: Name,
    owner: z.string(),
    members: z.array(Name),
    createdAt: Time,
  })
  .meta({ id: "Group" });

const project = z.object({ project: Name });
const Members = z.array(Name).max(1_000);

export const contactEndpoints = {
  contacts: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/agents/:name/contacts",
    summary: "List who may write to an agent or wants to, and to whom it may write or wants to",
    scope: "mail:read",
    params: project.extend({ name: Name }),
    query: z.strictObject(pageQuery),
    response: z.object({ contacts: z.array(Contact), next: NextCursor }),
  }),
  requestContact: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/contacts",
    summary: "Ask an agent, as the calling agent, to let you write to it",
    scope: "mail:send",
    params: project.extend({ name: Name }),
    body: z.strictObject({
      reason: Text.max(500).optional(),
      /** Milliseconds after which an unanswered request lapses; 7 days when left out. */
      ttlMs: TtlMs.default(7 * 86_400_000),
    }),
    response: Contact,
  }),
  answerContact: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/agents/:name/contacts/:peer",
    summary: "Let another agent write to an agent that you own, or not",
    scope: "contact:approve",
    params: project.extend({ name: Name, peer: Name }),
    body: z.strictObject({
      accept: z.boolean(),
      /** Milliseconds until the approval ends; never when left out. */
      ttlMs: TtlMs.optional(),
    }),
    response: Contact,
  }),
  groups: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/groups",
    summary: "List groups by name",
    scope: "project:read",
    params: project,
    query: z.strictObject(pageQuery),
    response: z.object({ groups: z.array(Group), next: NextCursor }),
  }),
  group: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/groups/:group",
    summary: "Show a group",
    scope: "project:read",
    params: project.extend({ group: Name }),
    response: Group,
  }),
  createGroup: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/groups",
    summary: "Make a group of agents, to which mail goes as @name",
    scope: "mail:send",
    params: project,
    body: z.strictObject({ name: Name, members: Members.default([]) }),
    response: Group,
  }),
  changeGroup: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/groups/:group/members",
    summary: "Add and remove members of a group that you made",
    scope: "mail:send",
    params: project.extend({ group: Name }),
    body: z.strictObject({ add: Members.default([]), remove: Members.default([]) }),
    response: Group,
  }),
} as const;
