import { z } from "zod";
import { defineEndpoint } from "./endpoint.ts";
import { LeaseId, Name, Time } from "./ids.ts";

/** The most paths in one question. */
export const MAX_GUARD_PATHS = 10_000;

/** An exclusive lease of somebody else, one entry for each of its file patterns in the repository. */
export const GuardLease = z.object({
  lease: LeaseId,
  pattern: z.string(),
  /** Whether the pattern covers paths in another case, too. */
  ignoreCase: z.boolean().default(false),
  /** The principal. */
  principal: z.string(),
  /** The same as people write it. */
  holder: z.string(),
  fence: z.int(),
  refs: z.array(z.string()).nullable(),
  expiresAt: Time.nullable(),
  reason: z.string().nullable(),
  thread: z.string().nullable(),
});
export type GuardLease = z.infer<typeof GuardLease>;

/** What a snapshot's signature (a JWS, EdDSA) covers. */
export const GuardSnapshot = z.object({
  project: Name,
  repo: z.string(),
  /** Whose own leases are left out; null: nobody's. */
  principal: z.string().nullable(),
  /** Milliseconds since the epoch, by the server. */
  issuedAt: z.int(),
  leases: z.array(GuardLease),
});
export type GuardSnapshot = z.infer<typeof GuardSnapshot>;

const project = z.object({ project: Name });
const Repo = z.string().min(1).max(256);
/** A path as Git stores it; one that ends with a slash is a submodule's or folder's and stands for all below it. */
const Path = z.string().min(1).max(4_096);

export const guard = {
  /** Only exclusive leases of others block: held, or in grace. */
  guardCheck: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/guard/check",
    summary: "Ask whether changes of paths would touch another's exclusive lease",
    scope: "lease:read",
    idempotent: false,
    bodyLimit: 16 * 2 ** 20,
    params: project,
    body: z.strictObject({
      repo: Repo,
      paths: z.array(Path).max(MAX_GUARD_PATHS, `at most ${MAX_GUARD_PATHS} paths in one question`),
      /** The branch or full ref that the change goes to; without it leases on every ref count. */
      ref: z.string().max(256).optional(),
      /** Whose leases do not block: an agent's name or a principal. Without it: the caller's. */
      holder: z.string().max(160).optional(),
    }),
    response: z.object({
      verdict: z.enum(["clear", "blocked"]),
      blocked: z.array(
        GuardLease.extend({
          /** The changed path that the lease covers. */
          path: z.string(),
          /** The command that asks its holder. */
          ask: z.string(),
        }),
      ),
      /** All that may block in this repository, signed: answers for a minute when the server is away. */
      snapshot: z.string(),
    }),
  }),
  reportBypass: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/guard/bypasses",
    summary: "Report that the guard was switched off for a commit or push",
    scope: "lease:read",
    params: project,
    body: z.strictObject({
      repo: Repo,
      hook: z.enum(["pre-commit", "pre-merge-commit", "pre-push", "pre-receive"]),
      /** When, by the clock of that machine. */
      at: Time,
      /** The commit that was checked out. */
      head: z.string().max(64).nullable().default(null),
    }),
    response: z.object({ reported: z.literal(true) }),
  }),
} as const;
