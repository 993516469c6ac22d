import type { z } from "zod";
import { archiveEvents } from "./archive.ts";
import { cellsEvents } from "./cells.ts";
import { identityEvents } from "./identity.ts";
import { mailboxEvents } from "./mailbox.ts";
import { reservationsEvents } from "./reservations.ts";

/** The body schema of every type of event, latest version. */
export const events = {
  ...identityEvents,
  ...mailboxEvents,
  ...reservationsEvents,
  ...cellsEvents,
  ...archiveEvents,
} as const;

export type EventType = keyof typeof events;
export type EventBody<T extends EventType> = z.output<(typeof events)[T]>;
