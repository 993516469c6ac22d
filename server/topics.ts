import { fold } from "../mailbox/names.ts";
import { inboxesOf } from "../mailbox/recipients.ts";
import type { Happening } from "./hub.ts";
import { IDENTITY_EVENTS } from "./identity/projection.ts";

/** Mail for one agent. */
export const inboxTopic = (project: string, agent: string): string =>
  `inbox ${project} ${fold(agent)}`;

/** There may be work for nodes, or a change for what they run. */
export const WORK_TOPIC = "work";

/** Tokens may have become invalid, or scopes others. */
export const IDENTITY_TOPIC = "identity";

/** Whether an event of this type may change who may do what. */
export const changesIdentity = (type: string): boolean =>
  IDENTITY_EVENTS.has(type) || type.startsWith("agent.");

/** What concerns a sweep: its runs and its end. */
export const sweepTopic = (sweep: string): string => `sweep ${sweep}`;

/** A place in the queue for a lease has brought it. */
export const ticketTopic = (ticket: string): string => `ticket ${ticket}`;

const WORK = new Set([
  "sweep.submitted",
  "sweep.cancelled",
  "run.cancelled",
  "run.requeued",
  "attempt.lost",
  "node.resumed",
]);

/** The topics that the type of an event tells. */
export function topicsOfType(type: string): string[] {
  const topics = WORK.has(type) ? [WORK_TOPIC] : [];
  if (changesIdentity(type)) topics.push(IDENTITY_TOPIC);
  return topics;
}

/** Whether the type of an event is enough to tell that it is about a topic. */
export const isTypeTopic = (topic: string): boolean =>
  topic === WORK_TOPIC || topic === IDENTITY_TOPIC;

/** The topics that the body of an event tells: who may want to look again. */
export function topicsOf({ type, project, body }: Happening): string[] {
  const inboxes = inboxesOf(type, body);
  if (inboxes.length > 0) return inboxes.map((agent) => inboxTopic(project ?? "", agent));
  const topics: string[] = [];
  const { sweep, id, ticket } = body as { sweep?: string; id?: string; ticket?: string | null };
  if (type.startsWith("sweep.") && id !== undefined) topics.push(sweepTopic(id));
  if (sweep !== undefined) topics.push(sweepTopic(sweep));
  if (typeof ticket === "string") topics.push(ticketTopic(ticket));
  return topics;
}
