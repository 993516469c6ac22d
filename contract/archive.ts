import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { MessageId } from "./ids.ts";

/** A configured remote that one repository is pushed to. */
export const Remote = z.object({
  name: z.string(),
  /** Without user and password. */
  url: z.string(),
  /** `journal` or `project/<name>`. */
  repository: z.string().default("journal"),
  /** The last event that the remote has; null before the first push. */
  pushedSeq: z.int().nullable(),
  /** Why the last push failed; null when it did not. */
  error: z.string().nullable(),
});

/** A commit from which on another key signs that no earlier key has signed: after a restore, or by somebody else. */
const Handover = z.object({
  repository: z.string(),
  /** Names the new key. */
  kid: z.string(),
  commit: z.string(),
  /** The last event of the commit. */
  seq: z.int(),
});

const ArchiveFault = z.object({
  repository: z.string(),
  commit: z.string().nullable(),
  file: z.string().nullable(),
  line: z.int().nullable(),
  problem: z.string(),
});

export const archive = {
  status: defineEndpoint({
    method: "GET",
    path: "/v1/archive",
    summary: "How far the Git archive follows the log",
    scope: "journal:read",
    response: z.object({
      lastSeq: z.int(),
      archivedSeq: z.int(),
      lagEvents: z.int(),
      lagSeconds: z.number(),
      /** Head of the journal; null before the first batch. */
      commit: z.string().nullable(),
      /** Why the last batch failed, in one line; null while all is well. */
      error: z.string().nullable().default(null),
      remotes: z.array(Remote),
    }),
  }),
  /** Takes as long as it needs; the first fault ends it. */
  verify: defineEndpoint({
    method: "POST",
    path: "/v1/archive/verify",
    summary: "Check every repository of the archive",
    scope: "journal:read",
    idempotent: false,
    body: z.strictObject({
      /** Also replays the journal and compares it with the database's durable state. */
      deep: z.boolean().default(false),
      /** A head of the journal that was kept: the history must contain it. */
      since: z
        .string()
        .regex(/^[0-9a-f]{40}$/, "must be the 40 hexadecimal digits of a commit")
        .optional(),
    }),
    response: z.object({
      ok: z.boolean(),
      repositories: z.array(
        z.object({
          repository: z.string(),
          head: z.string().nullable(),
          commits: z.int(),
          lastSeq: z.int(),
        }),
      ),
      fault: ArchiveFault.nullable(),
      handovers: z.array(Handover),
      /** The first difference between database and replay, in one line; null when they are equal or were not compared. */
      difference: z.string().nullable(),
      /** SHA-256 of the durable state; null unless it was compared and equal. */
      stateHash: z.string().nullable(),
      /** What a clean result cannot exclude. */
      note: z.string().nullable(),
    }),
  }),
  push: defineEndpoint({
    method: "POST",
    path: "/v1/archive/push",
    summary: "Push to the configured remotes now",
    scope: "journal:read",
    idempotent: false,
    response: z.object({ remotes: z.array(Remote) }),
  }),
  /** Hides the text of a message from mail and readable files. The journal and Git's history keep it. */
  redact: defineEndpoint({
    method: "POST",
    path: "/v1/archive/redact",
    summary: "Hide the text of a message",
    scope: "principal:write",
    body: z.strictObject({
      /** The id of the event or of its message. */
      event: z.uuid(),
      reason: z.string().min(1).max(500),
    }),
    response: z.object({ event: z.uuid(), message: MessageId, note: z.string() }),
  }),
} as const;
