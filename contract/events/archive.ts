import { z } from "zod";
import { MessageId, ThreadId } from "../ids.ts";

/** Bodies of the events of the archive, by type; version 1 of each. */
export const archiveEvents = {
  /**
   * The server was rebuilt from its journal. Its place in the log, and with it every inbox and fence counter, lies a
   * million beyond the last one that the journal had, so that nothing which was given out and lost is given out again.
   */
  "server.restored": z.object({
    /** 2 after the first restore. */
    epoch: z.int().min(2),
    /** The last event of the journal. */
    lastSeq: z.int(),
  }),
  /** The text of a message is hidden from projections and readable files; the journal keeps it. */
  "event.redacted": z.object({
    /** The id of the event that is hidden. */
    event: z.uuid(),
    /** Its place in the log. */
    place: z.int(),
    message: MessageId,
    thread: ThreadId,
    reason: z.string(),
  }),
} as const;
