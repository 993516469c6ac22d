import type { EventBody } from "../contract/events/index.ts";
import { fold } from "./names.ts";

type Sent = EventBody<"message.sent">;
export type Kind = "to" | "cc" | "bcc";

/** The recipient that means every agent of the project. */
export const EVERYBODY = "@all";

/** What others write for it; no agent and no group has such a name. */
const MEANT_EVERYBODY = new Set(["all", "everyone", "everybody"]);

export const meansEverybody = (name: string): boolean => MEANT_EVERYBODY.has(fold(name));

/** What helps whoever wrote to such a name. */
export const TO_EVERYBODY = `to write to everybody send to ${EVERYBODY}`;

export const isGroup = (recipient: string): boolean => recipient.startsWith("@");

/** Whether a message goes to every agent of the project, which takes more than its transaction. */
export const isBroadcast = ({ to }: Pick<Sent, "to">): boolean => to.includes(EVERYBODY);

/**
 * Who receives a message at once, each once: an agent named itself before one reached by a group, and the first of to,
 * cc and bcc that has it counts.
 */
export function recipientsOf({
  to,
  cc,
  bcc,
  groups = [],
}: Pick<Sent, Kind | "groups">): Map<string, Kind> {
  const kinds = new Map<string, Kind>();
  const add = (kind: Kind, names: readonly string[]): void => {
    for (const name of names) if (!isGroup(name) && !kinds.has(name)) kinds.set(name, kind);
  };
  add("to", to);
  add("cc", cc);
  add("bcc", bcc);
  for (const { kind, members } of groups) add(kind, members);
  return kinds;
}

/** The agents whose inboxes an event changed: who may want to look again. */
export function inboxesOf(type: string, body: unknown): string[] {
  if (type === "message.sent") return [...recipientsOf(body as Sent).keys()];
  if (type === "message.delivered") return (body as EventBody<"message.delivered">).agents;
  if (type === "ack.overdue") return (body as EventBody<"ack.overdue">).agents;
  return [];
}

/** The names without those that differ from an earlier one by case only. */
export function unique(names: Iterable<string>): string[] {
  const seen = new Map<string, string>();
  for (const name of names) if (!seen.has(fold(name))) seen.set(fold(name), name);
  return [...seen.values()];
}
