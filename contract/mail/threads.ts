import { z } from "zod";
import { defineEndpoint } from "../endpoint.ts";
import { MessageId, Name, ThreadId, Time } from "../ids.ts";
import { NextCursor, pageQuery } from "../page.ts";

const project = z.object({ project: Name });
const thread = project.extend({ thread: ThreadId });
/** A line that somebody wrote. */
const Said = z.object({ message: MessageId, from: Name, text: z.string() });

/** A thread as the caller sees it. */
const ThreadSummary = z.object({
  subject: z.string(),
  /** Whether the caller follows or has muted it; null: neither. */
  following: z.enum(["follow", "mute"]).nullable(),
  /** Senders and named recipients of its newest messages. */
  participants: z.array(Name),
  messages: z.int(),
  /** How many of its newest messages lie unread in the caller's inbox. */
  unread: z.int(),
  firstAt: Time,
  lastAt: Time,
});

export const threadEndpoints = {
  threads: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads",
    summary: "List the threads that you see, newest first",
    scope: "mail:read",
    params: project,
    query: z.strictObject(pageQuery),
    response: z.object({
      threads: z.array(
        z.object({
          thread: ThreadId,
          subject: z.string(),
          open: z.boolean(),
          messages: z.int(),
          lastAt: Time,
        }),
      ),
      next: NextCursor,
    }),
  }),
  thread: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads/:thread",
    summary: "Show a thread in order",
    scope: "mail:read",
    params: project.extend({ thread: ThreadId }),
    query: z.strictObject(pageQuery),
    response: z.object({
      thread: ThreadId,
      open: z.boolean(),
      /** On the first page only. */
      summary: ThreadSummary.optional(),
      messages: z.array(
        z.object({
          id: MessageId,
          from: Name,
          subject: z.string(),
          body: z.string(),
          sentAt: Time,
        }),
      ),
      next: NextCursor,
    }),
  }),
  threadDigest: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads/:thread/digest",
    summary:
      "Sum up a thread: who, what was decided, what is open; newest first, at most 20 of each",
    scope: "mail:read",
    params: thread,
    response: z.object({
      thread: ThreadId,
      subject: z.string(),
      messages: z.int(),
      /** Set when the thread is longer than what was read: only its newest messages are summed up. */
      truncated: z.boolean(),
      participants: z.array(Name),
      /** Lines that begin with `DECISION:`. */
      decisions: z.array(Said),
      /** `- [ ]` and lines that begin with TODO, ACTION or BLOCKED. */
      open: z.array(Said),
      /** `- [x]`. */
      done: z.array(Said),
      mentions: z.array(z.object({ agent: Name, count: z.int() })),
      /** Ids that the messages name: `sweep:…`, `cell:…`, `run:…`, `lease:…`. */
      links: z.array(z.string()),
      lastAt: Time,
    }),
  }),
  followThread: defineEndpoint({
    method: "POST",
    path: "/v1/projects/:project/threads/:thread/follow",
    summary: "Follow a thread, mute it, or neither",
    scope: "mail:read",
    params: thread,
    body: z.strictObject({ state: z.enum(["follow", "mute", "none"]) }),
    response: z.object({ thread: ThreadId, following: z.enum(["follow", "mute"]).nullable() }),
  }),
  exportThread: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/threads/:thread/export",
    summary: "Export what you see of a thread as Markdown, in parts",
    scope: "mail:read",
    params: thread,
    query: z.strictObject(pageQuery),
    response: z.object({ markdown: z.string(), next: NextCursor }),
  }),
  search: defineEndpoint({
    method: "GET",
    path: "/v1/projects/:project/search",
    summary: "Search the subjects and bodies of the messages that you see",
    scope: "mail:read",
    params: project,
    query: z.strictObject({
      /** Words, "phrases", prefix*, AND, OR, NOT, parentheses, from: to: thread: importance: before: after: has:attachment. */
      q: z.string().max(2_000),
      order: z.enum(["relevance", "recent"]).default("relevance"),
      after: z.string().max(512).optional(),
      limit: z.coerce.number().int().min(1).max(100).default(20),
    }),
    response: z.object({
      results: z.array(
        z.object({
          id: MessageId,
          thread: ThreadId,
          from: Name,
          subject: z.string(),
          /** The found words stand between ** and **. */
          snippet: z.string(),
          sentAt: Time,
        }),
      ),
      next: NextCursor,
      /** What of the query was not understood and was taken as plain text. */
      notes: z.array(z.string()),
    }),
  }),
} as const;
