import { z } from "zod";
import { InboxEntry } from "./mail/messages.ts";
import { Name } from "./ids.ts";

/** Raised whenever a frame changes; a test compares it with a hash of the schemas. */
export const PROTOCOL_VERSION = 1;

/** Frames from the client. */
export const Upstream = z.discriminatedUnion("type", [
  /** An agent asks for its inbox from a place on; frames follow until the socket closes. */
  z.object({ type: z.literal("subscribe.inbox"), project: Name, after: z.int().min(0) }),
  /** A node asks to be told when there may be work for it, or a change for its running attempts. */
  z.object({ type: z.literal("subscribe.work") }),
  z.object({ type: z.literal("pong") }),
]);
export type Upstream = z.infer<typeof Upstream>;

/** Frames from the server. Readers ignore a type that they do not know. */
export const Downstream = z.discriminatedUnion("type", [
  z.object({ type: z.literal("hello"), protocol: z.int(), version: z.string(), pingMs: z.int() }),
  /** A message in the subscribed inbox; `seq` is the cursor to resume from. */
  z.object({ type: z.literal("message"), project: Name, agent: Name, entry: InboxEntry }),
  /** Everything up to `seq` has been sent. */
  z.object({ type: z.literal("caught-up"), seq: z.int() }),
  /** A hint: claim or beat now. */
  z.object({ type: z.literal("work") }),
  z.object({ type: z.literal("problem"), code: z.string(), message: z.string() }),
  z.object({ type: z.literal("ping") }),
]);
export type Downstream = z.infer<typeof Downstream>;
