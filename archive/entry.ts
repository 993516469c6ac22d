import type { EventBody, EventType } from "../contract/events/index.ts";
import { formatResource } from "../contract/resource.ts";
import { type LoggedEvent, parseEvent, type StoredEvent } from "../storage/log.ts";
import { sweepEntries } from "./entry-sweep.ts";
import { dayOf, isoOf, type Plan, stampOf, withFrontMatter } from "./plan.ts";

type Entries<T extends EventType> = (event: LoggedEvent, body: EventBody<T>) => readonly Plan[];

/** What the readers of a project may read of an event: the message of an open thread, never bcc, never other mail. */
const sent: Entries<"message.sent"> = (event, body) => {
  if (body.open === false) return [];
  const { id, thread, from, to, cc, subject, importance, ackRequired, replyTo } = body;
  const { payload, attachments } = body;
  const fields = {
    id,
    thread,
    from,
    to,
    cc,
    subject,
    importance,
    ackRequired,
    replyTo,
    payload,
    attachments,
    sentAt: isoOf(event.at),
    actor: event.actor,
    event: event.id,
  };
  const within = `threads/${dayOf(event.at)}`;
  const name = `${stampOf(event.at)}-${id}.md`;
  // A reply says nothing about its thread: it is open if its folder is known.
  const starts = body.open === true;
  return [
    { within, branch: thread, starts, many: true, name, text: withFrontMatter(fields, body.body) },
  ];
};

const agentFile = (
  event: LoggedEvent,
  name: string,
  ...[file, fields]: readonly [file: string, fields: Readonly<Record<string, unknown>>]
): readonly Plan[] => [
  {
    within: "agents",
    branch: name.toLowerCase(),
    starts: true,
    many: false,
    name: file,
    text: withFrontMatter(
      { name, ...fields, at: isoOf(event.at), actor: event.actor, event: event.id },
      "",
    ),
  },
];

const registered: Entries<"agent.registered"> = (event, { name, ...profile }) =>
  agentFile(event, name, "profile.md", profile);

const state =
  (retired: boolean): Entries<"agent.retired"> & Entries<"agent.unretired"> =>
  (event, { name }) =>
    agentFile(event, name, "state.md", { retired });

const granted: Entries<"lease.granted"> = (event, { resources, supersedes, ...lease }) =>
  leaseFile(event, lease.id, "granted", {
    ...lease,
    resources: resources.map(formatResource),
    repos: [...new Set(resources.flatMap((one) => (one.kind === "file" ? [one.repo] : [])))],
    supersedes,
  });

/** A lease is a row of small files, one per event, found by its id. */
const leaseFile = (
  event: LoggedEvent,
  id: string,
  ...[verb, fields]: readonly [verb: string, fields: Readonly<Record<string, unknown>>]
): readonly Plan[] => [
  {
    within: `leases/${dayOf(event.at)}`,
    many: true,
    name: `${stampOf(event.at)}-${id}-${verb}.md`,
    text: withFrontMatter(
      { lease: id, event: event.type, at: isoOf(event.at), actor: event.actor, ...fields },
      "",
    ),
  },
];

const mailAndLeases: { readonly [T in EventType]?: Entries<T> } = {
  "message.sent": sent,
  "agent.registered": registered,
  "agent.retired": state(true),
  "agent.unretired": state(false),
  "lease.granted": granted,
};

/** Most mail: told from the first fields of the body, which need not be read for that. */
const PRIVATE = /^\{"id":"[^"\\]*","thread":"[^"\\]*","open":false,/;

/** The readable files that an event makes in its project's repository: a function of the event alone. */
export function entriesOf(stored: StoredEvent): readonly Plan[] {
  const { type, project, body } = stored;
  if (project === null || (type === "message.sent" && PRIVATE.test(body))) return [];
  const entries = (mailAndLeases[type as EventType] ?? sweepEntries(type)) as
    | Entries<EventType>
    | undefined;
  if (entries === undefined && !type.startsWith("lease.")) return [];
  const event = parseEvent(stored);
  return entries?.(event, event.body as EventBody<EventType>) ?? leaseEnd(event);
}

function leaseEnd(event: LoggedEvent): readonly Plan[] {
  const { id, ...fields } = event.body as Readonly<Record<string, unknown>>;
  if (typeof id !== "string") return [];
  return leaseFile(event, id, event.type.slice("lease.".length), fields);
}
